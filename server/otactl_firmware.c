#include "server/otactl_firmware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"

#define HASH_DIGITS_MIN 8

static const struct otactl_column firmware_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"PRODUCT", "product", OTACTL_SHAPE_PLAIN},
    {"HARDWARE", "hardware", OTACTL_SHAPE_PLAIN},
    {"VERSION", "version", OTACTL_SHAPE_PLAIN},
    {"COUNTER", "counter", OTACTL_SHAPE_COUNT},
    {"SIZE", "size", OTACTL_SHAPE_SIZE},
    {"HASH", "hash", OTACTL_SHAPE_SHORT},
    {"KEY", "key_id", OTACTL_SHAPE_PLAIN},
    {"UPLOADED", "created_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_column firmware_record[] = {
    {"id", "id", OTACTL_SHAPE_PLAIN},
    {"product", "product", OTACTL_SHAPE_PLAIN},
    {"hardware", "hardware", OTACTL_SHAPE_PLAIN},
    {"version", "version", OTACTL_SHAPE_PLAIN},
    {"counter", "counter", OTACTL_SHAPE_COUNT},
    {"size", "size", OTACTL_SHAPE_SIZE},
    {"image hash", "hash", OTACTL_SHAPE_PLAIN},
    {"file SHA-256", "sha256", OTACTL_SHAPE_PLAIN},
    {"signed by key", "key_id", OTACTL_SHAPE_PLAIN},
    {"security release", "security", OTACTL_SHAPE_PLAIN},
    {"least version", "version_min", OTACTL_SHAPE_PLAIN},
    {"uploaded", "created_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_option change_options[] = {
    {"security", "on|off", "rollouts of it go before others", OTACTL_OPTIONAL},
    {"version-min", "VERSION", "devices below it need another release first; none takes it off",
     OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option list_options[] = {
    {"product", "NAME", "only this product's", OTACTL_OPTIONAL},
    {"hardware", "NAME", "only this hardware's", OTACTL_OPTIONAL},
    {0},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "PRODUCT@VERSION" or "PRODUCT/HARDWARE@VERSION". */
static bool is_named(const cJSON *item, const char *given)
{
    const char *product = otactl_json_text(item, "product");
    const char *version = otactl_json_text(item, "version");
    char *shorter = otactl_format("%s@%s", product, version);
    char *longer = otactl_format("%s/%s@%s", product, otactl_json_text(item, "hardware"), version);
    bool named = strcmp(shorter, given) == 0 || strcmp(longer, given) == 0;
    free(shorter);
    free(longer);
    return named;
}

static bool matches(const cJSON *item, const char *given)
{
    char *id = otactl_json_id(item, "id");
    bool same = id != NULL && strcmp(id, given) == 0;
    free(id);
    return same || is_named(item, given) ||
           (strlen(given) >= HASH_DIGITS_MIN && starts_with(otactl_json_text(item, "hash"), given));
}

int otactl_firmware_find(struct otactl *ctl, const char *given, char **id)
{
    cJSON *answer = NULL;
    const cJSON *item = NULL;
    size_t found = 0;
    *id = NULL;
    int code = otactl_get_all(ctl, otactl_path("firmware"), &answer);
    if (code != OTACTL_OK)
        return code;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(answer, "items"))
    {
        if (!matches(item, given))
            continue;
        found++;
        free(*id);
        *id = otactl_json_id(item, "id");
    }
    cJSON_Delete(answer);
    if (found == 1)
        return OTACTL_OK;
    free(*id);
    *id = NULL;
    if (found == 0)
        return otactl_fail(OTACTL_FAILED,
                           "no firmware is named %s: give its id, its hash or PRODUCT@VERSION "
                           "(otactl firmware list)",
                           given);
    return otactl_fail(OTACTL_FAILED,
                       "%s names %zu firmwares: give the id, or PRODUCT/HARDWARE@VERSION", given,
                       found);
}

int otactl_firmware_send(struct otactl *ctl, FILE *file, uint64_t len, cJSON **answer)
{
    char *path = otactl_path("firmware");
    struct otactl_request request = {
        .method = "POST",
        .path = path,
        .type = "application/octet-stream",
        .file = file,
        .file_len = len,
    };
    int code = otactl_http_call(ctl, &request, answer);
    free(path);
    return code;
}

static int run_upload(struct otactl *ctl, const struct otactl_args *args)
{
    struct stat found;
    cJSON *answer = NULL;
    const char *name = args->operands[0];
    FILE *file = fopen(name, "rb");
    if (file == NULL || fstat(fileno(file), &found) != 0) {
        int error = errno;
        if (file != NULL)
            fclose(file);
        return otactl_fail(OTACTL_FAILED, "%s cannot be opened: %s", name, strerror(error));
    }
    int code = S_ISREG(found.st_mode)
                   ? otactl_firmware_send(ctl, file, (uint64_t)found.st_size, &answer)
                   : otactl_fail(OTACTL_FAILED, "%s is no file", name);
    fclose(file);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        otactl_record_print(stdout, firmware_record, OTACTL_COUNT(firmware_record), answer);
    cJSON_Delete(answer);
    return code;
}

static int run_list(struct otactl *ctl, const struct otactl_args *args)
{
    char *path = otactl_path("firmware");
    otactl_path_query(&path, "product", otactl_args_value(args, "product"));
    otactl_path_query(&path, "hardware", otactl_args_value(args, "hardware"));
    return otactl_show_list(ctl, path, firmware_columns, OTACTL_COUNT(firmware_columns),
                            "no firmware yet: otactl firmware upload FILE");
}

static int run_show(struct otactl *ctl, const struct otactl_args *args)
{
    char *id = NULL;
    int code = otactl_firmware_find(ctl, args->operands[0], &id);
    if (code != OTACTL_OK)
        return code;
    code = otactl_show_one(ctl, otactl_path("firmware", id), firmware_record,
                           OTACTL_COUNT(firmware_record));
    free(id);
    return code;
}

static int run_change(struct otactl *ctl, const struct otactl_args *args)
{
    const char *security = otactl_args_value(args, "security");
    const char *version = otactl_args_value(args, "version-min");
    char *id = NULL;
    cJSON *answer = NULL;
    if (security == NULL && version == NULL)
        return otactl_fail(OTACTL_USAGE, "firmware change needs --security or --version-min");
    int code = otactl_firmware_find(ctl, args->operands[0], &id);
    if (code != OTACTL_OK)
        return code;
    cJSON *body = cJSON_CreateObject();
    if (security != NULL)
        cJSON_AddBoolToObject(body, "security", strcmp(security, "on") == 0);
    if (version != NULL)
        cJSON_AddItemToObject(body, "version_min",
                              strcmp(version, "none") == 0 ? cJSON_CreateNull()
                                                           : cJSON_CreateString(version));
    code = otactl_send(ctl, "PATCH", otactl_path("firmware", id), body, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        otactl_record_print(stdout, firmware_record, OTACTL_COUNT(firmware_record), answer);
    cJSON_Delete(answer);
    free(id);
    return code;
}

static int run_delete(struct otactl *ctl, const struct otactl_args *args)
{
    char *id = NULL;
    cJSON *answer = NULL;
    int code = otactl_firmware_find(ctl, args->operands[0], &id);
    if (code != OTACTL_OK)
        return code;
    code = otactl_send(ctl, "DELETE", otactl_path("firmware", id), NULL, &answer);
    if (code == OTACTL_OK && !ctl->json)
        printf("firmware %s is gone\n", args->operands[0]);
    cJSON_Delete(answer);
    free(id);
    return code;
}

const struct otactl_command otactl_firmware_commands[] = {
    {"firmware", "upload", "FILE",
     "Upload a signed image; the server checks it before it says yes.", NULL, 1, 1, false,
     run_upload},
    {"firmware", "list", "", "List the firmware on the server.", list_options, 0, 0, false,
     run_list},
    {"firmware", "show", "ID|HASH|PRODUCT@VERSION", "Tell all about one firmware.", NULL, 1, 1,
     false, run_show},
    {"firmware", "change", "ID|HASH|PRODUCT@VERSION",
     "Say what a release demands of the rollouts made of it from now on.", change_options, 1, 1,
     false, run_change},
    {"firmware", "delete", "ID|HASH|PRODUCT@VERSION", "Delete a firmware that no rollout uses.",
     NULL, 1, 1, false, run_delete},
    {0},
};
