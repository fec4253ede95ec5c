/*
 * Time since start: SysTick counts milliseconds and wakes the CPU, TIM2 counts microseconds.
 *
 * The application's vector table has to name stm32f4_systick() for exception 15.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_TICKS_H
#define OTA_DEVICE_PORT_STM32F4_TICKS_H

#include <stdint.h>

void stm32f4_time_start(void);

/* Both wrap: compare by difference. */
uint32_t stm32f4_millis(void);
uint32_t stm32f4_micros(void);

/* Sleep until the next interrupt: a millisecond at most. */
void stm32f4_sleep(void);

void stm32f4_systick(void);

#endif
