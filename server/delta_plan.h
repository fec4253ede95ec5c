/*
 * What a patch shall say: the map, and the segments.
 */
#ifndef OTAD_SERVER_DELTA_PLAN_H
#define OTAD_SERVER_DELTA_PLAN_H

#include "server/delta_match.h"

/* Fill in stream->map, for a stream whose `read` and lengths are set, and `segments`, in the order
 * of the result, whose array is to be freed. The map has the starts of some. OTA_OK or
 * OTA_E_NO_SPACE. */
int delta_plan_make(struct ota_delta_stream *stream, struct delta_bytes base,
                    struct delta_bytes result, const struct delta_style *style,
                    struct delta_segments *segments);

#endif
