/*
 * The flash image inside an ELF file: what objcopy -O binary would give, with gaps as erased flash.
 *
 * Takes the PT_LOAD segments that have bytes in the file, by physical address (where .data waits to
 * be copied from), without the ELF header where a linker put that into the first one; fills gaps
 * with 0xff. 32-bit little-endian ARM only. The file is not trusted: every offset is bounded,
 * overlapping segments and images over OTACTL_ELF_IMAGE_MAX are refused.
 */
#ifndef OTAD_SERVER_OTACTL_ELF_H
#define OTAD_SERVER_OTACTL_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTACTL_ELF_IMAGE_MAX (16U * 1024U * 1024U) /* bytes from the first to the last address */

struct otactl_elf_image {
    uint8_t *bytes; /* to be freed */
    uint32_t len;
    uint32_t address; /* physical address of bytes[0] */
};

bool otactl_elf_is(const uint8_t *file, size_t len);

/* NULL and *image, or the reason why not. */
const char *otactl_elf_load(const uint8_t *file, size_t len, struct otactl_elf_image *image);

#endif
