/* Clocks, timers, interrupts and the random number generator. */
#include "tests/board/firmware/firmware.h"

static volatile uint32_t ticks;
static volatile uint32_t updates;
static volatile uint32_t order;
static volatile bool nested;

void systick_handler(void)
{
    ticks++;
    if ((order & 0xfU) == 1)
        nested = true;
}

void tim2_handler(void)
{
    STM32_TIM2->sr = 0;
    updates++;
}

void pendsv_handler(void)
{
    order = order << 4 | 1U;
    uint32_t from = ticks;
    for (uint32_t i = 0; ticks == from && i < 1000000; i++) {
    }
    order = order << 4 | 2U;
}

/* A call that returns what it was given, plus one, by way of the stacked frame. */
__attribute__((naked)) void svc_handler(void)
{
    __asm volatile("ldr r0, [sp]\n"
                   "adds r0, #1\n"
                   "str r0, [sp]\n"
                   "bx lr\n");
}

static uint32_t call_svc(uint32_t value)
{
    register uint32_t r0 __asm("r0") = value;
    __asm volatile("svc 0" : "+r"(r0) : : "memory");
    return r0;
}

static void set_clock(void)
{
    STM32_RCC->cr |= RCC_CR_HSEON | RCC_CR_HSEBYP;
    bool early = (STM32_RCC->cr & RCC_CR_HSERDY) != 0;
    while ((STM32_RCC->cr & RCC_CR_HSERDY) == 0) {
    }
    STM32_RCC->pllcfgr = RCC_PLLCFGR_M(4) | RCC_PLLCFGR_N(168) | RCC_PLLCFGR_P(2) |
                         RCC_PLLCFGR_SRC_HSE | RCC_PLLCFGR_Q(7);
    STM32_RCC->cr |= RCC_CR_PLLON;
    while ((STM32_RCC->cr & RCC_CR_PLLRDY) == 0) {
    }
    STM32_FLASH->acr = FLASH_ACR_LATENCY(5);
    STM32_RCC->cfgr = RCC_CFGR_SW_PLL | RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    console_init(42000000);
    check(!early, "the external clock is not ready at once");
    check_equal(STM32_RCC->cfgr & RCC_CFGR_SWS, RCC_CFGR_SWS_PLL, "the PLL drives the chip");
}

/* Ticks of 1 ms at `hclk`, against the microseconds of TIM2. */
static void test_systick(uint32_t hclk, const char *name)
{
    STM32_TIM2->cr1 = 0;
    delay_us(1);
    STM32_SYSTICK->rvr = hclk / 1000 - 1;
    STM32_SYSTICK->cvr = 0;
    STM32_SYSTICK->csr = SYSTICK_CSR_ENABLE | SYSTICK_CSR_TICKINT | SYSTICK_CSR_CLKSOURCE;
    uint32_t from = ticks;
    delay_us(50500);
    check_equal(ticks - from, 50, name);
}

static void test_sleep(void)
{
    uint32_t from = ticks;
    uint32_t us = STM32_TIM2->cnt;
    while (ticks - from < 20)
        __asm volatile("wfi");
    us = STM32_TIM2->cnt - us;
    check(us > 18900 && us < 20100, "WFI sleeps until the tick, and time goes on");
}

static void test_masks(void)
{
    __asm volatile("cpsid i" : : : "memory");
    uint32_t from = ticks;
    delay_us(3000);
    check_equal(ticks - from, 0, "PRIMASK holds interrupts back");
    __asm volatile("wfi");
    check_equal(ticks - from, 0, "WFI wakes for a held interrupt without entering it");
    __asm volatile("cpsie i" : : : "memory");
    __asm volatile("nop\n nop\n");
    check_equal(ticks - from, 1, "and it is entered once when it may");
}

static void test_nesting(void)
{
    STM32_SCB->shpr[2] = 0xf0U << 16; /* PendSV lowest, SysTick highest */
    order = 0;
    nested = false;
    STM32_SCB->icsr = SCB_ICSR_PENDSVSET;
    __asm volatile("dsb\n isb\n nop\n");
    check_equal(order, 0x12, "PendSV runs");
    check(nested, "and SysTick interrupts it");
    STM32_SCB->shpr[2] = 0xf0U << 24; /* SysTick no more urgent than PendSV */
    check_equal(call_svc(41), 42, "SVC enters and returns through its frame");
}

static void test_timer(void)
{
    STM32_TIM2->cr1 = 0;
    STM32_TIM2->psc = 83; /* 84 MHz to 1 MHz */
    STM32_TIM2->arr = 999;
    STM32_TIM2->egr = TIM_EGR_UG;
    STM32_TIM2->sr = 0;
    STM32_TIM2->dier = TIM_DIER_UIE;
    STM32_NVIC->iser[STM32_IRQ_TIM2 / 32] = 1U << (STM32_IRQ_TIM2 % 32);
    STM32_TIM2->cr1 = TIM_CR1_CEN;
    uint32_t from = ticks;
    while (ticks - from < 30)
        __asm volatile("wfi");
    STM32_TIM2->cr1 = 0;
    check(updates >= 29 && updates <= 31, "TIM2 interrupts once a millisecond");
    STM32_TIM2->dier = 0;
    STM32_TIM2->arr = 0xffffffff;
}

static void test_random(void)
{
    uint32_t word[2] = {0, 0};
    uint32_t errors = 0;
    STM32_RCC->ahb2enr |= RCC_AHB2ENR_RNG;
    STM32_RNG->cr = RNG_CR_RNGEN;
    for (int i = 0; i < 2; i++) {
        uint32_t status = STM32_RNG->sr;
        while ((status & (RNG_SR_DRDY | RNG_SR_SEIS | RNG_SR_CEIS)) == 0)
            status = STM32_RNG->sr;
        if ((status & RNG_SR_SEIS) != 0) { /* section 24.3.2: clear and start again */
            errors++;
            i--;
            STM32_RNG->sr = 0;
            STM32_RNG->cr = 0;
            STM32_RNG->cr = RNG_CR_RNGEN;
            continue;
        }
        word[i] = STM32_RNG->dr;
    }
    check(word[0] != word[1], "the RNG gives one word after another");
    print(errors == 0 ? "no seed error\n" : "seed errors survived\n");
}

void firmware_main(void)
{
    test_systick(HSI_HZ, "SysTick counts milliseconds at 16 MHz");
    STM32_RCC->ahb2enr |= RCC_AHB2ENR_RNG;
    STM32_RNG->cr = RNG_CR_RNGEN;
    check((STM32_RNG->sr & RNG_SR_CECS) != 0, "the RNG reports that it has no 48 MHz clock");
    STM32_RNG->cr = 0;
    STM32_RNG->sr = 0;
    set_clock();
    test_systick(168000000, "and at 168 MHz");
    test_sleep();
    test_masks();
    test_nesting();
    test_timer();
    test_random();
    STM32_SYSTICK->csr = 0;
}
