/*
 * JSON objects into structs, by a table: one row a key, with the function that takes its value.
 *
 * Shared by the decoders of manifest and report, and by the client for what else it reads.
 */
#ifndef OTA_PROTOCOL_FIELDS_H
#define OTA_PROTOCOL_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/json.h"

struct ota_field {
    const char *key;
    /* Take the value at the cursor and put it to `out`; OTA_OK or a negative error. */
    int (*take)(struct ota_json *json, void *out);
    size_t offset; /* bytes: of `out` in the struct that is filled */
};

/* Walk one object of a text that has passed ota_json_check(); keys that are not in `fields` (32 at
 * most) are skipped. Sets bit i of *seen when fields[i] was there. OTA_OK or the first error. */
int ota_fields_take(struct ota_json *json, const struct ota_field *fields, size_t count, void *out,
                    uint32_t *seen);

/* Check the text, and walk it. */
int ota_fields_read(const char *buf, size_t len, const struct ota_field *fields, size_t count,
                    void *out, uint32_t *seen);

/* Takers, by the type of `out`. */
int ota_take_string(struct ota_json *json, void *text);     /* struct ota_text */
int ota_take_device_id(struct ota_json *json, void *text);  /* struct ota_text */
int ota_take_deployment(struct ota_json *json, void *text); /* struct ota_text */
int ota_take_name(struct ota_json *json, void *text);       /* struct ota_text */
int ota_take_url(struct ota_json *json, void *text);        /* struct ota_text */
int ota_take_hash(struct ota_json *json, void *hash);       /* uint8_t[OTA_HASH_LEN] */
int ota_take_nonce(struct ota_json *json, void *nonce);     /* uint8_t[OTA_NONCE_LEN] */
int ota_take_version(struct ota_json *json, void *version); /* struct ota_version */
int ota_take_integer(struct ota_json *json, void *value);   /* uint64_t */

/* For takers of a uint32_t within bounds, both included: OTA_E_RANGE outside. */
int ota_take_bounded(struct ota_json *json, uint32_t *value, uint32_t min, uint32_t max);

#endif
