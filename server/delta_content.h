/*
 * Which parts of the segments are code, which are tables of words, which are bytes: what predicts
 * them best.
 */
#ifndef OTAD_SERVER_DELTA_CONTENT_H
#define OTAD_SERVER_DELTA_CONTENT_H

#include "server/delta.h"

/* Split the stream's segments where that saves more than it costs, and give each its content. The
 * map must be whole but for that; it stays so. OTA_OK or OTA_E_NO_SPACE. */
int delta_content_choose(struct ota_delta_stream *stream, struct delta_bytes result);

/* The content that predicts `segment` best as a whole. */
unsigned delta_content_of(struct ota_delta_stream *stream, struct delta_bytes result,
                          struct ota_delta_segment segment);

#endif
