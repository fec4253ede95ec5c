/*
 * The one place that parses bodies: JSON objects against a table of fields.
 *
 * Beyond what cJSON checks: nesting of at most BODY_DEPTH_MAX, keys are case-sensitive and stand
 * once, no \u0000, text is valid UTF-8, integers are whole and within bounds, and a field that is
 * not in the table is refused by its name, so that a typing error is not taken for a default. The
 * problem's `field` is its path, so that a form can show the sentence where it belongs.
 */
#ifndef OTAD_BODY_H
#define OTAD_BODY_H

#include "server/request.h"

#define BODY_DEPTH_MAX 8
#define BODY_LINES 1 /* in `max` of a BODY_STRING: line ends are allowed */

enum body_kind {
    BODY_STRING,     /* into char[cap]; min to cap - 1 bytes, no control characters */
    BODY_INTEGER,    /* into int64_t; min to max */
    BODY_HUNDREDTHS, /* a number of at most two decimals, into int64_t as hundredths, as min and max
                      */
    BODY_BOOL,       /* into bool */
    BODY_ARRAY,      /* into const struct cJSON *; max elements at most */
    BODY_OBJECT,     /* into const struct cJSON *; body_read() goes on from there */
};

struct body_field {
    const char *name;
    enum body_kind kind;
    bool required;
    void *out;
    size_t cap;    /* BODY_STRING: bytes of `out` */
    int64_t min;   /* BODY_STRING: fewest characters */
    int64_t max;   /* BODY_STRING: 0 or BODY_LINES */
    bool *given;   /* set when it is there; may be NULL */
    bool nullable; /* null counts as given, and leaves `out` alone */
};

/* Parse the request's body (kept in rq->json). False: the problem is set. */
bool body_parse(struct request *rq);
/* Read an object against `fields`. `object` NULL: the body itself. `where` names it in problems. */
bool body_read(struct request *rq, const struct cJSON *object, const char *where,
               const struct body_field *fields, size_t count);
/* Both at once, for a body without nested objects. */
bool body_take(struct request *rq, const struct body_field *fields, size_t count);

/* Refuse a member, as in body_invalid(rq, "", "role", "must be viewer or admin"): its path, what it
 * must be. Returns false. */
bool body_invalid(struct request *rq, const char *where, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Names that operators give: [A-Za-z0-9][A-Za-z0-9 ._:+@-]*, 1 to 64 characters. Sets the problem.
 */
bool body_check_label(struct request *rq, const char *field, const char *text);
/* Products and hardware, as protocol/text.h has them. Sets the problem. */
bool body_check_image_name(struct request *rq, const char *field, const char *text);

#endif
