#!/bin/sh
# tests/steps: nothing that fails is counted as passed.
set -u

echo 1..8
number=0

# expect SENTENCE STATUS LAST_LINE STEPS
expect() {
    number=$((number + 1))
    output=$(bash -c ". tests/steps
$4" 2>&1)
    status=$?
    last=$(echo "$output" | tail -n 1)
    if [ "$status" -eq "$2" ] && [ "$last" = "$3" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        echo "# status $status, last line: $last"
    fi
}

expect "steps that pass count as one each" 0 "2 passed, 0 failed" "step a 1 true; step b 1 true"
expect "a step that fails does not stop the next and fails the whole" 1 "1 passed, 1 failed" \
    "step a 1 false; step b 1 true"
expect "a step's own counts are added" 1 "6 passed, 2 failed" \
    "step a 1 sh -c 'echo 5 passed, 2 failed; echo make: Error 1; exit 1'; step b 1 true"
expect "a step that ends badly fails although its tests passed" 1 "5 passed, 1 failed" \
    "step a 1 sh -c 'echo 5 passed, 0 failed; exit 3'"
expect "failed tests fail although the step ends well" 1 "5 passed, 2 failed" \
    "step a 1 sh -c 'echo 5 passed, 2 failed'"
expect "a step beyond its time fails" 1 "1 passed, 1 failed" "step a 1 true; step b 0.01 sleep 60"
expect "a script that is cut off says so" 143 "1 passed, 1 failed" \
    "step a 1 true; step b 1 kill -TERM \$\$"
expect "no step at all fails" 1 "0 passed, 0 failed" ""
