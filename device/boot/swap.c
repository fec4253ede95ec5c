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

static void feed_at(const struct ota_swap *swap, uint32_t at)
{
    if (at % OTA_FEED_BYTES == 0)
        swap->platform->feed(swap->platform->ctx);
}

static bool is_equal(const struct ota_swap *swap, uint32_t to, uint32_t from, uint32_t len)
{
    const struct ota_flash *flash = swap->flash;
    uint8_t want[CHUNK_LEN];
    uint8_t have[CHUNK_LEN];

    for (uint32_t at = 0; at < len; at += CHUNK_LEN) {
        feed_at(swap, at);
        (void)read_chunk(flash, from + at, want);
        if (flash->read(flash->ctx, to + at, have, CHUNK_LEN) != OTA_OK ||
            memcmp(want, have, CHUNK_LEN) != 0)
            return false;
    }
    return true;
}

static int program_sector(const struct ota_swap *swap, uint32_t to, uint32_t from, uint32_t len)
{
    const struct ota_flash *flash = swap->flash;
    uint8_t chunk[CHUNK_LEN];

    swap->platform->feed(swap->platform->ctx);
    if (flash->erase(flash->ctx, to) != OTA_OK)
        return OTA_E_FLASH;
    for (uint32_t at = 0; at < len; at += CHUNK_LEN) {
        feed_at(swap, at);
        if (read_chunk(flash, from + at, chunk) &&
            flash->program(flash->ctx, to + at, chunk, CHUNK_LEN) != OTA_OK)
            return OTA_E_FLASH;
    }
    return is_equal(swap, to, from, len) ? OTA_OK : OTA_E_FLASH;
}

static int copy_sector(const struct ota_swap *swap, uint32_t to, uint32_t from)
{
    uint32_t len = ota_swap_sector_len(swap);
    int error = OTA_E_FLASH;

    for (int tries = 0; tries < TRIES && error != OTA_OK; tries++)
        error = program_sector(swap, to, from, len);
    return error;
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
        if (!is_equal(swap, to, from + i * len, len) &&
            copy_sector(swap, to, from + i * len) != OTA_OK)
            error = OTA_E_FLASH;
    }
    return error;
}
