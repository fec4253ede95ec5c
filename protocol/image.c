#include "protocol/image.h"

#include <string.h>

#include "protocol/error.h"

#define TLV_INFO_PROTECTED 0x6908U
#define TLV_INFO_UNPROTECTED 0x6907U
#define TLV_HEAD_LEN 4U /* bytes: u16 type, u16 length */
#define TLV_DEPENDENCY 0x40U

/* Offsets of the header's fields, MCUboot's struct image_header. */
enum {
    AT_MAGIC = 0,
    AT_HEADER_LEN = 8,
    AT_PROTECTED_LEN = 10,
    AT_BODY_LEN = 12,
    AT_FLAGS = 16,
    AT_MAJOR = 20,
    AT_MINOR = 21,
    AT_REVISION = 22,
    AT_BUILD = 24,
};

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) | (uint32_t)get_u16(at + 2) << 16;
}

/* Sums of what the header promises, step by step against what is left, so that none can wrap. */
static int check_fit(const struct ota_image_header *header, uint32_t image_max)
{
    uint32_t rest = image_max;

    if (header->body_offset > rest)
        return OTA_E_SIZE;
    rest -= header->body_offset;
    if (header->body_len > rest)
        return OTA_E_SIZE;
    rest -= header->body_len;
    return header->protected_len + OTA_IMAGE_TLV_INFO_LEN > rest ? OTA_E_SIZE : OTA_OK;
}

int ota_image_parse_header(struct ota_image_header *header, const uint8_t *buf, size_t len,
                           uint32_t image_max)
{
    struct ota_image_header parsed;

    if (len < OTA_IMAGE_HEADER_LEN)
        return OTA_E_TRUNCATED;
    if (get_u32(buf + AT_MAGIC) != OTA_IMAGE_MAGIC)
        return OTA_E_SYNTAX;
    parsed.body_offset = get_u16(buf + AT_HEADER_LEN);
    parsed.body_len = get_u32(buf + AT_BODY_LEN);
    parsed.protected_len = get_u16(buf + AT_PROTECTED_LEN);
    parsed.flags = get_u32(buf + AT_FLAGS);
    parsed.version.major = buf[AT_MAJOR];
    parsed.version.minor = buf[AT_MINOR];
    parsed.version.revision = get_u16(buf + AT_REVISION);
    parsed.version.build = get_u32(buf + AT_BUILD);

    if (parsed.flags != 0)
        return OTA_E_UNSUPPORTED;
    if (parsed.body_offset < OTA_IMAGE_HEADER_LEN || parsed.body_offset > OTA_IMAGE_HEADER_MAX ||
        parsed.body_len == 0)
        return OTA_E_RANGE;
    if (parsed.protected_len == 0)
        return OTA_E_MISSING;
    if (parsed.protected_len < OTA_IMAGE_TLV_INFO_LEN)
        return OTA_E_RANGE;
    if (parsed.protected_len > OTA_IMAGE_TLV_MAX - OTA_IMAGE_TLV_INFO_LEN)
        return OTA_E_TOO_LARGE;
    int error = check_fit(&parsed, image_max);
    if (error != OTA_OK)
        return error;
    parsed.tlv_offset = parsed.body_offset + parsed.body_len;
    parsed.hashed_len = parsed.tlv_offset + parsed.protected_len;
    *header = parsed;
    return OTA_OK;
}

/* A walk over the entries of one area. */
struct walk {
    const uint8_t *at;
    const uint8_t *end;
};

struct entry {
    uint16_t type;
    uint16_t len;
    const uint8_t *data;
};

/* 1 and the next entry, 0 at the end, or an error. */
static int next_entry(struct walk *walk, struct entry *entry)
{
    size_t rest = (size_t)(walk->end - walk->at);

    if (rest == 0)
        return 0;
    if (rest < TLV_HEAD_LEN)
        return OTA_E_SYNTAX;
    entry->type = get_u16(walk->at);
    entry->len = get_u16(walk->at + 2);
    entry->data = walk->at + TLV_HEAD_LEN;
    if (entry->len > rest - TLV_HEAD_LEN)
        return OTA_E_SYNTAX;
    walk->at = entry->data + entry->len;
    return 1;
}

/* Open the area at *walk: its info header, and all of it within `len` bytes. */
static int open_area(struct walk *walk, const uint8_t *buf, size_t len, unsigned magic,
                     size_t area_max)
{
    if (len < OTA_IMAGE_TLV_INFO_LEN)
        return OTA_E_TRUNCATED;
    size_t total = get_u16(buf + 2);
    if (get_u16(buf) != magic || total < OTA_IMAGE_TLV_INFO_LEN)
        return OTA_E_SYNTAX;
    if (total > area_max)
        return OTA_E_TOO_LARGE;
    if (total > len)
        return OTA_E_TRUNCATED;
    walk->at = buf + OTA_IMAGE_TLV_INFO_LEN;
    walk->end = buf + total;
    return OTA_OK;
}

static int take_name(struct ota_text *name, const struct entry *entry)
{
    if (name->at != NULL)
        return OTA_E_DUPLICATE;
    *name = (struct ota_text){(const char *)entry->data, entry->len};
    return ota_text_is_name(*name) ? OTA_OK : OTA_E_SYNTAX;
}

