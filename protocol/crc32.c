#include "protocol/crc32.h"

/* Bit by bit: a table would cost a hundredth of the bootloader, and a mount takes milliseconds. */
uint32_t ota_crc32(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    crc = ~crc;
    while (len-- > 0) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320U & (0U - (crc & 1U)));
    }
    return ~crc;
}
