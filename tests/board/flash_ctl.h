/*
 * The embedded flash controller of RM0090 section 3, over a file.
 *
 * Refuses what the chip refuses, with the same flag: a store while locked or without PG (PGSERR),
 * of another width than PSIZE (PGPERR), across a 128-bit row (PGAERR), in a protected sector
 * (WRPERR). Programming only clears bits. Operations take the datasheet's typical times; code in
 * the bank that is busy stalls, as does a write to CR or to flash. A reset during an operation
 * leaves it torn.
 *
 * The file always holds what the flash holds, operation by operation: ending the process is a power
 * cut between two operations.
 */
#ifndef OTA_TESTS_BOARD_FLASH_CTL_H
#define OTA_TESTS_BOARD_FLASH_CTL_H

#include "tests/board/board.h"

#define FLASH_SECTOR_LEN_MAX 0x20000U
#define FLASH_PENDING_MAX 16

/* What goes wrong, by the number of the operation (a programmed unit or an erase; the first is 1).
 */
struct flash_faults {
    uint64_t cut;         /* power goes before this one happens; 0 never */
    bool tear;            /* ... in its middle instead */
    uint64_t refuse;      /* this one is not performed: WRPERR */
    uint64_t weak;        /* this one leaves one bit wrong, and no flag tells */
    uint64_t reset_every; /* the reset line is pulled before each n-th operation; 0 never */
    uint32_t seed;
};

struct flash_store { /* a store whose raw bytes Unicorn is about to put */
    uint32_t addr;
    uint32_t len;
    uint8_t bytes[8]; /* what shall stand there */
};

struct flash_ctl {
    struct board *board;
    struct flash_faults faults;
    int fd; /* -1: nowhere */
    /* Before each operation, which is counted already; may be NULL. */
    void (*on_operation)(void *ctx);
    void *on_operation_ctx;

    uint32_t acr;
    uint32_t cr;
    uint32_t sr;
    uint32_t optcr;
    unsigned keys;   /* of the unlock sequence seen */
    bool key_failed; /* CR stays locked until the next reset */
    bool stale;      /* an enabled cache may hold what was erased */

    uint64_t busy_until; /* ps; 0 when idle */
    uint32_t op_addr;    /* of the operation under way or the last one */
    uint32_t op_len;
    uint8_t op_before[FLASH_SECTOR_LEN_MAX];

    struct flash_store stores[FLASH_PENDING_MAX];
    size_t store_count;
    uint32_t random;

    uint64_t operations;
    uint64_t programs;
    uint64_t erases;
    uint64_t stalls;  /* writes to CR or flash while busy */
    uint64_t refused; /* operations that set an error flag */
    uint64_t torn;
};

void flash_ctl_init(struct flash_ctl *flash, struct board *board);
/* Use the file at `path` (made, all 0xff, when absent): 1 made, 0 was there, -1 with board->note.
 */
int flash_ctl_open(struct flash_ctl *flash, const char *path);
/* As a debug probe writes. false when it does not fit. */
bool flash_ctl_load(struct flash_ctl *flash, uint32_t addr, const void *bytes, uint32_t len);

/* Start and length of the sector that holds `addr`; false outside of the flash. */
bool flash_ctl_sector(const struct board_chip *chip, uint32_t addr, uint32_t *start, uint32_t *len);

/* Wait states that `hclk` Hz needs at 2.7 to 3.6 V, RM0090 table 10; and those that are set. */
uint32_t flash_ctl_latency_needed(uint32_t hclk);
uint32_t flash_ctl_latency(const struct flash_ctl *flash);

#endif
