/*
 * The few things of the chip that bootloader and application both need: clock, watchdog, log,
 * reset.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_CHIP_H
#define OTA_DEVICE_PORT_STM32F4_CHIP_H

#include <stddef.h>
#include <stdint.h>

#include "device/boot/boot.h"

/* Where the bootloader leaves its report: the first bytes of SRAM, which no startup code clears.
 * The application's linker script leaves them alone. */
#define STM32F4_BOOT_REPORT ((struct ota_boot_report *)0x20000000U)
#define STM32F4_BOOT_REPORT_LEN 32U /* bytes reserved */

/* All stores before it have reached their target. */
static inline void stm32f4_barrier(void)
{
    __asm volatile("dsb" ::: "memory");
}

/* 168 MHz from the internal oscillator by the PLL; and back to the reset state (16 MHz, PLL off).
 */
#define STM32F4_CLOCK_HZ 168000000U
void stm32f4_clock_start(void);
void stm32f4_clock_stop(void);

/* Independent watchdog, 32 s (17 s when its oscillator runs as fast as it may). It can't be
 * stopped: from the first boot on, the application has to feed it too. */
void stm32f4_watchdog_start(void);
void stm32f4_feed(void);

/* USART3 at 115200 8N1, transmit only, polled. `clock_hz` is that of APB1. */
void stm32f4_log_start(uint32_t clock_hz);
void stm32f4_log(const char *line); /* a line end is added */

_Noreturn void stm32f4_reset(void);

#endif
