/*
 * What differs from one board to the next, as data: one board_*.c is linked.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_BOARD_H
#define OTA_DEVICE_PORT_STM32F4_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "device/port/flash.h"

struct stm32f4_pin {
    char port; /* 'A' to 'K' */
    uint8_t pin;
};

#define STM32F4_RMII_PINS 9 /* data, clock and management */

struct stm32f4_board {
    uint32_t flash_len; /* bytes: 1 MB, or 2 MB in two banks */
    struct ota_flash_map map;
    /* The log: USART3, 115200 8N1, sends on this pin. */
    char log_port; /* 'A' to 'K' */
    uint8_t log_pin;

    /* The application's. */
    uint32_t hse_hz; /* of the external clock, 0 for none */
    bool hse_bypass; /* it is fed in, no crystal */
    struct stm32f4_pin led;
    struct stm32f4_pin rmii[STM32F4_RMII_PINS];
    uint8_t phy_address;
};

extern const struct stm32f4_board stm32f4_board;

#endif
