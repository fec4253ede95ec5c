/*
 * Text into the caller's buffer: paths, log lines, JSON, HTTP. No NUL is written.
 *
 * What doesn't fit is cut off, which is sticky and is told by ota_out_end(). With `skip` the buffer
 * is a window onto a text that is longer than it: the text is put together anew for each piece.
 */
#ifndef OTA_PROTOCOL_OUT_H
#define OTA_PROTOCOL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/version.h"

struct ota_out {
    char *buf;
    size_t cap;
    size_t len;
    size_t skip; /* characters still before the buffer */
    bool cut;
};

void ota_out_open(struct ota_out *out, char *buf, size_t cap);
void ota_out_put(struct ota_out *out, const char *text);
void ota_out_put_len(struct ota_out *out, const char *text, size_t len);
void ota_out_put_char(struct ota_out *out, char c);
/* A value with what stands before it; of a text that is NULL neither. */
void ota_out_put_text(struct ota_out *out, const char *before, const char *text);
void ota_out_put_number(struct ota_out *out, const char *before, uint64_t value);
/* Lower-case hex. */
void ota_out_put_hex(struct ota_out *out, const char *before, const uint8_t *bytes, size_t len);
/* `plus` stands before a build number other than 0, which is written only then. */
void ota_out_put_version(struct ota_out *out, const struct ota_version *version, const char *plus);
/* Characters written, or OTA_E_NO_SPACE. */
int ota_out_end(const struct ota_out *out);

#endif
