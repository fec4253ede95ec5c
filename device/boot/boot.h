/*
 * The bootloader's decision, over the flash seam: which image starts, after which moves.
 *
 * Runs at every reset, on the chip as the program in sector 0 and on the host as a function.
 * Finishes what a power cut interrupted, verifies, swaps, counts trial attempts, reverts, recovers
 * the primary from the secondary. Never leaves a flash from which the next run can't go on.
 */
#ifndef OTA_DEVICE_BOOT_BOOT_H
#define OTA_DEVICE_BOOT_BOOT_H

#include <stdint.h>

#include "device/core/slots.h"
#include "device/port/platform.h"

struct ota_boot_config {
    const struct ota_flash *flash;
    const struct ota_flash_map *map;
    const struct ota_platform *platform; /* feed and log are used */
    struct ota_release_keys keys;
    const char *product; /* what this device is; an image for another is never started */
    const char *hardware;
};

/* Decide. OTA_OK: start the image whose body lies at report->start + body_offset (*info describes
 * it). A negative error: nothing on this flash may be started. */
int ota_boot_run(const struct ota_boot_config *config, struct ota_boot_report *report,
                 struct ota_image_info *info);

#endif
