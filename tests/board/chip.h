/* A whole STM32F4 board: the core with all its peripherals, wired as the evaluation boards are. */
#ifndef OTA_TESTS_BOARD_CHIP_H
#define OTA_TESTS_BOARD_CHIP_H

#include "tests/board/eth.h"
#include "tests/board/flash_ctl.h"
#include "tests/board/gpio.h"
#include "tests/board/iwdg.h"
#include "tests/board/net.h"
#include "tests/board/phy.h"
#include "tests/board/rcc.h"
#include "tests/board/rng.h"
#include "tests/board/tim2.h"
#include "tests/board/usart.h"

struct chip {
    struct board board;
    struct flash_ctl flash;
    struct rcc rcc;
    struct gpio gpio;
    struct usart usart;
    struct tim2 tim2;
    struct iwdg iwdg;
    struct rng rng;
    struct phy phy;
    struct eth eth;
    struct net net; /* net.slirp is NULL without a network */
};

/* `name` is "f407" or "f429". 0, or -1 for another name or when something fails. */
int chip_init(struct chip *chip, const char *name);
void chip_free(struct chip *chip);

/* Program a file into flash as a debug probe would: an ELF file by its segments, any other at
 * `addr`. 0 or -1 with chip->board.note. */
int chip_load(struct chip *chip, const char *path, uint32_t addr);

/* Flash at `addr` is what the file is. */
bool chip_holds(struct chip *chip, const char *path, uint32_t addr);

#endif
