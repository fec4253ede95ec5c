/*
 * Registers of the STM32F405/407 and F42x/43x that this port uses, each with its section in the
 * reference manual RM0090 (rev 19), or in the ARMv7-M Architecture Reference Manual.
 *
 * A peripheral is a struct over its addresses; words that we don't name are `reserved`. Bits are
 * PERIPHERAL_REGISTER_BIT as the manual spells them.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_REGS_H
#define OTA_DEVICE_PORT_STM32F4_REGS_H

#include <stdint.h>

/* Memory map, section 2.3. The DMA of the Ethernet MAC does not reach the CCM. */
#define STM32_FLASH_BASE 0x08000000U
#define STM32_SRAM_BASE 0x20000000U
#define STM32_CCM_BASE 0x10000000U
#define STM32_UNIQUE_ID ((const volatile uint32_t *)0x1fff7a10U) /* 3 words, section 39.1 */

/* Embedded flash interface, section 3.9. */
struct stm32_flash {
    volatile uint32_t acr;
    volatile uint32_t keyr;
    volatile uint32_t optkeyr;
    volatile uint32_t sr;
    volatile uint32_t cr;
    volatile uint32_t optcr;
};
#define STM32_FLASH ((struct stm32_flash *)0x40023c00U)
#define FLASH_ACR_LATENCY(wait_states) (wait_states)
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ICEN (1U << 9)
#define FLASH_ACR_DCEN (1U << 10)
#define FLASH_ACR_ICRST (1U << 11)
#define FLASH_ACR_DCRST (1U << 12)
#define FLASH_KEYR_KEY1 0x45670123U
#define FLASH_KEYR_KEY2 0xcdef89abU
#define FLASH_SR_EOP (1U << 0)
#define FLASH_SR_OPERR (1U << 1)
#define FLASH_SR_WRPERR (1U << 4)
#define FLASH_SR_PGAERR (1U << 5)
#define FLASH_SR_PGPERR (1U << 6)
#define FLASH_SR_PGSERR (1U << 7)
#define FLASH_SR_ERRORS                                                                            \
    (FLASH_SR_OPERR | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_PGSERR)
#define FLASH_SR_BSY (1U << 16)
#define FLASH_CR_PG (1U << 0)
#define FLASH_CR_SER (1U << 1)
#define FLASH_CR_MER (1U << 2)
#define FLASH_CR_SNB(sector) ((uint32_t)(sector) << 3) /* 0 to 11, bank 2: 16 to 27 */
#define FLASH_CR_PSIZE_X8 (0U << 8)
#define FLASH_CR_PSIZE_X16 (1U << 8)
#define FLASH_CR_PSIZE_X32 (2U << 8)
#define FLASH_CR_STRT (1U << 16)
#define FLASH_CR_EOPIE (1U << 24)
#define FLASH_CR_ERRIE (1U << 25)
#define FLASH_CR_LOCK (1U << 31)

/* Power controller, section 5.4. */
struct stm32_pwr {
    volatile uint32_t cr;
    volatile uint32_t csr;
};
#define STM32_PWR ((struct stm32_pwr *)0x40007000U)
#define PWR_CR_VOS_SCALE1 (3U << 14)

