#include "server/delta_match.h"

#include <divsufsort.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"

#define MATCH_MIN 24U /* bytes that begin a segment */
#define SCORE_DROP 24 /* how much worse a segment may get before it ends */
#define MISS_COST 2   /* in equal bytes */

int delta_index_init(struct delta_index *index, struct delta_bytes text)
{
    index->text = text;
    index->suffixes = malloc(((size_t)text.len + 1) * sizeof *index->suffixes);
    if (index->suffixes == NULL ||
        (text.len > 0 && divsufsort(text.at, index->suffixes, (saidx_t)text.len) != 0)) {
        delta_index_free(index);
        return OTA_E_NO_SPACE;
    }
    return OTA_OK;
}

void delta_index_free(struct delta_index *index)
{
    free(index->suffixes);
    index->suffixes = NULL;
}

static uint32_t common(struct delta_bytes a, uint32_t a_from, struct delta_bytes b)
{
    uint32_t most = a.len - a_from < b.len ? a.len - a_from : b.len;
    uint32_t len = 0;
    while (len < most && a.at[a_from + len] == b.at[len])
        len++;
    return len;
}

struct delta_match delta_index_longest(const struct delta_index *index, struct delta_bytes find)
{
    struct delta_match best = {0, 0};
    uint32_t low = 0;
    uint32_t high = index->text.len;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t from = (uint32_t)index->suffixes[middle];
        uint32_t len = common(index->text, from, find);
        if (len > best.len)
            best = (struct delta_match){from, len};
        if (len == find.len)
            break;
        if (from + len == index->text.len || index->text.at[from + len] < find.at[len])
            low = middle + 1;
        else
            high = middle;
    }
    return best;
}

/* How far two places stay alike, step by step of 1 or -1, with a few differences. */
static uint32_t extend(struct delta_bytes base, int64_t base_at, struct delta_bytes result,
                       int64_t result_at, int step, uint32_t most)
{
    int score = 0;
    int best_score = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < most; i++, base_at += step, result_at += step) {
        if (base_at < 0 || base_at >= base.len || result_at < 0 || result_at >= result.len)
            break;
        score += base.at[base_at] == result.at[result_at] ? 1 : -MISS_COST;
        if (score > best_score) {
            best_score = score;
            best = i + 1;
        } else if (score < best_score - SCORE_DROP) {
            break;
        }
    }
    return best;
}

static void drop_shortest(struct ota_delta_segment *segments, unsigned count)
{
    unsigned shortest = 0;
    for (unsigned i = 1; i < count; i++)
        if (segments[i].len < segments[shortest].len)
            shortest = i;
    memmove(&segments[shortest], &segments[shortest + 1],
            (count - shortest - 1) * sizeof *segments);
}

unsigned delta_match_segments(const struct delta_index *index, struct delta_bytes result,
                              struct ota_delta_segment *segments)
{
    unsigned count = 0;
    uint32_t end = 0; /* of the last segment in the result */
    for (uint32_t at = 0; at < result.len;) {
        struct delta_match match =
            delta_index_longest(index, (struct delta_bytes){result.at + at, result.len - at});
        if (match.len < MATCH_MIN) {
            at++;
            continue;
        }
        uint32_t after = extend(index->text, match.from, result, at, 1, UINT32_MAX);
        uint32_t before =
            extend(index->text, (int64_t)match.from - 1, result, (int64_t)at - 1, -1, at - end);
        if (count == OTA_DELTA_SEGMENTS_MAX)
            drop_shortest(segments, count--);
        segments[count++] =
            (struct ota_delta_segment){match.from - before, at - before, before + after};
        at = end = at + after;
    }
    return count;
}
