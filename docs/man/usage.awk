# The commands of `otad --help` ("  otad name args  help") as an mdoc list.
BEGIN { print ".Bl -tag -width Ds" }
/^  otad / {
    line = substr($0, 8)
    at = match(line, /  +/)
    help = at ? substr(line, at + RLENGTH) : ""
    if (at) line = substr(line, 1, at - 1)
    gsub(/ /, " \\\\\\&", line)
    print ".It Cm \\&" line
    if (help != "") print "\\&" help "."
}
/^    +[a-z]/ { sub(/^ +/, ""); print "\\&" $0 "." }
END { print ".El" }
