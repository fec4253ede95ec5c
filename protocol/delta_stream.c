#include "protocol/delta_stream.h"

#include <string.h>

#include "protocol/delta_guess.h"
#include "protocol/delta_thumb.h"
#include "protocol/error.h"

/* Classes whose misses are alike. */
enum { GROUP_BRANCH, GROUP_NEAR, GROUP_LOAD, GROUP_FLASH, GROUP_RAM, GROUP_OTHER, GROUPS };
_Static_assert(GROUPS <= OTA_DELTA_GROUPS, "a place has a delta for each");

static const uint8_t group_of[OTA_DELTA_CLASSES] = {
    [OTA_THUMB_PLAIN16] = GROUP_OTHER,
    [OTA_THUMB_PLAIN32] = GROUP_OTHER,
    [OTA_THUMB_BL] = GROUP_BRANCH,
    [OTA_THUMB_B32] = GROUP_BRANCH,
    [OTA_THUMB_BCOND32] = GROUP_BRANCH,
    [OTA_THUMB_B16] = GROUP_NEAR,
    [OTA_THUMB_BCOND16] = GROUP_NEAR,
    [OTA_THUMB_CBZ] = GROUP_NEAR,
    [OTA_THUMB_LOAD16] = GROUP_LOAD,
    [OTA_THUMB_LOAD32] = GROUP_LOAD,
    [OTA_THUMB_LOADW] = GROUP_LOAD,
    [OTA_DELTA_CLASS_POOL_FLASH] = GROUP_FLASH,
    [OTA_DELTA_CLASS_POOL_RAM] = GROUP_RAM,
    [OTA_DELTA_CLASS_POOL_OTHER] = GROUP_OTHER,
    [OTA_DELTA_CLASS_WORD_FLASH] = GROUP_FLASH,
    [OTA_DELTA_CLASS_WORD_RAM] = GROUP_RAM,
    [OTA_DELTA_CLASS_WORD_OTHER] = GROUP_OTHER,
    [OTA_DELTA_CLASS_BYTE] = GROUP_OTHER,
};

#define CALL_PLACE_BITS 6U
#define DELTA_MAX 0x100000 /* a word that is farther off is coded as bytes */

#define SLOTS_BEHIND 128U

/* What the slots are for. A checkpoint has the fine ones, and the coarse ones from SLOT_DELTA on.
 */
enum slots {
    SLOT_HIT = 0, /* by class, whether it moved, the last two hits */
    SLOT_HIT_RUN = SLOT_HIT + 8 * OTA_DELTA_CLASSES, /* by class, hits since the last miss */
    SLOTS_FINE = SLOT_HIT_RUN + 8 * OTA_DELTA_CLASSES,

    SLOT_BEHIND = OTA_DELTA_FINE, /* bytes behind another, hashed */
    SLOT_MAP = SLOT_BEHIND + SLOTS_BEHIND,
    SLOT_NUMBERS = SLOT_MAP + OTA_DELTA_MAP_RETURN,          /* the map's, and those from here on */
    SLOT_DELTA = SLOT_MAP + OTA_DELTA_MAP_SLOTS,             /* by group */
    SLOT_LEN = SLOT_DELTA + GROUPS * OTA_DELTA_NUMBER_SLOTS, /* by token */
    SLOT_JUMP = SLOT_LEN + 3 * OTA_DELTA_NUMBER_SLOTS,
    SLOT_DISTANCE = SLOT_JUMP + OTA_DELTA_NUMBER_SLOTS,
    SLOT_GAP = SLOT_DISTANCE + OTA_DELTA_NUMBER_SLOTS,
    SLOT_SHAPE = SLOT_GAP + OTA_DELTA_NUMBER_SLOTS,   /* by class */
    SLOT_SAME = SLOT_SHAPE + OTA_DELTA_CLASSES,       /* by class */
    SLOT_BYTE = SLOT_SAME + OTA_DELTA_CLASSES,        /* lower, upper byte */
    SLOT_CHANGE = SLOT_BYTE + 2 * 256,                /* of a byte against the old one */
    SLOT_RELATED = SLOT_CHANGE + 64,                  /* the same of literals */
    SLOT_TOKEN = SLOT_RELATED + 64,                   /* by the token before */
    SLOT_CONTENT = SLOT_TOKEN + 8 * OTA_DELTA_TOKENS, /* by the content before */
    SLOT_CALL = SLOT_CONTENT + 4 * OTA_DELTA_CONTENTS,
    SLOT_CALL_INDEX = SLOT_CALL + 1,
    SLOT_CALL_PLACE = SLOT_CALL_INDEX + OTA_DELTA_CALLED,
    SLOTS = SLOT_CALL_PLACE + (1 << CALL_PLACE_BITS),
};
_Static_assert(SLOTS_FINE == OTA_DELTA_FINE && SLOTS <= OTA_DELTA_SLOTS, "the model has the slots");
_Static_assert(SLOTS - SLOT_DELTA == OTA_DELTA_SLOTS_SAVED, "what a checkpoint holds");

