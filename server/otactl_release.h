/*
 * Signed images as files: wrap a body, and tell what an image says.
 *
 * Both work on memory, so that tests use what the commands use. protocol/image.h has the format.
 */
#ifndef OTAD_SERVER_OTACTL_RELEASE_H
#define OTAD_SERVER_OTACTL_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "protocol/image.h"

#define OTACTL_HEADER_LEN_DEFAULT                                                                  \
    0x200U /* bytes: keeps a vector table of up to 128 entries aligned */

/* Header, body, TLV areas and signature into *image (to be freed). 0, or a negative ota_error. */
int otactl_release_build(const struct ota_image_fields *fields, const uint8_t *body, EVP_PKEY *key,
                         uint8_t **image, size_t *image_len);

/* Why `body` does not look like the start of a Cortex-M program, "" when it does. A hint, no rule.
 */
void otactl_release_doubt(const uint8_t *body, size_t len, char *buf, size_t cap);

/* Prints every field and TLV, checks the hash and, with a key, the signature. true when all of that
 * holds; without a key the signature is called unverified and does not count. */
bool otactl_release_tell(FILE *out, const uint8_t *image, size_t len, EVP_PKEY *key);

#endif
