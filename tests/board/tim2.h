/* TIM2 as an up-counter with update interrupt (RM0090 section 18). */
#ifndef OTA_TESTS_BOARD_TIM2_H
#define OTA_TESTS_BOARD_TIM2_H

#include "tests/board/board.h"
#include "tests/board/rcc.h"

struct tim2 {
    struct board *board;
    const struct rcc *rcc;
    uint32_t cr1;
    uint32_t dier;
    uint32_t sr;
    uint32_t psc;      /* written; counts from the next update event on */
    uint32_t psc_used; /* in effect */
    uint32_t arr;
    uint32_t start; /* CNT at `epoch` */
    uint64_t epoch; /* ps */
};

void tim2_init(struct tim2 *tim, struct board *board, const struct rcc *rcc);

#endif