enum mixers { MIX_HIT, MIX_CHANGE = MIX_HIT + 2, MIX_NEW, MIXERS = MIX_NEW + 16 };
_Static_assert(MIX_CHANGE == OTA_DELTA_QUICK && MIXERS <= OTA_DELTA_MIXERS,
               "the model has the mixers");

void ota_delta_stream_init(struct ota_delta_stream *stream)
{
    memset(stream, 0, sizeof *stream);
    ota_delta_model_init(&stream->model);
    ota_delta_model_expect_numbers(&stream->model, SLOT_NUMBERS,
                                   (SLOT_SHAPE - SLOT_NUMBERS) / OTA_DELTA_NUMBER_SLOTS);
}

int ota_delta_code_map(struct ota_delta_stream *stream, struct ota_delta_start start)
{
    int more = ota_delta_map_code(&stream->map, &stream->model, SLOT_MAP, start);
    if (more == 0)
        stream->next = ota_delta_map_next(&stream->map, 0);
    return more;
}

bool ota_delta_wants_token(const struct ota_delta_stream *stream)
{
    return stream->place.match_left == 0;
}

/* A byte where `old` was expected and something else is likely. */
static uint8_t code_changed_byte(struct ota_delta_stream *stream, uint8_t byte, uint8_t old,
                                 unsigned upper)
{
    unsigned node = 1;
    unsigned differs = 0;
    for (unsigned i = 8; i-- > 0;) {
        unsigned old_bit = (unsigned)old >> i & 1U;
        const uint16_t slots[2] = {
            (uint16_t)(SLOT_BYTE + upper * 256 + node),
            (uint16_t)(SLOT_CHANGE + upper * 32U + i * 4U + old_bit * 2U + differs)};
        unsigned bit =
            (unsigned)ota_delta_code_mixed(&stream->model, slots, 2, MIX_CHANGE, byte >> i & 1);
        differs |= bit ^ old_bit;
        node = node << 1 | bit;
    }
    return (uint8_t)node;
}

/* A byte of a literal: mixed from what is usual there, what is usual behind `before`, and what the
 * base has where it would go on. */
static uint8_t code_new_byte(struct ota_delta_stream *stream, uint8_t byte, unsigned upper,
                             unsigned before, uint8_t old)
{
    unsigned node = 1;
    unsigned differs = 0;
    for (unsigned i = 8; i-- > 0;) {
        unsigned hash = (before * 0x9e5U + upper * 0x4d3U + node * 0x3d1U) % SLOTS_BEHIND;
        unsigned old_bit = (unsigned)old >> i & 1U;
        const uint16_t slots[3] = {
            (uint16_t)(SLOT_BYTE + upper * 256 + node), (uint16_t)(SLOT_BEHIND + hash),
            (uint16_t)(SLOT_RELATED + upper * 32U + i * 4U + old_bit * 2U + differs)};
        unsigned bit = (unsigned)ota_delta_code_mixed(&stream->model, slots, 3,
                                                      MIX_NEW + upper * 8 + i, byte >> i & 1);
        differs |= bit ^ old_bit;
        node = node << 1 | bit;
    }
    return (uint8_t)node;
}

/* One byte, or two at an even place: the upper one first, for the lower depends on it in code. */
static int code_literal(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len)
{
    struct ota_delta_place *place = &stream->place;
    uint32_t old = 0;
    if (place->base_at + 2 <= stream->map.base_len) {
        int error = ota_delta_read_base(stream, place->base_at, 2, &old);
        if (error != OTA_OK)
            return error;
    }
    if ((place->position & 1) != 0 || len < 2) {
        bytes[0] = code_new_byte(stream, bytes[0], 0, place->last[1], (uint8_t)old);
        return 1;
    }
    bytes[1] = code_new_byte(stream, bytes[1], 1, place->last[1], (uint8_t)(old >> 8));
    bytes[0] = code_new_byte(stream, bytes[0], 0, bytes[1], (uint8_t)old);
    return 2;
}

/* --- segments --- */

