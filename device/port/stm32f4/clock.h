/*
 * The application's clock: 168 MHz from the board's external clock, which a USART or a wall clock
 * needs, or from the internal oscillator where there is none or it does not start. RM0090 section
 * 7.2.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_CLOCK_H
#define OTA_DEVICE_PORT_STM32F4_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define STM32F4_HCLK_HZ 168000000U
#define STM32F4_PCLK1_HZ (STM32F4_HCLK_HZ / 4)
#define STM32F4_TIM2_HZ (STM32F4_PCLK1_HZ * 2) /* section 7.2: twice when APB1 is divided */

/* `hse_hz` a whole number of MHz, or 0 for none; `bypass` when it is fed in and no crystal. From
 * the reset state (16 MHz, PLL off). true when the external clock is used. */
bool stm32f4_clock_start_external(uint32_t hse_hz, bool bypass);

/* What APB1 runs at now, before that or after it. */
uint32_t stm32f4_clock_pclk1_hz(void);

#endif