/* Reset and clock control, sections 6.3 (F42x) and 7.3 (F405/407). */
struct stm32_rcc {
    volatile uint32_t cr;
    volatile uint32_t pllcfgr;
    volatile uint32_t cfgr;
    volatile uint32_t cir;
    volatile uint32_t ahb1rstr;
    volatile uint32_t ahb2rstr;
    volatile uint32_t ahb3rstr;
    uint32_t reserved0;
    volatile uint32_t apb1rstr;
    volatile uint32_t apb2rstr;
    uint32_t reserved1[2];
    volatile uint32_t ahb1enr;
    volatile uint32_t ahb2enr;
    volatile uint32_t ahb3enr;
    uint32_t reserved2;
    volatile uint32_t apb1enr;
    volatile uint32_t apb2enr;
    uint32_t reserved3[10];
    volatile uint32_t bdcr;
    volatile uint32_t csr;
};
#define STM32_RCC ((struct stm32_rcc *)0x40023800U)
#define RCC_CR_HSION (1U << 0)
#define RCC_CR_HSIRDY (1U << 1)
#define RCC_CR_HSEON (1U << 16)
#define RCC_CR_HSERDY (1U << 17)
#define RCC_CR_HSEBYP (1U << 18)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_PLLCFGR_M(m) ((uint32_t)(m) << 0)
#define RCC_PLLCFGR_N(n) ((uint32_t)(n) << 6)
#define RCC_PLLCFGR_P(p) (((uint32_t)(p) / 2U - 1U) << 16)
#define RCC_PLLCFGR_SRC_HSE (1U << 22)
#define RCC_PLLCFGR_Q(q) ((uint32_t)(q) << 24)
#define RCC_CFGR_SW_HSI (0U << 0)
#define RCC_CFGR_SW_PLL (2U << 0)
#define RCC_CFGR_SW (3U << 0)
#define RCC_CFGR_SWS (3U << 2)
#define RCC_CFGR_SWS_PLL (2U << 2)
#define RCC_CFGR_HPRE_DIV1 (0U << 4)
#define RCC_CFGR_PPRE1_DIV4 (5U << 10)
#define RCC_CFGR_PPRE2_DIV2 (4U << 13)
#define RCC_AHB1ENR_GPIO(port) (1U << ((port) - 'A'))
#define RCC_AHB1ENR_CCMDATARAMEN (1U << 20)
#define RCC_AHB1ENR_ETHMAC (1U << 25)
#define RCC_AHB1ENR_ETHMACTX (1U << 26)
#define RCC_AHB1ENR_ETHMACRX (1U << 27)
#define RCC_AHB1RSTR_ETHMAC (1U << 25)
#define RCC_AHB2ENR_RNG (1U << 6)
#define RCC_APB1ENR_TIM2 (1U << 0)
#define RCC_APB1ENR_USART3 (1U << 18)
#define RCC_APB1ENR_PWR (1U << 28)
#define RCC_APB2ENR_SYSCFG (1U << 14)
#define RCC_CSR_LSION (1U << 0)
#define RCC_CSR_LSIRDY (1U << 1)
#define RCC_CSR_RMVF (1U << 24)
#define RCC_CSR_BORRSTF (1U << 25) /* at power-on as well */
#define RCC_CSR_PINRSTF (1U << 26)
#define RCC_CSR_PORRSTF (1U << 27)
#define RCC_CSR_SFTRSTF (1U << 28)
#define RCC_CSR_IWDGRSTF (1U << 29)
#define RCC_CSR_WWDGRSTF (1U << 30)

/* General-purpose I/O, section 8.4. */
struct stm32_gpio {
    volatile uint32_t moder;
    volatile uint32_t otyper;
    volatile uint32_t ospeedr;
    volatile uint32_t pupdr;
    volatile uint32_t idr;
    volatile uint32_t odr;
    volatile uint32_t bsrr;
    volatile uint32_t lckr;
    volatile uint32_t afr[2];
};
#define STM32_GPIO(port) ((struct stm32_gpio *)(0x40020000U + 0x400U * (uint32_t)((port) - 'A')))
#define GPIO_MODE_INPUT 0U
#define GPIO_MODE_OUTPUT 1U
#define GPIO_MODE_ALTERNATE 2U
#define GPIO_MODE_ANALOG 3U
#define GPIO_SPEED_VERY_HIGH 3U
#define GPIO_AF_USART 7U
#define GPIO_AF_ETH 11U

/* System configuration controller, section 9.2. */
struct stm32_syscfg {
    volatile uint32_t memrmp;
    volatile uint32_t pmc;
    volatile uint32_t exticr[4];
};
#define STM32_SYSCFG ((struct stm32_syscfg *)0x40013800U)
#define SYSCFG_PMC_MII_RMII_SEL (1U << 23)

/* TIM2, a 32-bit general-purpose timer, section 18.4. */
struct stm32_tim {
    volatile uint32_t cr1;
    volatile uint32_t cr2;
    volatile uint32_t smcr;
    volatile uint32_t dier;
    volatile uint32_t sr;
    volatile uint32_t egr;
    volatile uint32_t ccmr[2];
    volatile uint32_t ccer;
    volatile uint32_t cnt;
    volatile uint32_t psc;
    volatile uint32_t arr;
};
#define STM32_TIM2 ((struct stm32_tim *)0x40000000U)
#define TIM_CR1_CEN (1U << 0)
#define TIM_CR1_URS (1U << 2)
#define TIM_DIER_UIE (1U << 0)
#define TIM_SR_UIF (1U << 0)
#define TIM_EGR_UG (1U << 0)

