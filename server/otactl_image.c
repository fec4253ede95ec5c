#include "server/otactl_image.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "protocol/error.h"
#include "server/otactl.h"
#include "server/otactl_key_file.h"

#define TLV_PROTECTED_MAGIC 0x6908U
#define TLV_UNPROTECTED_MAGIC 0x6907U

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) | (uint32_t)get16(at + 2) << 16;
}

bool otactl_image_is(const uint8_t *file, size_t len)
{
    return len >= 4 && get32(file) == OTA_IMAGE_MAGIC;
}

/* The unprotected area behind the first `hashed` bytes of buf. Bytes written or a negative error.
 */
static int append_signature(uint8_t *buf, size_t hashed, size_t cap, EVP_PKEY *key)
{
    uint8_t hash[OTA_HASH_LEN];
    uint8_t key_hash[OTA_HASH_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX];
    size_t der_len = 0;
    if (SHA256(buf, hashed, hash) == NULL || !otactl_key_hash(key, key_hash) ||
        !otactl_key_sign(key, hash, der, &der_len))
        return OTA_E_SIGNATURE;
    return ota_image_encode_unprotected(hash, key_hash, der, der_len, buf + hashed, cap - hashed);
}

int otactl_image_build(const struct ota_image_fields *fields, const uint8_t *body, EVP_PKEY *key,
                       uint8_t **image, size_t *image_len)
{
    size_t cap = (size_t)fields->header_len + fields->body_len + OTA_IMAGE_TLV_MAX;
    uint8_t *buf = otactl_alloc(cap);
    size_t used = 0;
    int n = ota_image_encode_header(fields, buf, cap);
    if (n >= 0) {
        used = (size_t)n;
        memcpy(buf + used, body, fields->body_len);
        used += fields->body_len;
        n = ota_image_encode_protected(fields, buf + used, cap - used);
    }
    if (n >= 0) {
        used += (size_t)n;
        n = append_signature(buf, used, cap, key);
    }
    if (n < 0) {
        free(buf);
        return n;
    }
    *image = buf;
    *image_len = used + (size_t)n;
    return OTA_OK;
}

void otactl_image_doubt(const uint8_t *body, size_t len, char *buf, size_t cap)
{
    buf[0] = '\0';
    if (len < 8) {
        snprintf(buf, cap, "it is too short for a vector table");
        return;
    }
    uint32_t stack = get32(body);
    uint32_t reset = get32(body + 4);
    if (stack < 0x10000000U || stack > 0x30000000U || stack % 8 != 0)
        snprintf(buf, cap, "word 0, 0x%08x, is no initial stack pointer in RAM", stack);
    else if (reset % 2 == 0 || reset < 0x08000000U || reset >= 0x10000000U)
        snprintf(buf, cap, "word 1, 0x%08x, is no Thumb address in flash", reset);
}

struct tlv_name {
    uint16_t type;
    const char *name;
};

/* MCUboot's types and the vendor ones of protocol/image.h. */
static const struct tlv_name tlv_names[] = {
    {0x01, "key hash"},          {0x02, "public key"},
    {0x10, "SHA-256"},           {0x11, "SHA-384"},
    {0x12, "SHA-512"},           {0x20, "RSA-2048 signature"},
    {0x22, "ECDSA signature"},   {0x23, "RSA-3072 signature"},
    {0x24, "Ed25519 signature"}, {0x25, "pure signature"},
    {0x40, "dependency"},        {0x50, "security counter"},
    {0x60, "boot record"},       {0x74, "vendor id"},
    {0x75, "class id"},          {0xa0, "hardware"},
    {0xa1, "product"},
};