static int take_protected(struct ota_image_tlvs *tlvs, const struct entry *entry, bool *has_counter)
{
    switch (entry->type) {
    case OTA_TLV_SECURITY_COUNTER:
        if (*has_counter)
            return OTA_E_DUPLICATE;
        if (entry->len != 4)
            return OTA_E_RANGE;
        *has_counter = true;
        tlvs->counter = get_u32(entry->data);
        return OTA_OK;
    case OTA_TLV_HARDWARE:
        return take_name(&tlvs->hardware, entry);
    case OTA_TLV_PRODUCT:
        return take_name(&tlvs->product, entry);
    case TLV_DEPENDENCY:
        return OTA_E_UNSUPPORTED; /* a condition that nobody here would check */
    default:
        return OTA_OK; /* signed with the rest, so harmless */
    }
}

static int parse_protected(struct ota_image_tlvs *tlvs, struct walk *walk)
{
    bool has_counter = false;
    struct entry entry;
    int got;

    while ((got = next_entry(walk, &entry)) == 1) {
        int error = take_protected(tlvs, &entry, &has_counter);
        if (error != OTA_OK)
            return error;
    }
    if (got != 0)
        return got;
    bool whole = has_counter && tlvs->product.at != NULL && tlvs->hardware.at != NULL;
    return whole ? OTA_OK : OTA_E_MISSING;
}

/* The DER SEQUENCE tells its own length; old signers pad it with zeros to OTA_SIGNATURE_DER_MAX.
 * Anything else behind it would be bytes that no hash covers. */
static int take_der(struct ota_image_signature *signature, const struct entry *entry)
{
    const uint8_t *der = entry->data;

    if (entry->len < 2 || entry->len > OTA_SIGNATURE_DER_MAX)
        return OTA_E_RANGE;
    size_t der_len = 2U + der[1];
    if (der[0] != 0x30 || der_len > entry->len)
        return OTA_E_SYNTAX;
    for (size_t i = der_len; i < entry->len; i++) {
        if (der[i] != 0)
            return OTA_E_SYNTAX;
    }
    signature->der = der;
    signature->der_len = der_len;
    return OTA_OK;
}

/* A KEYHASH and, directly behind it, its signature. */
static int take_signature(struct ota_image_tlvs *tlvs, const struct entry *key_hash,
                          struct walk *walk)
{
    struct entry entry;

    if (tlvs->signature_count == OTA_IMAGE_SIGNATURES_MAX)
        return OTA_E_TOO_LARGE;
    if (key_hash->len != OTA_HASH_LEN)
        return OTA_E_RANGE;
    int got = next_entry(walk, &entry);
    if (got < 0)
        return got;
    if (got == 0 || entry.type != OTA_TLV_ECDSA)
        return OTA_E_SYNTAX;
    struct ota_image_signature *signature = &tlvs->signatures[tlvs->signature_count++];
    signature->key_hash = key_hash->data;
    return take_der(signature, &entry);
}

static int take_unprotected(struct ota_image_tlvs *tlvs, const struct entry *entry,
                            struct walk *walk)
{
    switch (entry->type) {
    case OTA_TLV_SHA256:
        if (tlvs->hash != NULL)
            return OTA_E_DUPLICATE;
        if (entry->len != OTA_HASH_LEN)
            return OTA_E_RANGE;
        tlvs->hash = entry->data;
        return OTA_OK;
    case OTA_TLV_KEYHASH:
        return take_signature(tlvs, entry, walk);
    case OTA_TLV_ECDSA:
        return OTA_E_SYNTAX; /* without its KEYHASH before it */
    default:
        return OTA_E_UNSUPPORTED;
    }
}

static int parse_unprotected(struct ota_image_tlvs *tlvs, struct walk *walk)
{
    struct entry entry;
    int got;

    while ((got = next_entry(walk, &entry)) == 1) {
        int error = take_unprotected(tlvs, &entry, walk);
        if (error != OTA_OK)
            return error;
    }
    if (got != 0)
        return got;
    if (tlvs->hash == NULL)
        return OTA_E_MISSING;
    return tlvs->signature_count > 0 ? OTA_OK : OTA_E_SIGNATURE;
}

int ota_image_parse_tlvs(struct ota_image_tlvs *tlvs, const struct ota_image_header *header,
                         const uint8_t *buf, size_t len)
{
    struct walk protected_walk;
    struct walk walk;
    size_t protected_len = header->protected_len;

    memset(tlvs, 0, sizeof(*tlvs));
    int error = open_area(&protected_walk, buf, len, TLV_INFO_PROTECTED, protected_len);
    if (error != OTA_OK)
        return error;
    if ((size_t)(protected_walk.end - buf) != protected_len)
        return OTA_E_SYNTAX;
    error = open_area(&walk, buf + protected_len, len - protected_len, TLV_INFO_UNPROTECTED,
                      OTA_IMAGE_TLV_MAX - protected_len);
    if (error != OTA_OK)
        return error;
    tlvs->len = (size_t)(walk.end - buf);

    error = parse_protected(tlvs, &protected_walk);
    return error != OTA_OK ? error : parse_unprotected(tlvs, &walk);
}
