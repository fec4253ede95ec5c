/* release ...: signed images out of what a linker made. Needs no server. */
#include "server/otactl_release.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/otactl_elf.h"
#include "server/otactl_file.h"
#include "server/otactl_http.h"
#include "server/otactl_image.h"
#include "server/otactl_key_file.h"

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
    if (otactl_image_is(body, len))
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

/* The private key of --key, else the PEM in $OTACTL_RELEASE_KEY: a CI's secret needs no file. */
static int read_key(const struct otactl_args *args, EVP_PKEY **key)
{
    const char *path = otactl_args_value(args, "key");
    const char *pem = getenv(OTACTL_RELEASE_KEY_ENV);
    if (path != NULL || pem == NULL || pem[0] == '\0')
        return otactl_key_read_private(path, key);
    return otactl_key_parse_private("$" OTACTL_RELEASE_KEY_ENV, pem, key);
}

static int build(const struct otactl_args *args, struct ota_image_fields *fields,
                 const uint8_t *body, size_t body_len, struct otactl_built *built)
{
    EVP_PKEY *key = NULL;
    char doubt[128];
    int code = read_key(args, &key);
    if (code != OTACTL_OK)
        return code;
    fields->body_len = (uint32_t)body_len;
    int error = otactl_image_build(fields, body, key, &built->image, &built->len);
    EVP_PKEY_free(key);
    if (error != OTA_OK)
        return otactl_fail(OTACTL_FAILED, "the image cannot be made: %s", ota_error_name(error));
    otactl_image_doubt(body, body_len, doubt, sizeof doubt);
    if (doubt[0] != '\0')
        otactl_warn("warning: %s does not start with a Cortex-M vector table: %s",
                    args->operands[0], doubt);
    return OTACTL_OK;
}

int otactl_release_build(const struct otactl_args *args, struct otactl_built *built)
{
    struct ota_image_fields fields = {0};
    uint8_t *body = NULL;
    size_t body_len = 0;
    *built = (struct otactl_built){0};
    int code = take_fields(args, &fields);
    if (code == OTACTL_OK)
        code = read_body(args->operands[0], &body, &body_len);
    if (code != OTACTL_OK)
        return code;
    code = build(args, &fields, body, body_len, built);
    free(body);
    return code;
}

static int run_sign(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    struct otactl_built built;
    const char *out = otactl_args_value(args, "o");
    int code = otactl_release_build(args, &built);
    if (code != OTACTL_OK)
        return code;
    code = otactl_file_write(out, built.image, built.len, false, false);
    if (code == OTACTL_OK)
        printf("%s: %zu bytes, %s %s %s counter %s\n", out, built.len,
               otactl_args_value(args, "product"), otactl_args_value(args, "hardware"),
               otactl_args_value(args, "version"), otactl_args_value(args, "counter"));
    free(built.image);
    return code;
}

/* --- release inspect --- */

static const struct otactl_option inspect_options[] = {
    {"key", "PUB.pem", "release key to verify the signature with", OTACTL_OPTIONAL},
    {0},
};

static bool inspect(const struct otactl *ctl, const uint8_t *image, size_t len, EVP_PKEY *key)
{
    struct otactl_verdict verdict;
    bool good = otactl_image_judge(&verdict, image, len, key);
    cJSON *json = otactl_image_json(&verdict, key != NULL);
    if (!otactl_print_json(ctl, json))
        otactl_image_print(stdout, &verdict, image, key != NULL);
    cJSON_Delete(json);
    return good;
}

static int run_inspect(struct otactl *ctl, const struct otactl_args *args)
{
    uint8_t *image = NULL;
    size_t len = 0;
    EVP_PKEY *key = NULL;
    const char *key_path = otactl_args_value(args, "key");
    int code = key_path != NULL ? otactl_key_read_public(key_path, &key) : OTACTL_OK;
    if (code == OTACTL_OK)
        code = otactl_file_read(args->operands[0], OTACTL_FIRMWARE_MAX, &image, &len);
    if (code == OTACTL_OK && !inspect(ctl, image, len, key))
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
