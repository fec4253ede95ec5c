#include "protocol/delta_map.h"

#include "protocol/error.h"

/* What a number of the map is. */
enum number { COUNT, GAP, JUMP, LEN, MOVE_FROM, MOVE_BY, NUMBERS };
#define SLOT_CONTENT (NUMBERS * OTA_DELTA_NUMBER_SLOTS) /* 4 for each content before */
#define SLOT_RETURN (SLOT_CONTENT + 4U * OTA_DELTA_CONTENTS)
_Static_assert(SLOT_RETURN + 2 == OTA_DELTA_MAP_SLOTS, "slots of the map");

struct coding {
    struct ota_delta_model *model;
    unsigned slot;
};

static uint32_t code(const struct coding *coding, enum number what, uint32_t value)
{
    return ota_delta_code_number(coding->model, coding->slot + what * OTA_DELTA_NUMBER_SLOTS,
                                 value);
}

static uint32_t code_signed(const struct coding *coding, enum number what, uint32_t value)
{
    return (uint32_t)ota_delta_code_signed(
        coding->model, coding->slot + what * OTA_DELTA_NUMBER_SLOTS, (int32_t)value);
}

static int code_counts(struct ota_delta_map *map, const struct coding *coding)
{
    uint32_t count = code(coding, COUNT, map->count);
    uint32_t move_count = code(coding, COUNT, map->move_count);
    if (count > OTA_DELTA_SEGMENTS_MAX || move_count > OTA_DELTA_MOVES_MAX)
        return OTA_E_DELTA_BLOCK;
    map->count = (uint16_t)count;
    map->move_count = (uint16_t)move_count;
    return OTA_OK;
}

static int code_segment(struct ota_delta_map *map, const struct coding *coding, unsigned index)
{
    static const struct ota_delta_segment none = {0, 0, 0, 0};
    struct ota_delta_segment *now = &map->segments[index];
    const struct ota_delta_segment *last = index == 0 ? &none : now - 1;
    uint32_t result = last->result + last->len;
    uint32_t base = last->base + last->len;
    uint32_t gap = code(coding, GAP, now->result - result);
    base += code_signed(coding, JUMP, now->base - base - gap) + gap;
    uint32_t len = code(coding, LEN, now->len);
    uint32_t content = ota_delta_code_tree(
        coding->model, coding->slot + SLOT_CONTENT + 4U * last->content, 2, now->content);
    if (gap > map->result_len - result || len > map->result_len - result - gap ||
        base > map->base_len || len > map->base_len - base || content >= map->contents)
        return OTA_E_DELTA_BLOCK;
    *now = (struct ota_delta_segment){base, result + gap, len & 0xffffffU, content & 0xffU};
    return OTA_OK;
}

/* By the segment that has `offset` of the base, or else the last one before it. */
static uint32_t mapped_offset(const struct ota_delta_map *map, uint32_t offset)
{
    unsigned low = 0;
    unsigned high = map->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (map->segments[map->by_base[middle]].base <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return offset;
    const struct ota_delta_segment *found = &map->segments[map->by_base[low - 1]];
    return offset - found->base + found->result;
}

uint32_t ota_delta_map_plain(const struct ota_delta_map *map, uint32_t value)
{
    uint32_t offset = value - map->base_address;
    return offset <= map->base_len ? map->base_address + mapped_offset(map, offset) : value;
}

static int code_move(struct ota_delta_map *map, const struct coding *coding, unsigned index)
{
    static const struct ota_delta_move none = {0, OTA_DELTA_AS_MAPPED};
    struct ota_delta_move *now = &map->moves[index];
    const struct ota_delta_move *last = index == 0 ? &none : now - 1;
    uint32_t from = last->from + code(coding, MOVE_FROM, now->from - last->from);
    uint32_t by = OTA_DELTA_AS_MAPPED;
    bool after_mapped = last->by == OTA_DELTA_AS_MAPPED;
    if (from < last->from)
        return OTA_E_DELTA_BLOCK;
    if (after_mapped || ota_delta_code_bit(coding->model, coding->slot + SLOT_RETURN,
                                           now->by != OTA_DELTA_AS_MAPPED)) {
        uint32_t near = after_mapped ? ota_delta_map_plain(map, from) - from : last->by;
        by = near + code_signed(coding, MOVE_BY, now->by - near);
    }
    *now = (struct ota_delta_move){from, by};
    return OTA_OK;
}

int ota_delta_map_code(struct ota_delta_map *map, struct ota_delta_model *model, unsigned slot)
{
    struct coding coding = {model, slot};
    unsigned index = map->coded++;
    int error = index == 0            ? code_counts(map, &coding)
                : index <= map->count ? code_segment(map, &coding, index - 1)
                                      : code_move(map, &coding, index - 1 - map->count);
    if (error != OTA_OK)
        return error;
    if (map->coded == map->count + 1U)
        ota_delta_map_sort(map);
    return map->coded <= (unsigned)map->count + map->move_count;
}

void ota_delta_map_sort(struct ota_delta_map *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        unsigned to = i;
        for (; to > 0 && map->segments[map->by_base[to - 1]].base > map->segments[i].base; to--)
            map->by_base[to] = map->by_base[to - 1];
        map->by_base[to] = (uint8_t)i;
    }
}

/* The moves that are coded. */
static unsigned moves_known(const struct ota_delta_map *map)
{
    return map->coded > map->count ? map->coded - map->count - 1U : 0;
}

uint32_t ota_delta_map_value(const struct ota_delta_map *map, const struct ota_delta_segment *near,
                             uint32_t value)
{
    uint32_t offset = value - map->base_address;
    if (near != NULL && offset - near->base < near->len)
        return value - near->base + near->result;
    unsigned low = 0;
    unsigned high = moves_known(map);
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (map->moves[middle].from <= value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && map->moves[low - 1].by != OTA_DELTA_AS_MAPPED)
        return value + map->moves[low - 1].by;
    return ota_delta_map_plain(map, value);
}

const struct ota_delta_segment *ota_delta_map_next(const struct ota_delta_map *map,
                                                   uint32_t position)
{
    unsigned low = 0;
    unsigned high = map->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (map->segments[middle].result + map->segments[middle].len <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->count ? &map->segments[low] : NULL;
}
