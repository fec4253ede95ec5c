#include "protocol/delta_stream.h"

#include <string.h>

#include "protocol/error.h"

enum slots {
    SLOT_MAP_COUNT = 0,
    SLOT_MAP_GAP = SLOT_MAP_COUNT + OTA_DELTA_NUMBER_SLOTS,
    SLOT_MAP_LEN = SLOT_MAP_GAP + OTA_DELTA_NUMBER_SLOTS,
    SLOT_MAP_JUMP = SLOT_MAP_LEN + OTA_DELTA_NUMBER_SLOTS,
    SLOT_HIT = SLOT_MAP_JUMP + OTA_DELTA_NUMBER_SLOTS,
    SLOT_MISS = SLOT_HIT + 128,
    SLOT_LITERAL = SLOT_MISS + 256,
    SLOT_MATCH = SLOT_LITERAL + 256,
    SLOT_OF_BASE = SLOT_MATCH + 4,
    SLOT_MATCH_LEN = SLOT_OF_BASE + 4,
    SLOT_JUMP = SLOT_MATCH_LEN + OTA_DELTA_NUMBER_SLOTS,
    SLOT_DISTANCE = SLOT_JUMP + OTA_DELTA_NUMBER_SLOTS,
    SLOTS = SLOT_DISTANCE + OTA_DELTA_NUMBER_SLOTS,
};
_Static_assert(SLOTS <= OTA_DELTA_SLOTS_MAX, "the slots fit in the model");
_Static_assert(SLOTS - SLOT_HIT == OTA_DELTA_SLOTS_SAVED, "what a checkpoint holds of them");

enum mixers { MIX_MAP, MIX_NUMBER, MIX_HIT, MIX_MISS, MIX_LITERAL, MIX_MATCH };

void ota_delta_stream_init(struct ota_delta_stream *stream)
{
    ota_delta_model_init(&stream->model);
    stream->count = UINT16_MAX;
    stream->coded = 0;
    memset(&stream->place, 0, sizeof stream->place);
}

static uint32_t code_number(struct ota_delta_stream *stream, unsigned slot, uint32_t value)
{
    return ota_delta_code_number(&stream->model, slot, MIX_NUMBER, value);
}

/* The map's slots and mixer are not used behind it: a checkpoint is loaded before the map is read.
 */
static uint32_t code_map_number(struct ota_delta_stream *stream, unsigned slot, uint32_t value)
{
    return ota_delta_code_number(&stream->model, slot, MIX_MAP, value);
}

int ota_delta_code_map(struct ota_delta_stream *stream, unsigned count)
{
    if (stream->count == UINT16_MAX) {
        uint32_t coded = code_map_number(stream, SLOT_MAP_COUNT, count);
        if (coded > OTA_DELTA_SEGMENTS_MAX)
            return OTA_E_DELTA_BLOCK;
        stream->count = (uint16_t)coded;
        return coded > 0;
    }
    static const struct ota_delta_segment none = {0, 0, 0};
    struct ota_delta_segment *now = &stream->segments[stream->coded];
    const struct ota_delta_segment *last = stream->coded == 0 ? &none : now - 1;
    uint32_t result = last->result + last->len;
    uint32_t base = last->base + last->len;
    uint32_t gap = code_map_number(stream, SLOT_MAP_GAP, now->result - result);
    uint32_t jump = (uint32_t)ota_delta_code_signed(&stream->model, SLOT_MAP_JUMP, MIX_MAP,
                                                    (int32_t)(now->base - base));
    uint32_t len = code_map_number(stream, SLOT_MAP_LEN, now->len);
    base += jump;
    if (gap > stream->result_len - result || len > stream->result_len - result - gap ||
        base > stream->base_len || len > stream->base_len - base)
        return OTA_E_DELTA_BLOCK;
    *now = (struct ota_delta_segment){base, result + gap, len};
    return ++stream->coded < stream->count;
}

/* The first segment that ends behind the position, or NULL. */
static const struct ota_delta_segment *next_segment(const struct ota_delta_stream *stream)
{
    for (unsigned i = 0; i < stream->count; i++) {
        const struct ota_delta_segment *at = &stream->segments[i];
        if (stream->place.position < at->result + at->len)
            return at;
    }
    return NULL;
}

uint32_t ota_delta_gap_end(const struct ota_delta_stream *stream)
{
    const struct ota_delta_segment *next = next_segment(stream);
    return next == NULL ? stream->result_len : next->result;
}

bool ota_delta_wants_token(const struct ota_delta_stream *stream)
{
    return stream->place.match_left == 0 && stream->place.position < ota_delta_gap_end(stream);
}

static int code_copy(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                     uint8_t *bytes, uint32_t len)
{
    uint8_t old[OTA_DELTA_PIECE_MAX];
    if (len > 2)
        len = 2;
    int error = stream->read(stream->ctx, true,
                             segment->base + (stream->place.position - segment->result), old, len);
    if (error != OTA_OK)
        return error;
    unsigned slot = SLOT_HIT + (stream->place.history & 127U);
    int miss = ota_delta_code_bit(&stream->model, slot, SLOT_HIT + (stream->place.history & 1U),
                                  MIX_HIT, memcmp(bytes, old, len) != 0);
    stream->place.history = (uint8_t)(stream->place.history << 1 | miss);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] =
            miss
                ? (uint8_t)(old[i] + ota_delta_code_tree(&stream->model, SLOT_MISS, SLOT_MISS,
                                                         MIX_MISS, 8, (uint8_t)(bytes[i] - old[i])))
                : old[i];
    return (int)len;
}

