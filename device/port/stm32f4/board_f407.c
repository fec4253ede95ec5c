/* STM32F407xG, 1 MB: RM0090 table 5. Sector 4 (64 KB) is left to the application. */
#include "device/port/stm32f4/board.h"

const struct stm32f4_board stm32f4_board = {
    .flash_len = 0x100000,
    .map =
        {
            .journal = {{0x08008000, 0x4000}, {0x0800c000, 0x4000}}, /* sectors 2, 3 */
            .primary = {0x08020000, 0x60000},                        /* 5 to 7 */
            .secondary = {0x08080000, 0x80000},                      /* 8 to 11 */
        },
    .log_port = 'D',
    .log_pin = 8,
    .hse_hz = 8000000,
    .hse_bypass = false,
    .led = {'D', 12},
    .rmii = {{'A', 1},
             {'A', 2},
             {'A', 7},
             {'B', 11},
             {'B', 12},
             {'B', 13},
             {'C', 1},
             {'C', 4},
             {'C', 5}},
    .phy_address = 0,
};
