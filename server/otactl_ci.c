/* ci-upload: what a pipeline does after its build, in one line that may run twice. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_file.h"
#include "server/otactl_firmware.h"
#include "server/otactl_http.h"
#include "server/otactl_image.h"
#include "server/otactl_release.h"
#include "server/otactl_rollout.h"

static const struct otactl_option upload_options[] = {
    {"key", "KEY.pem", "private release key; else the PEM in $" OTACTL_RELEASE_KEY_ENV,
     OTACTL_OPTIONAL},
    {"version", "X.Y.Z[+BUILD]", "version of the release", OTACTL_OPTIONAL},
    {"counter", "N", "security counter", OTACTL_OPTIONAL},
    {"product", "NAME", "product the firmware is for", OTACTL_OPTIONAL},
    {"hardware", "NAME", "hardware the firmware is for", OTACTL_OPTIONAL},
    {"header-size", "N", "bytes before the vector table, 0x200 unless told", OTACTL_OPTIONAL},
    {"stage", "STAGE", "plan a rollout, too: " OTACTL_STAGE_HELP, OTACTL_REPEATED},
    {"group", "NAME", "roll it out to this group's devices only", OTACTL_REPEATED},
    {"name", "NAME", "the rollout's name, \"PRODUCT VERSION\" unless told", OTACTL_OPTIONAL},
    {"start", NULL, "start the rollout", OTACTL_OPTIONAL},
    {0},
};

/* What the run has found or made so far. */
struct delivery {
    struct otactl_built built;
    char product[OTA_NAME_MAX + 1];
    char hardware[OTA_NAME_MAX + 1];
    char version[OTA_VERSION_TEXT_MAX + 1];
    char hash[OTA_HASH_LEN * 2 + 1];
    bool uploaded; /* by this run */
    cJSON *firmware;
    cJSON *rollout;
};

/* A file that is signed already is taken as it is, and signing flags beside it would be a mistake.
 */
static int take_signed(const struct otactl_args *args, struct delivery *d, bool *is_signed)
{
    static const char *const signing[] = {"key", "version", "counter", "product", "hardware"};
    const char *name = args->operands[0];
    int code = otactl_file_read(name, OTACTL_FIRMWARE_MAX, &d->built.image, &d->built.len);
    if (code != OTACTL_OK)
        return code;
    *is_signed = otactl_image_is(d->built.image, d->built.len);
    for (size_t i = 0; i < OTACTL_COUNT(signing); i++) {
        bool given = otactl_args_has(args, signing[i]);
        if (*is_signed && given)
            return otactl_fail(OTACTL_USAGE, "%s is a signed image already: leave --%s out", name,
                               signing[i]);
        if (!*is_signed && !given && i > 0)
            return otactl_fail(OTACTL_USAGE, "ci-upload needs --%s to sign %s", signing[i], name);
    }
    if (*is_signed || otactl_args_has(args, "key") || getenv(OTACTL_RELEASE_KEY_ENV) != NULL)
        return OTACTL_OK;
    return otactl_fail(OTACTL_USAGE,
                       "ci-upload needs --key or $" OTACTL_RELEASE_KEY_ENV " to sign %s", name);
}

static int read_facts(const char *name, struct delivery *d)
{
    struct otactl_verdict verdict;
    if (!otactl_image_judge(&verdict, d->built.image, d->built.len, NULL))
        return otactl_fail(OTACTL_FAILED,
                           "%s is not a good image: otactl release inspect tells why", name);
    snprintf(d->product, sizeof d->product, "%.*s", (int)verdict.tlvs.product.len,
             verdict.tlvs.product.at);
    snprintf(d->hardware, sizeof d->hardware, "%.*s", (int)verdict.tlvs.hardware.len,
             verdict.tlvs.hardware.at);
    ota_version_format(&verdict.header.version, d->version, sizeof d->version);
    ota_hex_encode(verdict.hash, OTA_HASH_LEN, d->hash);
    return OTACTL_OK;
}

static int make_image(const struct otactl_args *args, struct delivery *d)
{
    bool is_signed = false;
    int code = take_signed(args, d, &is_signed);
    if (code == OTACTL_OK && !is_signed) {
        free(d->built.image);
        code = otactl_release_build(args, &d->built);
    }
    return code == OTACTL_OK ? read_facts(args->operands[0], d) : code;
}

/* Signatures differ from one run to the next; the hash is over what they sign. */
static int find_firmware(struct otactl *ctl, struct delivery *d)
{
    cJSON *answer = NULL;
    cJSON *item = NULL;
    char *path = otactl_path("firmware");
    otactl_path_query(&path, "product", d->product);
    otactl_path_query(&path, "hardware", d->hardware);
    int code = otactl_get_all(ctl, path, &answer);
    cJSON *items = cJSON_GetObjectItemCaseSensitive(answer, "items");
    cJSON_ArrayForEach(item, items)
    {
        if (strcmp(otactl_json_text(item, "hash"), d->hash) == 0)
            break;
    }
    if (item != NULL)
        d->firmware = cJSON_DetachItemViaPointer(items, item);
    cJSON_Delete(answer);
    return code;
}

