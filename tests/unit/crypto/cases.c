#include "tests/unit/crypto/cases.h"

#include <string.h>

#include "device/port/crypto.h"
#include "tests/support/support.h"
#include "tests/vectors/p256.h"

#define MESSAGE_MAX 200U

/* A key, a hash and the signature over it. */
struct signed_hash {
    struct p256_key key;
    uint8_t hash[OTA_HASH_LEN];
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX];
    size_t der_len;
};

static void sign(struct signed_hash *signed_hash, const char *key, unsigned seed)
{
    p256_load(&signed_hash->key, key);
    for (unsigned i = 0; i < OTA_HASH_LEN; i++)
        signed_hash->hash[i] = (uint8_t)(i * 37 + seed);
    p256_sign(&signed_hash->key, signed_hash->hash, signed_hash->raw);
    signed_hash->der_len = p256_der(signed_hash->raw, signed_hash->der);
}

static void hashes_like_openssl(void **state)
{
    (void)state;
    uint8_t message[MESSAGE_MAX];
    uint8_t have[OTA_HASH_LEN];
    uint8_t want[OTA_HASH_LEN];

    for (unsigned i = 0; i < MESSAGE_MAX; i++)
        message[i] = (uint8_t)(i * i + 3);
    for (unsigned len = 0; len < MESSAGE_MAX; len++) {
        for (unsigned split = 0; split <= len; split += 13) {
            struct ota_sha256 sha;
            ota_sha256_init(&sha);
            ota_sha256_update(&sha, message, split);
            ota_sha256_update(&sha, message + split, len - split);
            ota_sha256_final(&sha, have);
            p256_sha256(message, len, want);
            assert_memory_equal(have, want, OTA_HASH_LEN);
        }
    }
}

static void takes_good_signatures(void **state)
{
    (void)state;
    struct signed_hash good;

    for (unsigned seed = 0; seed < 20; seed++) {
        sign(&good, "tests/keys/release.pem", seed);
        assert_true(ota_p256_verify_raw(good.key.point, good.hash, good.raw));
        assert_true(ota_p256_verify_der(good.key.point, good.hash, good.der, good.der_len));
    }
}

static void refuses_each_flipped_bit(void **state)
{
    (void)state;
    struct signed_hash good;

    sign(&good, "tests/keys/release.pem", 1);
    for (unsigned bit = 0; bit < OTA_SIGNATURE_RAW_LEN * 8; bit += 5) {
        good.raw[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, good.raw));
        good.raw[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (unsigned bit = 0; bit < OTA_HASH_LEN * 8; bit += 7) {
        good.hash[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, good.raw));
        good.hash[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (unsigned bit = 0; bit < OTA_PUBLIC_KEY_LEN * 8; bit += 11) {
        good.key.point[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, good.raw));
        good.key.point[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void refuses_another_key(void **state)
{
    (void)state;
    struct signed_hash good;
    struct p256_key other;

    sign(&good, "tests/keys/release.pem", 2);
    p256_load(&other, "tests/keys/release2.pub.pem");
    assert_false(ota_p256_verify_raw(other.point, good.hash, good.raw));
}

static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/* FIPS 186-4 section 6.4.2, step 1: r and s in [1, n - 1]. */
static void refuses_numbers_out_of_range(void **state)
{
    (void)state;
    struct signed_hash good;
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];

    sign(&good, "tests/keys/release.pem", 3);
    for (unsigned at = 0; at < OTA_SIGNATURE_RAW_LEN; at += 32) {
        memcpy(raw, good.raw, sizeof raw);
        memset(raw + at, 0, 32);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, raw));
        memcpy(raw + at, order, 32);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, raw));
        memset(raw + at, 0xff, 32);
        assert_false(ota_p256_verify_raw(good.key.point, good.hash, raw));
    }
    memset(raw, 0, sizeof raw);
    assert_false(ota_p256_verify_raw(good.key.point, good.hash, raw));
}

static void refuses_every_prefix(void **state)
{
    (void)state;
    struct signed_hash good;
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];

    sign(&good, "tests/keys/release.pem", 4);
    for (size_t len = 0; len < good.der_len; len++) {
        struct blob prefix = blob_copy(good.der, len);
        assert_false(ota_p256_raw_from_der(prefix.at, prefix.len, raw));
        blob_free(&prefix);
    }
    struct blob longer = blob_copy(good.der, good.der_len + 1);
    assert_false(ota_p256_raw_from_der(longer.at, longer.len, raw));
    blob_free(&longer);
}

static void refuses_integers_too_long(void **state)
{
    (void)state;
    /* INTEGER of 33 bytes that are not led by a zero, then one of 1 byte. */
    uint8_t der[40] = {0x30, 38, 0x02, 33, 0x01};
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];

    der[37] = 0x02;
    der[38] = 1;
    der[39] = 1;
    assert_false(ota_p256_raw_from_der(der, sizeof der, raw));
    der[4] = 0x00;
    assert_true(ota_p256_raw_from_der(der, sizeof der, raw));
}

static void names_keys_by_their_spki(void **state)
{
    (void)state;
    struct p256_key key;
    uint8_t hash[OTA_HASH_LEN];

    p256_load(&key, "tests/keys/release2.pub.pem");
    ota_p256_key_hash(key.point, hash);
    assert_memory_equal(hash, key.key_hash, OTA_HASH_LEN);
}

int crypto_cases_run(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("SHA-256 agrees with OpenSSL for every length and split", hashes_like_openssl)},
        {TEST("good signatures verify, raw and in DER", takes_good_signatures)},
        {TEST("a flipped bit of signature, hash or key is refused", refuses_each_flipped_bit)},
        {TEST("a signature by another key is refused", refuses_another_key)},
        {TEST("r and s outside 1 to n - 1 are refused", refuses_numbers_out_of_range)},
        {TEST("each prefix of a DER signature is refused, and a byte too many",
              refuses_every_prefix)},
        {TEST("an INTEGER over 256 bits is refused, a leading zero is not",
              refuses_integers_too_long)},
        {TEST("a key hash is that of the SubjectPublicKeyInfo", names_keys_by_their_spki)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
