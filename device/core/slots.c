#include "device/core/slots.h"

#include <string.h>

#include "device/port/crypto.h"
#include "device/port/platform.h"
#include "protocol/error.h"

#define READ_LEN OTA_IMAGE_TLV_MAX /* bytes: one buffer serves for hashing and for the TLVs */

_Static_assert(sizeof(struct ota_boot_record) == 80, "no padding on flash");
_Static_assert(OTA_FEED_BYTES % READ_LEN == 0, "feeds fall between reads");

/* A signature of an image, taken out of its TLVs, and the index of the key that shall have made it.
 */
struct candidate {
    uint32_t key;
    size_t der_len;
    uint8_t der[OTA_SIGNATURE_DER_MAX];
};

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
                     const struct ota_image_header *header, uint8_t buf[READ_LEN],
                     struct ota_image_tlvs *tlvs)
{
    uint32_t left = area_len - header->tlv_offset;
    uint32_t len = left < READ_LEN ? left : READ_LEN;

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

/* Header and TLVs into *info; *tlvs points into buf. */
static int inspect(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                   uint8_t buf[READ_LEN], struct ota_image_tlvs *tlvs, struct ota_image_info *info)
{
    memset(info, 0, sizeof *info);
    if (area_len < OTA_IMAGE_HEADER_LEN)
        return OTA_E_SIZE;
    if (flash->read(flash->ctx, addr, buf, OTA_IMAGE_HEADER_LEN) != OTA_OK)
        return OTA_E_FLASH;
    int error = ota_image_parse_header(&info->header, buf, OTA_IMAGE_HEADER_LEN, area_len);
    if (error == OTA_OK)
        error = read_tlvs(flash, addr, area_len, &info->header, buf, tlvs);
    if (error != OTA_OK)
        return error;
    info->image_len = info->header.tlv_offset + (uint32_t)tlvs->len;
    info->counter = tlvs->counter;
    memcpy(info->hash, tlvs->hash, OTA_HASH_LEN);
    copy_name(info->product, tlvs->product);
    copy_name(info->hardware, tlvs->hardware);
    return OTA_OK;
}

int ota_slots_inspect(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                      struct ota_image_info *info)
{
    uint8_t buf[READ_LEN];
    struct ota_image_tlvs tlvs;
    return inspect(flash, addr, area_len, buf, &tlvs, info);
}

/* SHA-256 over `len` bytes of flash. */
static int hash_flash(const struct ota_flash *flash, uint32_t addr, uint32_t len,
                      uint8_t buf[READ_LEN], void (*feed)(void *ctx), void *feed_ctx,
                      uint8_t hash[OTA_HASH_LEN])
{
    struct ota_sha256 sha;

    ota_sha256_init(&sha);
    for (uint32_t done = 0; done < len; done += READ_LEN) {
        uint32_t part = len - done < READ_LEN ? len - done : READ_LEN;
        if (feed != NULL && done % OTA_FEED_BYTES == 0)
            feed(feed_ctx);
        if (flash->read(flash->ctx, addr + done, buf, part) != OTA_OK)
            return OTA_E_FLASH;
        ota_sha256_update(&sha, buf, part);
    }
    ota_sha256_final(&sha, hash);
    return OTA_OK;
}

static bool find_key(const struct ota_release_keys *keys, const uint8_t *key_hash, uint32_t *index)
{
    uint8_t known[OTA_HASH_LEN];

    for (*index = 0; *index < keys->count; ++*index) {
        ota_p256_key_hash(keys->keys[*index], known);
        if (memcmp(known, key_hash, OTA_HASH_LEN) == 0)
            return true;
    }
    return false;
}

/* The signatures of *tlvs whose keys are known. Returns how many. */
static uint32_t take_candidates(const struct ota_image_tlvs *tlvs,
                                const struct ota_release_keys *keys,
                                struct candidate candidates[OTA_IMAGE_SIGNATURES_MAX])
{
    uint32_t count = 0;

    for (size_t i = 0; i < tlvs->signature_count; i++) {
        const struct ota_image_signature *signature = &tlvs->signatures[i];
        struct candidate *candidate = &candidates[count];
        if (find_key(keys, signature->key_hash, &candidate->key)) {
            candidate->der_len = signature->der_len;
            memcpy(candidate->der, signature->der, signature->der_len);
            count++;
        }
    }
    return count;
}

/* All but the signature. Kept apart (and out of line) so that its buffers are off the stack when
 * the elliptic curve, the deepest user of it, runs. Returns how many candidates there are, or an
 * error. */
__attribute__((noinline)) static int
check_hash(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
           const struct ota_release_keys *keys, void (*feed)(void *ctx), void *feed_ctx,
           struct ota_image_info *info, struct candidate candidates[OTA_IMAGE_SIGNATURES_MAX])
{
    uint8_t buf[READ_LEN];
    uint8_t hash[OTA_HASH_LEN];
    struct ota_image_tlvs tlvs;

    int error = inspect(flash, addr, area_len, buf, &tlvs, info);
    if (error != OTA_OK)
        return error;
    uint32_t count = take_candidates(&tlvs, keys, candidates);
    if (count == 0)
        return OTA_E_UNKNOWN_KEY;
    error = hash_flash(flash, addr, info->header.hashed_len, buf, feed, feed_ctx, hash);
    if (error != OTA_OK)
        return error;
    return memcmp(hash, info->hash, OTA_HASH_LEN) == 0 ? (int)count : OTA_E_HASH;
}

int ota_slots_verify(const struct ota_flash *flash, uint32_t addr, uint32_t area_len,
                     const struct ota_release_keys *keys, void (*feed)(void *ctx), void *feed_ctx,
                     struct ota_image_info *info)
{
    struct candidate candidates[OTA_IMAGE_SIGNATURES_MAX];

    int count = check_hash(flash, addr, area_len, keys, feed, feed_ctx, info, candidates);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (feed != NULL)
            feed(feed_ctx);
        if (ota_p256_verify_der(keys->keys[candidates[i].key], info->hash, candidates[i].der,
                                candidates[i].der_len))
            return OTA_OK;
    }
    return OTA_E_SIGNATURE;
}

int ota_slots_request_install(struct ota_journal *journal, const struct ota_image_info *new_image,
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
    record.new_counter = new_image->counter;
    memcpy(record.new_hash, new_image->hash, OTA_HASH_LEN);
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
