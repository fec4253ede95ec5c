/*
 * What the bootloader did, in one line for the log.
 */
#ifndef OTA_DEVICE_BOOT_DESCRIBE_H
#define OTA_DEVICE_BOOT_DESCRIBE_H

#include "device/boot/boot.h"

#define OTA_BOOT_LINE_MAX 96 /* bytes with the NUL; no line is longer */

/* "boot phase 3 starts 1.4.0, attempt 1, counter 3, error 61": enum ota_boot_phase, the version
 * that starts, and the negated enum ota_error of what was refused or failed on the way. */
void ota_boot_describe(const struct ota_boot_report *report, const struct ota_image_info *info,
                       char line[OTA_BOOT_LINE_MAX]);

#endif
