#include "server/delta_plan.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta_content.h"
#include "server/delta_moves.h"

#define PASSES 3 /* each knows from the last one where things went */
#define ROUNDS 3

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

/* Where the map says already that the segment goes. */
static bool is_mapped(const struct ota_delta_map *map, const struct ota_delta_segment *segment)
{
    return ota_delta_map_plain(map, map->base_address + segment->base) ==
           map->base_address + segment->result;
}

/* The longest segments begin in the map, but for those that it is right about without. As it gets
 * others, it may no longer be, hence the rounds. */
static int choose_starts(struct ota_delta_map *map, const struct delta_segments *segments)
{
    struct ota_delta_segment *sorted = malloc((segments->count + 1U) * sizeof *sorted);
    if (sorted == NULL)
        return OTA_E_NO_SPACE;
    if (segments->count > 0) {
        memcpy(sorted, segments->at, segments->count * sizeof *sorted);
        qsort(sorted, segments->count, sizeof *sorted, longer);
    }
    ota_delta_map_init(map);
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < segments->count && map->known < OTA_DELTA_STARTS_MAX; i++)
            if (sorted[i].len > 0 && !is_mapped(map, &sorted[i])) {
                ota_delta_map_add(map, (struct ota_delta_start){sorted[i].base, sorted[i].result});
                sorted[i].len = 0; /* once */
            }
    map->count = map->known;
    free(sorted);
    return OTA_OK;
}

int delta_plan_make(struct ota_delta_stream *stream, struct delta_bytes base,
                    struct delta_bytes result, const struct delta_style *style,
                    struct delta_segments *segments)
{
    struct ota_delta_map *map = &stream->map;
    int error = find_segments(map, base, result, style, segments);
    if (error == OTA_OK)
        error = choose_starts(map, segments);
    if (error == OTA_OK && map->contents > 1)
        error = delta_content_choose(stream, result, segments);
    if (error == OTA_OK && map->contents > 1)
        error = delta_moves_choose(stream, result, segments);
    return error;
}
