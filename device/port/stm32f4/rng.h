/*
 * The hardware random number generator, RM0090 section 24, with the checks that FIPS 140-2 and the
 * manual want: seed and clock errors, and no word twice in a row. Needs the PLL's 48 MHz.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_RNG_H
#define OTA_DEVICE_PORT_STM32F4_RNG_H

#include <stddef.h>
#include <stdint.h>

/* The seam struct ota_platform.random; `ctx` is not used. OTA_OK, or OTA_E_STATE when it gives
 * nothing good: buf then holds nothing usable. */
int stm32f4_random(void *ctx, void *buf, size_t len);

#endif
