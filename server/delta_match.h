/*
 * Which parts of the result come from where in the base: suffix arrays over the base, and the map
 * of a patch.
 */
#ifndef OTAD_SERVER_DELTA_MATCH_H
#define OTAD_SERVER_DELTA_MATCH_H

#include "server/delta_image.h"

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

/* The longest start of `find` that is anywhere in the text; of several, one near `near`. */
struct delta_match delta_index_longest(const struct delta_index *index, struct delta_bytes find,
                                       uint32_t near);

/* When a part of the result is worth a segment. */
struct delta_style {
    uint32_t match_min;    /* equal bytes that begin one */
    uint32_t match_better; /* by how many bytes it must be better than the last one going on */
    int equal_gain;        /* a segment goes on as long as equal bytes win this more ... */
    int miss_cost;         /* ... than different ones lose */
};

/* Segments in an array that grows. */
struct delta_segments {
    struct ota_delta_segment *at;
    uint32_t count;
};

/* OTA_OK or OTA_E_NO_SPACE. */
int delta_segments_append(struct delta_segments *segments, struct ota_delta_segment segment);

/* All segments, in the result's order; segments->at is to be freed. OTA_OK or OTA_E_NO_SPACE. */
int delta_match_segments(const struct delta_index *index, struct delta_bytes result,
                         const struct delta_style *style, struct delta_segments *segments);

#endif
