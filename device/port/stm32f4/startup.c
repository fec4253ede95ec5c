/* Start of an application in the primary slot: memory, vector table, main(). */
#include <string.h>

#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/clock.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"

/* app.ld */
extern uint32_t app_data_start[], app_data_end[], app_bss_start[], app_bss_end[];
extern const uint32_t app_data_load[];
extern uint32_t app_stack_top[];

int main(void);
_Noreturn void app_reset(void);
_Noreturn void app_fault(void);

_Noreturn void app_reset(void)
{
    /* Each pair is the linker script's, around one region. */
    // cppcheck-suppress comparePointers
    size_t data_len = (size_t)((char *)app_data_end - (char *)app_data_start);
    // cppcheck-suppress comparePointers
    size_t bss_len = (size_t)((char *)app_bss_end - (char *)app_bss_start);
    memcpy(app_data_start, app_data_load, data_len);
    memset(app_bss_start, 0, bss_len);
    (void)main();
    stm32f4_reset();
}

/* A new image that ends here in its trial is started again, and then reverted. It may be its first
 * instruction that does: the log is as the bootloader left it, for a faster clock. */
_Noreturn void app_fault(void)
{
    STM32F4_BOOT_REPORT->left = OTA_E_FAULT;
    stm32f4_log_start(stm32f4_clock_pclk1_hz());
    stm32f4_log("fault");
    stm32f4_reset();
}

/* The core's own exceptions: everything here is polled, so that no interrupt is enabled. */
struct vectors {
    uint32_t *stack_top;
    void (*handlers[15])(void);
};
__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    app_stack_top,
    {[0] = app_reset,
     [1] = app_fault,
     [2] = app_fault,
     [3] = app_fault,
     [4] = app_fault,
     [5] = app_fault,
     [14] = stm32f4_systick},
};
