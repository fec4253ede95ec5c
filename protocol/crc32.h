/*
 * CRC-32 of IEEE 802.3 (reflected 0x04c11db7), for the journal and for patches. A checksum, not a
 * defence.
 */
#ifndef OTA_PROTOCOL_CRC32_H
#define OTA_PROTOCOL_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continue `crc` (0 at first) over `len` bytes. */
uint32_t ota_crc32(uint32_t crc, const void *data, size_t len);

#endif
