/*
 * ECDSA P-256 keys: the server key that signs manifests, and the release keys that images are
 * checked against. All functions may be called from any thread.
 */
#ifndef OTAD_SIGNER_H
#define OTAD_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

#define KEY_PEM_MAX 512 /* characters of a public key in PEM */

struct signer;

/* Read DIR/server-key.pem, or create it (mode 0600, whole or not at all) when it is not there.
 * NULL: `error` holds one sentence. */
struct signer *signer_open(const char *dir, char *error, size_t cap);
void signer_free(struct signer *signer);

/* The first 16 hex digits of SHA-256(SubjectPublicKeyInfo), and the public half in PEM. */
const char *signer_key_id(const struct signer *signer);
const char *signer_public_pem(const struct signer *signer);

/* Sign `msg`; raw r | s. False when the library fails. */
bool signer_sign(struct signer *signer, const uint8_t *msg, size_t len,
                 uint8_t sig[OTA_SIGNATURE_RAW_LEN]);

/* Read a P-256 public key in PEM: its hash, and the same key written out anew (one canonical form).
 * False when it is anything else. */
bool key_read_public(const char *pem, size_t len, uint8_t key_hash[OTA_HASH_LEN],
                     char out[KEY_PEM_MAX + 1]);
/* Verify a DER signature over a SHA-256 digest by the key in `pem`. True only if it is good. */
bool key_verify_digest(const char *pem, const uint8_t digest[OTA_HASH_LEN], const uint8_t *der,
                       size_t der_len);

#endif
