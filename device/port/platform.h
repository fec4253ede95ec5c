/*
 * Seam: what the client and the bootloader need of the chip besides flash, network and crypto.
 */
#ifndef OTA_DEVICE_PORT_PLATFORM_H
#define OTA_DEVICE_PORT_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

struct ota_platform {
    void *ctx;
    /* Fill with unpredictable bytes (nonces). OTA_OK or a negative error: then nothing is asked of
     * the network until it works. */
    int (*random)(void *ctx, void *buf, size_t len);
    /* Feed the watchdog. Called at least once per OTA_FEED_BYTES hashed, copied or erased sector.
     */
    void (*feed)(void *ctx);
    /* Reset the chip. Does not return on a device; in host tests it may. */
    void (*reset)(void *ctx);
    /* One line of log, no newline, no secret. */
    void (*log)(void *ctx, const char *line);
};

#define OTA_FEED_BYTES 4096U

#endif
