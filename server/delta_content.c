#include "server/delta_content.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta_image.h"

#define CHUNK_LEN 16U /* bytes of the base; a content begins at a multiple */
#define HIT_COST 1U   /* in 1/16 bit */
#define CODE_MISS_COST 250U
#define BYTE_MISS_COST 190U
#define WORD_MISS_COST 100U /* and more the farther it is off */
#define WORD_BIT_COST 20U
#define SWITCH_COST 1200U /* one more segment */

/* Costs of a segment's chunks under each content. */
struct chunks {
    uint32_t count;
    uint32_t (*cost)[OTA_DELTA_CONTENTS];
    uint8_t (*from)[OTA_DELTA_CONTENTS]; /* the best content before, if this one holds here */
};

static uint32_t chunk_of(const struct ota_delta_stream *stream,
                         const struct ota_delta_segment *segment, uint32_t at)
{
    uint32_t start = stream->map.base_address + segment->base;
    return (start + at) / CHUNK_LEN - start / CHUNK_LEN;
}

/* Where a chunk begins within its segment. */
static uint32_t chunk_start(const struct ota_delta_stream *stream,
                            const struct ota_delta_segment *segment, uint32_t chunk)
{
    uint32_t start = stream->map.base_address + segment->base;
    return chunk == 0 ? 0 : (start / CHUNK_LEN + chunk) * CHUNK_LEN - start;
}

static uint32_t miss_cost(unsigned content, int len, const uint8_t *expected, const uint8_t *found)
{
    if (len == 1)
        return BYTE_MISS_COST;
    if (content == OTA_DELTA_CODE)
        return CODE_MISS_COST;
    uint32_t off = delta_word(found) - delta_word(expected);
    uint32_t cost = WORD_MISS_COST;
    for (off = off >> 31 != 0 ? 0 - off : off; off != 0; off >>= 1)
        cost += WORD_BIT_COST;
    return cost;
}

static void price(struct ota_delta_stream *stream, struct delta_bytes result,
                  struct ota_delta_segment segment, unsigned content, struct chunks *chunks)
{
    segment.content = content & 0xffU;
    for (uint32_t at = 0; at < segment.len;) {
        uint8_t bytes[OTA_DELTA_PIECE_MAX];
        uint32_t left = segment.len - at;
        stream->place.position = segment.result + at;
        int len = ota_delta_predict(stream, &segment,
                                    left < OTA_DELTA_PIECE_MAX ? left : OTA_DELTA_PIECE_MAX, bytes);
        if (len <= 0)
            break;
        const uint8_t *found = result.at + segment.result + at;
        bool miss = memcmp(bytes, found, (size_t)len) != 0;
        chunks->cost[chunk_of(stream, &segment, at)][content] +=
            miss ? miss_cost(content, len, bytes, found) : HIT_COST;
        at += (uint32_t)len;
    }
}

/* The cheapest way through: contents per chunk, in place of the costs of content 0. */
static void choose(struct chunks *chunks)
{
    uint32_t total[OTA_DELTA_CONTENTS] = {0};
    for (uint32_t i = 0; i < chunks->count; i++) {
        unsigned best = 0;
        for (unsigned c = 1; c < OTA_DELTA_CONTENTS; c++)
            if (total[c] < total[best])
                best = c;
        uint32_t switched = total[best] + (i == 0 ? 0 : SWITCH_COST);
        for (unsigned c = 0; c < OTA_DELTA_CONTENTS; c++) {
            chunks->from[i][c] = (uint8_t)(total[c] <= switched ? c : best);
            total[c] = (total[c] <= switched ? total[c] : switched) + chunks->cost[i][c];
        }
    }
    unsigned content = 0;
    for (unsigned c = 1; c < OTA_DELTA_CONTENTS; c++)
        if (total[c] < total[content])
            content = c;
    for (uint32_t i = chunks->count; i-- > 0;) {
        chunks->cost[i][0] = content;
        content = chunks->from[i][content];
    }
}

static int split(struct ota_delta_stream *stream, struct delta_bytes result,
                 struct ota_delta_segment segment, struct delta_segments *out)
{
    struct chunks chunks = {.count = chunk_of(stream, &segment, segment.len - 1) + 1};
    chunks.cost = calloc(chunks.count, sizeof *chunks.cost);
    chunks.from = calloc(chunks.count, sizeof *chunks.from);
    int error = chunks.cost != NULL && chunks.from != NULL ? OTA_OK : OTA_E_NO_SPACE;
    if (error == OTA_OK) {
        for (unsigned content = 0; content < OTA_DELTA_CONTENTS; content++)
            price(stream, result, segment, content, &chunks);
        choose(&chunks);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < chunks.count && error == OTA_OK; i++) {
        bool last = i + 1 == chunks.count;
        if (!last && chunks.cost[i][0] == chunks.cost[i + 1][0])
            continue;
        uint32_t end = last ? segment.len : chunk_start(stream, &segment, i + 1);
        struct ota_delta_segment part = {segment.base + at, segment.result + at,
                                         (end - at) & 0xffffffU, chunks.cost[i][0] & 0xffU};
        error = delta_segments_append(out, part);
        at = end;
    }
    free(chunks.cost);
    free(chunks.from);
    return error;
}

int delta_content_split(struct ota_delta_stream *stream, struct delta_bytes result,
                        const struct delta_segments *segments, struct delta_segments *parts)
{
    int error = OTA_OK;
    *parts = (struct delta_segments){NULL, 0};
    for (uint32_t i = 0; i < segments->count && error == OTA_OK; i++)
        error = split(stream, result, segments->at[i], parts);
    memset(&stream->place, 0, sizeof stream->place);
    return error;
}
