#include "device/boot/boot.h"

#include <stdbool.h>
#include <string.h>

#include "device/boot/swap.h"
#include "protocol/error.h"

/* One run. Words first: a Cortex-M reaches the first 32 of them by its short instructions. */
struct boot {
    const struct ota_boot_config *config;
    struct ota_image_info *info;
    int error; /* what was refused or failed on the way; the last counts */
    int ended; /* how the run before this one did: struct ota_boot_report */
    struct ota_swap swap;
    struct ota_journal journal;
    struct ota_boot_record record;
};

static int store(struct boot *boot, enum ota_boot_phase phase)
{
    boot->record.phase = (uint8_t)phase;
    int error = ota_slots_store(&boot->journal, &boot->record);
    if (error != OTA_OK)
        boot->error = error;
    return error;
}

/* Sectors that the image described by boot->info takes. */
static uint16_t sectors_of(const struct boot *boot)
{
    uint32_t sector_len = ota_swap_sector_len(&boot->swap);
    return (uint16_t)((boot->info->image_len + sector_len - 1) / sector_len);
}

/* Where a downloaded image lies. */
static uint32_t download_addr(const struct boot *boot)
{
    return boot->config->map->secondary.addr + ota_swap_sector_len(&boot->swap);
}

/* All that an image must be before it may start from the primary: whole, signed, ours, not older
 * than the counter allows. Fills boot->info. */
static int verify(struct boot *boot, uint32_t addr)
{
    const struct ota_boot_config *config = boot->config;
    struct ota_image_info *info = boot->info;

    int error = ota_slots_verify(config->flash, addr, config->map->primary.len, &config->keys,
                                 config->platform->feed, config->platform->ctx, info);
    if (error != OTA_OK)
        return error;
    if (strcmp(info->product, config->product) != 0)
        return OTA_E_PRODUCT;
    if (strcmp(info->hardware, config->hardware) != 0)
        return OTA_E_HARDWARE;
    return info->counter >= boot->record.counter ? OTA_OK : OTA_E_COUNTER_LOW;
}

static int verify_primary(struct boot *boot)
{
    return verify(boot, boot->config->map->primary.addr);
}

static bool is_image(const struct boot *boot, const uint8_t hash[OTA_HASH_LEN])
{
    return memcmp(boot->info->hash, hash, OTA_HASH_LEN) == 0;
}

/* An image that was tried and given up, or refused, is never started for want of a better one. */
static bool is_banned(const struct boot *boot)
{
    return boot->record.error != OTA_OK && is_image(boot, boot->record.new_hash);
}

/* The primary holds nothing that may start: bring what the secondary has. Its images are not
 * touched, so that a cut costs nothing but the time. */
static int recover(struct boot *boot)
{
    const uint32_t places[] = {boot->config->map->secondary.addr, download_addr(boot)};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (verify(boot, places[i]) == OTA_OK && !is_banned(boot) &&
            ota_swap_copy(&boot->swap, places[i], sectors_of(boot)) == OTA_OK &&
            verify_primary(boot) == OTA_OK)
            return OTA_OK;
    }
    return boot->error != OTA_OK ? boot->error : OTA_E_NOT_FOUND;
}

static int start_primary(struct boot *boot)
{
    int error = verify_primary(boot);
    if (error == OTA_OK)
        return OTA_OK;
    boot->error = error;
    return recover(boot);
}

/* The old image back into the primary, from where the swap saved it. */
static int restore(struct boot *boot)
{
    (void)ota_swap_copy(&boot->swap, boot->config->map->secondary.addr,
                        ota_swap_saved(boot->record.step));
    int error = start_primary(boot);
    /* With a sector that can't be erased the new image may still be there: then it is not over. */
    if (error == OTA_OK && !is_banned(boot))
        (void)store(boot, OTA_BOOT_REVERTED);
    return error;
}

/* Give the new image up. A journal that can't be written does not stop it: what the next boot will
 * read then leads here again. */
static int revert(struct boot *boot, int error)
{
    boot->error = error;
    boot->record.error = (int16_t)error;
    if (boot->record.step == 2 * boot->record.sectors &&
        verify(boot, boot->config->map->secondary.addr) != OTA_OK && verify_primary(boot) == OTA_OK)
        return OTA_OK; /* nothing to go back to: rather the new image than none */
    (void)store(boot, OTA_BOOT_REVERTING);
    return restore(boot);
}

/* Why the attempts are used up: by the image itself, or else as the last of them ended. */
static int given_up(const struct boot *boot)
{
    if (boot->record.error != OTA_OK)
        return boot->record.error;
    return boot->ended != OTA_OK ? boot->ended : OTA_E_NOT_CONFIRMED;
}

