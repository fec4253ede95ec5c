/*
 * Moving images between the slots, sector by sector, so that power may go at any point.
 *
 * Primary P has n sectors, secondary S one more. Old image A runs in P, new image B was downloaded
 * to S one sector late. The swap moves a hole along:
 *
 *                  P[0] P[1] P[2]   S[0] S[1] S[2] S[3]
 *     before        A0   A1   A2     --   B0   B1   B2
 *     step 0        A0   A1   A2    *A0   B0   B1   B2     S[0] = P[0]
 *     step 1       *B0   A1   A2     A0   B0   B1   B2     P[0] = S[1]
 *     step 2        B0   A1   A2     A0  *A1   B1   B2     S[1] = P[1]
 *     step 3        B0  *B1   A2     A0   A1   B1   B2     P[1] = S[2]
 *     step 4        B0   B1   A2     A0   A1  *A2   B2     S[2] = P[2]
 *     step 5        B0   B1  *B2     A0   A1   A2   B2     P[2] = S[3]
 *
 * The sector that a step overwrites holds nothing that is not elsewhere too, and no step changes
 * its own source: a step that was cut is done again. Each sector is erased and copied once.
 *
 * Going back needs no order: A lies whole in S and stays there while P[i] = S[i] is done again for
 * every i, as often as power allows.
 */
#ifndef OTA_DEVICE_BOOT_SWAP_H
#define OTA_DEVICE_BOOT_SWAP_H

#include <stdint.h>

#include "device/port/flash.h"
#include "device/port/platform.h"

struct ota_swap {
    const struct ota_flash *flash;
    const struct ota_flash_map *map;
    const struct ota_platform *platform; /* feed is used */
};

/* Bytes of one sector of the slots. */
uint32_t ota_swap_sector_len(const struct ota_swap *swap);

/* Do step `step`, 0 to 2 * sectors - 1. OTA_OK, or OTA_E_FLASH: the sector could not be made to
 * hold what it should. */
int ota_swap_step(const struct ota_swap *swap, uint32_t step);

/* How many sectors of A lie in S after `steps` steps. */
uint32_t ota_swap_saved(uint32_t steps);

/* Copy `sectors` sectors from `from` to the start of the primary; those that are equal already are
 * left alone. OTA_OK or OTA_E_FLASH, after trying all of them. */
int ota_swap_copy(const struct ota_swap *swap, uint32_t from, uint32_t sectors);

#endif
