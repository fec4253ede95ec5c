/*
 * The moves of a map: what the segments alone predict wrongly often enough.
 */
#ifndef OTAD_SERVER_DELTA_MOVES_H
#define OTAD_SERVER_DELTA_MOVES_H

#include "server/delta_match.h"

/* Choose map.moves by all that the segments name. OTA_OK or OTA_E_NO_SPACE. */
int delta_moves_choose(struct ota_delta_stream *stream, struct delta_bytes result,
                       const struct delta_segments *segments);

#endif