static void print_tlv(FILE *out, const char *area, const uint8_t *entry)
{
    uint16_t type = get16(entry);
    size_t len = get16(entry + 2);
    const char *name = "unknown";
    char text[OTA_NAME_MAX + 1] = "";
    for (size_t i = 0; i < sizeof tlv_names / sizeof tlv_names[0]; i++) {
        if (tlv_names[i].type == type)
            name = tlv_names[i].name;
    }
    fprintf(out, "  %-11s 0x%04x %-18s %3zu bytes  ", area, type, name, len);
    struct ota_text value = {(const char *)entry + 4, len};
    if ((type == OTA_TLV_HARDWARE || type == OTA_TLV_PRODUCT) && ota_text_is_name(value)) {
        memcpy(text, value.at, len);
        fprintf(out, "%s\n", text);
    } else if (type == OTA_TLV_SECURITY_COUNTER && len == 4) {
        fprintf(out, "%u\n", get32(entry + 4));
    } else {
        for (size_t i = 0; i < len && i < OTA_HASH_LEN; i++)
            fprintf(out, "%02x", entry[4 + i]);
        fputs(len > OTA_HASH_LEN ? "...\n" : "\n", out);
    }
}

/* Walks one TLV area at `at` within image; its whole length, or 0 when there is none that is whole.
 */
static size_t print_area(FILE *out, const char *area, uint16_t magic, const uint8_t *image,
                         size_t len, size_t at)
{
    if (at > len || len - at < OTA_IMAGE_TLV_INFO_LEN || get16(image + at) != magic)
        return 0;
    size_t total = get16(image + at + 2);
    if (total < OTA_IMAGE_TLV_INFO_LEN || total > len - at)
        return 0;
    size_t used = OTA_IMAGE_TLV_INFO_LEN;
    while (total - used >= 4 && get16(image + at + used + 2) <= total - used - 4) {
        print_tlv(out, area, image + at + used);
        used += 4U + get16(image + at + used + 2);
    }
    if (used != total)
        fprintf(out, "  %-11s %zu bytes that are no entry\n", area, total - used);
    return total;
}

static const char *refusal(int error)
{
    switch (error) {
    case OTA_E_TRUNCATED:
    case OTA_E_SIZE:
        return "the file ends before what its header promises: was it cut off?";
    case OTA_E_SYNTAX:
        return "it is no MCUboot image, or its TLV areas are malformed";
    case OTA_E_UNSUPPORTED:
        return "it is encrypted, compressed or RAM-loaded, or has a TLV that is not allowed there";
    case OTA_E_MISSING:
        return "it lacks one of security counter 0x50, hardware 0xa0, product 0xa1 (protected), "
               "SHA-256 0x10, key hash 0x01, ECDSA signature 0x22";
    case OTA_E_TOO_LARGE:
        return "its TLV areas are larger than a device takes";
    default:
        return ota_error_name(error);
    }
}

static bool verify(struct otactl_verdict *verdict, const uint8_t *image, EVP_PKEY *key)
{
    bool signed_by_key = key == NULL;
    verdict->hash_good = SHA256(image, verdict->header.hashed_len, verdict->hash) != NULL &&
                         memcmp(verdict->hash, verdict->tlvs.hash, OTA_HASH_LEN) == 0;
    for (size_t i = 0; key != NULL && i < verdict->tlvs.signature_count; i++) {
        const struct ota_image_signature *s = &verdict->tlvs.signatures[i];
        verdict->signed_by_key[i] = otactl_key_verify(key, verdict->hash, s->der, s->der_len);
        signed_by_key = signed_by_key || verdict->signed_by_key[i];
    }
    return verdict->hash_good && signed_by_key;
}

bool otactl_image_judge(struct otactl_verdict *verdict, const uint8_t *image, size_t len,
                        EVP_PKEY *key)
{
    *verdict = (struct otactl_verdict){.image_len = len};
    struct ota_image_header *header = &verdict->header;
    int error = ota_image_parse_header(header, image, len, (uint32_t)len);
    if (error == OTA_OK) {
        verdict->has_header = true;
        error = ota_image_parse_tlvs(&verdict->tlvs, header, image + header->tlv_offset,
                                     len - header->tlv_offset);
    }
    if (error != OTA_OK)
        verdict->refused = refusal(error);
    else if (verdict->tlvs.len != len - header->tlv_offset)
        verdict->refused = "there are bytes behind its end";
    return verdict->refused == NULL && verify(verdict, image, key);
}

