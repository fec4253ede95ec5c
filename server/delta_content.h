/*
 * Which parts of the segments are code, which are tables of words, which are bytes: what predicts
 * them best.
 */
#ifndef OTAD_SERVER_DELTA_CONTENT_H
#define OTAD_SERVER_DELTA_CONTENT_H

#include "server/delta_match.h"

/* The segments with their contents, split where that saves more than it costs. The map must be
 * whole but for its moves. parts->at is to be freed, also behind an error. OTA_OK or
 * OTA_E_NO_SPACE. */
int delta_content_split(struct ota_delta_stream *stream, struct delta_bytes result,
                        const struct delta_segments *segments, struct delta_segments *parts);

#endif
