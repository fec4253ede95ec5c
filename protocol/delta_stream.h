/*
 * What the coded bits of a patch mean: the map, then the result from its first byte to its last,
 * piece by piece. One source for decoder and encoder, see delta_model.h.
 *
 *     result:   | segment 0 | gap | segment 1 | segment 2 | gap |
 *
 * A segment is copied from one place of the base, piece by piece of 1 to 4 bytes; each is
 * predicted, and one bit says that the prediction is right. A gap is filled with literal bytes,
 * with matches (copies from anywhere in the base or in the result before), and with segments that
 * the map doesn't have. SPEC.md, "Delta", has the whole.
 */
#ifndef OTA_PROTOCOL_DELTA_STREAM_H
#define OTA_PROTOCOL_DELTA_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/delta_map.h"
#include "protocol/delta_model.h"

#define OTA_DELTA_PIECE_MAX 4U /* bytes that one step gives at most */
#define OTA_DELTA_STEP 16384U  /* bytes of the result: no piece reaches over a multiple of it */
#define OTA_DELTA_GROUPS 6U
#define OTA_DELTA_MARKS 256U /* words ahead that are known to be in a literal pool */
#define OTA_DELTA_CALLED 16U
#define OTA_DELTA_CACHE_LEN 32U

enum ota_delta_token_kind {
    OTA_DELTA_LITERAL = 0,
    OTA_DELTA_OF_BASE = 1,   /* copy from the base */
    OTA_DELTA_OF_RESULT = 2, /* copy from the result before */
    OTA_DELTA_INLINE = 3,    /* a segment */
    OTA_DELTA_CALL = 4,      /* BL; `from` is the place in the result that it calls */
    OTA_DELTA_TOKENS = 5,
};

/* What a gap is filled with next. */
struct ota_delta_token {
    uint8_t kind;    /* enum ota_delta_token_kind */
    uint8_t content; /* of OTA_DELTA_INLINE */
    uint32_t from;
    uint32_t len;
};

/* Where the coding stands: with the model, all that a checkpoint holds. */
struct ota_delta_place {
    uint32_t position;   /* bytes of the result that are coded */
    uint32_t match_base; /* where the present token's bytes begin */
    uint32_t match_from; /* and go on */
    uint32_t match_left; /* bytes of it */
    uint32_t base_at;    /* where the base would go on: what matches are told from */
    uint8_t match_kind;
    uint8_t match_content;
    uint8_t history; /* hits and misses of the last pieces, one bit each */
    uint8_t run;     /* hits since the last miss */
    uint8_t last[2]; /* bytes of the result */
    uint8_t reserved[2];
    uint32_t marks_from; /* offset in the base where the marks begin */
    uint8_t marks[OTA_DELTA_MARKS / 8];
    int32_t last_delta[OTA_DELTA_GROUPS];
    uint32_t called[OTA_DELTA_CALLED]; /* the newest first: places that BL calls */
};

struct ota_delta_stream {
    struct ota_delta_model model;
    /* OTA_OK or a negative error; only asked for bytes that exist. */
    int (*read)(void *ctx, bool of_base, uint32_t offset, void *buf, size_t len);
    void *ctx;
    struct ota_delta_map map;
    struct ota_delta_start next; /* segment of the map that isn't begun */
    struct ota_delta_place place;
    uint32_t cache_from; /* offset in the base of what `cache` holds */
    uint32_t cache_len;
    uint8_t cache[OTA_DELTA_CACHE_LEN];
};

void ota_delta_stream_init(struct ota_delta_stream *stream);

/* Code the next entry of the map, see ota_delta_map_code(). 1 when there is more, 0 when the map is
 * whole, or an error. */
int ota_delta_code_map(struct ota_delta_stream *stream, struct ota_delta_start start);

/* Code the next piece: its length, 1 to OTA_DELTA_PIECE_MAX, or an error. The encoder gives the
 * bytes that the result has there (as many as it has, and zeros), and with ota_delta_wants_token()
 * the token; the decoder gets them. */
int ota_delta_code_piece(struct ota_delta_stream *stream, uint8_t bytes[OTA_DELTA_PIECE_MAX],
                         struct ota_delta_token *token);

/* What a piece at the position would be in `segment`: its length, at most `len`, and its predicted
 * bytes; or an error. For an encoder that compares. */
int ota_delta_predict(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                      uint32_t len, uint8_t bytes[OTA_DELTA_PIECE_MAX]);

/* What a piece names, if it names something elsewhere: the value in the base, and in the result,
 * whose bytes are given. Returns the piece's length or an error. For an encoder that makes the map.
 */
struct ota_delta_reference {
    bool found;
    uint32_t old;
    uint32_t new;
};
int ota_delta_refer(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                    uint32_t len, const uint8_t bytes[OTA_DELTA_PIECE_MAX],
                    struct ota_delta_reference *reference);

/* The next piece begins with a token, or a segment of the map: that is OTA_DELTA_INLINE for the
 * encoder. */
bool ota_delta_wants_token(const struct ota_delta_stream *stream);

/* At a multiple of OTA_DELTA_STEP: all that the stream knows, beside the map, in
 * OTA_DELTA_STREAM_SAVED bytes. The model is rounded there, on both sides, so that this holds it
 * exactly. The bytes are for the machine that wrote them. */
#define OTA_DELTA_SLOTS_SAVED 1145U
#define OTA_DELTA_STREAM_SAVED                                                                     \
    (sizeof(struct ota_delta_place) + OTA_DELTA_MODEL_SAVED(OTA_DELTA_SLOTS_SAVED))
size_t ota_delta_stream_save(const struct ota_delta_stream *stream, uint8_t *buf);
void ota_delta_stream_load(struct ota_delta_stream *stream, const uint8_t *buf);
/* The map is whole: go on with what was loaded, if it lies within the base and the result. */
bool ota_delta_stream_resume(struct ota_delta_stream *stream);

#endif