static const char *signature_word(const struct otactl_verdict *verdict, size_t i, bool with_key)
{
    return !with_key ? "not verified" : verdict->signed_by_key[i] ? "good" : "bad";
}

static void signature_key_id(const struct otactl_verdict *verdict, size_t i,
                             char key_id[OTA_KEY_ID_LEN + 1])
{
    ota_hex_encode(verdict->tlvs.signatures[i].key_hash, OTA_KEY_ID_LEN / 2, key_id);
}

static void print_header(FILE *out, const struct otactl_verdict *verdict)
{
    char version[OTA_VERSION_TEXT_MAX + 1] = "";
    ota_version_format(&verdict->header.version, version, sizeof version);
    fprintf(out, "version    %s\n", version);
    fprintf(out, "header     %u bytes\n", verdict->header.body_offset);
    fprintf(out, "body       %u bytes\n", verdict->header.body_len);
    fprintf(out, "file       %zu bytes\n", verdict->image_len);
}

void otactl_image_print(FILE *out, const struct otactl_verdict *verdict, const uint8_t *image,
                        bool with_key)
{
    char text[2 * OTA_HASH_LEN + 1];
    size_t len = verdict->image_len;
    if (verdict->has_header) {
        size_t at = verdict->header.tlv_offset;
        print_header(out, verdict);
        at += print_area(out, "protected", TLV_PROTECTED_MAGIC, image, len, at);
        print_area(out, "unprotected", TLV_UNPROTECTED_MAGIC, image, len, at);
    }
    if (verdict->refused != NULL) {
        fprintf(out, "refused    %s\n", verdict->refused);
        return;
    }
    ota_hex_encode(verdict->hash, OTA_HASH_LEN, text);
    fprintf(out, "hash       %s: %s\n", text,
            verdict->hash_good ? "good" : "bad, the image claims another");
    for (size_t i = 0; i < verdict->tlvs.signature_count; i++) {
        signature_key_id(verdict, i, text);
        fprintf(out, "signature  by key %s: %s\n", text, signature_word(verdict, i, with_key));
    }
}

static void add_text(cJSON *json, const char *name, struct ota_text text)
{
    char *copy = otactl_format("%.*s", (int)text.len, text.at);
    cJSON_AddStringToObject(json, name, copy);
    free(copy);
}

cJSON *otactl_image_json(const struct otactl_verdict *verdict, bool with_key)
{
    char text[2 * OTA_HASH_LEN + 1];
    cJSON *json = cJSON_CreateObject();
    if (verdict->refused != NULL) {
        cJSON_AddStringToObject(json, "refused", verdict->refused);
        return json;
    }
    add_text(json, "product", verdict->tlvs.product);
    add_text(json, "hardware", verdict->tlvs.hardware);
    ota_version_format(&verdict->header.version, text, sizeof text);
    cJSON_AddStringToObject(json, "version", text);
    cJSON_AddNumberToObject(json, "counter", verdict->tlvs.counter);
    cJSON_AddNumberToObject(json, "size", (double)verdict->image_len);
    ota_hex_encode(verdict->hash, OTA_HASH_LEN, text);
    cJSON_AddStringToObject(json, "hash", text);
    cJSON_AddBoolToObject(json, "hash_good", verdict->hash_good);
    cJSON *signatures = cJSON_AddArrayToObject(json, "signatures");
    for (size_t i = 0; i < verdict->tlvs.signature_count; i++) {
        cJSON *signature = cJSON_CreateObject();
        signature_key_id(verdict, i, text);
        cJSON_AddStringToObject(signature, "key_id", text);
        cJSON_AddStringToObject(signature, "verdict", signature_word(verdict, i, with_key));
        cJSON_AddItemToArray(signatures, signature);
    }
    return json;
}
