/*
 * The crypto seam over BearSSL: its small SHA-256 and its 15-bit-word P-256 code.
 *
 * BearSSL's i15 arithmetic is the smallest there is in it (docs/bootloader.md has the figures); it
 * needs no heap and keeps nothing between calls.
 */
#include "device/port/crypto.h"

#include <string.h>

#include "bearssl_ec.h"
#include "bearssl_hash.h"

_Static_assert(sizeof(br_sha256_context) <= sizeof(struct ota_sha256), "SHA-256 state must fit");
_Static_assert(_Alignof(br_sha256_context) <= _Alignof(struct ota_sha256), "and be aligned");

#define SCALAR_LEN (OTA_SIGNATURE_RAW_LEN / 2)

/* SubjectPublicKeyInfo of a P-256 key up to the point, RFC 5480 section 2. */
static const uint8_t key_info_prefix[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
};
_Static_assert(sizeof key_info_prefix + OTA_PUBLIC_KEY_LEN == 91, "RFC 5480 has 91 bytes");

void ota_sha256_init(struct ota_sha256 *sha)
{
    br_sha256_init((br_sha256_context *)sha->opaque);
}

void ota_sha256_update(struct ota_sha256 *sha, const void *data, size_t len)
{
    br_sha256_update((br_sha256_context *)sha->opaque, data, len);
}

void ota_sha256_final(const struct ota_sha256 *sha, uint8_t hash[OTA_HASH_LEN])
{
    br_sha256_out((const br_sha256_context *)sha->opaque, hash);
}

bool ota_p256_verify_raw(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    union {
        const uint8_t *constant;
        uint8_t *bytes;
    } point = {key}; /* BearSSL declares q without const and only reads it */
    const br_ec_public_key public_key = {BR_EC_secp256r1, point.bytes, OTA_PUBLIC_KEY_LEN};

    return br_ecdsa_i15_vrfy_raw(&br_ec_prime_i15, hash, OTA_HASH_LEN, &public_key, sig,
                                 OTA_SIGNATURE_RAW_LEN) == 1;
}

/* One DER INTEGER of at most 256 bits at *at into 32 bytes. */
static bool take_integer(const uint8_t **at, const uint8_t *end, uint8_t scalar[SCALAR_LEN])
{
    const uint8_t *der = *at;

    if (end - der < 2 || der[0] != 0x02 || der[1] > end - der - 2)
        return false;
    size_t len = der[1];
    der += 2;
    *at = der + len;
    for (; len > 0 && *der == 0; len--)
        der++;
    if (len > SCALAR_LEN)
        return false;
    memset(scalar, 0, SCALAR_LEN);
    memcpy(scalar + SCALAR_LEN - len, der, len);
    return true;
}

bool ota_p256_raw_from_der(const uint8_t *sig, size_t sig_len, uint8_t raw[OTA_SIGNATURE_RAW_LEN])
{
    const uint8_t *at = sig + 2;
    const uint8_t *end = sig + sig_len;

    return sig_len >= 2 && sig[0] == 0x30 && sig[1] == sig_len - 2 && take_integer(&at, end, raw) &&
           take_integer(&at, end, raw + SCALAR_LEN) && at == end;
}

bool ota_p256_verify_der(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t *sig, size_t sig_len)
{
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];
    return ota_p256_raw_from_der(sig, sig_len, raw) && ota_p256_verify_raw(key, hash, raw);
}

/* Out of line, like what device/core/slots.c keeps so: its state is not to stay on the stack. */
__attribute__((noinline)) void ota_p256_key_hash(const uint8_t key[OTA_PUBLIC_KEY_LEN],
                                                 uint8_t key_hash[OTA_HASH_LEN])
{
    struct ota_sha256 sha;
    ota_sha256_init(&sha);
    ota_sha256_update(&sha, key_info_prefix, sizeof key_info_prefix);
    ota_sha256_update(&sha, key, OTA_PUBLIC_KEY_LEN);
    ota_sha256_final(&sha, key_hash);
}
