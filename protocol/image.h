/*
 * The MCUboot image format, version 1 header, as read by server, client and bootloader.
 *
 *     +--------+------+---------------+-----------------+
 *     | header | body | protected TLV | unprotected TLV |
 *     +--------+------+---------------+-----------------+
 *     |<------- image hash (SHA-256) ------>|
 *
 * All integers little endian. SPEC.md, "Image", has the byte layout. The parser is incremental by
 * region and never sees the body: parse the header, learn where the TLV areas lie and how large
 * they are, read those, parse them. The caller hashes [0, hashed_len) and compares.
 *
 * Rules beyond the format: version, counter, product and hardware count only from the protected
 * area; in the unprotected area only SHA-256, KEYHASH and ECDSA stand (an allow list), each KEYHASH
 * directly before its signature; encrypted, RAM-load and compressed images are refused.
 */
#ifndef OTA_PROTOCOL_IMAGE_H
#define OTA_PROTOCOL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"
#include "protocol/text.h"
#include "protocol/version.h"

#define OTA_IMAGE_MAGIC 0x96f3b83dU
#define OTA_IMAGE_HEADER_LEN 32U   /* bytes of the structure; hdr_size may be larger */
#define OTA_IMAGE_HEADER_MAX 4096U /* bytes: largest hdr_size that is accepted */
#define OTA_IMAGE_TLV_INFO_LEN 4U
#define OTA_IMAGE_TLV_MAX 512U /* bytes: both TLV areas, so that a device can hold them */
#define OTA_IMAGE_SIGNATURES_MAX 2U

enum ota_image_tlv {
    OTA_TLV_KEYHASH = 0x01,
    OTA_TLV_SHA256 = 0x10,
    OTA_TLV_ECDSA = 0x22,
    OTA_TLV_SECURITY_COUNTER = 0x50, /* protected, u32 */
    OTA_TLV_HARDWARE = 0x00a0,       /* protected, vendor range: name, [A-Za-z0-9._-]{1,32} */
    OTA_TLV_PRODUCT = 0x00a1,        /* protected, vendor range: name, [A-Za-z0-9._-]{1,32} */
};

struct ota_image_header {
    uint32_t body_offset;   /* bytes, hdr_size */
    uint32_t body_len;      /* bytes */
    uint32_t protected_len; /* bytes of the protected area with its info header; 0 if none */
    uint32_t flags;
    struct ota_version version;
    uint32_t tlv_offset; /* bytes: where the first TLV area starts = body_offset + body_len */
    uint32_t hashed_len; /* bytes: tlv_offset + protected_len */
};

struct ota_image_signature {
    const uint8_t *key_hash; /* OTA_HASH_LEN bytes, SHA-256 of the SubjectPublicKeyInfo */
    const uint8_t *der;
    size_t der_len;
};

/* What the TLV areas say. Pointers go into the buffer given to ota_image_parse_tlvs(). */
struct ota_image_tlvs {
    uint32_t counter;
    struct ota_text product;
    struct ota_text hardware;
    const uint8_t *hash; /* OTA_HASH_LEN bytes, as claimed by the image */
    struct ota_image_signature signatures[OTA_IMAGE_SIGNATURES_MAX];
    size_t signature_count; /* 1 at least */
    size_t len;             /* bytes of both areas = image_len - tlv_offset */
};

/* Parse and bound the header. `image_max` is the slot or file size in bytes; everything the header
 * promises, the two TLV info headers included, must fit in it, else OTA_E_SIZE. OTA_E_SYNTAX when
 * it is no image at all, OTA_E_MISSING without a protected area, OTA_E_UNSUPPORTED for any flag. */
int ota_image_parse_header(struct ota_image_header *header, const uint8_t *buf, size_t len,
                           uint32_t image_max);

/* Parse both TLV areas from `buf`, which starts at header->tlv_offset; bytes behind the last area
 * are ignored (a slot is larger than its image; for a file compare tlvs->len). 0, OTA_E_TRUNCATED
 * when `len` ends inside an area that is allowed to be that long, OTA_E_SIGNATURE when there is no
 * signature at all (an unsigned image), or another negative error. */
int ota_image_parse_tlvs(struct ota_image_tlvs *tlvs, const struct ota_image_header *header,
                         const uint8_t *buf, size_t len);

/* The writing half (image_encode.c), for otactl and tests. */
struct ota_image_fields {
    uint32_t
        header_len;    /* bytes, >= OTA_IMAGE_HEADER_LEN; 0x200 on STM32 aligns the vector table */
    uint32_t body_len; /* bytes */
    struct ota_version version;
    uint32_t counter;
    struct ota_text product;
    struct ota_text hardware;
};
/* Header with zero padding up to header_len, and protected TLV area. Bytes written or an error. */
int ota_image_encode_header(const struct ota_image_fields *fields, uint8_t *buf, size_t cap);
int ota_image_encode_protected(const struct ota_image_fields *fields, uint8_t *buf, size_t cap);
/* The unprotected area: hash, key hash, signature. Bytes written or an error. */
int ota_image_encode_unprotected(const uint8_t hash[OTA_HASH_LEN],
                                 const uint8_t key_hash[OTA_HASH_LEN], const uint8_t *der,
                                 size_t der_len, uint8_t *buf, size_t cap);

#endif
