/*
 * An image as the matcher wants it: with everything taken out that changes when code moves. Two
 * functions that differ in where they lie, and in where what they call lies, become equal.
 */
#ifndef OTAD_SERVER_DELTA_IMAGE_H
#define OTAD_SERVER_DELTA_IMAGE_H

#include <stdbool.h>

#include "server/delta.h"

struct delta_image {
    struct delta_bytes raw;
    bool thumb;       /* else nothing is taken out */
    uint32_t address; /* of its first byte */
    uint8_t *normal;  /* raw.len bytes */
    uint8_t *pool;    /* 1 for the first byte of each word that an instruction loads */
};

/* Where the first byte of a raw or MCUboot image lies in flash, by its vector table and by what
 * points into it. false when it doesn't look like a Cortex-M image. */
bool delta_image_address(struct delta_bytes raw, uint32_t *address);

/* Segments for looking up where something went; `by_base` is in the order of their base. */
struct delta_places {
    struct ota_delta_segment *by_base;
    uint32_t count;
};

/* Where the byte at `offset` went: by the segment that has it, or the last one before it. */
uint32_t delta_places_find(const struct delta_places *places, uint32_t offset);

/* OTA_OK or OTA_E_NO_SPACE. */
int delta_image_init(struct delta_image *image, struct delta_bytes raw, bool thumb,
                     uint32_t address);

/* Take less out: what names an absolute place names it in `normal`, too, as `places` moves it
 * (NULL: it stays). The base with its places, and the result with NULL, can then be compared. */
void delta_image_place(struct delta_image *image, const struct delta_places *places);

void delta_image_free(struct delta_image *image);

static inline uint32_t delta_word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

#endif
