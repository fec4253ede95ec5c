/* The platform seam over the chip, for applications; its ctx is NULL. */
#ifndef OTA_DEVICE_PORT_STM32F4_PLATFORM_H
#define OTA_DEVICE_PORT_STM32F4_PLATFORM_H

#include "device/port/platform.h"

extern const struct ota_platform stm32f4_platform;

#endif
