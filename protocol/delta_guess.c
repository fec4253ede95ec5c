#include "protocol/delta_guess.h"

#include <string.h>

#include "protocol/error.h"

int ota_delta_read_base(struct ota_delta_stream *stream, uint32_t offset, uint32_t len,
                        uint32_t *value)
{
    if (offset < stream->cache_from || offset + len > stream->cache_from + stream->cache_len) {
        uint32_t left = stream->map.base_len - offset;
        uint32_t most = left < OTA_DELTA_CACHE_LEN ? left : OTA_DELTA_CACHE_LEN;
        int error = stream->read(stream->ctx, true, offset, stream->cache, most);
        stream->cache_len = 0;
        if (error != OTA_OK)
            return error;
        stream->cache_from = offset;
        stream->cache_len = most;
    }
    const uint8_t *at = stream->cache + (offset - stream->cache_from);
    *value = 0;
    for (uint32_t i = len; i-- > 0;)
        *value = *value << 8 | at[i];
    return OTA_OK;
}

static uint8_t *mark_byte(struct ota_delta_place *place, uint32_t offset)
{
    return &place->marks[offset / 4 % OTA_DELTA_MARKS / 8];
}

static uint8_t mark_bit(uint32_t offset)
{
    return (uint8_t)(1U << (offset / 4 % 8));
}

/* Marks are for the words of [marks_from, + OTA_DELTA_MARKS words). */
static void move_marks(struct ota_delta_place *place, uint32_t offset)
{
    if (offset < place->marks_from || offset - place->marks_from >= 4 * OTA_DELTA_MARKS) {
        memset(place->marks, 0, sizeof place->marks);
        place->marks_from = offset & ~3U;
    }
    for (; place->marks_from + 4 <= offset; place->marks_from += 4)
        *mark_byte(place, place->marks_from) &= (uint8_t)~mark_bit(place->marks_from);
}

static void mark(struct ota_delta_place *place, uint32_t offset)
{
    if (offset >= place->marks_from && offset - place->marks_from < 4 * OTA_DELTA_MARKS)
        *mark_byte(place, offset) |= mark_bit(offset);
}

static bool is_marked(struct ota_delta_place *place, uint32_t offset)
{
    return offset - place->marks_from < 4 * OTA_DELTA_MARKS &&
           (*mark_byte(place, offset) & mark_bit(offset)) != 0;
}

static void guess_word(const struct ota_delta_map *map, struct ota_delta_guess *guess,
                       unsigned class)
{
    uint32_t value = guess->old;
    guess->len = 4;
    guess->value = ota_delta_map_value(map, NULL, value);
    if (value - map->base_address <= map->base_len)
        guess->class = class;
    else
        guess->class = value >> 28 == 2 || value >> 28 == 1 ? class + 1 : class + 2;
}

static void guess_relative(struct ota_delta_stream *stream, enum ota_thumb_kind kind,
                           const struct ota_delta_segment *segment, uint32_t offset,
                           struct ota_delta_guess *guess)
{
    const struct ota_delta_map *map = &stream->map;
    uint32_t scale = ota_thumb_scale(kind);
    uint32_t old_address = map->base_address + offset;
    uint32_t new_address = map->base_address + stream->place.position;
    uint32_t target = ota_thumb_origin(kind, old_address) +
                      (uint32_t)ota_thumb_field(kind, guess->old) * scale - map->base_address;
    if (target > map->base_len)
        return;
    if (ota_thumb_loads(kind, guess->old))
        mark(&stream->place, target);
    uint32_t moved = ota_delta_map_value(map, segment, target + map->base_address);
    int32_t distance = (int32_t)(moved - ota_thumb_origin(kind, new_address));
    guess->value = ota_thumb_with_field(kind, guess->old, distance / (int32_t)scale);
}

