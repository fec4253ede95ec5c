#include "device/port/stm32f4/lwip_port.h"

#include <lwip/sys.h>

#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/rng.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"

uint32_t stm32f4_lwip_random(void)
{
    uint32_t word = 0;
    if (stm32f4_random(NULL, &word, sizeof word) != OTA_OK)
        word = stm32f4_micros(); /* guessable; TLS, which needs better, refuses to connect */
    return word;
}

_Noreturn void stm32f4_lwip_assert(const char *message)
{
    stm32f4_log(message);
    stm32f4_reset();
}

u32_t sys_now(void)
{
    return stm32f4_millis();
}
