/* The board's LED: stm32f4_board.led. */
#ifndef OTA_DEVICE_PORT_STM32F4_LED_H
#define OTA_DEVICE_PORT_STM32F4_LED_H

void stm32f4_led_toggle(void);

#endif
