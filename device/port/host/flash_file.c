#include "device/port/host/flash_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/error.h"

#define WRITE_LEN 4U /* bytes: PSIZE x32 */

/* RM0090 section 3.4, table 5. */
static const struct sector {
    uint32_t addr;
    uint32_t len;
} sectors[OTA_FLASH_FILE_SECTORS] = {
    {0x08000000, 0x4000},  {0x08004000, 0x4000},  {0x08008000, 0x4000},  {0x0800c000, 0x4000},
    {0x08010000, 0x10000}, {0x08020000, 0x20000}, {0x08040000, 0x20000}, {0x08060000, 0x20000},
    {0x08080000, 0x20000}, {0x080a0000, 0x20000}, {0x080c0000, 0x20000}, {0x080e0000, 0x20000},
};

const struct ota_flash_map ota_flash_file_map = {
    .journal = {{0x08008000, 0x4000}, {0x0800c000, 0x4000}},
    .primary = {0x08020000, 0x60000},
    .secondary = {0x08080000, 0x80000},
};

static bool is_inside(uint32_t addr, size_t len)
{
    return addr >= OTA_FLASH_FILE_ADDR && addr - OTA_FLASH_FILE_ADDR <= OTA_FLASH_FILE_LEN &&
           len <= OTA_FLASH_FILE_LEN - (addr - OTA_FLASH_FILE_ADDR);
}

static uint32_t file_sector_len(void *ctx, uint32_t addr)
{
    (void)ctx;
    for (int i = 0; i < OTA_FLASH_FILE_SECTORS; i++) {
        if (sectors[i].addr == addr)
            return sectors[i].len;
    }
    return 0;
}

static int file_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    const struct ota_flash_file *file = ctx;

    if (!is_inside(addr, len))
        return OTA_E_FLASH;
    memcpy(buf, file->bytes + (addr - OTA_FLASH_FILE_ADDR), len);
    return OTA_OK;
}

static int file_program(void *ctx, uint32_t addr, const void *buf, size_t len)
{
    struct ota_flash_file *file = ctx;
    const uint8_t *from = buf;

    if (!is_inside(addr, len) || addr % WRITE_LEN != 0 || len % WRITE_LEN != 0)
        return OTA_E_FLASH;
    uint8_t *to = file->bytes + (addr - OTA_FLASH_FILE_ADDR);
    for (size_t i = 0; i < len; i++) {
        if ((from[i] & ~to[i]) != 0)
            return OTA_E_FLASH; /* the chip would leave the AND there and the driver would see it */
        to[i] = from[i];
    }
    file->programs += len / WRITE_LEN;
    return OTA_OK;
}

static int file_erase(void *ctx, uint32_t addr)
{
    struct ota_flash_file *file = ctx;

    for (int i = 0; i < OTA_FLASH_FILE_SECTORS; i++) {
        if (sectors[i].addr == addr) {
            memset(file->bytes + (addr - OTA_FLASH_FILE_ADDR), 0xff, sectors[i].len);
            file->erases[i]++;
            return OTA_OK;
        }
    }
    return OTA_E_FLASH;
}

/* A new file, and one that was cut while it was made, becomes erased flash. */
static int fill(int fd)
{
    uint8_t erased[4096];
    struct stat status;

    if (fstat(fd, &status) != 0)
        return OTA_E_FLASH;
    if (status.st_size == (off_t)OTA_FLASH_FILE_LEN)
        return OTA_OK;
    if (lseek(fd, 0, SEEK_SET) != 0 || ftruncate(fd, 0) != 0)
        return OTA_E_FLASH;
    memset(erased, 0xff, sizeof erased);
    for (uint32_t done = 0; done < OTA_FLASH_FILE_LEN; done += sizeof erased) {
        if (write(fd, erased, sizeof erased) != (ssize_t)sizeof erased)
            return OTA_E_FLASH;
    }
    return OTA_OK;
}

int ota_flash_file_open(struct ota_flash_file *file, const char *path)
{
    memset(file, 0, sizeof *file);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return OTA_E_FLASH;
    void *bytes = MAP_FAILED;
    if (fill(file->fd) == OTA_OK)
        bytes = mmap(NULL, OTA_FLASH_FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (bytes == MAP_FAILED) {
        close(file->fd);
        return OTA_E_FLASH;
    }
    file->bytes = bytes;
    file->flash = (struct ota_flash){
        .ctx = file,
        .write_len = WRITE_LEN,
        .write_once = false,
        .sector_len = file_sector_len,
        .read = file_read,
        .program = file_program,
        .erase = file_erase,
    };
    return OTA_OK;
}

void ota_flash_file_close(struct ota_flash_file *file)
{
    munmap(file->bytes, OTA_FLASH_FILE_LEN);
    close(file->fd);
}
