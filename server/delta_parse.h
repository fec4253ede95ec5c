/*
 * How the gaps of a patch are filled: segments that the map has no room for, matches, literals.
 */
#ifndef OTAD_SERVER_DELTA_PARSE_H
#define OTAD_SERVER_DELTA_PARSE_H

#include <stdbool.h>

#include "server/delta_match.h"

struct delta_parse {
    struct delta_bytes result;
    const struct delta_index *index;       /* over the base as it is */
    const struct delta_segments *segments; /* for OTA_DELTA_INLINE */
    bool thumb;                            /* calls are calls */
    uint32_t next;                         /* segment not yet passed */
    uint32_t *newest; /* by hash of 4 bytes: the last place in the result + 1 */
    uint32_t *before; /* by place: the place + 1 of the same hash before it */
    uint32_t hashed;  /* places of the result that are in the chains */
};

/* OTA_OK or OTA_E_NO_SPACE. What it gets is kept until the end. */
int delta_parse_init(struct delta_parse *parse, const struct delta_index *index,
                     struct delta_bytes result, const struct delta_segments *segments, bool thumb);
void delta_parse_free(struct delta_parse *parse);

/* The token for the stream's position. */
struct ota_delta_token delta_parse_token(struct delta_parse *parse,
                                         const struct ota_delta_stream *stream);

#endif
