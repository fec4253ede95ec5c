#include "device/core/slots.h"

#include <string.h>

#include "device/port/crypto.h"
#include "device/port/platform.h"
#include "protocol/error.h"

#define HASH_CHUNK 128U /* bytes read at a time */

/* The stack is short in the bootloader: large buffers live in functions that are not inlined, so
 * that none of them is there when the elliptic curve, the deepest user, runs. */
#define OUT_OF_LINE __attribute__((noinline))

_Static_assert(sizeof(struct ota_boot_record) == 80, "no padding on flash");
_Static_assert(OTA_FEED_BYTES % HASH_CHUNK == 0, "feeds fall between reads");

int ota_slots_load(struct ota_journal *journal, struct ota_boot_record *record)
{
    int len = ota_journal_read(journal, OTA_RECORD_BOOT, record, sizeof *record);
    if (len == (int)sizeof *record)
        return OTA_OK;
    if (len == OTA_E_FLASH)
        return OTA_E_FLASH;
    memset(record, 0, sizeof *record);
    return OTA_OK;
}

int ota_slots_store(struct ota_journal *journal, const struct ota_boot_record *record)
{
    return ota_journal_write(journal, OTA_RECORD_BOOT, record, sizeof *record);
}

/* Read the TLV areas of the image at `addr` into buf and parse them. */
static int read_tlvs(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                     const struct ota_image_header *header, uint8_t buf[OTA_IMAGE_TLV_MAX],
                     struct ota_image_tlvs *tlvs)
{
    uint32_t left = area_len - header->tlv_offset;
    uint32_t len = left < OTA_IMAGE_TLV_MAX ? left : OTA_IMAGE_TLV_MAX;

    if (flash->read(flash->ctx, addr + header->tlv_offset, buf, len) != OTA_OK)
        return OTA_E_FLASH;
    int error = ota_image_parse_tlvs(tlvs, header, buf, len);
    /* All that may be read was given: an area that ends later is no image. */
    return error == OTA_E_TRUNCATED ? OTA_E_SIZE : error;
}

static void copy_name(char name[OTA_NAME_MAX + 1], struct ota_text text)
{
    memset(name, 0, OTA_NAME_MAX + 1);
    memcpy(name, text.at, text.len);
}

/* The signature by the key with this hash, into raw. */
static int take_signature(const struct ota_image_tlvs *tlvs, const uint8_t key_hash[OTA_HASH_LEN],
                          uint8_t raw[OTA_SIGNATURE_RAW_LEN])
{
    for (size_t i = 0; i < tlvs->signature_count; i++) {
        const struct ota_image_signature *found = &tlvs->signatures[i];
        if (memcmp(key_hash, found->key_hash, OTA_HASH_LEN) == 0)
            return ota_p256_raw_from_der(found->der, found->der_len, raw) ? OTA_OK
                                                                          : OTA_E_SIGNATURE;
    }
    return OTA_E_UNKNOWN_KEY;
}

/* Header and TLVs into *info, and the signature by one key; `key_hash` NULL: none is looked for. */
OUT_OF_LINE static int inspect(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                               const uint8_t *key_hash, uint8_t raw[OTA_SIGNATURE_RAW_LEN],
                               struct ota_image_info *info)
{
    uint8_t buf[OTA_IMAGE_TLV_MAX];
    struct ota_image_tlvs tlvs;

    memset(info, 0, sizeof *info);
    if (flash->read(flash->ctx, addr, buf, OTA_IMAGE_HEADER_LEN) != OTA_OK)
        return OTA_E_FLASH;
    int error = ota_image_parse_header(&info->header, buf, OTA_IMAGE_HEADER_LEN, area_len);
    if (error == OTA_OK)
        error = read_tlvs(flash, addr, area_len, &info->header, buf, &tlvs);
    if (error != OTA_OK)
        return error;
    info->image_len = info->header.tlv_offset + (uint32_t)tlvs.len;
    info->counter = tlvs.counter;
    memcpy(info->hash, tlvs.hash, OTA_HASH_LEN);
    copy_name(info->product, tlvs.product);
    copy_name(info->hardware, tlvs.hardware);
    return key_hash == NULL ? OTA_OK : take_signature(&tlvs, key_hash, raw);
}

int ota_slots_inspect(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                      struct ota_image_info *info)
{
    return inspect(flash, addr, area_len, NULL, NULL, info);
}

