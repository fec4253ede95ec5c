/*
 * Files for otactl: read whole with a bound, written so that a failure leaves no half file behind.
 */
#ifndef OTAD_SERVER_OTACTL_FILE_H
#define OTAD_SERVER_OTACTL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTACTL_FIRMWARE_MAX (64U * 1024U * 1024U) /* bytes of an ELF file with its debug data */

/* The whole file; *bytes is NUL-terminated behind its *len bytes and is to be freed. An empty file
 * is refused. OTACTL_OK or OTACTL_FAILED, told on stderr. */
int otactl_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len);

/* Written beside `path` and renamed over it. `secret`: readable by its owner only. `fresh`: an
 * existing file is refused and kept. */
int otactl_file_write(const char *path, const void *bytes, size_t len, bool secret, bool fresh);

#endif
