/*
 * Seam: SHA-256 and ECDSA P-256 verification, bound at link time.
 *
 * device/port/bearssl/crypto.c is the implementation for device and host; no heap. FIPS 180-4, FIPS
 * 186-4.
 */
#ifndef OTA_DEVICE_PORT_CRYPTO_H
#define OTA_DEVICE_PORT_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

struct ota_sha256 {
    uint64_t opaque[16]; /* 128 bytes: the implementation asserts that its context fits */
};

void ota_sha256_init(struct ota_sha256 *sha);
void ota_sha256_update(struct ota_sha256 *sha, const void *data, size_t len);
void ota_sha256_final(const struct ota_sha256 *sha, uint8_t hash[OTA_HASH_LEN]);

/* true only if `sig` (DER, or raw r | s) is a signature of `hash` by the uncompressed point `key`.
 */
bool ota_p256_verify_der(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t *sig, size_t sig_len);
bool ota_p256_verify_raw(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t sig[OTA_SIGNATURE_RAW_LEN]);

/* The same signature as r | s. false when `sig` is no DER, or a number has more than 256 bits. */
bool ota_p256_raw_from_der(const uint8_t *sig, size_t sig_len, uint8_t raw[OTA_SIGNATURE_RAW_LEN]);

/* SHA-256 of the DER SubjectPublicKeyInfo (91 bytes) of `key`: an image's KEYHASH. */
void ota_p256_key_hash(const uint8_t key[OTA_PUBLIC_KEY_LEN], uint8_t key_hash[OTA_HASH_LEN]);

#endif
