#include "device/port/stm32f4/ticks.h"

#include "device/port/stm32f4/clock.h"
#include "device/port/stm32f4/stm32f4_regs.h"

/* The hardware's counter is one, and so is this: written by the exception alone. */
static volatile uint32_t millis;

void stm32f4_systick(void)
{
    millis = millis + 1;
}

void stm32f4_time_start(void)
{
    STM32_SYSTICK->rvr = STM32F4_HCLK_HZ / 1000 - 1;
    STM32_SYSTICK->cvr = 0;
    STM32_SYSTICK->csr = SYSTICK_CSR_CLKSOURCE | SYSTICK_CSR_TICKINT | SYSTICK_CSR_ENABLE;

    STM32_RCC->apb1enr |= RCC_APB1ENR_TIM2;
    STM32_TIM2->psc = STM32F4_TIM2_HZ / 1000000U - 1;
    STM32_TIM2->egr = TIM_EGR_UG; /* takes the prescaler over, RM0090 section 18.3.2 */
    STM32_TIM2->cr1 = TIM_CR1_CEN;
}

uint32_t stm32f4_millis(void)
{
    return millis;
}

uint32_t stm32f4_micros(void)
{
    return STM32_TIM2->cnt;
}

void stm32f4_sleep(void)
{
    __asm volatile("wfi" ::: "memory");
}
