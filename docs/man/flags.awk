# Lines of `otad serve --help` ("  --flag  VALUE  help") as an mdoc list.
BEGIN { print ".Bl -tag -width Ds" }
/^  --/ {
    flag = $1
    has_value = $2 ~ /^[A-Z]/
    sub(/^  --[^ ]+ +/, "")
    help = $0
    if (has_value) sub(/^[^ ]+ +/, "", help)
    printf ".It Fl %s%s\n", substr(flag, 2), has_value ? " Ar " $1 : ""
    gsub(/\\/, "\\e", help)
    print "\\&" help "."
    name = toupper(substr(flag, 3))
    gsub(/-/, "_", name)
    print ".Ev OTAD_" name
}
END { print ".El" }
