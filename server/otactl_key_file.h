/*
 * Release keys in files: ECDSA P-256, private as PKCS#8 PEM, public as SubjectPublicKeyInfo PEM.
 *
 * Another curve or algorithm is refused when it is read, so that nothing downstream has to ask.
 */
#ifndef OTAD_SERVER_OTACTL_KEY_FILE_H
#define OTAD_SERVER_OTACTL_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "protocol/limits.h"

/* A new key; NULL only when OpenSSL has no randomness. */
EVP_PKEY *otactl_key_generate(void);

/* PEM of a key, NUL-terminated, to be freed; NULL when OpenSSL fails. */
char *otactl_key_private_pem(EVP_PKEY *key);
char *otactl_key_public_pem(EVP_PKEY *key);

/* Read a key file; a private key serves as a public one too. OTACTL_OK and *key (EVP_PKEY_free), or
 * OTACTL_FAILED, told on stderr. */
int otactl_key_read_private(const char *path, EVP_PKEY **key);
int otactl_key_read_public(const char *path, EVP_PKEY **key);
/* The same from memory; `what` names it in messages. */
int otactl_key_parse_private(const char *what, const char *pem, EVP_PKEY **key);

/* SHA-256 of the DER SubjectPublicKeyInfo: MCUboot's KEYHASH. */
bool otactl_key_hash(EVP_PKEY *key, uint8_t hash[OTA_HASH_LEN]);

/* ECDSA over a digest that is already computed; DER SEQUENCE { r, s }. */
bool otactl_key_sign(EVP_PKEY *key, const uint8_t digest[OTA_HASH_LEN],
                     uint8_t der[OTA_SIGNATURE_DER_MAX], size_t *der_len);
bool otactl_key_verify(EVP_PKEY *key, const uint8_t digest[OTA_HASH_LEN], const uint8_t *der,
                       size_t der_len);

#endif
