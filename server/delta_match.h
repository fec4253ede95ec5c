/*
 * Which parts of the result come from where in the base: a suffix array over the base, and the
 * segment map of a patch.
 */
#ifndef OTAD_SERVER_DELTA_MATCH_H
#define OTAD_SERVER_DELTA_MATCH_H

#include "server/delta.h"

struct delta_index {
    struct delta_bytes text;
    int32_t *suffixes; /* of text, in order */
};

/* OTA_OK or OTA_E_NO_SPACE. */
int delta_index_init(struct delta_index *index, struct delta_bytes text);
void delta_index_free(struct delta_index *index);

struct delta_match {
    uint32_t from;
    uint32_t len;
};

/* The longest start of `find` that is anywhere in the text. */
struct delta_match delta_index_longest(const struct delta_index *index, struct delta_bytes find);

/* The segments, in the result's order, OTA_DELTA_SEGMENTS_MAX at most; returns their number. */
unsigned delta_match_segments(const struct delta_index *index, struct delta_bytes result,
                              struct ota_delta_segment *segments);

#endif
