#include "device/boot/swap.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/error.h"

#define CHUNK_LEN 256U /* bytes */
#define TRIES 2        /* a sector that fails is erased and programmed once more */

_Static_assert(CHUNK_LEN % OTA_FLASH_WRITE_LEN_MAX == 0, "whole program units");
_Static_assert(OTA_FEED_BYTES % CHUNK_LEN == 0, "feeds fall between chunks");

uint32_t ota_swap_sector_len(const struct ota_swap *swap)
{
    return swap->flash->sector_len(swap->flash->ctx, swap->map->secondary.addr);
}

/* What can't be read is taken for erased: whether it matters, the image's hash will tell. */
static bool read_chunk(const struct ota_flash *flash, uint32_t addr, uint8_t chunk[CHUNK_LEN])
{
    if (flash->read(flash->ctx, addr, chunk, CHUNK_LEN) != OTA_OK)
        memset(chunk, 0xff, CHUNK_LEN);
    for (uint32_t i = 0; i < CHUNK_LEN; i++) {
        if (chunk[i] != 0xff)
            return true;
    }
    return false;
}

/* Compare a sector with what it should hold; `write`: make it hold that first. */
static bool is_equal(const struct ota_swap *swap, uint32_t to, uint32_t from, bool write)
{
    const struct ota_flash *flash = swap->flash;
    uint32_t len = ota_swap_sector_len(swap);
    uint8_t want[CHUNK_LEN];
    uint8_t have[CHUNK_LEN];

    swap->platform->feed(swap->platform->ctx);
    if (write && flash->erase(flash->ctx, to) != OTA_OK)
        return false;
    for (uint32_t at = 0; at < len; at += CHUNK_LEN) {
        if (at % OTA_FEED_BYTES == 0)
            swap->platform->feed(swap->platform->ctx);
        bool is_data = read_chunk(flash, from + at, want);
        if ((write && is_data && flash->program(flash->ctx, to + at, want, CHUNK_LEN) != OTA_OK) ||
            flash->read(flash->ctx, to + at, have, CHUNK_LEN) != OTA_OK ||
            memcmp(want, have, CHUNK_LEN) != 0)
            return false;
    }
    return true;
}

static int copy_sector(const struct ota_swap *swap, uint32_t to, uint32_t from)
{
    for (int tries = 0; tries < TRIES; tries++) {
        if (is_equal(swap, to, from, true))
            return OTA_OK;
    }
    return OTA_E_FLASH;
}

int ota_swap_step(const struct ota_swap *swap, uint32_t step)
{
    uint32_t len = ota_swap_sector_len(swap);
    uint32_t primary = swap->map->primary.addr + step / 2 * len;
    uint32_t secondary = swap->map->secondary.addr + (step + 1) / 2 * len;

    return step % 2 == 0 ? copy_sector(swap, secondary, primary)
                         : copy_sector(swap, primary, secondary);
}

uint32_t ota_swap_saved(uint32_t steps)
{
    return (steps + 1) / 2;
}

int ota_swap_copy(const struct ota_swap *swap, uint32_t from, uint32_t sectors)
{
    uint32_t len = ota_swap_sector_len(swap);
    int error = OTA_OK;

    for (uint32_t i = 0; i < sectors; i++) {
        uint32_t to = swap->map->primary.addr + i * len;
        if (!is_equal(swap, to, from + i * len, false) &&
            copy_sector(swap, to, from + i * len) != OTA_OK)
            error = OTA_E_FLASH;
    }
    return error;
}
