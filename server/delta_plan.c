#include "server/delta_plan.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta_content.h"
#include "server/delta_moves.h"

#define PASSES 3       /* each knows from the last one where things went */
#define SPLIT_ROOM 14U /* segments of the map that are kept for splitting others by content */

static int by_base(const void *a, const void *b)
{
    const struct ota_delta_segment *left = a;
    const struct ota_delta_segment *right = b;
    if (left->base != right->base)
        return left->base < right->base ? -1 : 1;
    return left->result < right->result ? -1 : left->result > right->result;
}

static int longer(const void *a, const void *b)
{
    const struct ota_delta_segment *left = a;
    const struct ota_delta_segment *right = b;
    return left->len > right->len ? -1 : left->len < right->len;
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

/* The longest segments go to the map, `segments` keeps the others. */
static int share(struct ota_delta_map *map, struct delta_segments *segments)
{
    const unsigned room = OTA_DELTA_SEGMENTS_MAX - SPLIT_ROOM;
    uint32_t least = 0;
    if (segments->count > room) {
        struct ota_delta_segment *sorted = malloc(segments->count * sizeof *sorted);
        if (sorted == NULL)
            return OTA_E_NO_SPACE;
        memcpy(sorted, segments->at, segments->count * sizeof *sorted);
        qsort(sorted, segments->count, sizeof *sorted, longer);
        least = sorted[room].len + 1U;
        free(sorted);
    }
    uint32_t kept = 0;
    map->count = 0;
    for (uint32_t i = 0; i < segments->count; i++) {
        if (segments->at[i].len >= least)
            map->segments[map->count++] = segments->at[i];
        else
            segments->at[kept++] = segments->at[i];
    }
    segments->count = kept;
    ota_delta_map_sort(map);
    return OTA_OK;
}

int delta_plan_make(struct ota_delta_stream *stream, struct delta_bytes base,
                    struct delta_bytes result, const struct delta_style *style,
                    struct delta_segments *others)
{
    struct ota_delta_map *map = &stream->map;
    int error = find_segments(map, base, result, style, others);
    if (error == OTA_OK)
        error = share(map, others);
    if (error != OTA_OK || map->contents == 1)
        return error;
    error = delta_content_choose(stream, result);
    for (uint32_t i = 0; i < others->count && error == OTA_OK; i++)
        others->at[i].content = delta_content_of(stream, result, others->at[i]) & 0xffU;
    if (error == OTA_OK)
        error = delta_moves_choose(stream, result, others);
    return error;
}