/* SHA-256 over `len` bytes of flash against `want`. */
OUT_OF_LINE static int check_hash(const struct ota_flash *flash, uint32_t addr, uint32_t len,
                                  void (*feed)(void *ctx), void *feed_ctx,
                                  const uint8_t want[OTA_HASH_LEN])
{
    uint8_t buf[HASH_CHUNK];
    struct ota_sha256 sha;

    ota_sha256_init(&sha);
    for (uint32_t done = 0; done < len; done += HASH_CHUNK) {
        uint32_t part = len - done < HASH_CHUNK ? len - done : HASH_CHUNK;
        if (feed != NULL && done % OTA_FEED_BYTES == 0)
            feed(feed_ctx);
        if (flash->read(flash->ctx, addr + done, buf, part) != OTA_OK)
            return OTA_E_FLASH;
        ota_sha256_update(&sha, buf, part);
    }
    ota_sha256_final(&sha, buf);
    return memcmp(buf, want, OTA_HASH_LEN) == 0 ? OTA_OK : OTA_E_HASH;
}

int ota_slots_verify(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                     const struct ota_release_keys *keys, void (*feed)(void *ctx), void *feed_ctx,
                     struct ota_image_info *info)
{
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];
    uint8_t key_hash[OTA_HASH_LEN];
    int error = OTA_E_UNKNOWN_KEY;
    uint32_t key = 0;

    for (; key < keys->count && error == OTA_E_UNKNOWN_KEY; key++) {
        ota_p256_key_hash(keys->keys[key], key_hash);
        error = inspect(flash, addr, area_len, key_hash, raw, info);
    }
    if (error == OTA_OK)
        error = check_hash(flash, addr, info->header.hashed_len, feed, feed_ctx, info->hash);
    if (error != OTA_OK)
        return error;
    if (feed != NULL)
        feed(feed_ctx);
    return ota_p256_verify_raw(keys->keys[key - 1], info->hash, raw) ? OTA_OK : OTA_E_SIGNATURE;
}

int ota_slots_request_install(struct ota_journal *journal, uint32_t new_counter,
                              const uint8_t new_hash[OTA_HASH_LEN],
                              const uint8_t old_hash[OTA_HASH_LEN])
{
    struct ota_boot_record record;

    int error = ota_slots_load(journal, &record);
    if (error != OTA_OK)
        return error;
    if (record.phase == OTA_BOOT_SWAPPING || record.phase == OTA_BOOT_TRIAL ||
        record.phase == OTA_BOOT_REVERTING)
        return OTA_E_STATE;
    record.phase = OTA_BOOT_REQUESTED;
    record.attempts = 0;
    record.error = OTA_OK;
    record.step = 0;
    record.sectors = 0;
    record.new_counter = new_counter;
    memcpy(record.new_hash, new_hash, OTA_HASH_LEN);
    memcpy(record.old_hash, old_hash, OTA_HASH_LEN);
    return ota_slots_store(journal, &record);
}

int ota_slots_confirm(struct ota_journal *journal)
{
    struct ota_boot_record record;

    int error = ota_slots_load(journal, &record);
    if (error != OTA_OK)
        return error;
    if (record.phase != OTA_BOOT_TRIAL)
        return OTA_E_STATE;
    record.phase = OTA_BOOT_IDLE;
    record.attempts = 0;
    record.error = OTA_OK;
    if (record.new_counter > record.counter)
        record.counter = record.new_counter;
    return ota_slots_store(journal, &record);
}

int ota_slots_reject(struct ota_journal *journal, int reason)
{
    struct ota_boot_record record;

    int error = ota_slots_load(journal, &record);
    if (error != OTA_OK)
        return error;
    if (record.phase != OTA_BOOT_TRIAL)
        return OTA_E_STATE;
    record.attempts = OTA_TRIAL_ATTEMPTS_MAX;
    record.error = (int16_t)reason;
    return ota_slots_store(journal, &record);
}

int ota_slots_acknowledge(struct ota_journal *journal)
{
    struct ota_boot_record record;

    int error = ota_slots_load(journal, &record);
    if (error != OTA_OK)
        return error;
    if (record.phase != OTA_BOOT_REVERTED && record.phase != OTA_BOOT_REFUSED)
        return record.phase == OTA_BOOT_IDLE ? OTA_OK : OTA_E_STATE;
    record.phase = OTA_BOOT_IDLE; /* error and new_hash stay: that image is not to be recovered */
    return ota_slots_store(journal, &record);
}

struct ota_flash_area ota_slots_download_area(const struct ota_flash *flash,
                                              const struct ota_flash_map *map)
{
    uint32_t sector_len = flash->sector_len(flash->ctx, map->secondary.addr);
    return (struct ota_flash_area){map->secondary.addr + sector_len, map->primary.len};
}
