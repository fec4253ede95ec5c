/* `Prefer` (RFC 7240): what a client would like, and may not get. */
#ifndef OTAD_PREFER_H
#define OTAD_PREFER_H

#include <stdbool.h>
#include <stdint.h>

/* The first `wait` of the header's preferences: seconds. False when there is none, or none that is
 * a whole number of at most nine digits; a preference that is not understood is no error. */
bool prefer_wait(const char *header, uint32_t *seconds);

#endif
