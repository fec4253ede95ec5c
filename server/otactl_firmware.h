/* Firmware by the ways people name it. */
#ifndef OTAD_SERVER_OTACTL_FIRMWARE_H
#define OTAD_SERVER_OTACTL_FIRMWARE_H

#include <stdio.h>

#include "server/otactl.h"

/* The id of the firmware named by its id, by 8 or more digits of its image hash, or as
 * PRODUCT@VERSION or PRODUCT/HARDWARE@VERSION; to be freed. OTACTL_FAILED when none or several fit.
 */
int otactl_firmware_find(struct otactl *ctl, const char *given, char **id);

/* Upload `len` bytes of a signed image; *answer is the firmware as the server tells it. */
int otactl_firmware_send(struct otactl *ctl, FILE *file, uint64_t len, cJSON **answer);

#endif
