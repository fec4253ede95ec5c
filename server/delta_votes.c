#include "server/delta_votes.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"

static int add_vote(struct delta_votes *votes, const struct ota_delta_reference *reference)
{
    if (votes->count == votes->cap) {
        uint32_t cap = votes->cap == 0 ? 1024 : 2 * votes->cap;
        void *grown = realloc(votes->at, cap * sizeof *votes->at);
        if (grown == NULL)
            return OTA_E_NO_SPACE;
        votes->at = grown;
        votes->cap = cap;
    }
    votes->at[votes->count++] = *reference;
    return OTA_OK;
}

static int collect(struct ota_delta_stream *stream, struct delta_bytes result,
                   const struct ota_delta_segment *segment, struct delta_votes *votes)
{
    for (uint32_t at = 0; at < segment->len;) {
        struct ota_delta_reference reference;
        uint8_t bytes[OTA_DELTA_PIECE_MAX] = {0};
        uint32_t left = segment->len - at;
        uint32_t most = left < OTA_DELTA_PIECE_MAX ? left : OTA_DELTA_PIECE_MAX;
        memcpy(bytes, result.at + segment->result + at, most);
        stream->place.position = segment->result + at;
        int len = ota_delta_refer(stream, segment, most, bytes, &reference);
        if (len <= 0)
            return len;
        int error = reference.found ? add_vote(votes, &reference) : OTA_OK;
        if (error != OTA_OK)
            return error;
        at += (uint32_t)len;
    }
    return OTA_OK;
}

int delta_votes_collect(struct ota_delta_stream *stream, struct delta_bytes result,
                        const struct delta_segments *segments, struct delta_votes *votes)
{
    int error = OTA_OK;
    *votes = (struct delta_votes){NULL, 0, 0};
    for (uint32_t i = 0; i < segments->count && error == OTA_OK; i++)
        error = collect(stream, result, &segments->at[i], votes);
    memset(&stream->place, 0, sizeof stream->place);
    return error;
}
