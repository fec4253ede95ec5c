#!/bin/sh
# scripts/boot-identity: which keys a bootloader may be built with.
set -u

out=$TMPDIR/boot_identity.h
own=$TMPDIR/own.pub.pem
"$BUILD_DIR/otactl" keygen "$TMPDIR/own.pem" --public "$own" >/dev/null || exit 1

echo 1..8
number=0

# expect SENTENCE yes|no TEXT ARGUMENTS...: it takes them and writes TEXT, or refuses them and says TEXT.
expect() {
    sentence=$1 wanted=$2 text=$3
    shift 3
    rm -f "$out"
    if said=$(scripts/boot-identity "$@" 2>&1); then got=yes; else got=no; fi
    number=$((number + 1))
    if [ $got = "$wanted" ] && { [ $got = no ] || said=$(cat "$out"); } &&
        { [ $got = yes ] || [ ! -e "$out" ]; } && echo "$said" | grep -q "$text"; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        echo "# $got: $said"
    fi
}

for key in release release2 server; do
    expect "a production build refuses the demo key $key" no "$key.*demo key" \
        --production "$out" lamp r1 "tests/keys/$key.pub.pem"
done
expect "a production build refuses a demo key among others" no "demo key" \
    --production "$out" lamp r1 "$own" tests/keys/release.pub.pem
expect "a production build takes a key of one's own" yes "BOOT_RELEASE_KEYS 1" \
    --production "$out" lamp r1 "$own"
expect "a trial build takes several keys, the demo's among them" yes "BOOT_RELEASE_KEYS 2" \
    "$out" lamp r1 "$own" tests/keys/release.pub.pem
expect "what is no P-256 public key is refused" no "not a P-256 public key" \
    "$out" lamp r1 tests/keys/README.md
expect "a product that is no name is refused" no "are names" "$out" 'la"mp' r1 "$own"
