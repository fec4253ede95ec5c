#include "server/otactl_release.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "protocol/error.h"
#include "server/otactl.h"
#include "server/otactl_args.h"
#include "server/otactl_elf.h"
#include "server/otactl_file.h"
#include "server/otactl_key_file.h"
#include "server/otactl_table.h"

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

int otactl_release_build(const struct ota_image_fields *fields, const uint8_t *body, EVP_PKEY *key,
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

void otactl_release_doubt(const uint8_t *body, size_t len, char *buf, size_t cap)
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

/* --- release sign --- */

static const struct otactl_option sign_options[] = {
    {"key", "KEY.pem", "private release key", OTACTL_REQUIRED},
    {"version", "X.Y.Z[+BUILD]", "version of the release", OTACTL_REQUIRED},
    {"counter", "N", "security counter: a device never goes below what it confirmed",
     OTACTL_REQUIRED},
    {"product", "NAME", "product the firmware is for", OTACTL_REQUIRED},
    {"hardware", "NAME", "hardware the firmware is for", OTACTL_REQUIRED},
    {"header-size", "N", "bytes before the vector table, 0x200 unless told", OTACTL_OPTIONAL},
    {"o", "OUT", "file to write", OTACTL_REQUIRED},
    {0},
};

static int take_name(const struct otactl_args *args, const char *option, struct ota_text *text)
{
    const char *value = otactl_args_value(args, option);
    *text = (struct ota_text){value, strlen(value)};
    if (ota_text_is_name(*text))
        return OTACTL_OK;
    return otactl_fail(OTACTL_USAGE, "--%s %s: 1 to %d characters of A-Z a-z 0-9 . _ - are allowed",
                       option, value, OTA_NAME_MAX);
}

static int take_fields(const struct otactl_args *args, struct ota_image_fields *fields)
{
    uint64_t counter = 0;
    uint64_t header = OTACTL_HEADER_LEN_DEFAULT;
    const char *version = otactl_args_value(args, "version");
    if (ota_version_parse(&fields->version, version, strlen(version)) != OTA_OK)
        return otactl_fail(OTACTL_USAGE,
                           "--version %s: MAJOR.MINOR.REVISION or MAJOR.MINOR.REVISION+BUILD is "
                           "needed, at most 255.255.65535+4294967295",
                           version);
    int code = otactl_args_number(args, "counter", 0, UINT32_MAX, &counter);
    if (code == OTACTL_OK)
        code = otactl_args_number(args, "header-size", OTA_IMAGE_HEADER_LEN, OTA_IMAGE_HEADER_MAX,
                                  &header);
    if (code == OTACTL_OK && header % 4 != 0)
        code = otactl_fail(OTACTL_USAGE, "--header-size %llu: a multiple of 4 is needed",
                           (unsigned long long)header);
    if (code == OTACTL_OK)
        code = take_name(args, "product", &fields->product);
    if (code == OTACTL_OK)
        code = take_name(args, "hardware", &fields->hardware);
    fields->counter = (uint32_t)counter;
    fields->header_len = (uint32_t)header;
    return code;
}

/* Why a raw binary is not to be signed, NULL when it may be. */
static const char *refuse_binary(const uint8_t *body, size_t len)
{
    if (len > OTACTL_ELF_IMAGE_MAX)
        return "over 16 MB is no firmware for a microcontroller";
    if (len >= 4 && get32(body) == OTA_IMAGE_MAGIC)
        return "it is an image already: sign the .bin or .elf that it was made from";
    return NULL;
}

/* Replaces the ELF file in *body by what goes into flash. */
static const char *load_elf(const char *path, uint8_t **body, size_t *len)
{
    struct otactl_elf_image image = {0};
    const char *why = otactl_elf_load(*body, *len, &image);
    if (why != NULL)
        return why;
    fprintf(stderr, "otactl: %s: %u bytes from 0x%08x on\n", path, image.len, image.address);
    free(*body);
    *body = image.bytes;
    *len = image.len;
    return NULL;
}

static int read_body(const char *path, uint8_t **body, size_t *len)
{
    int code = otactl_file_read(path, OTACTL_FIRMWARE_MAX, body, len);
    if (code != OTACTL_OK)
        return code;
    const char *why =
        otactl_elf_is(*body, *len) ? load_elf(path, body, len) : refuse_binary(*body, *len);
    if (why == NULL)
        return OTACTL_OK;
    free(*body);
    *body = NULL;
    return otactl_fail(OTACTL_FAILED, "%s: %s", path, why);
}

static int sign_body(const struct otactl_args *args, struct ota_image_fields *fields,
                     const uint8_t *body, size_t body_len)
{
    EVP_PKEY *key = NULL;
    uint8_t *image = NULL;
    size_t image_len = 0;
    char doubt[128];
    const char *out = otactl_args_value(args, "o");
    int code = otactl_key_read_private(otactl_args_value(args, "key"), &key);
    if (code != OTACTL_OK)
        return code;
    fields->body_len = (uint32_t)body_len;
    int error = otactl_release_build(fields, body, key, &image, &image_len);
    EVP_PKEY_free(key);
    if (error != OTA_OK)
        return otactl_fail(OTACTL_FAILED, "the image cannot be made: %s", ota_error_name(error));
    otactl_release_doubt(body, body_len, doubt, sizeof doubt);
    if (doubt[0] != '\0')
        otactl_warn("warning: %s does not start with a Cortex-M vector table: %s",
                    args->operands[0], doubt);
    code = otactl_file_write(out, image, image_len, false, false);
    if (code == OTACTL_OK)
        printf("%s: %zu bytes, %s %s %s counter %u\n", out, image_len,
               otactl_args_value(args, "product"), otactl_args_value(args, "hardware"),
               otactl_args_value(args, "version"), fields->counter);
    free(image);
    return code;
}

static int run_sign(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    struct ota_image_fields fields = {0};
    uint8_t *body = NULL;
    size_t body_len = 0;
    int code = take_fields(args, &fields);
    if (code == OTACTL_OK)
        code = read_body(args->operands[0], &body, &body_len);
    if (code != OTACTL_OK)
        return code;
    code = sign_body(args, &fields, body, body_len);
    free(body);
    return code;
}

/* --- release inspect --- */

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

static void print_header(FILE *out, const struct ota_image_header *header, size_t len)
{
    char version[OTA_VERSION_TEXT_MAX + 1] = "";
    ota_version_format(&header->version, version, sizeof version);
    fprintf(out, "version    %s\n", version);
    fprintf(out, "header     %u bytes\n", header->body_offset);
    fprintf(out, "body       %u bytes\n", header->body_len);
    fprintf(out, "file       %zu bytes\n", len);
    fprintf(out, "flags      0x%x\n", header->flags);
}

static bool tell_signatures(FILE *out, const struct ota_image_tlvs *tlvs,
                            const uint8_t hash[OTA_HASH_LEN], EVP_PKEY *key)
{
    bool good = false;
    for (size_t i = 0; i < tlvs->signature_count; i++) {
        const struct ota_image_signature *s = &tlvs->signatures[i];
        char key_id[OTA_KEY_ID_LEN + 1];
        ota_hex_encode(s->key_hash, OTA_KEY_ID_LEN / 2, key_id);
        bool verifies = key != NULL && otactl_key_verify(key, hash, s->der, s->der_len);
        fprintf(out, "signature  by key %s: %s\n", key_id,
                key == NULL ? "not verified, no --key given"
                : verifies  ? "good"
                            : "NOT by the key given");
        good = good || verifies;
    }
    return good || key == NULL;
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

bool otactl_release_tell(FILE *out, const uint8_t *image, size_t len, EVP_PKEY *key)
{
    struct ota_image_header header;
    struct ota_image_tlvs tlvs;
    uint8_t hash[OTA_HASH_LEN];
    int error = ota_image_parse_header(&header, image, len, (uint32_t)len);
    if (error != OTA_OK) {
        fprintf(out, "refused    %s\n", refusal(error));
        return false;
    }
    print_header(out, &header, len);
    size_t prot = print_area(out, "protected", TLV_PROTECTED_MAGIC, image, len, header.tlv_offset);
    print_area(out, "unprotected", TLV_UNPROTECTED_MAGIC, image, len, header.tlv_offset + prot);
    error =
        ota_image_parse_tlvs(&tlvs, &header, image + header.tlv_offset, len - header.tlv_offset);
    if (error != OTA_OK) {
        fprintf(out, "refused    %s\n", refusal(error));
        return false;
    }
    if (tlvs.len != len - header.tlv_offset) {
        fprintf(out, "refused    %zu bytes behind the image\n", len - header.tlv_offset - tlvs.len);
        return false;
    }
    bool hash_good =
        SHA256(image, header.hashed_len, hash) != NULL && memcmp(hash, tlvs.hash, sizeof hash) == 0;
    char text[2 * OTA_HASH_LEN + 1];
    ota_hex_encode(hash, sizeof hash, text);
    fprintf(out, "hash       %s: %s\n", text, hash_good ? "good" : "NOT what the image claims");
    return tell_signatures(out, &tlvs, hash, key) && hash_good;
}

static const struct otactl_option inspect_options[] = {
    {"key", "PUB.pem", "release key to verify the signature with", OTACTL_OPTIONAL},
    {0},
};

static int run_inspect(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    uint8_t *image = NULL;
    size_t len = 0;
    EVP_PKEY *key = NULL;
    const char *key_path = otactl_args_value(args, "key");
    int code = key_path != NULL ? otactl_key_read_public(key_path, &key) : OTACTL_OK;
    if (code == OTACTL_OK)
        code = otactl_file_read(args->operands[0], OTACTL_FIRMWARE_MAX, &image, &len);
    if (code == OTACTL_OK && !otactl_release_tell(stdout, image, len, key))
        code = otactl_fail(OTACTL_FAILED, "%s is not a good image", args->operands[0]);
    EVP_PKEY_free(key);
    free(image);
    return code;
}

const struct otactl_command otactl_release_commands[] = {
    {"release", "sign", "IN.bin|IN.elf", "Wrap a firmware into a signed MCUboot-format image.",
     sign_options, 1, 1, true, run_sign},
    {"release", "inspect", "FILE", "Tell all that an image says, and verify it.", inspect_options,
     1, 1, true, run_inspect},
    {0},
};
