/*
 * Signed images as files: wrap a body, and tell what an image says.
 *
 * Both work on memory, so that tests use what the commands use. protocol/image.h has the format.
 */
#ifndef OTAD_SERVER_OTACTL_IMAGE_H
#define OTAD_SERVER_OTACTL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>
#include <openssl/evp.h>

#include "protocol/image.h"

/* Bytes; keeps a vector table of up to 128 entries aligned. */
#define OTACTL_HEADER_LEN_DEFAULT 0x200U

/* Whether the file starts as an image does. */
bool otactl_image_is(const uint8_t *file, size_t len);

/* Header, body, TLV areas and signature into *image (to be freed). 0, or a negative ota_error. */
int otactl_image_build(const struct ota_image_fields *fields, const uint8_t *body, EVP_PKEY *key,
                       uint8_t **image, size_t *image_len);

/* Why `body` does not look like the start of a Cortex-M program, "" when it does. A hint, no rule.
 */
void otactl_image_doubt(const uint8_t *body, size_t len, char *buf, size_t cap);

/* What there is to say about an image. Pointers go into the image. */
struct otactl_verdict {
    size_t image_len;
    bool has_header;
    struct ota_image_header header;
    const char *refused; /* why it is no image that otad or a device takes, or NULL */

    /* Only when it is not refused. */
    struct ota_image_tlvs tlvs;
    uint8_t hash[OTA_HASH_LEN]; /* computed */
    bool hash_good;
    bool signed_by_key[OTA_IMAGE_SIGNATURES_MAX]; /* false without a key */
};

/* true when the image is well formed, its hash is good, and, with a key, that key signed it.
 * Without a key (NULL) signatures are not verified and do not count. */
bool otactl_image_judge(struct otactl_verdict *verdict, const uint8_t *image, size_t len,
                        EVP_PKEY *key);

/* Every field and TLV in lines, for people; the same as JSON, to be deleted. */
void otactl_image_print(FILE *out, const struct otactl_verdict *verdict, const uint8_t *image,
                        bool with_key);
cJSON *otactl_image_json(const struct otactl_verdict *verdict, bool with_key);

#endif
