#include "server/delta_image.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/delta_thumb.h"
#include "protocol/error.h"
#include "protocol/image.h"

#define ADDRESS_STEP 0x100U /* images begin at a multiple of it */
#define VOTES_MIN 5U
#define VECTORS_MIN 64U /* bytes of a vector table at least */

static uint32_t halfword(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

/* PUSH {..., lr}, 16 or 32 bits. */
static bool is_prologue(struct delta_bytes raw, uint32_t offset)
{
    if (offset + 2 > raw.len)
        return false;
    uint32_t first = halfword(raw.at + offset);
    return (first & 0xff00U) == 0xb500U || first == 0xe92dU;
}

/* Words that point to functions if the image lies at `address`. */
static uint32_t count_functions(struct delta_bytes raw, uint32_t address)
{
    uint32_t votes = 0;
    for (uint32_t at = 0; at + 4 <= raw.len; at += 4) {
        uint32_t offset = delta_word(raw.at + at) - address;
        if ((offset & 1) != 0 && offset < raw.len && is_prologue(raw, offset - 1))
            votes++;
    }
    return votes;
}

bool delta_image_address(struct delta_bytes raw, uint32_t *address)
{
    uint32_t vectors = 0;
    if (raw.len >= OTA_IMAGE_HEADER_LEN && delta_word(raw.at) == OTA_IMAGE_MAGIC)
        vectors = halfword(raw.at + 8);
    if (raw.len < vectors + VECTORS_MIN)
        return false;
    uint32_t stack = delta_word(raw.at + vectors);
    uint32_t reset = delta_word(raw.at + vectors + 4);
    if ((stack >> 28 != 2 && stack >> 28 != 1) || (stack & 3) != 0 || (reset & 1) == 0)
        return false;
    uint32_t best_votes = VOTES_MIN - 1;
    uint32_t lowest = reset > raw.len ? reset - raw.len : 0;
    uint32_t steps = ((reset - lowest) / ADDRESS_STEP) + 1;
    for (uint32_t at = reset & ~(ADDRESS_STEP - 1); steps > 0; steps--, at -= ADDRESS_STEP) {
        uint32_t votes = count_functions(raw, at);
        if (votes > best_votes) {
            *address = at;
            best_votes = votes;
        }
    }
    return best_votes >= VOTES_MIN;
}

static void put_word(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static bool is_inside(const struct delta_image *image, uint32_t value)
{
    return value - image->address < image->raw.len;
}

static bool is_ram(uint32_t value)
{
    return value >> 20 == 0x200 || value >> 20 == 0x100;
}

uint32_t delta_places_find(const struct delta_places *places, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = places->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (places->by_base[middle].base <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return offset;
    const struct ota_delta_segment *found = &places->by_base[low - 1];
    return offset - found->base + found->result;
}

/* How the images are made comparable. */
struct view {
    struct delta_image *image;
    bool erase; /* places are taken out */
    const struct delta_places *places;
};

static uint32_t placed(const struct view *view, uint32_t offset)
{
    return view->places == NULL ? offset : delta_places_find(view->places, offset);
}

static void normalize_word(const struct view *view, uint32_t at)
{
    struct delta_image *image = view->image;
    uint32_t value = delta_word(image->raw.at + at);
    if (is_inside(image, value))
        put_word(image->normal + at,
                 view->erase ? 0x01ffffffU : placed(view, value - image->address) + image->address);
    else if (is_ram(value) && view->erase)
        put_word(image->normal + at, 0x02ffffffU);
    else
        put_word(image->normal + at, value);
}

static void mark_pool(struct delta_image *image, enum ota_thumb_kind kind, uint32_t instruction,
                      uint32_t at)
{
    uint32_t target = ota_thumb_origin(kind, image->address + at) +
                      (uint32_t)ota_thumb_field(kind, instruction) * ota_thumb_scale(kind) -
                      image->address;
    if (target % 4 == 0 && target < image->raw.len && image->raw.len - target >= 4)
        image->pool[target] = 1;
}

static uint32_t normal_instruction(const struct view *view, enum ota_thumb_kind kind,
                                   uint32_t instruction, uint32_t at)
{
    if (kind == OTA_THUMB_B16 || kind == OTA_THUMB_BCOND16 || kind == OTA_THUMB_CBZ)
        return instruction;
    if ((kind != OTA_THUMB_BL && kind != OTA_THUMB_B32) || view->erase)
        return ota_thumb_with_field(kind, instruction, 0);
    uint32_t target = at + 4 + (uint32_t)ota_thumb_field(kind, instruction) * ota_thumb_scale(kind);
    if (target < view->image->raw.len)
        target = placed(view, target);
    return ota_thumb_with_field(kind, instruction, (int32_t)(target / 2));
}

/* The instruction at `at`; returns its length. */
static uint32_t normalize_instruction(const struct view *view, uint32_t at)
{
    struct delta_image *image = view->image;
    const uint8_t *raw = image->raw.at;
    uint32_t instruction = halfword(raw + at);
    bool wide = ota_thumb_is_wide(instruction) && at + 4 <= image->raw.len;
    if (!wide && ota_thumb_is_wide(instruction))
        return 2;
    if (wide)
        instruction = instruction << 16 | halfword(raw + at + 2);
    enum ota_thumb_kind kind = ota_thumb_classify(instruction);
    if (kind <= OTA_THUMB_PLAIN32)
        return wide ? 4 : 2;
    if (ota_thumb_loads(kind, instruction))
        mark_pool(image, kind, instruction, at);
    instruction = normal_instruction(view, kind, instruction, at);
    if (wide) {
        put_word(image->normal + at, instruction << 16 | instruction >> 16);
        return 4;
    }
    image->normal[at] = (uint8_t)instruction;
    image->normal[at + 1] = (uint8_t)(instruction >> 8);
    return 2;
}

static void normalize(const struct view *view)
{
    const struct delta_image *image = view->image;
    for (uint32_t at = 0; at + 2 <= image->raw.len;) {
        bool whole = at % 4 == 0 && at + 4 <= image->raw.len;
        if (whole && (image->pool[at] || is_inside(image, delta_word(image->raw.at + at)))) {
            normalize_word(view, at);
            at += 4;
        } else {
            at += normalize_instruction(view, at);
        }
    }
}

void delta_image_place(struct delta_image *image, const struct delta_places *places)
{
    struct view view = {image, false, places};
    if (image->thumb)
        normalize(&view);
}

int delta_image_init(struct delta_image *image, struct delta_bytes raw, bool thumb,
                     uint32_t address)
{
    *image = (struct delta_image){
        .raw = raw,
        .thumb = thumb,
        .address = address,
        .normal = malloc((size_t)raw.len + 1),
        .pool = calloc((size_t)raw.len + 1, 1),
    };
    if (image->normal == NULL || image->pool == NULL) {
        delta_image_free(image);
        return OTA_E_NO_SPACE;
    }
    if (raw.len > 0)
        memcpy(image->normal, raw.at, raw.len);
    struct view view = {image, true, NULL};
    if (thumb)
        normalize(&view);
    return OTA_OK;
}

void delta_image_free(struct delta_image *image)
{
    free(image->normal);
    free(image->pool);
    image->normal = image->pool = NULL;
}
