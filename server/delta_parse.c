#include "server/delta_parse.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/delta_thumb.h"
#include "protocol/error.h"

#define HASH_BITS 15
#define TRIES 64
#define CALL_GAIN 18   /* bits saved by a call against literals, about */
#define LITERAL_BITS 7 /* what a byte costs that isn't in a match, about */

int delta_parse_init(struct delta_parse *parse, const struct delta_index *index,
                     struct delta_bytes result, const struct delta_segments *segments, bool thumb)
{
    *parse = (struct delta_parse){
        .result = result,
        .index = index,
        .segments = segments,
        .thumb = thumb,
        .newest = calloc((size_t)1 << HASH_BITS, sizeof *parse->newest),
        .before = calloc((size_t)result.len + 1, sizeof *parse->before),
    };
    if (parse->newest == NULL || parse->before == NULL) {
        delta_parse_free(parse);
        return OTA_E_NO_SPACE;
    }
    return OTA_OK;
}

void delta_parse_free(struct delta_parse *parse)
{
    free(parse->newest);
    free(parse->before);
    parse->newest = parse->before = NULL;
}

static uint32_t hash(const uint8_t *at)
{
    return delta_word(at) * 0x9e3779b1U >> (32 - HASH_BITS);
}

static void hash_up_to(struct delta_parse *parse, uint32_t position)
{
    for (; parse->hashed < position && parse->hashed + 4 <= parse->result.len; parse->hashed++) {
        uint32_t *newest = &parse->newest[hash(parse->result.at + parse->hashed)];
        parse->before[parse->hashed] = *newest;
        *newest = parse->hashed + 1;
    }
}

static int bits_of(uint32_t value)
{
    int bits = 0;
    for (; value != 0; value >>= 1)
        bits++;
    return bits;
}

/* Bits saved by a match against literals, about. */
static int gain(const struct ota_delta_stream *stream, const struct ota_delta_token *token)
{
    int32_t jump = (int32_t)(token->from - stream->place.base_at);
    int place = token->kind == OTA_DELTA_OF_RESULT
                    ? bits_of(stream->place.position - token->from)
                    : bits_of((uint32_t)(jump < 0 ? -jump : jump)) + 1;
    return (int)token->len * LITERAL_BITS - (6 + place + place / 3 + bits_of(token->len));
}

static void try_match(const struct ota_delta_stream *stream, struct ota_delta_token *best,
                      int *best_gain, struct ota_delta_token token)
{
    int now = gain(stream, &token);
    if (now > *best_gain) {
        *best_gain = now;
        *best = token;
    }
}

static void try_result(struct delta_parse *parse, const struct ota_delta_stream *stream,
                       uint32_t at, uint32_t most, struct ota_delta_token *best, int *best_gain)
{
    if (at + 4 > parse->result.len)
        return;
    hash_up_to(parse, at);
    uint32_t place = parse->newest[hash(parse->result.at + at)];
    for (int i = 0; i < TRIES && place != 0; i++, place = parse->before[place - 1]) {
        uint32_t from = place - 1;
        uint32_t len = 0;
        if (from >= at) /* hashed when what comes later was looked at */
            continue;
        while (len < most && parse->result.at[from + len] == parse->result.at[at + len])
            len++;
        try_match(stream, best, best_gain,
                  (struct ota_delta_token){OTA_DELTA_OF_RESULT, 0, from, len});
    }
}

/* The best match at `at`, or a literal; *saved gets what it saves. */
static struct ota_delta_token best_at(struct delta_parse *parse,
                                      const struct ota_delta_stream *stream, uint32_t at,
                                      uint32_t end, int *saved)
{
    struct ota_delta_token best = {OTA_DELTA_LITERAL, 0, 0, 1};
    struct delta_bytes find = {parse->result.at + at, end - at};
    *saved = 0;
    if (end - at < 2)
        return best;
    struct delta_match match = delta_index_longest(parse->index, find, stream->place.base_at);
    if (match.len > 0)
        try_match(stream, &best, saved,
                  (struct ota_delta_token){OTA_DELTA_OF_BASE, 0, match.from, match.len});
    uint32_t near = stream->place.base_at + (at - stream->place.position);
    if (near < parse->index->text.len) {
        uint32_t len = 0;
        while (len < find.len && near + len < parse->index->text.len &&
               parse->index->text.at[near + len] == find.at[len])
            len++;
        if (len > 0)
            try_match(stream, &best, saved,
                      (struct ota_delta_token){OTA_DELTA_OF_BASE, 0, near, len});
    }
    try_result(parse, stream, at, end - at, &best, saved);
    return best;
}

/* A call of something in the result, where one can be coded: a better literal. */
static bool call_at(const struct delta_parse *parse, uint32_t at, uint32_t end,
                    struct ota_delta_token *token)
{
    if (at % 2 != 0 || end - at < 4 || at % OTA_DELTA_STEP > OTA_DELTA_STEP - 4)
        return false;
    uint32_t word = delta_word(parse->result.at + at);
    uint32_t instruction = word << 16 | word >> 16;
    if (ota_thumb_classify(instruction) != OTA_THUMB_BL)
        return false;
    uint32_t target = at + 4 + 2 * (uint32_t)ota_thumb_field(OTA_THUMB_BL, instruction);
    if (target >= parse->result.len)
        return false;
    *token = (struct ota_delta_token){OTA_DELTA_CALL, 0, target, 4};
    return true;
}

struct ota_delta_token delta_parse_token(struct delta_parse *parse,
                                         const struct ota_delta_stream *stream)
{
    uint32_t at = stream->place.position;
    uint32_t end = stream->next.result > at ? stream->next.result : parse->result.len;
    const struct delta_segments *segments = parse->segments;
    while (parse->next < segments->count && segments->at[parse->next].result < at)
        parse->next++;
    if (parse->next < segments->count) {
        const struct ota_delta_segment *segment = &segments->at[parse->next];
        if (segment->result == at)
            return (struct ota_delta_token){OTA_DELTA_INLINE, segment->content, segment->base,
                                            segment->len};
        if (segment->result < end)
            end = segment->result;
    }
    int saved;
    int saved_later;
    struct ota_delta_token call;
    bool calls = parse->thumb && call_at(parse, at, end, &call);
    struct ota_delta_token now = best_at(parse, stream, at, end, &saved);
    if (calls && saved < CALL_GAIN)
        return call;
    if (now.kind != OTA_DELTA_LITERAL && at + 1 < end) {
        uint32_t step = at % 2 == 0 && at + 2 < end ? 2 : 1;
        best_at(parse, stream, at + step, end, &saved_later);
        if (saved_later > saved + 2)
            return (struct ota_delta_token){OTA_DELTA_LITERAL, 0, 0, 1};
    }
    return now;
}
