/*
 * Tokens and keys that are shown once: making them, and the hash that is kept of them.
 *
 *     otd_ + 43 base64url characters   a device token
 *     ote_ + 43                        an enrolment key
 *     ota_ + 43                        an API token
 *     ots_ + 43                        a session's cookie
 *
 * 32 random bytes each. Only SHA-256 of the whole text is stored; a fast hash is right for 256
 * bits.
 */
#ifndef OTAD_SECRET_H
#define OTAD_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_LEN 47      /* characters */
#define SECRET_HASH_LEN 32 /* bytes */

enum secret_kind { SECRET_NONE, SECRET_DEVICE, SECRET_ENROLMENT, SECRET_API, SECRET_SESSION };

struct secret {
    char text[SECRET_LEN + 1];
    uint8_t hash[SECRET_HASH_LEN];
};

/* False when the system gives no random bytes or the hash fails. */
bool secret_make(struct secret *secret, enum secret_kind kind);
/* The kind of token that `text` has the form of, SECRET_NONE for no form of ours; a session is no
 * token. */
enum secret_kind secret_kind_of(const char *text, size_t len);
bool secret_hash(const char *text, size_t len, uint8_t hash[SECRET_HASH_LEN]);
/* Overwrite it, so that it does not linger in freed memory. */
void secret_wipe(struct secret *secret);

#endif
