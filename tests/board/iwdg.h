/* The independent watchdog (RM0090 section 21): once started, only feeding keeps it from a reset.
 */
#ifndef OTA_TESTS_BOARD_IWDG_H
#define OTA_TESTS_BOARD_IWDG_H

#include "tests/board/board.h"

struct iwdg {
    struct board *board;
    uint32_t pr;
    uint32_t rlr;
    bool unlocked;
    bool started;
    uint64_t update_at; /* ps when PVU and RVU clear */
    uint64_t fed_at;
    uint64_t longest; /* ps between two feeds, so far */
    bool bites;       /* false: it never resets (a debugger stopped it) */
};

void iwdg_init(struct iwdg *iwdg, struct board *board);

#endif
