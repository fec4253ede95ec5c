/* device ..., group ..., enrolment-key ...: which devices there are. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_explain.h"
#include "server/otactl_file.h"
#include "server/otactl_http.h"

#define CSV_MAX (64U * 1024U) /* bytes: what the server takes in one request */
#define OPERANDS_MANY 100000U

static const struct otactl_column device_columns[] = {
    {"DEVICE", "id", OTACTL_SHAPE_PLAIN},
    {"PRODUCT", "product", OTACTL_SHAPE_PLAIN},
    {"HARDWARE", "hardware", OTACTL_SHAPE_PLAIN},
    {"GROUP", "group", OTACTL_SHAPE_PLAIN},
    {"STATE", "state", OTACTL_SHAPE_PLAIN},
    {"VERSION", "version", OTACTL_SHAPE_PLAIN},
    {"DEPLOYMENT", "deployment.state", OTACTL_SHAPE_PLAIN},
    {"LAST SEEN", "last_seen", OTACTL_SHAPE_TIME},
};

static const struct otactl_column device_record[] = {
    {"device", "id", OTACTL_SHAPE_PLAIN},
    {"product", "product", OTACTL_SHAPE_PLAIN},
    {"hardware", "hardware", OTACTL_SHAPE_PLAIN},
    {"group", "group", OTACTL_SHAPE_PLAIN},
    {"tags", "tags", OTACTL_SHAPE_PLAIN},
    {"state", "state", OTACTL_SHAPE_PLAIN},
    {"version", "version", OTACTL_SHAPE_PLAIN},
    {"image hash", "hash", OTACTL_SHAPE_PLAIN},
    {"counter", "counter", OTACTL_SHAPE_COUNT},
    {"last seen", "last_seen", OTACTL_SHAPE_TIME},
    {"opted out", "opted_out", OTACTL_SHAPE_PLAIN},
    {"postponed until", "postponed_until", OTACTL_SHAPE_TIME},
    {"UTC offset", "utc_offset_minutes", OTACTL_SHAPE_COUNT},
    {"waiting", "waiting", OTACTL_SHAPE_PLAIN},
    {"online", "online", OTACTL_SHAPE_PLAIN},
    {"deployment", "deployment.id", OTACTL_SHAPE_PLAIN},
    {"its state", "deployment.state", OTACTL_SHAPE_PLAIN},
    {"its reason", "deployment.reason", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_column event_columns[] = {
    {"TIME", "time", OTACTL_SHAPE_TIME},      {"DEPLOYMENT", "deployment", OTACTL_SHAPE_PLAIN},
    {"EVENT", "event", OTACTL_SHAPE_PLAIN},   {"PERCENT", "percent", OTACTL_SHAPE_COUNT},
    {"REASON", "reason", OTACTL_SHAPE_PLAIN}, {"LOG", "log", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_option add_options[] = {
    {"product", "NAME", "what the device is", OTACTL_REQUIRED},
    {"hardware", "NAME", "which hardware of the product", OTACTL_REQUIRED},
    {"group", "NAME", "group the device starts in", OTACTL_OPTIONAL},
    {"o", "FILE", "write the device token there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option secret_options[] = {
    {"o", "FILE", "write what is secret there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option list_options[] = {
    {"group", "NAME", "only this group's", OTACTL_OPTIONAL},
    {"state", "accepted|pending|rejected", "only devices of this state", OTACTL_OPTIONAL},
    {"q", "TEXT", "only devices with this in their id", OTACTL_OPTIONAL},
    {"version", "VERSION", "only devices that run this version", OTACTL_OPTIONAL},
    {"tags", "SELECTOR", "only devices whose tags fit: site=berlin,ring in (canary,beta)",
     OTACTL_OPTIONAL},
    {"presence", "online|stale|never", "only devices that were heard so", OTACTL_OPTIONAL},
    {"progress", "updating|failing", "only devices whose update stands so", OTACTL_OPTIONAL},
    {0},
};

/* Copies an option's value into the body when it was given. */
static void add_text(cJSON *body, const struct otactl_args *args, const char *name)
{
    const char *value = otactl_args_value(args, name);
    if (value != NULL)
        cJSON_AddStringToObject(body, name, value);
}

/* --- device --- */

static int run_device_add(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "id", args->operands[0]);
    add_text(body, args, "product");
    add_text(body, args, "hardware");
    add_text(body, args, "group");
    int code = otactl_send(ctl, "POST", otactl_path("devices"), body, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "token", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

/* "id,token" lines, as a file or on stdout. */
static int give_tokens(const struct otactl *ctl, const cJSON *answer, const char *file)
{
    if (file == NULL && otactl_print_json(ctl, answer))
        return OTACTL_OK;
    char *csv = otactl_strdup("id,token\n");
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(answer, "devices"))
    {
        char *longer = otactl_format("%s%s,%s\n", csv, otactl_json_text(item, "id"),
                                     otactl_json_text(item, "token"));
        free(csv);
        csv = longer;
    }
    int code = OTACTL_OK;
    if (file == NULL)
        fputs(csv, stdout);
    else
        code = otactl_file_write(file, csv, strlen(csv), true, false);
    free(csv);
    return code;
}

static int run_device_import(struct otactl *ctl, const struct otactl_args *args)
{
    uint8_t *csv = NULL;
    size_t len = 0;
    cJSON *answer = NULL;
    const char *file = otactl_args_value(args, "o");
    int code = otactl_file_read(args->operands[0], CSV_MAX, &csv, &len);
    if (code != OTACTL_OK)
        return code;
    char *path = otactl_path("devices", "import");
    struct otactl_request request = {
        .method = "POST", .path = path, .type = "text/csv", .body = csv, .body_len = len};
    code = otactl_http_call(ctl, &request, &answer);
    free(path);
    free(csv);
    if (code == OTACTL_OK)
        code = give_tokens(ctl, answer, file);
    if (code == OTACTL_OK && !ctl->json)
        fprintf(stderr, "otactl: %.0f devices imported; their tokens are not shown again\n",
                otactl_json_number(answer, "imported"));
    cJSON_Delete(answer);
    return code;
}

static int run_device_list(struct otactl *ctl, const struct otactl_args *args)
{
    char *path = otactl_path("devices");
    for (const struct otactl_option *o = list_options; o->name != NULL; o++)
        otactl_path_query(&path, o->name, otactl_args_value(args, o->name));
    return otactl_show_list(ctl, path, device_columns, OTACTL_COUNT(device_columns),
                            "no such device");
}

static int run_device_show(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_show_one(ctl, otactl_path("devices", args->operands[0]), device_record,
                           OTACTL_COUNT(device_record));
}

static int run_device_events(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_show_list(ctl, otactl_path("devices", args->operands[0], "events"), event_columns,
                            OTACTL_COUNT(event_columns), "nothing happened yet");
}

static int run_device_delete(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = otactl_send(ctl, "DELETE", otactl_path("devices", args->operands[0]), NULL, &answer);
    if (code == OTACTL_OK && !ctl->json)
        printf("device %s is gone\n", args->operands[0]);
    cJSON_Delete(answer);
    return code;
}

static int run_device_token(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code =
        otactl_send(ctl, "POST", otactl_path("devices", args->operands[0], "token"), NULL, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "token", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

static int change_device(struct otactl *ctl, const char *device, const char *member,
                         const char *value)
{
    cJSON *answer = NULL;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, member, value);
    int code = otactl_send(ctl, "PATCH", otactl_path("devices", device), body, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        printf("device %s: %s %s\n", device, member, value);
    cJSON_Delete(answer);
    return code;
}

static int run_device_notify(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = otactl_send(ctl, "POST", otactl_path("devices", args->operands[0], "notify"), NULL,
                           &answer);

    if (code == OTACTL_OK && !otactl_print_json(ctl, answer)) {
        bool waited = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "long_poll"));
        bool queued = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "mqtt"));
        printf("%s\n", waited   ? "it was waiting, and checks now"
                       : queued ? "the broker has a notification for it"
                                : "it can't be reached now; it checks at its next poll");
    }
    cJSON_Delete(answer);
    return code;
}

static int run_device_accept(struct otactl *ctl, const struct otactl_args *args)
{
    return change_device(ctl, args->operands[0], "state", "accepted");
}

static int run_device_reject(struct otactl *ctl, const struct otactl_args *args)
{
    return change_device(ctl, args->operands[0], "state", "rejected");
}

/* --- group --- */

static const struct otactl_column group_columns[] = {
    {"GROUP", "name", OTACTL_SHAPE_PLAIN},
    {"DEVICES", "devices", OTACTL_SHAPE_COUNT},
    {"UTC OFFSET", "utc_offset_minutes", OTACTL_SHAPE_COUNT},
    {"SINCE", "created_at", OTACTL_SHAPE_TIME},
};

static int run_group_add(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    int code = otactl_send(ctl, "POST", otactl_path("groups"), body, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        printf("group %s is there\n", args->operands[0]);
    cJSON_Delete(answer);
    return code;
}

static int run_group_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("groups"), group_columns, OTACTL_COUNT(group_columns),
                            "no group yet");
}

static const struct otactl_option zone_options[] = {
    {"utc-offset", "MINUTES|none", "local time of devices that do not tell theirs, east of UTC",
     OTACTL_REQUIRED},
    {0},
};

static int run_group_zone(struct otactl *ctl, const struct otactl_args *args)
{
    const char *text = otactl_args_value(args, "utc-offset");
    bool west = text[0] == '-';
    uint64_t minutes = 0;
    cJSON *answer = NULL;
    char *id = NULL;
    if (strcmp(text, "none") != 0 && !otactl_number_parse(west ? text + 1 : text, &minutes))
        return otactl_fail(OTACTL_USAGE, "--utc-offset %s: minutes such as 60 or -300, or none",
                           text);
    int code = otactl_find(ctl, "groups", args->operands[0], &id);
    if (code == OTACTL_OK) {
        cJSON *body = cJSON_CreateObject();
        if (strcmp(text, "none") == 0)
            cJSON_AddNullToObject(body, "utc_offset_minutes");
        else
            cJSON_AddNumberToObject(body, "utc_offset_minutes",
                                    west ? -(double)minutes : (double)minutes);
        code = otactl_send(ctl, "PATCH", otactl_path("groups", id), body, &answer);
    }
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        printf("group %s: local time is UTC %s %s\n", args->operands[0], west ? "-" : "+",
               strcmp(text, "none") == 0 ? "0"
               : west                    ? text + 1
                                         : text);
    free(id);
    cJSON_Delete(answer);
    return code;
}

static int run_group_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "groups", "group", args->operands[0]);
}

static int run_group_assign(struct otactl *ctl, const struct otactl_args *args)
{
    int code = OTACTL_OK;
    for (size_t i = 1; i < args->operand_count && code == OTACTL_OK; i++)
        code = change_device(ctl, args->operands[i], "group", args->operands[0]);
    return code;
}

/* --- enrolment-key --- */

static const struct otactl_column enrolment_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},           {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"PRODUCT", "product", OTACTL_SHAPE_PLAIN}, {"POLICY", "policy", OTACTL_SHAPE_PLAIN},
    {"GROUP", "group", OTACTL_SHAPE_PLAIN},     {"SINCE", "created_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_option enrolment_options[] = {
    {"product", "NAME", "product whose devices may enrol with it", OTACTL_REQUIRED},
    {"policy", "accept|pending", "accept: at once; pending: an operator accepts each",
     OTACTL_REQUIRED},
    {"group", "NAME", "group that enrolled devices start in", OTACTL_OPTIONAL},
    {"o", "FILE", "write the key there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

static int run_enrolment_add(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    add_text(body, args, "product");
    add_text(body, args, "policy");
    add_text(body, args, "group");
    int code = otactl_send(ctl, "POST", otactl_path("enrolment-keys"), body, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "key", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

static int run_enrolment_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("enrolment-keys"), enrolment_columns,
                            OTACTL_COUNT(enrolment_columns), "no enrolment key");
}

static int run_enrolment_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "enrolment-keys", "enrolment key", args->operands[0]);
}

