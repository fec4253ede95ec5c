/* A release that touches memory which is not there: a HardFault. */
#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/clock.h"

int main(void)
{
    (void)stm32f4_clock_start_external(stm32f4_board.hse_hz, stm32f4_board.hse_bypass);
    stm32f4_log_start(STM32F4_PCLK1_HZ);
    stm32f4_log("crashes");
    *(volatile uint32_t *)0x60000000U = 1; /* the FMC's, which is off */
    return 0;
}
