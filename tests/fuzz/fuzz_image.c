/* The image reader on a whole file: what it points to lies within the file. */
#include <string.h>

#include "protocol/error.h"
#include "protocol/image.h"
#include "tests/fuzz/fuzz.h"

static void require_inside(const void *at, size_t len, const uint8_t *data, size_t data_len)
{
    const uint8_t *bytes = at;

    fuzz_require(bytes >= data && len <= data_len && bytes <= data + data_len - len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ota_image_header header;
    struct ota_image_tlvs tlvs;

    if (len > UINT32_MAX || ota_image_parse_header(&header, data, len, (uint32_t)len) != OTA_OK)
        return 0;
    fuzz_require(header.hashed_len <= len);
    fuzz_require(header.tlv_offset == header.body_offset + header.body_len);
    if (ota_image_parse_tlvs(&tlvs, &header, data + header.tlv_offset, len - header.tlv_offset) !=
        OTA_OK)
        return 0;
    fuzz_require(header.tlv_offset + tlvs.len <= len && tlvs.len <= OTA_IMAGE_TLV_MAX);
    fuzz_require(tlvs.signature_count >= 1 && tlvs.signature_count <= OTA_IMAGE_SIGNATURES_MAX);
    require_inside(tlvs.hash, OTA_HASH_LEN, data, len);
    require_inside(tlvs.product.at, tlvs.product.len, data, len);
    require_inside(tlvs.hardware.at, tlvs.hardware.len, data, len);
    for (size_t i = 0; i < tlvs.signature_count; i++) {
        require_inside(tlvs.signatures[i].key_hash, OTA_HASH_LEN, data, len);
        require_inside(tlvs.signatures[i].der, tlvs.signatures[i].der_len, data, len);
    }
    return 0;
}
