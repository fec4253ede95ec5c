/*
 * What the process has of a chip besides the network: flash, watchdog, reset, random numbers, log.
 *
 * The watchdog is the process's alarm clock: when nobody feeds it for HOST_WATCHDOG_SECONDS, the
 * process replaces itself by a new one, which is as good as a reset. One chip a process.
 */
#ifndef OTA_DEVICE_PORT_HOST_CHIP_H
#define OTA_DEVICE_PORT_HOST_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/slots.h"
#include "device/port/host/flash_file.h"
#include "device/port/platform.h"

#define HOST_WATCHDOG_SECONDS 20U

struct host_chip {
    const char *name; /* in front of each line of the log */
    struct ota_flash_file file;
    struct ota_platform platform;
    bool reset_asked;
    uint32_t start;       /* flash address of the image that runs, */
    uint32_t body_offset; /* and where its vector table lies in it */
};

/* Open DIR/flash.bin, creating both when they aren't there. false: it is said on stderr. */
bool host_chip_open(struct host_chip *chip, const char *dir, const char *name);

/* Start the watchdog; `argv` is what the process begins with again. */
void host_chip_watch(char **argv);

/* Write the image at `path` into the primary slot of a flash that no bootloader has seen yet.
 * false: it is said on stderr. */
bool host_chip_provision(struct host_chip *chip, const char *path);

/* The application's self-test (struct ota_client_config): a vector table that a Cortex-M4 of the
 * STM32F4 could start from, read from the image's own bytes. */
int host_chip_self_test(void *chip);

uint32_t host_chip_now_ms(void);

#endif
