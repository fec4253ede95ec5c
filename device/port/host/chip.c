#include "device/port/host/chip.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/error.h"

#define PATH_LEN_MAX 4096
#define COPY_LEN 4096

static char **own_argv;

/* Only what a signal handler may do: write, and become a new process. */
static void bite(int signal)
{
    static const char text[] = "watchdog: reset\n";
    sigset_t none;

    (void)signal;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", own_argv);
    _exit(1);
}

void host_chip_watch(char **argv)
{
    struct sigaction action = {.sa_handler = bite};

    own_argv = argv;
    sigaction(SIGALRM, &action, NULL);
    alarm(HOST_WATCHDOG_SECONDS);
}

static void platform_feed(void *ctx)
{
    (void)ctx;
    alarm(HOST_WATCHDOG_SECONDS);
}

static int platform_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    return getrandom(buf, len, 0) == (ssize_t)len ? OTA_OK : OTA_E_STATE;
}

static void platform_reset(void *ctx)
{
    struct host_chip *chip = ctx;

    chip->reset_asked = true;
}

static void platform_log(void *ctx, const char *line)
{
    const struct host_chip *chip = ctx;
    struct timespec now;
    struct tm utc;
    char date[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(stderr, "%s.%03ldZ %s %s\n", date, now.tv_nsec / 1000000, chip->name, line);
}

uint32_t host_chip_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

static bool fail(const char *path, const char *why)
{
    fprintf(stderr, "ota-device: %s: %s\n", path, why);
    return false;
}

bool host_chip_open(struct host_chip *chip, const char *dir, const char *name)
{
    char path[PATH_LEN_MAX];

    *chip = (struct host_chip){.name = name};
    chip->platform =
        (struct ota_platform){chip, platform_random, platform_feed, platform_reset, platform_log};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail(dir, strerror(errno));
    if (snprintf(path, sizeof path, "%s/flash.bin", dir) >= (int)sizeof path)
        return fail(dir, "the path is too long");
    if (ota_flash_file_open(&chip->file, path) != OTA_OK)
        return fail(path, strerror(errno));
    return true;
}

/* ---- the first image ---- */

static bool is_erased(const struct host_chip *chip, const struct ota_flash_area *area)
{
    const uint8_t *bytes = chip->file.bytes + (area->addr - OTA_FLASH_FILE_ADDR);

    for (uint32_t i = 0; i < area->len; i++)
        if (bytes[i] != 0xff)
            return false;
    return true;
}

/* The bootloader's first run leaves its seal in the journal: until then this may begin again. */
static bool is_new(const struct host_chip *chip)
{
    return is_erased(chip, &ota_flash_file_map.journal[0]) &&
           is_erased(chip, &ota_flash_file_map.journal[1]);
}

static bool erase_primary(struct host_chip *chip)
{
    const struct ota_flash *flash = &chip->file.flash;
    const struct ota_flash_area *area = &ota_flash_file_map.primary;

    for (uint32_t addr = area->addr; addr < area->addr + area->len;
         addr += flash->sector_len(flash->ctx, addr))
        if (flash->erase(flash->ctx, addr) != OTA_OK)
            return false;
    return true;
}

static bool copy(struct host_chip *chip, FILE *image)
{
    const struct ota_flash *flash = &chip->file.flash;
    const struct ota_flash_area *area = &ota_flash_file_map.primary;
    uint8_t bytes[COPY_LEN];
    uint32_t at = 0;
    size_t len;

    while ((len = fread(bytes, 1, sizeof bytes, image)) > 0) {
        memset(bytes + len, 0xff, sizeof bytes - len);
        if (at + sizeof bytes > area->len)
            return false;
        if (flash->program(flash->ctx, area->addr + at, bytes, sizeof bytes) != OTA_OK)
            return false;
        at += (uint32_t)sizeof bytes;
    }
    return ferror(image) == 0 && at > 0;
}

bool host_chip_provision(struct host_chip *chip, const char *path)
{
    if (!is_new(chip))
        return true;
    FILE *image = fopen(path, "re");
    if (image == NULL)
        return fail(path, strerror(errno));
    bool done = erase_primary(chip) && copy(chip, image);
    fclose(image);
    return done || fail(path, "cannot be the first image: empty, unreadable or larger than 384 KB");
}

/* ---- the self-test ---- */

static uint32_t word_at(const struct host_chip *chip, uint32_t addr)
{
    const uint8_t *bytes = chip->file.bytes + (addr - OTA_FLASH_FILE_ADDR);

    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

int host_chip_self_test(void *ctx)
{
    const struct host_chip *chip = ctx;
    uint32_t table = chip->start + chip->body_offset;
    uint32_t stack = word_at(chip, table);
    uint32_t reset = word_at(chip, table + 4);

    bool stack_is_ram = stack >= 0x10000000 && stack <= 0x2fffffff && stack % 8 == 0;
    bool reset_is_code = reset >= 0x08000000 && reset <= 0x081fffff && reset % 2 == 1;
    return stack_is_ram && reset_is_code ? 1 : OTA_E_SELF_TEST;
}