static int guess_code(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                      uint32_t offset, uint32_t len, struct ota_delta_guess *guess)
{
    uint32_t address = stream->map.base_address + offset;
    if ((address & 1) != 0 || len < 2)
        return OTA_OK;
    move_marks(&stream->place, offset);
    bool aligned = (address & 3) == 0;
    if (aligned && len >= 4 && is_marked(&stream->place, offset)) {
        int error = ota_delta_read_base(stream, offset, 4, &guess->old);
        guess_word(&stream->map, guess, OTA_DELTA_CLASS_POOL_FLASH);
        return error;
    }
    int error = ota_delta_read_base(stream, offset, 2, &guess->old);
    if (error != OTA_OK)
        return error;
    guess->len = 2;
    if (ota_thumb_is_wide(guess->old) && len >= 4 &&
        (aligned || !is_marked(&stream->place, offset + 2))) {
        uint32_t second;
        error = ota_delta_read_base(stream, offset + 2, 2, &second);
        if (error != OTA_OK)
            return error;
        guess->old = guess->old << 16 | second;
        guess->len = 4;
    }
    enum ota_thumb_kind kind = ota_thumb_classify(guess->old);
    if (guess->len == 2 && ota_thumb_is_wide(guess->old))
        kind = OTA_THUMB_PLAIN16;
    guess->class = kind;
    guess->value = guess->old;
    if (kind > OTA_THUMB_PLAIN32)
        guess_relative(stream, kind, segment, offset, guess);
    return OTA_OK;
}

int ota_delta_guess_piece(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                          uint32_t len, struct ota_delta_guess *guess)
{
    uint32_t offset = segment->base + (stream->place.position - segment->result);
    uint32_t address = stream->map.base_address + offset;
    *guess = (struct ota_delta_guess){.class = OTA_DELTA_CLASS_BYTE, .len = 0};
    int error = OTA_OK;
    if (segment->content == OTA_DELTA_CODE)
        error = guess_code(stream, segment, offset, len, guess);
    if (segment->content == OTA_DELTA_WORDS && (address & 3) == 0 && len >= 4) {
        error = ota_delta_read_base(stream, offset, 4, &guess->old);
        guess_word(&stream->map, guess, OTA_DELTA_CLASS_WORD_FLASH);
    }
    if (error != OTA_OK || guess->len > 0)
        return error;
    guess->len = 1;
    error = ota_delta_read_base(stream, offset, 1, &guess->old);
    guess->value = guess->old;
    return error;
}

/* The bytes of a piece as a number, as `guess` has it, and back. */
static bool is_wide_code(const struct ota_delta_guess *guess)
{
    return guess->class < OTA_THUMB_KINDS && guess->len == 4;
}

uint32_t ota_delta_guess_value(const struct ota_delta_guess *guess, const uint8_t *bytes)
{
    uint32_t value = 0;
    for (unsigned i = guess->len; i-- > 0;)
        value = value << 8 | bytes[i];
    return is_wide_code(guess) ? value << 16 | value >> 16 : value;
}

void ota_delta_guess_bytes(const struct ota_delta_guess *guess, uint32_t value, uint8_t *bytes)
{
    if (is_wide_code(guess))
        value = value << 16 | value >> 16;
    for (unsigned i = 0; i < guess->len; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

int ota_delta_predict(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                      uint32_t len, uint8_t bytes[OTA_DELTA_PIECE_MAX])
{
    struct ota_delta_guess guess;
    int error = ota_delta_guess_piece(stream, segment, len, &guess);
    if (error != OTA_OK)
        return error;
    ota_delta_guess_bytes(&guess, guess.value, bytes);
    return (int)guess.len;
}

int ota_delta_refer(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                    uint32_t len, const uint8_t bytes[OTA_DELTA_PIECE_MAX],
                    struct ota_delta_reference *reference)
{
    struct ota_delta_guess guess;
    uint32_t address = stream->map.base_address;
    uint32_t offset = segment->base + (stream->place.position - segment->result);
    int error = ota_delta_guess_piece(stream, segment, len, &guess);
    reference->found = false;
    if (error != OTA_OK)
        return error;
    uint32_t value = ota_delta_guess_value(&guess, bytes);
    enum ota_thumb_kind kind = (enum ota_thumb_kind)guess.class;
    if (guess.class >= OTA_DELTA_CLASS_POOL_FLASH && guess.class < OTA_DELTA_CLASS_BYTE) {
        *reference = (struct ota_delta_reference){true, guess.old, value};
    } else if (guess.class > OTA_THUMB_PLAIN32 && guess.class < OTA_THUMB_KINDS &&
               ota_thumb_with_field(kind, guess.old, ota_thumb_field(kind, value)) == value) {
        uint32_t scale = ota_thumb_scale(kind);
        reference->old = ota_thumb_origin(kind, address + offset) +
                         (uint32_t)ota_thumb_field(kind, guess.old) * scale;
        reference->new = ota_thumb_origin(kind, address + stream->place.position) +
                         (uint32_t)ota_thumb_field(kind, value) * scale;
        uint32_t target = reference->old - address;
        reference->found = target <= stream->map.base_len && target - segment->base >= segment->len;
    }
    return (int)guess.len;
}
