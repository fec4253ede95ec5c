/* lwIP's view of the STM32F4 with newlib. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>

#include "device/port/stm32f4/lwip_port.h"

/* Ports, transaction ids and initial sequence numbers (RFC 6528, 6056). */
#define LWIP_RAND() stm32f4_lwip_random()
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) stm32f4_lwip_random()

#define LWIP_PLATFORM_DIAG(message)
#define LWIP_PLATFORM_ASSERT(message) stm32f4_lwip_assert(message)

#endif
