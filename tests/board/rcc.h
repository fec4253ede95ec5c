/*
 * Reset and clock control (RM0090 section 7) and power control (section 5).
 *
 * Keeps the speed of everything: HSI 16 MHz, HSE as the board has it, the PLL by its registers.
 * Ready bits come late, as on the chip. Switching to what is not ready, a clock over the chip's
 * limit, or too few flash wait states for it is misuse.
 */
#ifndef OTA_TESTS_BOARD_RCC_H
#define OTA_TESTS_BOARD_RCC_H

#include "tests/board/board.h"
#include "tests/board/flash_ctl.h"

#define RCC_REGISTERS 36

struct rcc {
    struct board *board;
    const struct flash_ctl *flash;
    uint32_t hse_hz; /* 0: no crystal and no clock fed in */
    uint32_t reg[RCC_REGISTERS];
    uint32_t pwr_cr;
    uint64_t hse_at; /* ps when it will be ready; 0 not started, BOARD_NEVER never */
    uint64_t pll_at;
    uint64_t lsi_at;
    uint32_t hclk; /* Hz, as are the others */
    uint32_t pclk1;
    uint32_t pclk2;
};

void rcc_init(struct rcc *rcc, struct board *board, const struct flash_ctl *flash);

/* Hz of the PLL's 48 MHz output, 0 while the PLL is off. */
uint32_t rcc_pll48(const struct rcc *rcc);
/* Hz that the timers on APB1 count. */
uint32_t rcc_timer_clock(const struct rcc *rcc);

#endif
