/*
 * A strict reader for the JSON subset of SPEC.md: one object, ASCII, no escapes, integers 0 to
 * 2^53 - 1, at most OTA_JSON_DEPTH_MAX levels, duplicate keys refused.
 *
 * Pull parser without state of its own beyond a cursor. Objects are read into structs by a table,
 * one row a key; unknown keys are skipped, checked for syntax all the same. Strings point into the
 * buffer. An error is sticky: each later call returns it again.
 */
#ifndef OTA_PROTOCOL_JSON_H
#define OTA_PROTOCOL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/out.h"
#include "protocol/text.h"

struct ota_json {
    const char *at;
    const char *end;
    unsigned depth; /* objects and arrays that are open */
    bool first;     /* the innermost of them has given no member yet */
    int error;
    uint32_t seen; /* bit i: the object that ended last had the key of its fields[i] */
};

enum ota_field_kind {
    OTA_KIND_TEXT,    /* a string of a class, into a struct ota_text */
    OTA_KIND_PARSED,  /* a string, by a parser */
    OTA_KIND_NUMBER,  /* into a uint32_t, OTA_E_RANGE out of bounds */
    OTA_KIND_INTEGER, /* into a uint64_t */
    OTA_KIND_TAKEN,   /* any value, by a function */
};

struct ota_bounds { /* both included */
    uint32_t min;
    uint32_t max;
};

/* A row of the table by which an object is read into a struct. */
struct ota_field {
    const char *key;
    uint8_t kind;    /* enum ota_field_kind, and what of it is set below */
    uint16_t offset; /* bytes: of `out` in the struct that is filled */
    union {
        bool (*is_class)(struct ota_text text); /* TEXT: OTA_E_SYNTAX outside; NULL for any */
        int (*parse)(void *out, struct ota_text text);
        const struct ota_bounds *bounds;
        int (*take)(struct ota_json *json, void *out); /* the value at the cursor */
    };
};

/* How a row is written; `place` is an offset. */
/* clang-format off */
#define OTA_FIELD_TEXT(key, place, class) {key, OTA_KIND_TEXT, place, {.is_class = (class)}}
#define OTA_FIELD_PARSED(key, place, function) {key, OTA_KIND_PARSED, place, {.parse = (function)}}
#define OTA_FIELD_NUMBER(key, place, range) {key, OTA_KIND_NUMBER, place, {.bounds = &(range)}}
#define OTA_FIELD_INTEGER(key, place) {key, OTA_KIND_INTEGER, place, {NULL}}
#define OTA_FIELD_TAKEN(key, place, function) {key, OTA_KIND_TAKEN, place, {.take = (function)}}
/* clang-format on */

void ota_json_open(struct ota_json *json, const char *buf, size_t len);
/* Read the object that is the whole text; keys that aren't in `fields` (32 at most) are skipped.
 * OTA_OK and json->seen, or the first error: a field's, OTA_E_TRUNCATED when the text ends too
 * early, OTA_E_TOO_LARGE over OTA_JSON_DEPTH_MAX levels or OTA_JSON_KEYS_MAX keys, OTA_E_RANGE over
 * OTA_JSON_INT_MAX, OTA_E_DUPLICATE (at every level), else OTA_E_SYNTAX. */
int ota_json_read(struct ota_json *json, const char *buf, size_t len,
                  const struct ota_field *fields, size_t count, void *out);
/* The same for the object at the cursor. */
int ota_json_object(struct ota_json *json, const struct ota_field *fields, size_t count, void *out);
/* Check a whole text. */
int ota_json_check(const char *buf, size_t len);

/* Enter an object or array; with _next_* walk it. They return true while there is another member,
 * false at its end (which is consumed) or after an error. Duplicate keys are not looked for. */
int ota_json_enter_object(struct ota_json *json);
int ota_json_enter_array(struct ota_json *json);
bool ota_json_next_key(struct ota_json *json, struct ota_text *key);
bool ota_json_next_item(struct ota_json *json);
/* Take the value at the cursor, or pass over it. OTA_E_SYNTAX for another type. */
int ota_json_string(struct ota_json *json, struct ota_text *value);
int ota_json_integer(struct ota_json *json, uint64_t *value);
int ota_json_skip(struct ota_json *json);

/* The writing half (json_encode.c): members of the innermost object that is open, or with key NULL
 * the outermost object and the items of an array. A key is written as it is; in text, characters
 * outside 0x20..0x7e, '"' and '\' are replaced by '?'. */
void ota_json_out_open(struct ota_out *out, const char *key, char bracket); /* '{' or '[' */
void ota_json_out_close(struct ota_out *out, char bracket);
void ota_json_out_text(struct ota_out *out, const char *key, struct ota_text value);
void ota_json_out_integer(struct ota_out *out, const char *key, uint64_t value);
void ota_json_out_version(struct ota_out *out, const char *key, const struct ota_version *version);
/* Strings that hold bytes: lower-case hex, base64url without padding. */
void ota_json_out_hex(struct ota_out *out, const char *key, const uint8_t *bytes, size_t len);
void ota_json_out_base64url(struct ota_out *out, const char *key, const uint8_t *bytes, size_t len);

#endif
