/*
 * What the coded bits of a patch mean: the segment map, then the result from its first byte to its
 * last, piece by piece. One source for decoder and encoder, see delta_model.h.
 *
 *     result:   | segment 0 | gap | segment 1 | segment 2 | gap |
 *
 * A segment is copied from one place of the base, piece by piece of 1 to 4 bytes; each is
 * predicted, and one bit says that the prediction is right. A gap is filled with literal bytes, and
 * with matches: copies from anywhere in the base or in the result before. SPEC.md, "Delta", has the
 * whole.
 */
#ifndef OTA_PROTOCOL_DELTA_STREAM_H
#define OTA_PROTOCOL_DELTA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/delta_model.h"

#define OTA_DELTA_SEGMENTS_MAX 192U
#define OTA_DELTA_PIECE_MAX 4U /* bytes that one step gives at most */
#define OTA_DELTA_STEP 16384U  /* bytes of the result: no piece reaches over a multiple of it */

struct ota_delta_segment {
    uint32_t base;   /* offset in the base */
    uint32_t result; /* offset in the result; segments are in this order and don't overlap here */
    uint32_t len;
};

/* What a gap is filled with next. */
struct ota_delta_token {
    bool match;
    bool of_base; /* the match is in the base, else in the result before */
    uint32_t from;
    uint32_t len; /* 1 for a literal */
};

/* Where the coding stands: with the model, all that a checkpoint holds. */
struct ota_delta_place {
    uint32_t position; /* bytes of the result that are coded */
    uint32_t match_from;
    uint32_t match_left; /* bytes of the present match */
    bool match_of_base;
    uint8_t last_byte;
    uint8_t history; /* hits and misses of the last pieces, one bit each */
    uint8_t reserved;
};

struct ota_delta_stream {
    struct ota_delta_model model;
    /* OTA_OK or a negative error; only asked for bytes that exist. */
    int (*read)(void *ctx, bool of_base, uint32_t offset, void *buf, size_t len);
    void *ctx;
    uint32_t base_len;
    uint32_t result_len;
    uint32_t base_address;
    bool thumb;

    struct ota_delta_segment segments[OTA_DELTA_SEGMENTS_MAX];
    uint16_t count; /* of segments; UINT16_MAX until it is coded */
    uint16_t coded; /* segments whose entry is coded */

    struct ota_delta_place place;
};

void ota_delta_stream_init(struct ota_delta_stream *stream);

/* Code the next entry of the map. 1 when there is more, 0 when the map is whole, or an error. The
 * encoder has filled in segments and count, passed here as `count`. */
int ota_delta_code_map(struct ota_delta_stream *stream, unsigned count);

/* Where the gap that position lies in ends: the next segment, or the end of the result. */
uint32_t ota_delta_gap_end(const struct ota_delta_stream *stream);

/* Code the next piece: its length, 1 to OTA_DELTA_PIECE_MAX, or an error. The encoder gives the
 * bytes that the result has there (as many as it has, and zeros), and with ota_delta_wants_token()
 * the token; the decoder gets them. */
int ota_delta_code_piece(struct ota_delta_stream *stream, uint8_t bytes[OTA_DELTA_PIECE_MAX],
                         struct ota_delta_token *token);

/* The next piece begins with a token. */
bool ota_delta_wants_token(const struct ota_delta_stream *stream);

/* At a multiple of OTA_DELTA_STEP: all that the stream knows, beside the map, in
 * OTA_DELTA_STREAM_SAVED bytes. The model is rounded there, on both sides, so that this holds it
 * exactly. The bytes are for the machine that wrote them. */
#define OTA_DELTA_SLOTS_SAVED 792U
#define OTA_DELTA_STREAM_SAVED                                                                     \
    (sizeof(struct ota_delta_place) + OTA_DELTA_MIXERS * 2 * sizeof(int16_t) +                     \
     OTA_DELTA_SLOTS_SAVED)
size_t ota_delta_stream_save(const struct ota_delta_stream *stream, uint8_t *buf);
void ota_delta_stream_load(struct ota_delta_stream *stream, const uint8_t *buf);
/* What was loaded lies within the base and the result. */
bool ota_delta_stream_fits(const struct ota_delta_stream *stream);

#endif