const struct otactl_command otactl_device_commands[] = {
    {"device", "add", "ID", "Register one device; its token is shown once.", add_options, 1, 1,
     false, run_device_add},
    {"device", "import", "FILE.csv",
     "Register all devices of a CSV file (id,product,hardware,group,tags) or none; gives id,token.",
     secret_options, 1, 1, false, run_device_import},
    {"device", "list", "", "List devices.", list_options, 0, 0, false, run_device_list},
    {"device", "show", "ID", "Tell all about one device.", NULL, 1, 1, false, run_device_show},
    {"device", "events", "ID", "Tell what a device reported, newest first.", NULL, 1, 1, false,
     run_device_events},
    {"device", "explain", "ID", "Tell why a device is or is not being updated.",
     otactl_explain_options, 1, 1, false, otactl_explain_run},
    {"device", "tag", "ID KEY=VALUE|KEY-...", "Set tags of a device, or remove them.",
     otactl_tag_options, 2, OPERANDS_MANY, false, otactl_tag_run},
    {"device", "token", "ID", "Give a device a new token; the old one stops working.",
     secret_options, 1, 1, false, run_device_token},
    {"device", "notify", "ID", "Have a device check now, if it can be reached.", NULL, 1, 1, false,
     run_device_notify},
    {"device", "accept", "ID", "Accept a device that enrolled and waits.", NULL, 1, 1, false,
     run_device_accept},
    {"device", "reject", "ID", "Turn a device away.", NULL, 1, 1, false, run_device_reject},
    {"device", "delete", "ID", "Forget a device; its token stops working.", NULL, 1, 1, false,
     run_device_delete},
    {"enrolment-key", "add", "NAME", "Make a key that new devices enrol with; it is shown once.",
     enrolment_options, 1, 1, false, run_enrolment_add},
    {"enrolment-key", "list", "", "List the enrolment keys.", NULL, 0, 0, false,
     run_enrolment_list},
    {"enrolment-key", "delete", "ID|NAME", "Let no more devices enrol with this key.", NULL, 1, 1,
     false, run_enrolment_delete},
    {0},
};

const struct otactl_command otactl_group_commands[] = {
    {"group", "add", "NAME", "Make a group.", NULL, 1, 1, false, run_group_add},
    {"group", "list", "", "List the groups.", NULL, 0, 0, false, run_group_list},
    {"group", "assign", "GROUP DEVICE...", "Put devices into a group, out of their former one.",
     NULL, 2, OPERANDS_MANY, false, run_group_assign},
    {"group", "zone", "NAME", "Say what local time a group's devices have, for windows.",
     zone_options, 1, 1, false, run_group_zone},
    {"group", "delete", "NAME", "Delete a group that is empty.", NULL, 1, 1, false,
     run_group_delete},
    {0},
};
