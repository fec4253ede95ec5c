/*
 * Writes JSON into a growing buffer, for answers and log lines.
 *
 * Full RFC 8259 text: strings are escaped, bytes that are no UTF-8 become '?'. Commas are its own
 * business. A failed allocation or the bound is sticky: json_failed() tells once at the end.
 */
#ifndef OTAD_JSON_WRITER_H
#define OTAD_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    char *text; /* NUL-terminated once anything was written; NULL before */
    size_t len;
    size_t cap;
    size_t max;    /* bytes: the bound of growth */
    bool borrowed; /* text is the caller's and cannot grow */
    bool failed;
    bool comma;
};

/* A buffer of its own that may grow to `max` bytes. */
void json_init(struct json_writer *w, size_t max);
/* A buffer of the caller's that does not grow. */
void json_init_fixed(struct json_writer *w, char *buf, size_t cap);
void json_free(struct json_writer *w);
bool json_failed(const struct json_writer *w);
/* Hand the text to the caller, who frees it; NULL when the writing failed. */
char *json_take(struct json_writer *w, size_t *len);

void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *text);
void json_string_n(struct json_writer *w, const char *text, size_t len);
/* JSON that was written elsewhere. */
void json_raw(struct json_writer *w, const char *text, size_t len);
void json_int(struct json_writer *w, int64_t value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);

/* Members of an object: key and value in one. */
void json_put_string(struct json_writer *w, const char *key, const char *text);
void json_put_int(struct json_writer *w, const char *key, int64_t value);
/* A number with the decimals that it needs: 1250 is 12.5. */
void json_put_hundredths(struct json_writer *w, const char *key, uint32_t value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
void json_put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len);
/* RFC 3339 in UTC, or null for 0. */
void json_put_time(struct json_writer *w, const char *key, int64_t seconds);

#endif
