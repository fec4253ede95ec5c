/* The random number generator (RM0090 section 24), with its two ways to fail. */
#ifndef OTA_TESTS_BOARD_RNG_H
#define OTA_TESTS_BOARD_RNG_H

#include "tests/board/board.h"
#include "tests/board/rcc.h"

struct rng {
    struct board *board;
    const struct rcc *rcc;
    uint64_t seed;      /* 0: the host's entropy; otherwise the same words every time */
    uint32_t bad_seeds; /* seed errors that are still to come, one per enable */
    uint32_t cr;
    uint32_t sr;
    uint64_t ready_at; /* ps of the next word */
    uint64_t words;    /* given so far */
};

void rng_init(struct rng *rng, struct board *board, const struct rcc *rcc);

#endif
