/* Resets: what causes them, what RCC_CSR says, what RAM keeps. */
#include "tests/board/firmware/firmware.h"

static KEPT volatile uint32_t stage;
static KEPT volatile uint32_t kept;

#define STAGE_SOFTWARE 0xb0071001U
#define STAGE_WATCHDOG 0xb0071002U
#define STAGE_FAULT 0xb0071003U
#define STAGE_LOCKUP 0xb0071004U

static void start_watchdog(uint32_t ms)
{
    STM32_IWDG->kr = IWDG_KR_START;
    STM32_IWDG->kr = IWDG_KR_UNLOCK;
    STM32_IWDG->pr = 3; /* 32: a count a millisecond */
    STM32_IWDG->rlr = ms;
    while (STM32_IWDG->sr != 0) {
    }
    STM32_IWDG->kr = IWDG_KR_FEED;
}

static void take_flags(uint32_t expected, const char *name)
{
    uint32_t known = RCC_CSR_PORRSTF | RCC_CSR_BORRSTF | RCC_CSR_SFTRSTF | RCC_CSR_IWDGRSTF;
    uint32_t flags = STM32_RCC->csr & known;
    check_equal(flags, expected, name);
    STM32_RCC->csr |= RCC_CSR_RMVF;
}

static void reset(uint32_t next)
{
    stage = next;
    STM32_SCB->aircr = SCB_AIRCR_RESET;
    for (;;) {
    }
}

static void after_power_on(void)
{
    take_flags(RCC_CSR_PORRSTF | RCC_CSR_BORRSTF, "a power-on says so");
    check(stage != 0 && kept != 0, "RAM holds rubbish after power-on");
    kept = 0xcafe1234;
    reset(STAGE_SOFTWARE);
}

static void after_software_reset(void)
{
    take_flags(RCC_CSR_SFTRSTF, "a software reset says so");
    check_equal(kept, 0xcafe1234, "RAM outlives a reset");
    check_equal(STM32_FLASH->cr, FLASH_CR_LOCK, "and peripherals do not");
    start_watchdog(100);
    for (int i = 0; i < 20; i++) {
        delay_us(50000);
        STM32_IWDG->kr = IWDG_KR_FEED;
    }
    check(true, "a fed watchdog does not bite");
    stage = STAGE_WATCHDOG;
    delay_us(200000);
    check(false, "a starved watchdog resets the chip");
}

static void after_watchdog(void)
{
    check(true, "a starved watchdog resets the chip");
    take_flags(RCC_CSR_IWDGRSTF, "and says so");
    stage = STAGE_FAULT;
    kept = 0;
    *(volatile uint32_t *)0x60000000 = 1;
    check(false, "an access to nothing faults");
}

void hard_fault_handler(void)
{
    if (stage == STAGE_FAULT) {
        kept = STM32_SCB->hfsr;
        reset(STAGE_LOCKUP);
    }
    *(volatile uint32_t *)0x60000000 = 1; /* a fault in the fault handler */
    for (;;) {
    }
}

static void after_fault(void)
{
    check_equal(kept, 1U << 30, "an access to nothing faults");
    STM32_RCC->csr |= RCC_CSR_RMVF;
    stage = 1;
    start_watchdog(50);
    *(volatile uint32_t *)0x60000000 = 1;
}

void firmware_main(void)
{
    if ((STM32_RCC->csr & RCC_CSR_PORRSTF) != 0)
        after_power_on();
    else if (stage == STAGE_SOFTWARE)
        after_software_reset();
    else if (stage == STAGE_WATCHDOG)
        after_watchdog();
    else if (stage == STAGE_LOCKUP)
        after_fault();
    else
        take_flags(RCC_CSR_IWDGRSTF, "a locked up CPU is reset by the watchdog");
}