static uint32_t code_bytes(struct ota_delta_stream *stream, const struct ota_delta_guess *guess,
                           uint32_t value)
{
    uint32_t coded = 0;
    for (unsigned i = guess->len; i-- > 0;)
        coded = coded << 8 | code_changed_byte(stream, (uint8_t)(value >> 8 * i),
                                               (uint8_t)(guess->value >> 8 * i), i & 1);
    return coded;
}

/* Halfwords and bytes that are no number: most often the same change as last time, or any bytes. */
static uint32_t code_plain_miss(struct ota_delta_stream *stream,
                                const struct ota_delta_guess *guess, uint32_t value)
{
    int32_t *last = &stream->place.last_delta[group_of[guess->class]];
    bool same = *last != 0 && value - guess->value == (uint32_t)*last;
    if (ota_delta_code_bit(&stream->model, SLOT_SHAPE + guess->class, same))
        return guess->value + (uint32_t)*last;
    value = code_bytes(stream, guess, value);
    *last = (int32_t)(value - guess->value);
    return value;
}

/* How far a number is from the expected one. */
static int32_t code_delta(struct ota_delta_stream *stream, const struct ota_delta_guess *guess,
                          int32_t delta)
{
    unsigned group = group_of[guess->class];
    int32_t *last = &stream->place.last_delta[group];
    bool same = delta == *last && delta != 0;
    if (ota_delta_code_bit(&stream->model, SLOT_SAME + guess->class, same))
        return *last;
    *last =
        ota_delta_code_signed(&stream->model, SLOT_DELTA + group * OTA_DELTA_NUMBER_SLOTS, delta);
    return *last;
}

/* A prediction failed: what is there instead. */
static uint32_t code_miss(struct ota_delta_stream *stream, const struct ota_delta_guess *guess,
                          uint32_t value)
{
    enum ota_thumb_kind kind = (enum ota_thumb_kind)guess->class;
    bool relative = guess->class > OTA_THUMB_PLAIN32 && guess->class < OTA_THUMB_KINDS;
    bool word = guess->class >= OTA_DELTA_CLASS_POOL_FLASH && guess->class < OTA_DELTA_CLASS_BYTE;
    if (!relative && !word)
        return code_plain_miss(stream, guess, value);
    uint32_t expected = relative ? (uint32_t)ota_thumb_field(kind, guess->value) : guess->value;
    uint32_t found = relative ? (uint32_t)ota_thumb_field(kind, value) : value;
    int32_t delta = (int32_t)(found - expected);
    bool shaped = relative ? ota_thumb_with_field(kind, guess->value, (int32_t)found) == value
                           : delta > -DELTA_MAX && delta < DELTA_MAX;
    if (ota_delta_code_bit(&stream->model, SLOT_SHAPE + guess->class, shaped)) {
        found = expected + (uint32_t)code_delta(stream, guess, delta);
        return relative ? ota_thumb_with_field(kind, guess->value, (int32_t)found) : found;
    }
    return code_bytes(stream, guess, value);
}

static unsigned log2_bucket(unsigned value)
{
    unsigned bucket = 0;
    for (; value > 0; value >>= 1)
        bucket++;
    return bucket > 7 ? 7 : bucket;
}

/* Put a place first. */
static void remember_call(struct ota_delta_place *place, uint32_t target)
{
    unsigned at = 0;
    while (at < OTA_DELTA_CALLED - 1 && place->called[at] != target)
        at++;
    for (; at > 0; at--)
        place->called[at] = place->called[at - 1];
    place->called[0] = target;
}

static int code_copy(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                     uint8_t *bytes, uint32_t len)
{
    struct ota_delta_place *place = &stream->place;
    struct ota_delta_guess guess;
    int error = ota_delta_guess_piece(stream, segment, len, &guess);
    if (error != OTA_OK)
        return error;
    uint32_t value = ota_delta_guess_value(&guess, bytes);
    unsigned moved = guess.value != guess.old;
    const uint16_t slots[2] = {
        (uint16_t)(SLOT_HIT + guess.class * 8 + moved * 4 + (place->history & 3U)),
        (uint16_t)(SLOT_HIT_RUN + guess.class * 8 + log2_bucket(place->run))};
    int miss =
        ota_delta_code_mixed(&stream->model, slots, 2, MIX_HIT + moved, value != guess.value);
    place->history = (uint8_t)(place->history << 1 | miss);
    place->run = miss ? 0 : (uint8_t)(place->run + (place->run < 255));
    value = miss ? code_miss(stream, &guess, value) : guess.value;
    ota_delta_guess_bytes(&guess, value, bytes);
    if (guess.class == OTA_THUMB_BL)
        remember_call(place,
                      place->position + 4 + 2 * (uint32_t)ota_thumb_field(OTA_THUMB_BL, value));
    return (int)guess.len;
}

