/*
 * The embedded flash of the STM32F4 behind device/port/flash.h. RM0090 section 3.
 *
 * Programs 32 bits at a time (PSIZE x32: VDD 2.7 V and up), reads each word back. While a sector of
 * the bank that the CPU runs from is erased or programmed, its next fetch waits, 2 s at most for
 * 128 KB: the watchdog's period must be longer. Never touches the option bytes. Not reentrant.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_FLASH_F4_H
#define OTA_DEVICE_PORT_STM32F4_FLASH_F4_H

#include "device/port/flash.h"

/* The seam over stm32f4_board's flash; its ctx is NULL. */
extern const struct ota_flash stm32f4_flash;

#endif
