/*
 * Seam: a NOR flash device, and the areas of it that an update uses.
 *
 * Rules of the device, which every port keeps and host tests enforce: an erase sets a whole sector
 * to 0xff; a program only clears bits, in units of write_len bytes, aligned to it; with write_once
 * a unit is programmed at most once after an erase (ECC flash, as on STM32H7). Power may go at any
 * point of a program (some bits of the unit still set) or of an erase (random bits). Nothing may
 * rely on more.
 */
#ifndef OTA_DEVICE_PORT_FLASH_H
#define OTA_DEVICE_PORT_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTA_FLASH_WRITE_LEN_MAX 32U /* bytes, STM32H7's flash word */

struct ota_flash {
    void *ctx;
    uint32_t write_len; /* bytes: 1, 2, 4, 8, 16 or 32 */
    bool write_once;    /* a unit takes one program per erase */

    /* Bytes of the sector that starts at `addr`; 0 when no sector starts there. */
    uint32_t (*sector_len)(void *ctx, uint32_t addr);
    /* Copy out. OTA_OK, or OTA_E_FLASH (outside, or ECC fault): then buf holds nothing usable. */
    int (*read)(void *ctx, uint32_t addr, void *buf, size_t len);
    /* Program `len` bytes; addr and len are multiples of write_len. Returns when it is done and the
     * controller's error flags are clean, else OTA_E_FLASH. */
    int (*program)(void *ctx, uint32_t addr, const void *buf, size_t len);
    /* Erase the sector that starts at `addr`. Blocks; feeds the watchdog as long as it takes. */
    int (*erase)(void *ctx, uint32_t addr);
};

struct ota_flash_area {
    uint32_t addr;
    uint32_t len; /* bytes, whole sectors */
};

/*
 * Where things lie. All sectors of `primary` and `secondary` have one size S. The secondary is one
 * sector longer than the primary: its first sector is the spare one that the swap needs
 * ("scratch"), so that an install erases and copies each sector once. device/boot/swap.h draws it.
 */
struct ota_flash_map {
    struct ota_flash_area journal[2]; /* one sector each */
    struct ota_flash_area primary;    /* n sectors; the image that runs */
    struct ota_flash_area secondary;  /* n + 1 sectors; a download lies at secondary.addr + S */
};

#endif
