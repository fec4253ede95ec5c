/*
 * Which parts of the segments are code, which are tables of words, which are bytes: what predicts
 * them best.
 */
#ifndef OTAD_SERVER_DELTA_CONTENT_H
#define OTAD_SERVER_DELTA_CONTENT_H

#include "server/delta_match.h"

/* Give each of the segments its content, splitting those where that saves more than it costs. The
 * map must be whole but for its moves. OTA_OK or OTA_E_NO_SPACE; then the segments are as before.
 */
int delta_content_choose(struct ota_delta_stream *stream, struct delta_bytes result,
                         struct delta_segments *segments);

#endif
