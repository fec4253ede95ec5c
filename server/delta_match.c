#include "server/delta_match.h"

#include <divsufsort.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"

#define JUMP_MIN 32U /* equal bytes that are passed over at once */
#define TRIES 64     /* equal matches looked at */

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

static uint32_t apart(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/* Among the neighbours of `place` that match as long, the one nearest to `near`. */
static uint32_t nearest(const struct delta_index *index, struct delta_bytes find, uint32_t place,
                        uint32_t len, uint32_t near)
{
    uint32_t best = (uint32_t)index->suffixes[place];
    for (int step = -1; step <= 1; step += 2) {
        int64_t at = (int64_t)place + step;
        for (int i = 0; i < TRIES && at >= 0 && at < index->text.len; i++, at += step) {
            uint32_t from = (uint32_t)index->suffixes[at];
            if (index->text.len - from < len || memcmp(index->text.at + from, find.at, len) != 0)
                break;
            if (apart(from, near) < apart(best, near))
                best = from;
        }
    }
    return best;
}

struct delta_match delta_index_longest(const struct delta_index *index, struct delta_bytes find,
                                       uint32_t near)
{
    struct delta_match best = {0, 0};
    uint32_t best_place = 0;
    uint32_t low = 0;
    uint32_t high = index->text.len;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t from = (uint32_t)index->suffixes[middle];
        uint32_t len = common(index->text, from, find);
        if (len > best.len) {
            best = (struct delta_match){from, len};
            best_place = middle;
        }
        if (len == find.len)
            break;
        if (from + len == index->text.len || index->text.at[from + len] < find.at[len])
            low = middle + 1;
        else
            high = middle;
    }
    if (best.len > 0)
        best.from = nearest(index, find, best_place, best.len, near);
    return best;
}

int delta_segments_append(struct delta_segments *segments, struct ota_delta_segment segment)
{
    uint32_t count = segments->count;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        size_t cap = count == 0 ? 1 : 2 * (size_t)count;
        void *grown = realloc(segments->at, cap * sizeof segment);
        if (grown == NULL)
            return OTA_E_NO_SPACE;
        segments->at = grown;
    }
    segments->at[segments->count++] = segment;
    return OTA_OK;
}

/* What segments are looked for in. */
struct search {
    const struct delta_index *index;
    struct delta_bytes result;
    const struct delta_style *style;
};

/* An alignment: from `result` to `end`, result bytes come from the base at the same distance. */
struct anchor {
    uint32_t base;
    uint32_t result;
    uint32_t len; /* bytes that are equal */
};

static bool alike(const struct search *search, int64_t base_at, int64_t result_at)
{
    return base_at >= 0 && base_at < search->index->text.len &&
           search->index->text.at[base_at] == search->result.at[result_at];
}

/* How many bytes from `at` on are equal at this distance. */
static uint32_t equal_run(const struct search *search, uint32_t at, int64_t distance)
{
    uint32_t len = 0;
    while (len < search->result.len - at && alike(search, at + distance + len, (int64_t)at + len))
        len++;
    return len;
}

static uint32_t count_equal(const struct search *search, uint32_t at, uint32_t len,
                            int64_t distance)
{
    uint32_t equal = 0;
    for (uint32_t i = 0; i < len; i++)
        equal += alike(search, at + distance + i, (int64_t)at + i);
    return equal;
}

/* The next place from `at` on where something else matches clearly better than the last alignment
 * goes on doing. An anchor with len 0 when there is none. */
static struct anchor next_anchor(const struct search *search, uint32_t at,
                                 const struct anchor *last)
{
    int64_t distance = (int64_t)last->base - last->result;
    for (; at < search->result.len; at++) {
        struct delta_bytes find = {search->result.at + at, search->result.len - at};
        uint32_t same = equal_run(search, at, distance);
        if (same >= JUMP_MIN) {
            at += same - 1;
            continue;
        }
        struct delta_match match =
            delta_index_longest(search->index, find, (uint32_t)(at + distance));
        if (match.len >= search->style->match_min && match.from != at + distance &&
            match.len >= count_equal(search, at, match.len, distance) + search->style->match_better)
            return (struct anchor){match.from, at, match.len};
    }
    return (struct anchor){0, search->result.len, 0};
}

/* How many bytes, from `at` on in steps of 1 or -1, the alignment is worth going on: `most` at
 * most. */
static uint32_t extend(const struct search *search, const struct anchor *anchor, int64_t at,
                       int step, uint32_t most)
{
    int64_t distance = (int64_t)anchor->base - anchor->result;
    int64_t score = 0;
    int64_t best_score = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < most; i++, at += step) {
        if (at + distance < 0 || at + distance >= search->index->text.len)
            break;
        score += alike(search, at + distance, at) ? search->style->equal_gain
                                                  : -search->style->miss_cost;
        if (score > best_score) {
            best_score = score;
            best = i + 1;
        }
    }
    return best;
}

/* Two alignments want the bytes [from, to): where the second shall begin. */
static uint32_t divide(const struct search *search, const struct anchor *first,
                       const struct anchor *second, uint32_t from, uint32_t to)
{
    int64_t one = (int64_t)first->base - first->result;
    int64_t two = (int64_t)second->base - second->result;
    int score = 0;
    int best_score = 0;
    uint32_t best = from;
    for (uint32_t at = from; at < to; at++) {
        score += alike(search, at + one, at) - alike(search, at + two, at);
        if (score > best_score) {
            best_score = score;
            best = at + 1;
        }
    }
    return best;
}

int delta_match_segments(const struct delta_index *index, struct delta_bytes result,
                         const struct delta_style *style, struct delta_segments *segments)
{
    const struct search search = {index, result, style};
    struct anchor now = {0, 0, 0};
    uint32_t start = 0; /* of what the present alignment has */
    *segments = (struct delta_segments){NULL, 0};
    for (;;) {
        uint32_t sure = now.result + now.len;
        struct anchor next = next_anchor(&search, sure, &now);
        uint32_t end = sure + extend(&search, &now, sure, 1, next.result - sure);
        uint32_t next_start =
            next.result - extend(&search, &next, (int64_t)next.result - 1, -1, next.result - start);
        if (next_start < sure)
            next_start = sure;
        if (next.len == 0)
            next_start = result.len;
        else if (next_start < end)
            end = next_start = divide(&search, &now, &next, next_start, end);
        if (end > start) {
            struct ota_delta_segment segment = {now.base - (now.result - start), start,
                                                (end - start) & 0xffffffU, OTA_DELTA_BYTES};
            if (delta_segments_append(segments, segment) != OTA_OK)
                return OTA_E_NO_SPACE;
        }
        if (next.len == 0)
            return OTA_OK;
        start = next_start;
        now = next;
    }
}
