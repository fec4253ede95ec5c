/*
 * An STM32F407's flash in a file, with the rules of NOR: for the client as a process, and for
 * tests.
 *
 * 1 MB at 0x08000000, sectors of 16, 64 and 128 KB. A program that would set a bit, that is not
 * aligned, or an erase that does not start at a sector fails as it would on the chip.
 *
 *     sector   0   1 | 2 3     | 4  | 5 6 7   | 8 9 10 11
 *              boot  | journal | -- | primary | secondary (spare, then the download)
 *
 * The file is mapped and shared: each program and erase lasts beyond the process. One process at a
 * time.
 */
#ifndef OTA_DEVICE_PORT_HOST_FLASH_FILE_H
#define OTA_DEVICE_PORT_HOST_FLASH_FILE_H

#include <stdint.h>

#include "device/port/flash.h"

#define OTA_FLASH_FILE_ADDR 0x08000000U
#define OTA_FLASH_FILE_LEN 0x00100000U /* bytes */
#define OTA_FLASH_FILE_SECTORS 12

struct ota_flash_file {
    struct ota_flash flash; /* give its address to whoever wants a flash */
    uint8_t *bytes;
    int fd;
    uint32_t erases[OTA_FLASH_FILE_SECTORS]; /* since it was opened */
    uint64_t programs;                       /* units programmed since it was opened */
};

/* Open or create (erased) the file. OTA_OK or OTA_E_FLASH with errno set. *file must not move while
 * its flash is in use. */
int ota_flash_file_open(struct ota_flash_file *file, const char *path);
void ota_flash_file_close(struct ota_flash_file *file);

/* The map that is drawn above. */
extern const struct ota_flash_map ota_flash_file_map;

#endif
