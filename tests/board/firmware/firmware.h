/*
 * What the test firmware shares: start-up, a console on USART3 at 16 MHz, and checks that print
 * TAP.
 *
 * A program defines firmware_main(), and the handlers it wants. Each ends with firmware_end().
 */
#ifndef OTA_TESTS_BOARD_FIRMWARE_H
#define OTA_TESTS_BOARD_FIRMWARE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/port/stm32f4/stm32f4_regs.h"

#define HSI_HZ 16000000U
#define KEPT __attribute__((section(".kept"))) /* survives a reset, not a power cut */
#define RAM_CODE __attribute__((section(".ram_code"), noinline))

void firmware_main(void);

/* Weak: an endless loop, or nothing. */
void hard_fault_handler(void);
void svc_handler(void);
void pendsv_handler(void);
void systick_handler(void);
void tim2_handler(void);
void eth_handler(void);

void console_init(uint32_t pclk1_hz);
void print(const char *text);
void print_hex(uint32_t value);

/* "ok - name" or "not ok - name". */
void check(bool good, const char *name);
void check_equal(uint32_t found, uint32_t expected, const char *name);
/* "# end" and sleep for ever. */
void firmware_end(void) __attribute__((noreturn));

/* Busy for about so many microseconds, by TIM2, which it starts. */
void delay_us(uint32_t us);

#endif
