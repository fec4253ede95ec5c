/*
 * The Range header of RFC 9110 section 14.2, for one representation of known length.
 */
#ifndef OTAD_RANGE_H
#define OTAD_RANGE_H

#include <stdint.h>

enum range_answer {
    RANGE_WHOLE,         /* no range, another unit, malformed, or several: 200 with everything */
    RANGE_PART,          /* 206 with [first, first + len) */
    RANGE_UNSATISFIABLE, /* 416 */
};

struct range {
    uint64_t first;
    uint64_t len;
};

/* `header` may be NULL. A set of several ranges is answered whole: section 14.2 lets a server
 * ignore the field, no client of ours sends one, and multipart answers are the part where range
 * implementations break. */
enum range_answer range_parse(const char *header, uint64_t total, struct range *range);

#endif
