/* What lwIP asks of the port, besides sys_now(). */
#ifndef OTA_DEVICE_PORT_STM32F4_LWIP_PORT_H
#define OTA_DEVICE_PORT_STM32F4_LWIP_PORT_H

#include <stdint.h>

uint32_t stm32f4_lwip_random(void);

/* A broken invariant inside lwIP: says so and resets the chip. */
_Noreturn void stm32f4_lwip_assert(const char *message);

#endif
