/*
 * Public keys from PEM files: SubjectPublicKeyInfo of P-256 (RFC 5480, RFC 7468), and no other.
 */
#ifndef OTA_DEVICE_PORT_HOST_PEM_H
#define OTA_DEVICE_PORT_HOST_PEM_H

#include <stdint.h>

#include "protocol/limits.h"

/* Read the key's uncompressed point. NULL, or what is wrong with the file, in a few words. */
const char *host_pem_read(const char *path, uint8_t point[OTA_PUBLIC_KEY_LEN]);

#endif
