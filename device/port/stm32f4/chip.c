#include "device/port/stm32f4/chip.h"

#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/stm32f4_regs.h"

#define LOG_BAUD 115200U

/* HSI 16 MHz / 16 * 336 / 2. RM0090 section 7.3.2. */
#define PLL_168_MHZ (RCC_PLLCFGR_M(16) | RCC_PLLCFGR_N(336) | RCC_PLLCFGR_P(2) | RCC_PLLCFGR_Q(7))
#define WAIT_STATES 5U /* at 168 MHz and 2.7 V, RM0090 table 10 */

static void select_clock(uint32_t source)
{
    STM32_RCC->cfgr = source;
    while ((STM32_RCC->cfgr & RCC_CFGR_SWS) >> 2 != (source & RCC_CFGR_SW))
        ;
}

void stm32f4_clock_start(void)
{
    STM32_RCC->pllcfgr = PLL_168_MHZ;
    STM32_RCC->cr |= RCC_CR_PLLON;
    while ((STM32_RCC->cr & RCC_CR_PLLRDY) == 0)
        ;
    STM32_FLASH->acr = FLASH_ACR_LATENCY(WAIT_STATES) | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN;
    select_clock(RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2 | RCC_CFGR_SW_PLL);
}

void stm32f4_clock_stop(void)
{
    select_clock(RCC_CFGR_SW_HSI);
    STM32_RCC->cr &= ~RCC_CR_PLLON;
    STM32_FLASH->acr = 0;
}

void stm32f4_watchdog_start(void)
{
    STM32_IWDG->kr = IWDG_KR_START;
    STM32_IWDG->kr = IWDG_KR_UNLOCK;
    STM32_IWDG->pr = IWDG_PR_DIV256;
    STM32_IWDG->rlr = IWDG_RLR_MAX;
    while (STM32_IWDG->sr != 0)
        ;
    stm32f4_feed();
}

void stm32f4_feed(void)
{
    STM32_IWDG->kr = IWDG_KR_FEED;
}

void stm32f4_log_start(uint32_t clock_hz)
{
    struct stm32_gpio *gpio = STM32_GPIO(stm32f4_board.log_port);
    uint32_t pin = stm32f4_board.log_pin;

    STM32_RCC->ahb1enr |= RCC_AHB1ENR_GPIO(stm32f4_board.log_port);
    STM32_RCC->apb1enr |= RCC_APB1ENR_USART3;
    gpio->afr[pin / 8] |= GPIO_AF_USART << pin % 8 * 4;
    gpio->moder |= GPIO_MODE_ALTERNATE << pin * 2;
    STM32_USART3->brr = clock_hz / LOG_BAUD; /* over-sampling by 16, section 30.3.4 */
    STM32_USART3->cr1 = USART_CR1_UE | USART_CR1_TE;
}

static void log_char(char c)
{
    while ((STM32_USART3->sr & USART_SR_TXE) == 0)
        ;
    STM32_USART3->dr = (uint8_t)c;
}

void stm32f4_log(const char *line)
{
    while (*line != '\0')
        log_char(*line++);
    log_char('\r');
    log_char('\n');
    while ((STM32_USART3->sr & USART_SR_TC) == 0)
        ;
}

_Noreturn void stm32f4_reset(void)
{
    stm32f4_barrier();
    STM32_SCB->aircr = SCB_AIRCR_RESET;
    for (;;)
        ;
}
