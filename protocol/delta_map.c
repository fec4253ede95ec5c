#include "protocol/delta_map.h"

#include <string.h>

#include "protocol/error.h"

/* What a number of the map is. */
enum number { COUNT, STEP, JUMP, MOVE_FROM, MOVE_BY, NUMBERS };
_Static_assert(NUMBERS == OTA_DELTA_MAP_NUMBERS, "numbers of the map");

static uint32_t get24(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static void put24(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 3; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static struct ota_delta_start start_at(const struct ota_delta_map *map, unsigned index)
{
    const uint8_t *at = map->starts[index];
    return (struct ota_delta_start){get24(at), get24(at + 3)};
}

void ota_delta_map_init(struct ota_delta_map *map)
{
    map->count = map->known = map->move_count = map->coded = 0;
    map->last = (struct ota_delta_start){0, 0};
}

/* How many starts are at or before `offset` of the base. */
static unsigned starts_up_to(const struct ota_delta_map *map, uint32_t offset)
{
    unsigned low = 0;
    unsigned high = map->known;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (get24(map->starts[middle]) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ota_delta_map_add(struct ota_delta_map *map, struct ota_delta_start start)
{
    unsigned index = starts_up_to(map, start.base);
    memmove(map->starts[index + 1], map->starts[index],
            (map->known - index) * sizeof map->starts[0]);
    put24(map->starts[index], start.base);
    put24(map->starts[index] + 3, start.result);
    map->known++;
}

struct ota_delta_start ota_delta_map_next(const struct ota_delta_map *map, uint32_t position)
{
    struct ota_delta_start best = {0, map->result_len};
    for (unsigned i = 0; i < map->known; i++) {
        struct ota_delta_start start = start_at(map, i);
        if (start.result >= position && start.result < best.result)
            best = start;
    }
    return best;
}

struct coding {
    struct ota_delta_model *model;
    unsigned slot;
};

static uint32_t code(const struct coding *coding, enum number what, uint32_t value)
{
    return ota_delta_code_number(
        coding->model, coding->slot + OTA_DELTA_MAP_RETURN + what * OTA_DELTA_NUMBER_SLOTS, value);
}

static uint32_t code_signed(const struct coding *coding, enum number what, uint32_t value)
{
    return (uint32_t)ota_delta_code_signed(
        coding->model, coding->slot + OTA_DELTA_MAP_RETURN + what * OTA_DELTA_NUMBER_SLOTS,
        (int32_t)value);
}

static int code_counts(struct ota_delta_map *map, const struct coding *coding)
{
    uint32_t count = code(coding, COUNT, map->count);
    uint32_t move_count = code(coding, COUNT, map->move_count);
    if (count > OTA_DELTA_STARTS_MAX || move_count > OTA_DELTA_MOVES_MAX)
        return OTA_E_DELTA_BLOCK;
    map->count = (uint16_t)count;
    map->move_count = (uint16_t)move_count;
    return OTA_OK;
}

static int code_start(struct ota_delta_map *map, const struct coding *coding,
                      struct ota_delta_start start)
{
    struct ota_delta_start *last = &map->last;
    uint32_t step = code(coding, STEP, start.result - last->result);
    uint32_t base = last->base + step;
    base += code_signed(coding, JUMP, start.base - base);
    if (step >= map->result_len - last->result || base > map->base_len ||
        (step == 0 && map->known > 0))
        return OTA_E_DELTA_BLOCK;
    *last = (struct ota_delta_start){base, last->result + step};
    ota_delta_map_add(map, *last);
    return OTA_OK;
}

/* By the segment that begins last at or before `offset` of the base. */
static uint32_t mapped_offset(const struct ota_delta_map *map, uint32_t offset)
{
    unsigned before = starts_up_to(map, offset);
    if (before == 0)
        return offset;
    struct ota_delta_start found = start_at(map, before - 1);
    return offset - found.base + found.result;
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
    if (after_mapped ||
        ota_delta_code_bit(coding->model, coding->slot, now->by != OTA_DELTA_AS_MAPPED)) {
        uint32_t near = after_mapped ? ota_delta_map_plain(map, from) - from : last->by;
        by = near + code_signed(coding, MOVE_BY, now->by - near);
    }
    *now = (struct ota_delta_move){from, by};
    return OTA_OK;
}

int ota_delta_map_code(struct ota_delta_map *map, struct ota_delta_model *model, unsigned slot,
                       struct ota_delta_start start)
{
    struct coding coding = {model, slot};
    unsigned index = map->coded++;
    int error = index == 0            ? code_counts(map, &coding)
                : index <= map->count ? code_start(map, &coding, start)
                                      : code_move(map, &coding, index - 1 - map->count);
    if (error != OTA_OK)
        return error;
    return map->coded <= (unsigned)map->count + map->move_count;
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
