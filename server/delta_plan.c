#include "server/delta_plan.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta_content.h"
#include "server/delta_moves.h"
#include "server/delta_votes.h"

#define PASSES 3 /* each knows from the last one where things went */
#define ROUNDS 3
#define OVERLAPS 16U /* segments from the same place of the base that are looked at */

static int by_base(const void *a, const void *b)
{
    const struct ota_delta_segment *left = a;
    const struct ota_delta_segment *right = b;
    if (left->base != right->base)
        return left->base < right->base ? -1 : 1;
    return left->result < right->result ? -1 : left->result > right->result;
}

/* A segment that could begin in the map, and how much it wants to. */
struct ranked {
    struct ota_delta_segment segment;
    uint32_t rank;
};

/* By rank, then by length. */
static int by_rank(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->rank != right->rank)
        return left->rank > right->rank ? -1 : 1;
    return left->segment.len > right->segment.len ? -1 : left->segment.len < right->segment.len;
}

static int ranked_by_base(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    return by_base(&left->segment, &right->segment);
}

static int match_once(const struct delta_image *base, const struct delta_image *result,
                      const struct delta_style *style, struct delta_segments *segments)
{
    struct delta_index index;
    int error = delta_index_init(&index, (struct delta_bytes){base->normal, base->raw.len});
    if (error != OTA_OK)
        return error;
    error = delta_match_segments(&index, (struct delta_bytes){result->normal, result->raw.len},
                                 style, segments);
    delta_index_free(&index);
    return error;
}

/* Images without places first, then with what the last pass says of them. */
static int match(struct delta_image *base, struct delta_image *result,
                 const struct delta_style *style, struct delta_segments *segments)
{
    int error = match_once(base, result, style, segments);
    for (int pass = 1; pass < PASSES && error == OTA_OK && base->thumb; pass++) {
        if (segments->count > 0)
            qsort(segments->at, segments->count, sizeof *segments->at, by_base);
        struct delta_places places = {segments->at, segments->count};
        delta_image_place(base, &places);
        delta_image_place(result, NULL);
        free(segments->at);
        error = match_once(base, result, style, segments);
    }
    return error;
}

static int find_segments(const struct ota_delta_map *map, struct delta_bytes base,
                         struct delta_bytes result, const struct delta_style *style,
                         struct delta_segments *segments)
{
    const bool thumb = map->contents > 1;
    struct delta_image old;
    struct delta_image new;
    *segments = (struct delta_segments){NULL, 0};
    int error = delta_image_init(&old, base, thumb, map->base_address);
    if (error != OTA_OK)
        return error;
    error = delta_image_init(&new, result, thumb, map->base_address);
    if (error == OTA_OK)
        error = match(&old, &new, style, segments);
    delta_image_free(&new);
    delta_image_free(&old);
    return error;
}

/* Where the map says already that the segment goes. */
static bool is_mapped(const struct ota_delta_map *map, const struct ota_delta_segment *segment)
{
    return ota_delta_map_plain(map, map->base_address + segment->base) ==
           map->base_address + segment->result;
}

/* Those of the highest ranks, but for rank 0, and for what the map is right about without them. As
 * it gets others, it may no longer be, hence the rounds. Leaves `ranked` in another order. */
static void choose_starts(struct ota_delta_map *map, struct ranked *ranked, uint32_t count)
{
    if (count > 0)
        qsort(ranked, count, sizeof *ranked, by_rank);
    ota_delta_map_init(map);
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < count && map->known < OTA_DELTA_STARTS_MAX; i++)
            if (ranked[i].rank > 0 && !is_mapped(map, &ranked[i].segment)) {
                const struct ota_delta_segment *segment = &ranked[i].segment;
                ota_delta_map_add(map, (struct ota_delta_start){segment->base, segment->result});
                ranked[i].rank = 0; /* once */
            }
    map->count = map->known;
}

/* Rank: how many votes for its own bytes a segment would predict. */
static void rank_by_votes(const struct ota_delta_map *map, const struct delta_votes *votes,
                          struct ranked *ranked, uint32_t count)
{
    if (count > 0)
        qsort(ranked, count, sizeof *ranked, ranked_by_base);
    for (uint32_t i = 0; i < count; i++)
        ranked[i].rank = 0;
    for (uint32_t i = 0; i < votes->count; i++) {
        uint32_t offset = votes->at[i].old - map->base_address;
        uint32_t low = 0;
        uint32_t high = count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (ranked[middle].segment.base <= offset)
                low = middle + 1;
            else
                high = middle;
        }
        for (uint32_t k = low; k > 0 && low - k < OVERLAPS; k--) {
            const struct ota_delta_segment *segment = &ranked[k - 1].segment;
            uint32_t at = offset - segment->base;
            if (at < segment->len && map->base_address + segment->result + at == votes->at[i].new)
                ranked[k - 1].rank++;
        }
    }
}

/* Begin those segments in the map that are named most. What names them is known when it is known
 * what the segments hold, and that with a map: at first, one of the longest. */
static int choose_named(struct ota_delta_stream *stream, struct delta_bytes result,
                        const struct delta_segments *segments, struct ranked *ranked)
{
    struct delta_segments parts;
    struct delta_votes votes = {NULL, 0, 0};
    int error = delta_content_split(stream, result, segments, &parts);
    if (error == OTA_OK)
        error = delta_votes_collect(stream, result, &parts, &votes);
    if (error == OTA_OK) {
        rank_by_votes(&stream->map, &votes, ranked, segments->count);
        choose_starts(&stream->map, ranked, segments->count);
    }
    free(votes.at);
    free(parts.at);
    return error;
}

static int make_map(struct ota_delta_stream *stream, struct delta_bytes result,
                    const struct delta_segments *segments)
{
    struct ranked *ranked = malloc((segments->count + 1U) * sizeof *ranked);
    if (ranked == NULL)
        return OTA_E_NO_SPACE;
    for (uint32_t i = 0; i < segments->count; i++)
        ranked[i] = (struct ranked){segments->at[i], segments->at[i].len};
    choose_starts(&stream->map, ranked, segments->count);
    int error = OTA_OK;
    if (stream->map.contents > 1)
        error = choose_named(stream, result, segments, ranked);
    free(ranked);
    return error;
}

int delta_plan_make(struct ota_delta_stream *stream, struct delta_bytes base,
                    struct delta_bytes result, const struct delta_style *style,
                    struct delta_segments *segments)
{
    struct delta_segments whole;
    int error = find_segments(&stream->map, base, result, style, &whole);
    *segments = (struct delta_segments){NULL, 0};
    if (error == OTA_OK)
        error = make_map(stream, result, &whole);
    if (stream->map.contents == 1) {
        *segments = whole; /* all bytes */
        return error;
    }
    if (error == OTA_OK)
        error = delta_content_split(stream, result, &whole, segments);
    if (error == OTA_OK)
        error = delta_moves_choose(stream, result, segments);
    free(whole.at);
    return error;
}
