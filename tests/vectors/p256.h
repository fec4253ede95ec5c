/*
 * ECDSA P-256 over OpenSSL for tests and for the generator of the vectors: signatures are
 * deterministic (RFC 6979), so that a second run writes the same files.
 *
 * Not for production: nothing here runs in constant time. A failure of OpenSSL ends the program.
 */
#ifndef OTA_TESTS_VECTORS_P256_H
#define OTA_TESTS_VECTORS_P256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

struct p256_key {
    struct evp_pkey_st *kept;          /* OpenSSL's public key, or NULL */
    uint8_t secret[32];                /* zero for a public key */
    uint8_t point[OTA_PUBLIC_KEY_LEN]; /* 0x04, X, Y */
    uint8_t key_hash[OTA_HASH_LEN];    /* SHA-256 of the SubjectPublicKeyInfo */
    char key_id[OTA_KEY_ID_LEN + 1];
};

/* From a PEM file: PKCS #8 private key, or SubjectPublicKeyInfo. */
void p256_load(struct p256_key *key, const char *path);

/* Optional, for many verifications: make OpenSSL's public key once; it needs p256_drop() at the
 * end. */
void p256_keep(struct p256_key *key);
void p256_drop(struct p256_key *key);

void p256_sha256(const void *data, size_t len, uint8_t hash[OTA_HASH_LEN]);

/* r | s. */
void p256_sign(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
               uint8_t sig[OTA_SIGNATURE_RAW_LEN]);
/* r | s as SEQUENCE { INTEGER r, INTEGER s }; bytes written. */
size_t p256_der(const uint8_t sig[OTA_SIGNATURE_RAW_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX]);

bool p256_verify_raw(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
                     const uint8_t sig[OTA_SIGNATURE_RAW_LEN]);
bool p256_verify_der(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
                     const uint8_t *der, size_t der_len);

#endif