/* Independent watchdog, section 21.4. */
struct stm32_iwdg {
    volatile uint32_t kr;
    volatile uint32_t pr;
    volatile uint32_t rlr;
    volatile uint32_t sr;
};
#define STM32_IWDG ((struct stm32_iwdg *)0x40003000U)
#define IWDG_KR_START 0xccccU
#define IWDG_KR_UNLOCK 0x5555U
#define IWDG_KR_FEED 0xaaaaU
#define IWDG_PR_DIV256 6U
#define IWDG_RLR_MAX 0xfffU
#define IWDG_SR_PVU (1U << 0)
#define IWDG_SR_RVU (1U << 1)

/* Random number generator, section 24.4. */
struct stm32_rng {
    volatile uint32_t cr;
    volatile uint32_t sr;
    volatile uint32_t dr;
};
#define STM32_RNG ((struct stm32_rng *)0x50060800U)
#define RNG_CR_RNGEN (1U << 2)
#define RNG_SR_DRDY (1U << 0)
#define RNG_SR_CECS (1U << 1)
#define RNG_SR_SECS (1U << 2)
#define RNG_SR_CEIS (1U << 5)
#define RNG_SR_SEIS (1U << 6)

/* USART, section 30.6. */
struct stm32_usart {
    volatile uint32_t sr;
    volatile uint32_t dr;
    volatile uint32_t brr;
    volatile uint32_t cr1;
    volatile uint32_t cr2;
    volatile uint32_t cr3;
};
#define STM32_USART3 ((struct stm32_usart *)0x40004800U)
#define USART_SR_TC (1U << 6)
#define USART_SR_TXE (1U << 7)
#define USART_CR1_TE (1U << 3)
#define USART_CR1_UE (1U << 13)

/* Ethernet MAC, section 33.8.1. */
struct stm32_eth_mac {
    volatile uint32_t cr;
    volatile uint32_t ffr;
    volatile uint32_t hthr;
    volatile uint32_t htlr;
    volatile uint32_t miiar;
    volatile uint32_t miidr;
    volatile uint32_t fcr;
    volatile uint32_t vlantr;
    uint32_t reserved0[2];
    volatile uint32_t rwuffr;
    volatile uint32_t pmtcsr;
    uint32_t reserved1;
    volatile uint32_t dbgr;
    volatile uint32_t sr;
    volatile uint32_t imr;
    volatile uint32_t a0hr;
    volatile uint32_t a0lr;
};
#define STM32_ETH_MAC ((struct stm32_eth_mac *)0x40028000U)
#define ETH_MACCR_RE (1U << 2)
#define ETH_MACCR_TE (1U << 3)
#define ETH_MACCR_IPCO (1U << 10)
#define ETH_MACCR_DM (1U << 11)
#define ETH_MACCR_FES (1U << 14)
#define ETH_MACMIIAR_MB (1U << 0)
#define ETH_MACMIIAR_MW (1U << 1)
#define ETH_MACMIIAR_CR_DIV42 (0U << 2)  /* HCLK 60 to 100 MHz */
#define ETH_MACMIIAR_CR_DIV62 (1U << 2)  /* 100 to 150 MHz */
#define ETH_MACMIIAR_CR_DIV16 (2U << 2)  /* 20 to 35 MHz */
#define ETH_MACMIIAR_CR_DIV26 (3U << 2)  /* 35 to 60 MHz */
#define ETH_MACMIIAR_CR_DIV102 (4U << 2) /* 150 to 180 MHz */
#define ETH_MACMIIAR_MR(reg) ((uint32_t)(reg) << 6)
#define ETH_MACMIIAR_PA(phy) ((uint32_t)(phy) << 11)

