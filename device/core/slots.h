/*
 * The slots and the agreement between client and bootloader: which image runs, which waits, which
 * is on trial. One boot record in the journal holds it all, so that each change is one atomic
 * append.
 *
 *   client                     bootloader                        application
 *   slot_request_install  -->  verifies, swaps, phase TRIAL  --> self-test
 *                              counts attempts                   slots_confirm, or a reset
 *                              attempts used up: swaps back, phase REVERTED
 *
 * Image bytes in the primary start at primary.addr. A downloaded image starts one sector into the
 * secondary; after the swap the old image lies at secondary.addr (device/boot/swap.h).
 */
#ifndef OTA_DEVICE_CORE_SLOTS_H
#define OTA_DEVICE_CORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/journal.h"
#include "protocol/image.h"

enum ota_boot_phase {
    OTA_BOOT_IDLE = 0,      /* the primary is confirmed; nothing waits */
    OTA_BOOT_REQUESTED = 1, /* the client asks for the image in the secondary */
    OTA_BOOT_SWAPPING = 2,  /* the bootloader is moving sectors; `step` counts those done */
    OTA_BOOT_TRIAL = 3,     /* the new image is in the primary, `attempts` boots so far */
    OTA_BOOT_REVERTING = 4, /* moving back */
    OTA_BOOT_REVERTED = 5,  /* the old image is back; the client has still to report it */
    OTA_BOOT_REFUSED = 6, /* the bootloader refused the image in the secondary; `error` says why */
};

#define OTA_TRIAL_ATTEMPTS_MAX 3 /* boots of an unconfirmed image before it is reverted */

/* As stored; little endian, no padding (asserted). */
struct ota_boot_record {
    uint32_t counter; /* security counter floor; rises only with a confirm */
    uint8_t phase;    /* enum ota_boot_phase */
    uint8_t attempts;
    int16_t error; /* enum ota_error: why REVERTED or REFUSED */
    uint16_t step;
    uint16_t sectors;               /* that the swap moves */
    uint32_t new_counter;           /* of the image on trial */
    uint8_t new_hash[OTA_HASH_LEN]; /* image hash of the requested image */
    uint8_t old_hash[OTA_HASH_LEN]; /* image hash of what it replaces */
};

/* Why this boot went as it did; left in no-init RAM for the application, which
 * gives it to the client. */
struct ota_boot_report {
    uint32_t magic; /* OTA_BOOT_REPORT_MAGIC when it is whole */
    uint8_t phase;  /* enum ota_boot_phase after the decision */
    uint8_t attempts;
    int16_t error; /* what was refused or failed on the way, 0 for nothing */
    uint32_t counter;
    uint32_t start; /* flash address of the image that starts */
    int16_t ended;  /* how the run before ended, from the chip: OTA_E_POWER, OTA_E_WATCHDOG,
                       OTA_E_FAULT, or OTA_OK for a reset that was asked for */
    int16_t left;   /* for `ended` of the next boot: a fault handler writes OTA_E_FAULT */
};
#define OTA_BOOT_REPORT_MAGIC 0x4f544142U

/* Read the boot record; a device without one gets the factory record (IDLE, counter 0).
 * OTA_OK or OTA_E_FLASH. */
int ota_slots_load(struct ota_journal *journal, struct ota_boot_record *record);
/* Append it; durable when it returns OTA_OK. For the bootloader; others use the functions below. */
int ota_slots_store(struct ota_journal *journal, const struct ota_boot_record *record);

/* What an image in flash says of itself; hash and signatures not yet checked. */
struct ota_image_info {
    struct ota_image_header header;
    uint32_t image_len; /* bytes of the whole image, both TLV areas included */
    uint32_t counter;
    uint8_t hash[OTA_HASH_LEN]; /* claimed by the image */
    char product[OTA_NAME_MAX + 1];
    char hardware[OTA_NAME_MAX + 1];
};

/* Release keys that this device believes: uncompressed points. */
struct ota_release_keys {
    const uint8_t (*keys)[OTA_PUBLIC_KEY_LEN];
    uint32_t count;
};

/* Parse the image at `addr` within an area of `area_len` bytes. 0 or a negative error. */
int ota_slots_inspect(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                      struct ota_image_info *info);

/* Read the image back from flash: hash, then the first signature by a known release key. `feed` is
 * called every OTA_FEED_BYTES (may be NULL). OTA_OK only if all of it holds; fills *info. */
int ota_slots_verify(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                     const struct ota_release_keys *keys, void (*feed)(void *ctx), void *feed_ctx,
                     struct ota_image_info *info);

/* The client asks for the verified image in the secondary. Allowed in IDLE, REVERTED, REFUSED, and
 * REQUESTED. */
int ota_slots_request_install(struct ota_journal *journal, uint32_t new_counter,
                              const uint8_t new_hash[OTA_HASH_LEN],
                              const uint8_t old_hash[OTA_HASH_LEN]);

/* The application found itself fit: IDLE, and the counter rises to the image's, in one record.
 * OTA_E_STATE outside a trial. */
int ota_slots_confirm(struct ota_journal *journal);

/* The application found itself unfit: uses up the attempts, so that the next boot reverts.
 * OTA_E_STATE outside a trial. */
int ota_slots_reject(struct ota_journal *journal, int error);

/* The client has taken note of REVERTED or REFUSED: back to IDLE. */
int ota_slots_acknowledge(struct ota_journal *journal);

/* Where a download goes, and how long an image may be (the primary's size). */
struct ota_flash_area ota_slots_download_area(const struct ota_flash *flash,
                                              const struct ota_flash_map *map);

#endif
