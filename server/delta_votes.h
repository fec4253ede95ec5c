/*
 * What the segments' pieces name: where each place or value of the old image is in the new one.
 * The map is made so that it predicts as many of these as it can.
 */
#ifndef OTAD_SERVER_DELTA_VOTES_H
#define OTAD_SERVER_DELTA_VOTES_H

#include "server/delta_match.h"

struct delta_votes {
    struct ota_delta_reference *at;
    uint32_t count;
    uint32_t cap;
};

/* votes->at is to be freed, also behind an error. Leaves stream->place as at first. OTA_OK or
 * OTA_E_NO_SPACE. */
int delta_votes_collect(struct ota_delta_stream *stream, struct delta_bytes result,
                        const struct delta_segments *segments, struct delta_votes *votes);

#endif
