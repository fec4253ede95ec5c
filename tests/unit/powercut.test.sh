#!/bin/sh
# A short form of `make powercut`: every 60th operation of the smallest geometry, and some random runs.
set -u

echo 1..3
number=0

expect() {
    name=$1
    shift
    number=$((number + 1))
    if output=$("$@" 2>&1); then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        echo "$output" | sed 's/^/# /'
    fi
}

powercut=$BUILD_DIR/tests/powercut
# shellcheck disable=SC2317
refuses_nonsense() {
    ! "$powercut" --nonsense
}

expect "no cut of power at any sampled operation is dead or wrong" \
    "$powercut" --sweep --every 60 --only uniform-8k
expect "no random run with two to four cuts is dead or wrong" "$powercut" --runs 200 --seconds 20
expect "an unknown option is refused" refuses_nonsense