/* Ethernet DMA, section 33.8.4. */
struct stm32_eth_dma {
    volatile uint32_t bmr;
    volatile uint32_t tpdr;
    volatile uint32_t rpdr;
    volatile uint32_t rdlar;
    volatile uint32_t tdlar;
    volatile uint32_t sr;
    volatile uint32_t omr;
    volatile uint32_t ier;
    volatile uint32_t mfbocr;
};
#define STM32_ETH_DMA ((struct stm32_eth_dma *)0x40029000U)
#define ETH_DMABMR_SR (1U << 0)
#define ETH_DMABMR_PBL(beats) ((uint32_t)(beats) << 8)
#define ETH_DMABMR_FB (1U << 16)
#define ETH_DMABMR_AAB (1U << 25)
#define ETH_DMASR_TBUS (1U << 2)
#define ETH_DMASR_ROS (1U << 4)
#define ETH_DMASR_RS (1U << 6)
#define ETH_DMASR_RBUS (1U << 7)
#define ETH_DMASR_FBES (1U << 13)
#define ETH_DMAOMR_SR (1U << 1)
#define ETH_DMAOMR_ST (1U << 13)
#define ETH_DMAOMR_FTF (1U << 20)
#define ETH_DMAOMR_TSF (1U << 21)
#define ETH_DMAOMR_RSF (1U << 25)
#define ETH_DMAMFBOCR_FIFO(value) ((value) >> 17 & 0x7ffU)
#define ETH_DMAMFBOCR_MISSED(value) ((value)&0xffffU)

/* Ethernet DMA descriptors, sections 33.6.7 and 33.6.8, normal format, chained. */
struct stm32_eth_descriptor {
    volatile uint32_t status; /* with OWN set the DMA's, else the CPU's */
    volatile uint32_t size;
    volatile uint32_t buffer;
    volatile uint32_t next;
};
#define ETH_DES0_OWN (1U << 31)
#define ETH_TDES0_IC (1U << 30)
#define ETH_TDES0_LS (1U << 29)
#define ETH_TDES0_FS (1U << 28)
#define ETH_TDES0_CIC_FULL (3U << 22)
#define ETH_TDES0_TCH (1U << 20)
#define ETH_TDES0_ES (1U << 15)
#define ETH_RDES0_FL(status) ((status) >> 16 & 0x3fffU)
#define ETH_RDES0_ES (1U << 15)
#define ETH_RDES0_FS (1U << 9)
#define ETH_RDES0_LS (1U << 8)
#define ETH_RDES0_IPHCE (1U << 7)
#define ETH_RDES0_PCE (1U << 0)
#define ETH_RDES1_RCH (1U << 14)

/* SysTick, ARMv7-M section B3.3. */
struct stm32_systick {
    volatile uint32_t csr;
    volatile uint32_t rvr;
    volatile uint32_t cvr;
    volatile uint32_t calib;
};
#define STM32_SYSTICK ((struct stm32_systick *)0xe000e010U)
#define SYSTICK_CSR_ENABLE (1U << 0)
#define SYSTICK_CSR_TICKINT (1U << 1)
#define SYSTICK_CSR_CLKSOURCE (1U << 2)
#define SYSTICK_CSR_COUNTFLAG (1U << 16)

/* System control block, ARMv7-M section B3.2. */
struct stm32_scb {
    volatile uint32_t cpuid;
    volatile uint32_t icsr;
    volatile uint32_t vtor;
    volatile uint32_t aircr;
    volatile uint32_t scr;
    volatile uint32_t ccr;
    volatile uint32_t shpr[3];
    volatile uint32_t shcsr;
    volatile uint32_t cfsr;
    volatile uint32_t hfsr;
    volatile uint32_t dfsr;
    volatile uint32_t mmfar;
    volatile uint32_t bfar;
};
#define STM32_SCB ((struct stm32_scb *)0xe000ed00U)
#define SCB_ICSR_PENDSTSET (1U << 26)
#define SCB_ICSR_PENDSTCLR (1U << 25)
#define SCB_ICSR_PENDSVSET (1U << 28)
#define SCB_AIRCR_RESET 0x05fa0004U /* VECTKEY and SYSRESETREQ */

/* Nested vectored interrupt controller, ARMv7-M section B3.4; numbers from section 12.2. */
struct stm32_nvic {
    volatile uint32_t iser[32];
    volatile uint32_t icer[32];
    volatile uint32_t ispr[32];
    volatile uint32_t icpr[32];
    volatile uint32_t iabr[64];
    volatile uint8_t ipr[240];
};
#define STM32_NVIC ((struct stm32_nvic *)0xe000e100U)
#define STM32_IRQ_TIM2 28U
#define STM32_IRQ_ETH 61U

#endif
