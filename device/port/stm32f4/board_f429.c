/*
 * Nucleo-F429ZI, STM32F429xI, 2 MB in two banks: RM0090 table 6. Bank 2 is the secondary, so that a
 * download does not stall the program, which runs from bank 1; its small sectors 12 to 16 are
 * unused. USART3 on PD8 is the board's serial port over USB.
 */
#include "device/port/stm32f4/board.h"

const struct stm32f4_board stm32f4_board = {
    .flash_len = 0x200000,
    .map =
        {
            .journal = {{0x08008000, 0x4000}, {0x0800c000, 0x4000}}, /* sectors 2, 3 */
            .primary = {0x08020000, 0xc0000},                        /* 5 to 10 */
            .secondary = {0x08120000, 0xe0000},                      /* 17 to 23 */
        },
    .log_port = 'D',
    .log_pin = 8,
    .hse_hz = 8000000, /* from the debug probe */
    .hse_bypass = true,
    .led = {'B', 0},
    .rmii = {{'A', 1},
             {'A', 2},
             {'A', 7},
             {'B', 13},
             {'C', 1},
             {'C', 4},
             {'C', 5},
             {'G', 11},
             {'G', 13}},
    .phy_address = 0,
};
