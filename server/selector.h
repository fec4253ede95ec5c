/*
 * Label selectors over a device's tags: `site=berlin,ring in (canary,beta),!lab`.
 *
 *     selector    = requirement *( "," requirement )          all of them must hold
 *     requirement = key | "!" key                             the tag is there, is not there
 *                 | key ("=" | "==" | "!=") value
 *                 | key ("in" | "notin") "(" value *("," value) ")"
 *     key, value  = 1*63( ALPHA / DIGIT / "." / "_" / "-" / "/" )
 *
 * As in Kubernetes, `!=` and `notin` hold for a device without the tag. Blanks between words do not
 * count. The empty selector takes every device. A compiled selector holds its own text and no
 * pointers, so it may be copied.
 */
#ifndef OTAD_SERVER_SELECTOR_H
#define OTAD_SERVER_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/text.h"

#define SELECTOR_TEXT_MAX 256 /* characters */
#define SELECTOR_WORD_MAX 63  /* characters of a key or value */
#define SELECTOR_REQUIREMENTS_MAX 8
#define SELECTOR_VALUES_MAX 16 /* in all requirements together */

struct selector_tag {
    struct ota_text key;
    struct ota_text value;
};

enum selector_operator {
    SELECTOR_EXISTS = 1,
    SELECTOR_ABSENT,
    SELECTOR_IN,     /* = and == are `in` with one value */
    SELECTOR_NOT_IN, /* != likewise */
};

/* A word of the text, by place. */
struct selector_word {
    uint16_t at;
    uint16_t len;
};

struct selector_requirement {
    enum selector_operator op;
    struct selector_word key;
    uint8_t first_value;
    uint8_t value_count;
};

struct selector {
    uint16_t text_len;
    uint8_t requirement_count; /* 0: takes every device */
    uint8_t value_count;
    struct selector_requirement requirements[SELECTOR_REQUIREMENTS_MAX];
    struct selector_word values[SELECTOR_VALUES_MAX];
    char text[SELECTOR_TEXT_MAX + 1];
};

enum selector_error {
    SELECTOR_OK = 0,
    SELECTOR_E_SYNTAX = -1,   /* not the grammar above */
    SELECTOR_E_TOO_LONG = -2, /* text, word, requirements or values over the limit */
};

/* Compile. On an error *selector takes no part in anything (it is the empty selector) and
 * *error_at, if given, is the offset of the character that does not fit. */
int selector_parse(struct selector *selector, struct ota_text text, size_t *error_at);

/* Tags have distinct keys. */
bool selector_matches(const struct selector *selector, const struct selector_tag *tags,
                      size_t tag_count);

#endif
