/*
 * How the result is told at the least cost: how far segments are copied, and what fills the gaps
 * between them: other segments, matches, calls, literals.
 *
 * A plan reaches from one start of the map to the next, and is the shortest path through it: for
 * each place the cheapest way there is known, and what could come next is offered to the places
 * where it would end. What a segment's pieces cost is found by coding them on a copy of the stream;
 * the prices of the rest are estimates.
 */
#ifndef OTAD_SERVER_DELTA_PARSE_H
#define OTAD_SERVER_DELTA_PARSE_H

#include <stdbool.h>

#include "server/delta_match.h"
#include "server/delta_price.h"

struct delta_node;

struct delta_parse {
    struct delta_bytes result;
    const struct delta_index *index; /* over the base as it is */
    const struct delta_segments *segments;
    bool thumb;       /* calls are calls */
    uint32_t *newest; /* by hash of 4 bytes: the last place in the result + 1 */
    uint32_t *before; /* by place: the place + 1 of the same hash before it */
    uint32_t hashed;  /* places of the result that are in the chains */
    struct delta_tally tally;
    struct delta_prices prices;
    uint32_t start; /* of the plan */
    uint32_t end;
    uint32_t next;            /* segment not passed when the plan was made */
    struct delta_node *nodes; /* by place from `start` to `end` */
};

/* OTA_OK or OTA_E_NO_SPACE. What it gets is kept until the end. */
int delta_parse_init(struct delta_parse *parse, const struct delta_index *index,
                     struct delta_bytes result, const struct delta_segments *segments, bool thumb);
void delta_parse_free(struct delta_parse *parse);

/* The token for the stream's position. OTA_OK or an error. */
int delta_parse_token(struct delta_parse *parse, const struct ota_delta_stream *stream,
                      struct ota_delta_token *token);

#endif
