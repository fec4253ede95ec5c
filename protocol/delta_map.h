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

#define OTA_DELTA_STARTS_MAX 410U
#define OTA_DELTA_MOVES_MAX 72U

/* How a segment's pieces are predicted. */
enum ota_delta_content {
    OTA_DELTA_BYTES = 0, /* as they were */
    OTA_DELTA_CODE = 1,  /* instructions and literal pools */
    OTA_DELTA_WORDS = 2, /* words that may be addresses */
    OTA_DELTA_CONTENTS = 3,
};

/* A part of the result that comes from one of the base. */
struct ota_delta_segment {
    uint32_t base;   /* offset in the base */
    uint32_t result; /* offset in the result */
    uint32_t len : 24;
    uint32_t content : 8; /* enum ota_delta_content */
};

/* Where a segment begins: all that the map has of it. How long it is shows when it is copied. */
struct ota_delta_start {
    uint32_t base;
    uint32_t result;
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
    uint8_t contents;                        /* OTA_DELTA_CONTENTS, or 1 for bytes only */
    uint16_t count;                          /* of segments */
    uint16_t known;                          /* of them, in `starts` */
    uint16_t move_count;                     /* of moves */
    uint16_t coded;                          /* entries coded */
    struct ota_delta_start last;             /* coded */
    uint8_t starts[OTA_DELTA_STARTS_MAX][6]; /* base and result, 24 bits each, by base */
    struct ota_delta_move moves[OTA_DELTA_MOVES_MAX];
};

#define OTA_DELTA_MAP_NUMBERS 5U
#define OTA_DELTA_MAP_RETURN 2U /* slots before those of the numbers */
#define OTA_DELTA_MAP_SLOTS (OTA_DELTA_MAP_RETURN + OTA_DELTA_MAP_NUMBERS * OTA_DELTA_NUMBER_SLOTS)

void ota_delta_map_init(struct ota_delta_map *map);

/* Code the next entry by slots from `slot` on. 1 when there is more, 0 when the map is whole, or
 * OTA_E_DELTA_BLOCK. The encoder has filled in the counts and the moves, and gives the start that
 * follows the last one in the result, as long as there is one. */
int ota_delta_map_code(struct ota_delta_map *map, struct ota_delta_model *model, unsigned slot,
                       struct ota_delta_start start);

/* Let a start be known, one of OTA_DELTA_STARTS_MAX at most. */
void ota_delta_map_add(struct ota_delta_map *map, struct ota_delta_start start);

/* What becomes of a value: an address in the old image's world, or any other number that the moves
 * know. `near` (or NULL): the segment that mentions it; what is in the same one moves with it. */
uint32_t ota_delta_map_value(const struct ota_delta_map *map, const struct ota_delta_segment *near,
                             uint32_t value);

/* What becomes of it by the segments alone. */
uint32_t ota_delta_map_plain(const struct ota_delta_map *map, uint32_t value);

/* The first start at or behind `position` of the result; where there is none, the result's end. */
struct ota_delta_start ota_delta_map_next(const struct ota_delta_map *map, uint32_t position);

#endif
