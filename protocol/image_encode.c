#include <string.h>

#include "protocol/error.h"
#include "protocol/image.h"

#define TLV_INFO_PROTECTED 0x6908U
#define TLV_INFO_UNPROTECTED 0x6907U
#define TLV_HEAD_LEN 4U

/* Appends; an overflow is sticky. */
struct out {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool overflow;
};

static void put(struct out *out, const void *data, size_t len)
{
    if (out->overflow || len > out->cap - out->len) {
        out->overflow = true;
        return;
    }
    memcpy(out->buf + out->len, data, len);
    out->len += len;
}

static void put_u16(struct out *out, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};

    put(out, bytes, sizeof(bytes));
}

static void put_u32(struct out *out, uint32_t value)
{
    put_u16(out, value & 0xffff);
    put_u16(out, value >> 16);
}

static void put_tlv(struct out *out, enum ota_image_tlv type, const void *data, size_t len)
{
    put_u16(out, type);
    put_u16(out, (uint32_t)len);
    put(out, data, len);
}

static int finish(const struct out *out)
{
    return out->overflow ? OTA_E_NO_SPACE : (int)out->len;
}

/* Bytes of the protected area, its info header included. */
static size_t protected_len(const struct ota_image_fields *fields)
{
    return OTA_IMAGE_TLV_INFO_LEN + 3 * TLV_HEAD_LEN + sizeof(uint32_t) + fields->hardware.len +
           fields->product.len;
}

/* What the reader would refuse is not written. */
static bool is_valid(const struct ota_image_fields *fields)
{
    return fields->header_len >= OTA_IMAGE_HEADER_LEN &&
           fields->header_len <= OTA_IMAGE_HEADER_MAX && fields->body_len > 0 &&
           ota_text_is_name(fields->hardware) && ota_text_is_name(fields->product);
}

int ota_image_encode_header(const struct ota_image_fields *fields, uint8_t *buf, size_t cap)
{
    struct out out = {.buf = buf, .cap = cap};

    if (!is_valid(fields))
        return OTA_E_RANGE;
    if (cap < fields->header_len)
        return OTA_E_NO_SPACE;
    put_u32(&out, OTA_IMAGE_MAGIC);
    put_u32(&out, 0); /* load address: runs from where it lies */
    put_u16(&out, fields->header_len);
    put_u16(&out, (uint32_t)protected_len(fields));
    put_u32(&out, fields->body_len);
    put_u32(&out, 0); /* flags */
    put(&out, &fields->version.major, 1);
    put(&out, &fields->version.minor, 1);
    put_u16(&out, fields->version.revision);
    put_u32(&out, fields->version.build);
    memset(buf + out.len, 0, fields->header_len - out.len);
    return (int)fields->header_len;
}

int ota_image_encode_protected(const struct ota_image_fields *fields, uint8_t *buf, size_t cap)
{
    struct out out = {.buf = buf, .cap = cap};

    if (!is_valid(fields))
        return OTA_E_RANGE;
    put_u16(&out, TLV_INFO_PROTECTED);
    put_u16(&out, (uint32_t)protected_len(fields));
    put_u16(&out, OTA_TLV_SECURITY_COUNTER);
    put_u16(&out, sizeof(fields->counter));
    put_u32(&out, fields->counter);
    put_tlv(&out, OTA_TLV_HARDWARE, fields->hardware.at, fields->hardware.len);
    put_tlv(&out, OTA_TLV_PRODUCT, fields->product.at, fields->product.len);
    return finish(&out);
}

int ota_image_encode_unprotected(const uint8_t hash[OTA_HASH_LEN],
                                 const uint8_t key_hash[OTA_HASH_LEN], const uint8_t *der,
                                 size_t der_len, uint8_t *buf, size_t cap)
{
    struct out out = {.buf = buf, .cap = cap};
    size_t total = OTA_IMAGE_TLV_INFO_LEN + 3 * TLV_HEAD_LEN + 2 * OTA_HASH_LEN + der_len;

    if (der_len == 0 || der_len > OTA_SIGNATURE_DER_MAX)
        return OTA_E_RANGE;
    put_u16(&out, TLV_INFO_UNPROTECTED);
    put_u16(&out, (uint32_t)total);
    put_tlv(&out, OTA_TLV_SHA256, hash, OTA_HASH_LEN);
    put_tlv(&out, OTA_TLV_KEYHASH, key_hash, OTA_HASH_LEN);
    put_tlv(&out, OTA_TLV_ECDSA, der, der_len);
    return finish(&out);
}
