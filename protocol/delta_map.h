/*
 * The map of a patch: which parts of the base go where in the result, and which addresses outside
 * the image moved. A target in the old image is looked up in it to predict the new one.
 */
#ifndef OTA_PROTOCOL_DELTA_MAP_H
#define OTA_PROTOCOL_DELTA_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/delta_model.h"

#define OTA_DELTA_SEGMENTS_MAX 160U
#define OTA_DELTA_MOVES_MAX 152U

/* How a segment's pieces are predicted. */
enum ota_delta_content {
    OTA_DELTA_BYTES = 0, /* as they were */
    OTA_DELTA_CODE = 1,  /* instructions and literal pools */
    OTA_DELTA_WORDS = 2, /* words that may be addresses */
    OTA_DELTA_CONTENTS = 3,
};

struct ota_delta_segment {
    uint32_t base;   /* offset in the base */
    uint32_t result; /* offset in the result; segments are in this order, and don't overlap here */
    uint32_t len : 24;
    uint32_t content : 8; /* enum ota_delta_content */
};

/* A value from `from` on, up to the next move's, is `by` higher in the result; with
 * OTA_DELTA_AS_MAPPED it is where the segments say. */
#define OTA_DELTA_AS_MAPPED 0x80000000U
struct ota_delta_move {
    uint32_t from;
    uint32_t by;
};

struct ota_delta_map {
    uint32_t base_address;
    uint32_t base_len;
    uint32_t result_len;
    uint8_t contents;    /* OTA_DELTA_CONTENTS, or 1 for bytes only */
    uint16_t count;      /* of segments */
    uint16_t move_count; /* of moves */
    uint16_t coded;      /* entries coded */
    struct ota_delta_segment segments[OTA_DELTA_SEGMENTS_MAX];
    struct ota_delta_move moves[OTA_DELTA_MOVES_MAX];
    uint8_t by_base[OTA_DELTA_SEGMENTS_MAX]; /* the segments in the order of `base` */
};

#define OTA_DELTA_MAP_SLOTS (6U * OTA_DELTA_NUMBER_SLOTS + 14U)

/* Code the next entry by slots from `slot` on. 1 when there is more, 0 when the map is whole, or
 * OTA_E_DELTA_BLOCK. The encoder has filled in the map but for by_base and coded (0). */
int ota_delta_map_code(struct ota_delta_map *map, struct ota_delta_model *model, unsigned slot);

/* by_base from the segments. */
void ota_delta_map_sort(struct ota_delta_map *map);

/* What becomes of a value: an address in the old image's world, or any other number that the moves
 * know. `near` (or NULL): the segment that mentions it; what is in the same one moves with it. */
uint32_t ota_delta_map_value(const struct ota_delta_map *map, const struct ota_delta_segment *near,
                             uint32_t value);

/* What becomes of it by the segments alone. */
uint32_t ota_delta_map_plain(const struct ota_delta_map *map, uint32_t value);

/* The first segment that ends behind `position` of the result, or NULL. */
const struct ota_delta_segment *ota_delta_map_next(const struct ota_delta_map *map,
                                                   uint32_t position);

#endif
