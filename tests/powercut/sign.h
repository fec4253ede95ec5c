/*
 * Seam: the key that test images are signed with. toy_crypto.c has a stand-in for all of the
 * crypto, fast enough for a million runs; openssl_sign.c makes real signatures for
 * device/port/bearssl.
 */
#ifndef OTA_TESTS_SIGN_H
#define OTA_TESTS_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

void test_sign_key(uint8_t key[OTA_PUBLIC_KEY_LEN]);
/* DER signature of `hash`; bytes written. */
size_t test_sign(const uint8_t hash[OTA_HASH_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX]);

#endif
