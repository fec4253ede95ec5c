/*
 * A power cut at every flash operation of one run, or at each n-th: at each of them the emulator
 * forks. The child loses power there (in the operation at the even ones, before it at the odd
 * ones), starts again, and has to come to where the run without a cut comes to. What led to the cut
 * is run once for all of them.
 */
#ifndef OTA_TESTS_BOARD_SWEEP_H
#define OTA_TESTS_BOARD_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/board/flash_ctl.h"

struct sweep {
    struct flash_ctl *flash;
    uint64_t every;
    bool forked; /* this process is a child: the cut is ordered */
    unsigned children;
    unsigned children_max;
    uint64_t cuts;
    uint64_t lost; /* that did not end well */
};

/* From now on. The board must have no network. */
void sweep_start(struct sweep *sweep, struct flash_ctl *flash, uint64_t every);
/* Until the last child has ended. */
void sweep_wait(struct sweep *sweep);

#endif
