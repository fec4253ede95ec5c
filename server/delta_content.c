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
#define SWITCH_COST 800U /* one more segment in the map */

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

static uint32_t price(struct ota_delta_stream *stream, struct delta_bytes result,
                      struct ota_delta_segment segment, unsigned content, struct chunks *chunks)
{
    uint32_t total = 0;
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
        uint32_t cost = miss ? miss_cost(content, len, bytes, found) : HIT_COST;
        if (chunks != NULL)
            chunks->cost[chunk_of(stream, &segment, at)][content] += cost;
        total += cost;
        at += (uint32_t)len;
    }
    return total;
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
                 struct ota_delta_segment segment, struct ota_delta_segment *out, unsigned room)
{
    struct chunks chunks = {.count = chunk_of(stream, &segment, segment.len - 1) + 1};
    chunks.cost = calloc(chunks.count, sizeof *chunks.cost);
    chunks.from = calloc(chunks.count, sizeof *chunks.from);
    int made = OTA_E_NO_SPACE;
    if (chunks.cost != NULL && chunks.from != NULL) {
        for (unsigned content = 0; content < OTA_DELTA_CONTENTS; content++)
            price(stream, result, segment, content, &chunks);
        choose(&chunks);
        made = 0;
        for (uint32_t i = 0; i < chunks.count; i++) {
            uint32_t at = chunk_start(stream, &segment, i);
            if (made > 0 && (out[made - 1].content == chunks.cost[i][0] || (unsigned)made == room))
                continue;
            if (made > 0)
                out[made - 1].len = (at - (out[made - 1].base - segment.base)) & 0xffffffU;
            out[made++] = (struct ota_delta_segment){segment.base + at, segment.result + at,
                                                     (segment.len - at) & 0xffffffU,
                                                     chunks.cost[i][0] & 0xffU};
        }
    }
    free(chunks.cost);
    free(chunks.from);
    return made;
}

int delta_content_choose(struct ota_delta_stream *stream, struct delta_bytes result)
{
    struct ota_delta_segment out[OTA_DELTA_SEGMENTS_MAX] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < stream->map.count; i++) {
        unsigned room = OTA_DELTA_SEGMENTS_MAX - count - (stream->map.count - i - 1);
        int made = split(stream, result, stream->map.segments[i], out + count, room);
        if (made < 0)
            return made;
        count += (unsigned)made;
    }
    memcpy(stream->map.segments, out, count * sizeof *out);
    stream->map.count = (uint16_t)count;
    ota_delta_map_sort(&stream->map);
    memset(&stream->place, 0, sizeof stream->place);
    return OTA_OK;
}

unsigned delta_content_of(struct ota_delta_stream *stream, struct delta_bytes result,
                          struct ota_delta_segment segment)
{
    uint32_t best_cost = UINT32_MAX;
    unsigned best = OTA_DELTA_BYTES;
    for (unsigned content = 0; content < OTA_DELTA_CONTENTS; content++) {
        uint32_t cost = price(stream, result, segment, content, NULL);
        if (cost < best_cost) {
            best_cost = cost;
            best = content;
        }
    }
    return best;
}
