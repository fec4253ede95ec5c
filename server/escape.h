/* Percent-escapes of URLs (RFC 3986 section 2.1). */
#ifndef OTAD_ESCAPE_H
#define OTAD_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Decode %XX of `len` characters into buf with a NUL: the length, or -1 for a broken escape, a
 * control character or one that does not fit. `slash`: whether an escaped slash is allowed. */
int escape_decode(const char *text, size_t len, bool slash, char *buf, size_t cap);

#endif
