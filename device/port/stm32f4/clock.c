#include "device/port/stm32f4/clock.h"

#include "device/port/stm32f4/stm32f4_regs.h"

#define HSI_HZ 16000000U
#define PLL_IN_HZ 1000000U /* VCO 336 MHz = 336 times that */
#define WAIT_STATES 5U     /* at 168 MHz and 2.7 V, RM0090 table 10 */
/* Turns of a wait loop: at least 5 ms, the longest start of a crystal is 2 ms (DS8626 table 32). */
#define START_TURNS_MAX 50000U

static bool wait_for(uint32_t ready)
{
    for (uint32_t turn = 0; turn < START_TURNS_MAX; turn++)
        if ((STM32_RCC->cr & ready) != 0)
            return true;
    return false;
}

static bool start_external(uint32_t hse_hz, bool bypass)
{
    if (hse_hz == 0)
        return false;
    STM32_RCC->cr |= (bypass ? RCC_CR_HSEBYP : 0) | RCC_CR_HSEON;
    if (wait_for(RCC_CR_HSERDY))
        return true;
    STM32_RCC->cr &= ~(RCC_CR_HSEON | RCC_CR_HSEBYP);
    return false;
}

bool stm32f4_clock_start_external(uint32_t hse_hz, bool bypass)
{
    bool external = start_external(hse_hz, bypass);
    uint32_t in_hz = external ? hse_hz : HSI_HZ;
    STM32_RCC->pllcfgr = RCC_PLLCFGR_M(in_hz / PLL_IN_HZ) | RCC_PLLCFGR_N(336) | RCC_PLLCFGR_P(2) |
                         RCC_PLLCFGR_Q(7) | (external ? RCC_PLLCFGR_SRC_HSE : 0);
    STM32_RCC->cr |= RCC_CR_PLLON;
    while ((STM32_RCC->cr & RCC_CR_PLLRDY) == 0)
        ;
    STM32_FLASH->acr =
        FLASH_ACR_LATENCY(WAIT_STATES) | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    STM32_RCC->cfgr = RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2 | RCC_CFGR_SW_PLL;
    while ((STM32_RCC->cfgr & RCC_CFGR_SWS) != RCC_CFGR_SWS_PLL)
        ;
    return external;
}

uint32_t stm32f4_clock_pclk1_hz(void)
{
    bool started = (STM32_RCC->cfgr & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL;
    return started ? STM32F4_PCLK1_HZ : HSI_HZ;
}
