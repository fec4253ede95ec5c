/*
 * A flash that obeys the rules of device/port/flash.h to the letter and loses power where it is
 * told.
 *
 * Each program of one unit and each erase of one sector is an operation. At a cut the operation is
 * not done, or done in part: a program clears any subset of the bits it should (with ECC: the unit
 * may become unreadable), an erase leaves random bits. Then control goes to sim->power_off by
 * longjmp.
 *
 * A caller that breaks a rule (sets a bit, programs a written unit of write-once flash, misaligned,
 * outside) is counted in `violations`; the tests allow none.
 */
#ifndef OTA_TESTS_FLASH_SIM_H
#define OTA_TESTS_FLASH_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/port/flash.h"

#define FLASH_SIM_ADDR 0x08000000U
#define FLASH_SIM_SECTORS_MAX 64
#define FLASH_SIM_LEN_MAX 0x100000U /* bytes */
#define FLASH_SIM_NEVER UINT64_MAX

/* Sectors follow one another from FLASH_SIM_ADDR: two of the journal, then the slots. */
struct flash_geometry {
    const char *name;
    uint32_t journal_sector_len;
    uint32_t slot_sector_len;
    uint32_t slot_sectors; /* of the primary; the secondary has one more */
    uint32_t write_len;
    bool write_once;
    uint32_t erase_us;   /* worst case of a slot sector, from the datasheet */
    uint32_t program_us; /* worst case of a unit */
};

enum flash_tear {
    FLASH_TEAR_NOTHING, /* power goes before the operation */
    FLASH_TEAR_SOME,    /* in the middle of it */
    FLASH_TEAR_MOST,    /* near its end: all but a few bits are done */
    FLASH_TEAR_KINDS,
};

enum flash_defect {
    FLASH_SOUND = 0,
    FLASH_NO_ERASE = 1,    /* erase reports an error and changes nothing */
    FLASH_NO_PROGRAM = 2,  /* program reports an error and changes nothing */
    FLASH_BAD_PROGRAM = 4, /* program reports success and leaves a bit set */
    FLASH_HALF_ERASE = 8,  /* erase reports an error and leaves random bits */
};

struct flash_sim {
    struct ota_flash flash;
    struct ota_flash_map map;
    const struct flash_geometry *geometry;
    uint32_t len; /* bytes */
    uint8_t *bytes;
    uint8_t *units; /* write-once only: state of each unit */

    jmp_buf *power_off;
    uint64_t operations; /* since the last reset of this counter by the test */
    uint64_t cut_at;     /* the operation at which power goes */
    enum flash_tear tear;
    uint64_t cuts; /* that happened */
    uint64_t violations;
    uint64_t random; /* state of the generator */

    uint8_t defects[FLASH_SIM_SECTORS_MAX]; /* enum flash_defect of each sector */
    uint32_t erases[FLASH_SIM_SECTORS_MAX];
    uint64_t bytes_programmed;

    uint64_t unfed_us; /* simulated time since the watchdog was fed */
    uint64_t unfed_us_max;
};

void flash_sim_open(struct flash_sim *sim, const struct flash_geometry *geometry);
void flash_sim_close(struct flash_sim *sim);

/* All of it erased and sound, counters zero. */
void flash_sim_reset(struct flash_sim *sim);

/* Save to or load from a copy that flash_sim_copy_new() made: contents only. */
uint8_t *flash_sim_copy_new(const struct flash_sim *sim);
void flash_sim_save(const struct flash_sim *sim, uint8_t *copy);
void flash_sim_load(struct flash_sim *sim, const uint8_t *copy);

/* Cut at the n-th operation from now on (0 is the next). */
void flash_sim_cut(struct flash_sim *sim, uint64_t n, enum flash_tear tear);

void flash_sim_feed(struct flash_sim *sim);
uint64_t flash_sim_random(struct flash_sim *sim);
unsigned flash_sim_sector(const struct flash_sim *sim, uint32_t addr);

/* Rot: flip one bit, or with ECC make its unit unreadable. */
void flash_sim_flip(struct flash_sim *sim, uint32_t addr, unsigned bit);

#endif