/* --- gaps --- */

/* Of `most` bytes at most, from where there are as many. */
static int begin_match(struct ota_delta_stream *stream, const struct ota_delta_token *token,
                       uint32_t most)
{
    struct ota_delta_place *place = &stream->place;
    bool of_result = token->kind == OTA_DELTA_OF_RESULT;
    uint32_t limit = of_result ? place->position : stream->map.base_len;
    if (token->len == 0 || token->len > most || token->from >= limit ||
        (!of_result && token->len > limit - token->from) || token->content >= stream->map.contents)
        return OTA_E_DELTA_BLOCK;
    place->match_kind = token->kind;
    place->match_base = place->match_from = token->from;
    place->match_left = token->len;
    if (!of_result)
        place->base_at = token->from;
    if (token->kind == OTA_DELTA_INLINE)
        place->match_content = token->content;
    return OTA_OK;
}

static void code_content(struct ota_delta_stream *stream, struct ota_delta_token *token)
{
    token->content = (uint8_t)ota_delta_code_tree(
        &stream->model, SLOT_CONTENT + 4U * stream->place.match_content, 2, token->content);
}

/* The segment that the map has at the position: what it doesn't say. */
static int begin_segment(struct ota_delta_stream *stream, struct ota_delta_token *token)
{
    struct ota_delta_place *place = &stream->place;
    uint32_t from = stream->next.base;
    stream->next = ota_delta_map_next(&stream->map, place->position + 1);
    uint32_t room = stream->next.result - place->position;
    uint32_t gap = ota_delta_code_number(&stream->model, SLOT_GAP, room - token->len);
    token->kind = OTA_DELTA_INLINE;
    token->from = from;
    token->len = room - gap;
    code_content(stream, token);
    return begin_match(stream, token, room);
}

static int code_token(struct ota_delta_stream *stream, struct ota_delta_token *token, uint32_t gap)
{
    struct ota_delta_model *model = &stream->model;
    struct ota_delta_place *place = &stream->place;
    unsigned slot = SLOT_TOKEN + 8U * place->match_kind;
    token->kind = (uint8_t)ota_delta_code_tree(model, slot, 3, token->kind);
    if (token->kind >= OTA_DELTA_TOKENS)
        return OTA_E_DELTA_BLOCK;
    place->match_kind = token->kind;
    if (token->kind == OTA_DELTA_LITERAL || token->kind == OTA_DELTA_CALL)
        return OTA_OK;
    if (token->kind == OTA_DELTA_OF_RESULT) {
        token->from = place->position -
                      ota_delta_code_number(model, SLOT_DISTANCE, place->position - token->from);
    } else {
        token->from = place->base_at +
                      (uint32_t)ota_delta_code_signed(model, SLOT_JUMP,
                                                      (int32_t)(token->from - place->base_at));
    }
    if (token->kind == OTA_DELTA_INLINE)
        code_content(stream, token);
    token->len = ota_delta_code_number(
        model, SLOT_LEN + (token->kind - 1U) * OTA_DELTA_NUMBER_SLOTS, token->len);
    return begin_match(stream, token, gap);
}

static int code_call(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len, uint32_t target)
{
    struct ota_delta_place *place = &stream->place;
    struct ota_delta_model *model = &stream->model;
    if (len < 4)
        return OTA_E_DELTA_BLOCK;
    unsigned index = 0;
    while (index < OTA_DELTA_CALLED && place->called[index] != target)
        index++;
    if (ota_delta_code_bit(model, SLOT_CALL, index < OTA_DELTA_CALLED)) {
        target = place->called[ota_delta_code_tree(model, SLOT_CALL_INDEX, 4, index)];
    } else {
        unsigned low = 0; /* bits below the tree's, for the halfwords of the result */
        while (stream->map.result_len >> low > 2U << CALL_PLACE_BITS)
            low++;
        uint32_t high =
            ota_delta_code_tree(model, SLOT_CALL_PLACE, CALL_PLACE_BITS, target >> 1 >> low);
        target = (high << low | ota_delta_code_raw(model, low, target >> 1)) << 1;
    }
    remember_call(place, target);
    uint32_t call = ota_thumb_with_field(OTA_THUMB_BL, 0xf000d000U,
                                         (int32_t)(target - place->position - 4) / 2);
    struct ota_delta_guess guess = {OTA_THUMB_BL, 4, 0, 0};
    ota_delta_guess_bytes(&guess, call, bytes);
    return 4;
}

