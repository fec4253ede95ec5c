/* One forbidden thing a run, chosen by the word at 0x08004000: the board has to stop. */
#include "tests/board/firmware/firmware.h"

#define CHOICE (*(const volatile uint32_t *)0x08004000)

static void unlock(void)
{
    STM32_FLASH->keyr = FLASH_KEYR_KEY1;
    STM32_FLASH->keyr = FLASH_KEYR_KEY2;
}

static void start_pll(uint32_t n)
{
    STM32_RCC->pllcfgr = RCC_PLLCFGR_M(8) | RCC_PLLCFGR_N(n) | RCC_PLLCFGR_P(2) | RCC_PLLCFGR_Q(7);
    STM32_RCC->cr |= RCC_CR_PLLON;
}

static void misuse(uint32_t choice)
{
    switch (choice) {
    case 0: /* a peripheral without its clock */
        STM32_RNG->cr = RNG_CR_RNGEN;
        break;
    case 1: /* an address with nothing behind it */
        *(volatile uint32_t *)0x40030000 = 1;
        break;
    case 2: /* a switch to a PLL that has not locked */
        start_pll(168);
        STM32_RCC->cfgr = RCC_CFGR_SW_PLL;
        break;
    case 3: /* 168 MHz without wait states */
        start_pll(168);
        while ((STM32_RCC->cr & RCC_CR_PLLRDY) == 0) {
        }
        STM32_RCC->cfgr = RCC_CFGR_SW_PLL | RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
        break;
    case 4: /* APB1 over its limit */
        start_pll(168);
        while ((STM32_RCC->cr & RCC_CR_PLLRDY) == 0) {
        }
        STM32_FLASH->acr = FLASH_ACR_LATENCY(5);
        STM32_RCC->cfgr = RCC_CFGR_SW_PLL | RCC_CFGR_PPRE2_DIV2;
        break;
    case 5: /* a VCO beyond 432 MHz */
        start_pll(300);
        break;
    case 6: /* the option bytes */
        STM32_FLASH->optkeyr = 0x08192a3b;
        break;
    case 7: /* everything */
        unlock();
        STM32_FLASH->cr = FLASH_CR_MER | FLASH_CR_STRT;
        break;
    case 8: /* an erase with the caches on, and not reset afterwards */
        STM32_FLASH->acr = FLASH_ACR_ICEN | FLASH_ACR_DCEN;
        unlock();
        STM32_FLASH->cr = FLASH_CR_PSIZE_X32 | FLASH_CR_SER | FLASH_CR_SNB(4);
        STM32_FLASH->cr |= FLASH_CR_STRT;
        STM32_FLASH->cr = FLASH_CR_LOCK;
        unlock();
        break;
    case 9: /* the watchdog's period without its key */
        STM32_IWDG->rlr = 1;
        break;
    case 10: /* another baud rate than the listener's */
        STM32_USART3->brr = 100;
        print("x");
        break;
    case 11: /* a random word before it is there */
        STM32_RCC->ahb2enr |= RCC_AHB2ENR_RNG;
        (void)STM32_RNG->dr;
        break;
    case 12: /* a byte of a word register */
        *(volatile uint8_t *)0x40023830 = 1;
        break;
    case 13: /* a reset request without the key */
        STM32_SCB->aircr = 4;
        break;
    case 14: /* the clock that runs the chip */
        STM32_RCC->cr = 0;
        break;
    default:
        print("no such misuse\n");
        break;
    }
}

void firmware_main(void)
{
    misuse(CHOICE);
}
