/* The bootloader: sector 0, 16 KB. Decides by device/boot, says so, and jumps. */
#include <string.h>

#include "device/boot/boot.h"
#include "device/boot/describe.h"
#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/flash_f4.h"
#include "device/port/stm32f4/stm32f4_regs.h"
#include "protocol/error.h"

#include "boot_identity.h" /* of this build: scripts/boot-identity */

#define APB1_HZ (STM32F4_CLOCK_HZ / 4)

/* The bounds of .bss, and the stack's top: boot.ld. There is no .data. */
extern uint32_t boot_bss_start[], boot_bss_end[];
extern uint32_t boot_stack_top[];

_Noreturn void boot_reset(void);
_Noreturn void boot_fault(void);

static void feed(void *ctx)
{
    (void)ctx;
    stm32f4_feed();
}

static const struct ota_platform platform = {.feed = feed};

static const struct ota_boot_config config = {
    .flash = &stm32f4_flash,
    .map = &stm32f4_board.map,
    .platform = &platform,
    .keys = {boot_release_keys, BOOT_RELEASE_KEYS},
    .product = boot_product,
    .hardware = boot_hardware,
};

/* To the image whose vector table lies at `vectors`, as the chip does at reset: ARMv7-M B1.5.5. */
static _Noreturn void jump(uint32_t vectors)
{
    const uint32_t *table = (const uint32_t *)(uintptr_t)vectors;

    STM32_SCB->vtor = vectors;
    __asm volatile("dsb\n\tmsr msp, %0\n\tbx %1" ::"r"(table[0]), "r"(table[1]) : "memory");
    __builtin_unreachable();
}

/* Out of line: its buffer is not to stay on the stack. */
__attribute__((noinline)) static void say(const struct ota_image_info *info)
{
    char line[OTA_BOOT_LINE_MAX];

    ota_boot_describe(STM32F4_BOOT_REPORT, info, line);
    stm32f4_log(line);
}

/* How the run before this one ended; RM0090 section 7.3.21. The flags add up until they are
 * cleared.
 */
static int take_cause(void)
{
    uint32_t flags = STM32_RCC->csr;
    int left = STM32F4_BOOT_REPORT->left;

    STM32F4_BOOT_REPORT->left = OTA_OK;
    STM32_RCC->csr = RCC_CSR_RMVF;
    if ((flags & RCC_CSR_BORRSTF) != 0)
        left = OTA_E_POWER;
    if ((flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF)) != 0)
        left = OTA_E_WATCHDOG;
    return left;
}

static _Noreturn void boot_main(void)
{
    static struct ota_image_info info;

    STM32F4_BOOT_REPORT->ended = (int16_t)take_cause();
    stm32f4_watchdog_start();
    stm32f4_clock_start();
    stm32f4_log_start(APB1_HZ);
    int error = ota_boot_run(&config, STM32F4_BOOT_REPORT, &info);
    say(&info);
    if (error != OTA_OK)
        boot_fault(); /* nothing may start; the watchdog resets, and it is tried again */
    stm32f4_feed();
    stm32f4_clock_stop();
    jump(STM32F4_BOOT_REPORT->start + info.header.body_offset);
}

_Noreturn void boot_reset(void)
{
    memset(boot_bss_start, 0, (uintptr_t)boot_bss_end - (uintptr_t)boot_bss_start);
    boot_main();
}

/* Wait for the watchdog. */
_Noreturn void boot_fault(void)
{
    for (;;)
        ;
}

/* Reset, NMI and HardFault, to which all other faults lead (ARMv7-M B1.5.2). No interrupt is ever
 * enabled here. */
struct vectors {
    uint32_t *stack_top;
    void (*handlers[3])(void);
};
__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    boot_stack_top,
    {boot_reset, boot_fault, boot_fault},
};
