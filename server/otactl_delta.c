/* delta ...: patches between two images, offline. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"
#include "server/delta.h"
#include "server/otactl_args.h"
#include "server/otactl_file.h"

static int read_bytes(const char *path, struct delta_bytes *bytes, uint8_t **memory)
{
    size_t len = 0;
    int code = otactl_file_read(path, OTA_DELTA_LEN_MAX, memory, &len);
    *bytes = (struct delta_bytes){*memory, (uint32_t)len};
    return code;
}

/* --- delta make --- */

static int make_patch(const char *out, struct delta_bytes base, struct delta_bytes result)
{
    uint8_t *patch = NULL;
    size_t len = 0;
    int error = delta_make(base, result, &patch, &len);
    if (error != OTA_OK)
        return otactl_fail(OTACTL_FAILED, "the patch cannot be made: %s", ota_error_name(error));
    int code = otactl_file_write(out, patch, len, false, false);
    if (code == OTACTL_OK)
        printf("%s: %zu bytes, %.1f %% of %u\n", out, len, 100.0 * (double)len / result.len,
               result.len);
    free(patch);
    return code;
}

static int run_make(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    struct delta_bytes base = {0};
    struct delta_bytes result = {0};
    uint8_t *base_memory = NULL;
    uint8_t *result_memory = NULL;
    int code = read_bytes(args->operands[0], &base, &base_memory);
    if (code == OTACTL_OK)
        code = read_bytes(args->operands[1], &result, &result_memory);
    if (code == OTACTL_OK)
        code = make_patch(args->operands[2], base, result);
    free(base_memory);
    free(result_memory);
    return code;
}

/* --- delta apply --- */

static const char *why_not_applied(int error)
{
    switch (error) {
    case OTA_E_DELTA_BASE:
        return "it was made for another old image";
    case OTA_E_DELTA_BLOCK:
        return "it is damaged; fetch it again";
    case OTA_E_TRUNCATED:
        return "it is cut short; fetch it again";
    case OTA_E_SYNTAX:
        return "it is no patch";
    case OTA_E_UNSUPPORTED:
        return "it is of a newer format";
    case OTA_E_SIZE:
        return "there are bytes behind its end";
    default:
        return ota_error_name(error);
    }
}

static int run_apply(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    struct delta_bytes base = {0};
    struct delta_bytes patch = {0};
    uint8_t *base_memory = NULL;
    uint8_t *patch_memory = NULL;
    uint8_t *result = NULL;
    size_t len = 0;
    const char *out = args->operands[2];
    int code = read_bytes(args->operands[0], &base, &base_memory);
    if (code == OTACTL_OK)
        code = read_bytes(args->operands[1], &patch, &patch_memory);
    if (code == OTACTL_OK) {
        int error = delta_apply(base, patch, &result, &len);
        if (error != OTA_OK)
            code = otactl_fail(OTACTL_FAILED, "%s cannot be applied: %s", args->operands[1],
                               why_not_applied(error));
    }
    if (code == OTACTL_OK)
        code = otactl_file_write(out, result, len, false, false);
    if (code == OTACTL_OK)
        printf("%s: %zu bytes\n", out, len);
    free(result);
    free(base_memory);
    free(patch_memory);
    return code;
}

/* --- delta info --- */

static void print_hash(const char *name, const uint8_t hash[OTA_DELTA_HASH_LEN])
{
    printf("%-14s", name);
    for (unsigned i = 0; i < OTA_DELTA_HASH_LEN; i++)
        printf("%02x", hash[i]);
    printf("...\n");
}

static int run_info(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    struct delta_bytes patch = {0};
    uint8_t *memory = NULL;
    struct ota_delta_header header;
    int code = read_bytes(args->operands[0], &patch, &memory);
    if (code != OTACTL_OK)
        return code;
    int error = ota_delta_header_decode(&header, patch.at, patch.len);
    if (error > 0 && header.patch_len != patch.len)
        error = header.patch_len > patch.len ? OTA_E_TRUNCATED : OTA_E_SIZE;
    free(memory);
    if (error < 0)
        return otactl_fail(OTACTL_FAILED, "%s: %s", args->operands[0], why_not_applied(error));
    printf("%-14s%u bytes, %.1f %% of the new image\n", "patch", header.patch_len,
           100.0 * header.patch_len / header.result_len);
    printf("%-14s%s\n", "mode", header.mode == OTA_DELTA_THUMB2 ? "Thumb-2" : "plain");
    if (header.mode == OTA_DELTA_THUMB2)
        printf("%-14s0x%08x\n", "address", header.base_address);
    printf("%-14s%u bytes\n", "old image", header.base_len);
    print_hash("  SHA-256", header.base_hash);
    printf("%-14s%u bytes\n", "new image", header.result_len);
    print_hash("  SHA-256", header.result_hash);
    return OTACTL_OK;
}

const struct otactl_command otactl_delta_commands[] = {
    {"delta", "make", "OLD NEW PATCH", "Make the patch that gives NEW from OLD, and prove it.",
     NULL, 3, 3, true, run_make},
    {"delta", "apply", "OLD PATCH NEW", "Write NEW from OLD and the patch, as a device does.", NULL,
     3, 3, true, run_apply},
    {"delta", "info", "PATCH", "Tell what a patch is for.", NULL, 1, 1, true, run_info},
    {0},
};