static int upload(struct otactl *ctl, struct delivery *d)
{
    FILE *file = fmemopen(d->built.image, d->built.len, "rb");
    if (file == NULL)
        return otactl_fail(OTACTL_FAILED, "out of memory");
    int code = otactl_firmware_send(ctl, file, d->built.len, &d->firmware);
    fclose(file);
    d->uploaded = code == OTACTL_OK;
    return code;
}

static bool is_this_rollout(const cJSON *rollout, const char *name, const char *firmware)
{
    char *id = otactl_json_id(rollout, "firmware");
    bool same = id != NULL && strcmp(id, firmware) == 0 &&
                strcmp(otactl_json_text(rollout, "name"), name) == 0 &&
                strcmp(otactl_json_text(rollout, "state"), "cancelled") != 0;
    free(id);
    return same;
}

static int find_rollout(struct otactl *ctl, struct delivery *d, const char *name,
                        const char *firmware)
{
    cJSON *answer = NULL;
    cJSON *item = NULL;
    int code = otactl_get_all(ctl, otactl_path("rollouts"), &answer);
    cJSON *items = cJSON_GetObjectItemCaseSensitive(answer, "items");
    cJSON_ArrayForEach(item, items)
    {
        if (is_this_rollout(item, name, firmware))
            break;
    }
    if (item != NULL)
        d->rollout = cJSON_DetachItemViaPointer(items, item);
    cJSON_Delete(answer);
    return code;
}

static int start(struct otactl *ctl, struct delivery *d)
{
    cJSON *answer = NULL;
    char *id = otactl_json_id(d->rollout, "id");
    int code = otactl_send(ctl, "POST", otactl_path("rollouts", id != NULL ? id : "", "start"),
                           NULL, &answer);
    free(id);
    if (code == OTACTL_OK) {
        cJSON_Delete(d->rollout);
        d->rollout = answer;
    }
    return code;
}

/* One rollout of this name and firmware, planned when it is missing, started when it waits. */
static int plan(struct otactl *ctl, const struct otactl_args *args, struct delivery *d)
{
    const char *given = otactl_args_value(args, "name");
    char *name =
        given != NULL ? otactl_strdup(given) : otactl_format("%s %s", d->product, d->version);
    char *firmware = otactl_json_id(d->firmware, "id");
    int code = find_rollout(ctl, d, name, firmware != NULL ? firmware : "");
    if (code == OTACTL_OK && d->rollout == NULL)
        code = otactl_rollout_plan(ctl, args, name, firmware, &d->rollout);
    if (code == OTACTL_OK && otactl_args_has(args, "start") &&
        strcmp(otactl_json_text(d->rollout, "state"), "draft") == 0)
        code = start(ctl, d);
    free(firmware);
    free(name);
    return code;
}

static void tell(const struct otactl *ctl, struct delivery *d)
{
    cJSON *all = cJSON_CreateObject();
    char *firmware = otactl_json_id(d->firmware, "id");
    char line[256];
    cJSON_AddBoolToObject(all, "uploaded", d->uploaded);
    cJSON_AddItemReferenceToObject(all, "firmware", d->firmware);
    if (d->rollout != NULL)
        cJSON_AddItemReferenceToObject(all, "rollout", d->rollout);
    if (!otactl_print_json(ctl, all)) {
        printf("firmware %s: %s %s %s %s\n", firmware != NULL ? firmware : "?", d->product,
               d->hardware, d->version, d->uploaded ? "uploaded" : "is there already");
        if (d->rollout != NULL) {
            otactl_rollout_line(d->rollout, line, sizeof line);
            puts(line);
        }
    }
    free(firmware);
    cJSON_Delete(all);
}

static int run_ci_upload(struct otactl *ctl, const struct otactl_args *args)
{
    struct delivery d = {0};
    bool planned = otactl_args_has(args, "stage");
    if (otactl_args_has(args, "start") && !planned)
        return otactl_fail(OTACTL_USAGE, "--start needs --stage: which devices come first?");
    int code = make_image(args, &d);
    if (code == OTACTL_OK)
        code = find_firmware(ctl, &d);
    if (code == OTACTL_OK && d.firmware == NULL)
        code = upload(ctl, &d);
    if (code == OTACTL_OK && planned)
        code = plan(ctl, args, &d);
    if (code == OTACTL_OK)
        tell(ctl, &d);
    free(d.built.image);
    cJSON_Delete(d.firmware);
    cJSON_Delete(d.rollout);
    return code;
}

const struct otactl_command otactl_ci_commands[] = {
    {NULL, "ci-upload", "IN.bin|IN.elf|IN.img",
     "Sign, upload and with --stage plan a rollout; what is there already stays as it is.",
     upload_options, 1, 1, false, run_ci_upload},
    {0},
};