static int try_image(struct boot *boot)
{
    struct ota_boot_record *record = &boot->record;

    if (record->attempts >= OTA_TRIAL_ATTEMPTS_MAX)
        return revert(boot, given_up(boot));
    int error = verify_primary(boot);
    if (error == OTA_OK && !is_image(boot, record->new_hash))
        error = OTA_E_HASH;
    if (error != OTA_OK)
        return revert(boot, error);
    record->attempts++;
    error = store(boot, OTA_BOOT_TRIAL);
    return error == OTA_OK ? OTA_OK : revert(boot, error);
}

static int swap_images(struct boot *boot)
{
    struct ota_boot_record *record = &boot->record;

    /* The old image whole in the primary, late in a swap: a revert that could not be recorded. */
    if (record->step > 1 && verify_primary(boot) == OTA_OK && is_image(boot, record->old_hash))
        return revert(boot, OTA_E_FLASH);
    while (record->step < 2 * record->sectors) {
        int error = ota_swap_step(&boot->swap, record->step);
        if (error != OTA_OK)
            return revert(boot, error);
        record->step++;
        error = store(boot, OTA_BOOT_SWAPPING);
        if (error != OTA_OK)
            return revert(boot, error);
    }
    record->attempts = 0;
    return try_image(boot);
}

/* Room for what the journal will be told during the install, so that it is not the journal that
 * fails in the middle of it. */
static int reserve(struct boot *boot)
{
    int error = ota_journal_reserve(&boot->journal, boot->config->map->journal[0].len / 2);
    return error == OTA_E_JOURNAL_FULL ? OTA_OK : error; /* then it will be compacted on the way */
}

/* The image in the secondary, and how many sectors a swap must move. The record learns what the
 * flash holds, not what the client believed. OTA_E_STATE: the primary holds that image already. */
static int prepare(struct boot *boot)
{
    struct ota_boot_record *record = &boot->record;

    int error = verify(boot, download_addr(boot));
    if (error == OTA_OK && !is_image(boot, record->new_hash))
        error = OTA_E_HASH;
    if (error != OTA_OK)
        return error;
    record->new_counter = boot->info->counter;
    record->sectors = sectors_of(boot);
    record->step = 0;
    memset(record->old_hash, 0, OTA_HASH_LEN);
    if (verify_primary(boot) == OTA_OK) {
        uint16_t sectors = sectors_of(boot);
        if (sectors > record->sectors)
            record->sectors = sectors;
        memcpy(record->old_hash, boot->info->hash, OTA_HASH_LEN);
        if (is_image(boot, record->new_hash))
            return OTA_E_STATE;
    }
    return reserve(boot);
}

static int install(struct boot *boot)
{
    int error = prepare(boot);
    if (error == OTA_OK)
        error = store(boot, OTA_BOOT_SWAPPING);
    if (error == OTA_OK)
        return swap_images(boot);
    if (error == OTA_E_STATE) {
        (void)store(boot, OTA_BOOT_IDLE);
    } else {
        boot->error = error;
        boot->record.error = (int16_t)error;
        (void)store(boot, OTA_BOOT_REFUSED);
    }
    return start_primary(boot);
}

static int decide(struct boot *boot)
{
    switch ((enum ota_boot_phase)boot->record.phase) {
    case OTA_BOOT_REQUESTED:
        return install(boot);
    case OTA_BOOT_SWAPPING:
        return swap_images(boot);
    case OTA_BOOT_TRIAL:
        return try_image(boot);
    case OTA_BOOT_REVERTING:
        return revert(boot, boot->record.error);
    case OTA_BOOT_IDLE:
    case OTA_BOOT_REVERTED:
    case OTA_BOOT_REFUSED:
        break;
    }
    return start_primary(boot);
}

int ota_boot_run(const struct ota_boot_config *config, struct ota_boot_report *report,
                 struct ota_image_info *info)
{
    static struct boot boot; /* off the stack, which the elliptic curve needs */

    memset(&boot, 0, sizeof boot);
    boot.config = config;
    boot.swap = (struct ota_swap){config->flash, config->map, config->platform};
    boot.info = info;
    boot.ended = report->ended;
    boot.error = ota_journal_mount(&boot.journal, config->flash, config->map);
    if (boot.error == OTA_OK)
        boot.error = ota_slots_load(&boot.journal, &boot.record);
    int result = decide(&boot);
    report->magic = OTA_BOOT_REPORT_MAGIC;
    report->phase = boot.record.phase;
    report->attempts = boot.record.attempts;
    report->error = (int16_t)(result == OTA_OK ? boot.error : result);
    report->counter = boot.record.counter;
    report->start = config->map->primary.addr;
    return result;
}
