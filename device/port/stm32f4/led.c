#include "device/port/stm32f4/led.h"

#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/stm32f4_regs.h"

void stm32f4_led_toggle(void)
{
    struct stm32_gpio *gpio = STM32_GPIO(stm32f4_board.led.port);
    uint32_t pin = stm32f4_board.led.pin;
    STM32_RCC->ahb1enr |= RCC_AHB1ENR_GPIO(stm32f4_board.led.port);
    gpio->moder = (gpio->moder & ~(3U << (2 * pin))) | GPIO_MODE_OUTPUT << (2 * pin);
    gpio->odr ^= 1U << pin;
}