static int copy_match(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len)
{
    struct ota_delta_place *place = &stream->place;
    bool of_base = place->match_kind == OTA_DELTA_OF_BASE;
    if (!of_base && len > place->position - place->match_from)
        len = place->position - place->match_from;
    int error = stream->read(stream->ctx, of_base, place->match_from, bytes, len);
    return error != OTA_OK ? error : (int)len;
}

static int code_match(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len)
{
    struct ota_delta_place *place = &stream->place;
    if (len > place->match_left)
        len = place->match_left;
    uint32_t before = place->match_from - place->match_base;
    struct ota_delta_segment segment = {place->match_base, place->position - before,
                                        (before + place->match_left) & 0xffffffU,
                                        place->match_content};
    int done = place->match_kind == OTA_DELTA_INLINE ? code_copy(stream, &segment, bytes, len)
                                                     : copy_match(stream, bytes, len);
    if (done > 0) {
        place->match_from += (uint32_t)done;
        place->match_left -= (uint32_t)done;
    }
    return done;
}

/* What no match has: a literal or a call. */
static int code_new(struct ota_delta_stream *stream, uint8_t *bytes, uint32_t len,
                    const struct ota_delta_token *token)
{
    return stream->place.match_kind == OTA_DELTA_CALL ? code_call(stream, bytes, len, token->from)
                                                      : code_literal(stream, bytes, len);
}

int ota_delta_code_piece(struct ota_delta_stream *stream, uint8_t bytes[OTA_DELTA_PIECE_MAX],
                         struct ota_delta_token *token)
{
    struct ota_delta_place *place = &stream->place;
    int error = OTA_OK;
    if (place->match_left == 0 && place->position == stream->next.result)
        error = begin_segment(stream, token);
    uint32_t gap = stream->next.result - place->position;
    if (place->match_left == 0 && error == OTA_OK)
        error = code_token(stream, token, gap);
    if (error != OTA_OK)
        return error;
    uint32_t step = OTA_DELTA_STEP - place->position % OTA_DELTA_STEP;
    uint32_t len = gap < OTA_DELTA_PIECE_MAX ? gap : OTA_DELTA_PIECE_MAX;
    if (len > step)
        len = step;
    int done = place->match_left > 0 ? code_match(stream, bytes, len)
                                     : code_new(stream, bytes, len, token);
    if (done <= 0)
        return done;
    for (int i = 0; i < done; i++)
        place->last[(place->position + (uint32_t)i) & 1] = bytes[i];
    place->position += (uint32_t)done;
    if (place->base_at + (uint32_t)done <= stream->map.base_len)
        place->base_at += (uint32_t)done;
    if (place->position % OTA_DELTA_STEP == 0) {
        ota_delta_model_round(&stream->model, SLOT_DELTA, SLOTS);
        ota_delta_model_forget(&stream->model, SLOT_BEHIND, SLOT_MAP);
    }
    return done;
}

size_t ota_delta_stream_save(const struct ota_delta_stream *stream, uint8_t *buf)
{
    memcpy(buf, &stream->place, sizeof stream->place);
    ota_delta_model_save(&stream->model, SLOT_DELTA, SLOTS, buf + sizeof stream->place);
    return OTA_DELTA_STREAM_SAVED;
}

void ota_delta_stream_load(struct ota_delta_stream *stream, const uint8_t *buf)
{
    memcpy(&stream->place, buf, sizeof stream->place);
    ota_delta_model_load(&stream->model, SLOT_DELTA, SLOTS, buf + sizeof stream->place);
}

bool ota_delta_stream_resume(struct ota_delta_stream *stream)
{
    const struct ota_delta_place *place = &stream->place;
    uint32_t base_len = stream->map.base_len;
    bool of_base = place->match_kind == OTA_DELTA_OF_BASE || place->match_kind == OTA_DELTA_INLINE;
    if (place->position >= stream->map.result_len || place->base_at > base_len ||
        place->match_kind >= OTA_DELTA_TOKENS || place->match_content >= OTA_DELTA_CONTENTS)
        return false;
    stream->next = ota_delta_map_next(&stream->map, place->position);
    if (place->match_left == 0)
        return true;
    return place->match_base <= place->match_from &&
           place->match_from < (of_base ? base_len : place->position) &&
           place->match_left <= stream->next.result - place->position &&
           (!of_base || place->match_left <= base_len - place->match_from);
}
