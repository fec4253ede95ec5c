/*
 * What differs from one board to the next, as data: one board_*.c is linked.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_BOARD_H
#define OTA_DEVICE_PORT_STM32F4_BOARD_H

#include <stdint.h>

#include "device/port/flash.h"

struct stm32f4_board {
    uint32_t flash_len; /* bytes: 1 MB, or 2 MB in two banks */
    struct ota_flash_map map;
    /* The log: USART3, 115200 8N1, sends on this pin. */
    char log_port; /* 'A' to 'K' */
    uint8_t log_pin;
};

extern const struct stm32f4_board stm32f4_board;

#endif
