/*
 * Passwords of people: hashed with scrypt (RFC 7914), so that a stolen database doesn't give them.
 *
 *     scrypt$15$8$3$SALT$HASH    log2 N, r, p; salt of 16 and hash of 32 bytes as base64url
 *
 * One hash takes 32 MB and a good part of a second: never on a thread that serves others.
 */
#ifndef OTAD_PASSWORD_H
#define OTAD_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "db/users.h"

#define PASSWORD_MIN 10  /* characters */
#define PASSWORD_MAX 200 /* characters */

/* False when the system gives no random bytes or no memory. */
bool password_hash(const char *password, char hashed[DB_PASSWORD_MAX + 1]);
/* `hashed` NULL: as much work as with one, and false; whether a user exists can't be timed then. */
bool password_matches(const char *password, const char *hashed);
/* A new one to be told once, of 24 characters. */
bool password_make(char *buf, size_t cap);

#endif