static int code_token(struct ota_delta_stream *stream, struct ota_delta_token *token, uint32_t gap)
{
    struct ota_delta_model *model = &stream->model;
    token->match = ota_delta_code_bit(model, SLOT_MATCH, SLOT_MATCH, MIX_MATCH, token->match);
    if (!token->match)
        return OTA_OK;
    token->of_base =
        ota_delta_code_bit(model, SLOT_OF_BASE, SLOT_OF_BASE, MIX_MATCH, token->of_base);
    if (token->of_base) {
        int32_t jump = ota_delta_code_signed(model, SLOT_JUMP, MIX_NUMBER,
                                             (int32_t)(token->from - stream->place.match_from));
        token->from = stream->place.match_from + (uint32_t)jump;
    } else {
        token->from = stream->place.position -
                      code_number(stream, SLOT_DISTANCE, stream->place.position - token->from);
    }
    token->len = code_number(stream, SLOT_MATCH_LEN, token->len);
    uint32_t limit = token->of_base ? stream->base_len : stream->place.position;
    if (token->len == 0 || token->len > gap || token->from >= limit ||
        (token->of_base && token->len > limit - token->from))
        return OTA_E_DELTA_BLOCK;
    stream->place.match_of_base = token->of_base;
    stream->place.match_from = token->from;
    stream->place.match_left = token->len;
    return OTA_OK;
}

static int code_gap(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len, uint32_t gap,
                    struct ota_delta_token *token)
{
    if (stream->place.match_left == 0) {
        int error = code_token(stream, token, gap);
        if (error != OTA_OK)
            return error;
    }
    if (stream->place.match_left == 0) {
        bytes[0] = (uint8_t)ota_delta_code_tree(&stream->model, SLOT_LITERAL, SLOT_LITERAL,
                                                MIX_LITERAL, 8, bytes[0]);
        return 1;
    }
    if (len > stream->place.match_left)
        len = stream->place.match_left;
    if (!stream->place.match_of_base && len > stream->place.position - stream->place.match_from)
        len = stream->place.position - stream->place.match_from;
    int error = stream->read(stream->ctx, stream->place.match_of_base, stream->place.match_from,
                             bytes, len);
    if (error != OTA_OK)
        return error;
    stream->place.match_from += len;
    stream->place.match_left -= len;
    return (int)len;
}

int ota_delta_code_piece(struct ota_delta_stream *stream, uint8_t bytes[OTA_DELTA_PIECE_MAX],
                         struct ota_delta_token *token)
{
    const struct ota_delta_segment *segment = next_segment(stream);
    bool gap = segment == NULL || stream->place.position < segment->result;
    uint32_t end = segment == NULL ? stream->result_len
                   : gap           ? segment->result
                                   : segment->result + segment->len;
    uint32_t whole = end - stream->place.position;
    uint32_t step = OTA_DELTA_STEP - stream->place.position % OTA_DELTA_STEP;
    uint32_t len = whole < OTA_DELTA_PIECE_MAX ? whole : OTA_DELTA_PIECE_MAX;
    if (len > step)
        len = step;
    int done =
        gap ? code_gap(stream, bytes, len, whole, token) : code_copy(stream, segment, bytes, len);
    if (done > 0) {
        stream->place.position += (uint32_t)done;
        stream->place.last_byte = bytes[done - 1];
        if (stream->place.position % OTA_DELTA_STEP == 0)
            ota_delta_model_round(&stream->model, SLOT_HIT, SLOTS);
    }
    return done;
}

size_t ota_delta_stream_save(const struct ota_delta_stream *stream, uint8_t *buf)
{
    memcpy(buf, &stream->place, sizeof stream->place);
    buf += sizeof stream->place;
    memcpy(buf, stream->model.weight, sizeof stream->model.weight);
    buf += sizeof stream->model.weight;
    ota_delta_model_save(&stream->model, SLOT_HIT, SLOTS, buf);
    return OTA_DELTA_STREAM_SAVED;
}

void ota_delta_stream_load(struct ota_delta_stream *stream, const uint8_t *buf)
{
    memcpy(&stream->place, buf, sizeof stream->place);
    buf += sizeof stream->place;
    memcpy(stream->model.weight, buf, sizeof stream->model.weight);
    buf += sizeof stream->model.weight;
    ota_delta_model_load(&stream->model, SLOT_HIT, SLOTS, buf);
    ota_delta_mixer_init(&stream->model, MIX_MAP);
}

bool ota_delta_stream_fits(const struct ota_delta_stream *stream)
{
    const struct ota_delta_place *place = &stream->place;
    uint32_t limit = place->match_of_base ? stream->base_len : place->position;
    if (place->position > stream->result_len || place->match_from > limit)
        return false;
    return !place->match_of_base || place->match_left <= limit - place->match_from;
}
