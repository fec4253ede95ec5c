/* rollout ...: who gets which firmware, when. */
#include "server/otactl_rollout.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_firmware.h"
#include "server/otactl_http.h"

static const struct otactl_column rollout_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"PRODUCT", "product", OTACTL_SHAPE_PLAIN},
    {"HARDWARE", "hardware", OTACTL_SHAPE_PLAIN},
    {"VERSION", "version", OTACTL_SHAPE_PLAIN},
    {"STATE", "state", OTACTL_SHAPE_PLAIN},
    {"CREATED", "created_at", OTACTL_SHAPE_TIME},
    {"WHY", "halt_reason", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_column place_columns[] = {
    {"DEVICE", "device", OTACTL_SHAPE_PLAIN},   {"STAGE", "stage", OTACTL_SHAPE_COUNT},
    {"STATE", "state", OTACTL_SHAPE_PLAIN},     {"PERCENT", "percent", OTACTL_SHAPE_COUNT},
    {"ATTEMPT", "attempt", OTACTL_SHAPE_COUNT}, {"REASON", "reason", OTACTL_SHAPE_PLAIN},
    {"SINCE", "updated_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_column event_columns[] = {
    {"TIME", "time", OTACTL_SHAPE_TIME},    {"EVENT", "event", OTACTL_SHAPE_PLAIN},
    {"STAGE", "stage", OTACTL_SHAPE_COUNT}, {"DETAIL", "detail", OTACTL_SHAPE_PLAIN},
    {"BY", "actor", OTACTL_SHAPE_PLAIN},
};

struct stage_key {
    const char *name;   /* on the command line */
    const char *member; /* in the API; NULL for the one text, group */
    uint64_t min;
    uint64_t max;
};

static const struct stage_key stage_keys[] = {
    {"group", NULL, 0, 0},
    {"percent", "percent", 1, 100},
    {"success", "success_percent", 0, 100},
    {"failures", "failure_count", 1, UINT32_MAX},
    {"failure-percent", "failure_percent", 1, 100},
    {"soak", "soak_seconds", 0, 30U * 86400U},
};

static bool add_stage_pair(cJSON *stage, const char *name, const char *value)
{
    for (size_t i = 0; i < OTACTL_COUNT(stage_keys); i++) {
        const struct stage_key *key = &stage_keys[i];
        const char *member = key->member != NULL ? key->member : key->name;
        uint64_t number = 0;
        if (strcmp(key->name, name) != 0)
            continue;
        if (cJSON_HasObjectItem(stage, member))
            return otactl_fail(false, "--stage: %s stands twice", name);
        if (key->member == NULL) {
            cJSON_AddStringToObject(stage, member, value);
            return value[0] != '\0' || otactl_fail(false, "--stage: group= needs a name");
        }
        if (!otactl_number_parse(value, &number) || number < key->min || number > key->max)
            return otactl_fail(false, "--stage %s=%s: a number from %llu to %llu is needed", name,
                               value, (unsigned long long)key->min, (unsigned long long)key->max);
        cJSON_AddNumberToObject(stage, member, (double)number);
        return true;
    }
    return otactl_fail(false, "--stage: unknown %s; it takes %s", name, OTACTL_STAGE_HELP);
}

static bool add_stage_pairs(cJSON *stage, char *text)
{
    char *rest = NULL;
    for (char *pair = strtok_r(text, ",", &rest); pair != NULL; pair = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(pair, '=');
        if (value == NULL)
            return otactl_fail(false, "--stage: %s has no value; it takes %s", pair,
                               OTACTL_STAGE_HELP);
        *value = '\0';
        if (!add_stage_pair(stage, pair, value + 1))
            return false;
    }
    return true;
}

cJSON *otactl_stage_parse(const char *text)
{
    cJSON *stage = cJSON_CreateObject();
    char *copy = otactl_strdup(text);
    bool good = add_stage_pairs(stage, copy);
    free(copy);
    if (good && cJSON_HasObjectItem(stage, "group") == cJSON_HasObjectItem(stage, "percent")) {
        good = false;
        otactl_warn("--stage %s: either group=NAME or percent=N is needed", text);
    }
    if (good)
        return stage;
    cJSON_Delete(stage);
    return NULL;
}

/* --- rollout create --- */

static const struct otactl_option create_options[] = {
    {"name", "NAME", "what people call it", OTACTL_REQUIRED},
    {"firmware", "ID|HASH|PRODUCT@VERSION", "what is rolled out", OTACTL_REQUIRED},
    {"stage", "STAGE", OTACTL_STAGE_HELP, OTACTL_REPEATED},
    {"group", "NAME", "only devices of this group; every device unless given", OTACTL_REPEATED},
    {"timeout", "SECONDS", "a device that takes longer than this has failed", OTACTL_OPTIONAL},
    {"allow-downgrade", NULL, "offer it to devices that run a newer version, too", OTACTL_OPTIONAL},
    {"start", NULL, "start it at once", OTACTL_OPTIONAL},
    {0},
};

static int add_stages(cJSON *body, const struct otactl_args *args)
{
    cJSON *stages = cJSON_AddArrayToObject(body, "stages");
    const char *text = NULL;
    for (size_t n = 0; (text = otactl_args_nth(args, "stage", n)) != NULL; n++) {
        cJSON *stage = otactl_stage_parse(text);
        if (stage == NULL)
            return OTACTL_USAGE;
        cJSON_AddItemToArray(stages, stage);
    }
    if (cJSON_GetArraySize(stages) == 0)
        return otactl_fail(OTACTL_USAGE, "a rollout needs --stage once or more: %s",
                           OTACTL_STAGE_HELP);
    return OTACTL_OK;
}

static int add_rules(cJSON *body, const struct otactl_args *args)
{
    uint64_t timeout = 0;
    int code = otactl_args_number(args, "timeout", 1, 30U * 86400U, &timeout);
    if (timeout > 0)
        cJSON_AddNumberToObject(body, "timeout_seconds", (double)timeout);
    if (otactl_args_has(args, "allow-downgrade"))
        cJSON_AddBoolToObject(body, "allow_downgrade", true);
    if (otactl_args_has(args, "group")) {
        cJSON *groups = cJSON_AddArrayToObject(body, "groups");
        const char *name = NULL;
        for (size_t n = 0; (name = otactl_args_nth(args, "group", n)) != NULL; n++)
            cJSON_AddItemToArray(groups, cJSON_CreateString(name));
    }
    return code;
}

/* The id as the server gave it: a number stays one. */
static void add_firmware(cJSON *body, const char *id)
{
    uint64_t number = 0;
    if (otactl_number_parse(id, &number))
        cJSON_AddNumberToObject(body, "firmware", (double)number);
    else
        cJSON_AddStringToObject(body, "firmware", id);
}

static int show_rollout(const struct otactl *ctl, const cJSON *rollout)
{
    if (!otactl_print_json(ctl, rollout))
        otactl_rollout_draw(stdout, rollout, otactl_terminal_width());
    return OTACTL_OK;
}

static int act_on(struct otactl *ctl, const char *id, const char *verb, cJSON *body)
{
    cJSON *answer = NULL;
    int code = otactl_send(ctl, "POST", otactl_path("rollouts", id, verb), body, &answer);
    if (code == OTACTL_OK)
        code = show_rollout(ctl, answer);
    cJSON_Delete(answer);
    return code;
}

int otactl_rollout_plan(struct otactl *ctl, const struct otactl_args *args, const char *name,
                        const char *firmware, cJSON **rollout)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", name);
    int code = add_stages(body, args);
    if (code == OTACTL_OK)
        code = add_rules(body, args);
    if (code != OTACTL_OK) {
        cJSON_Delete(body);
        return code;
    }
    add_firmware(body, firmware);
    return otactl_send(ctl, "POST", otactl_path("rollouts"), body, rollout);
}

static int run_create(struct otactl *ctl, const struct otactl_args *args)
{
    char *firmware = NULL;
    cJSON *answer = NULL;
    int code = otactl_firmware_find(ctl, otactl_args_value(args, "firmware"), &firmware);
    if (code == OTACTL_OK)
        code = otactl_rollout_plan(ctl, args, otactl_args_value(args, "name"), firmware, &answer);
    char *id = otactl_json_id(answer, "id");
    if (code == OTACTL_OK && otactl_args_has(args, "start"))
        code = act_on(ctl, id != NULL ? id : "", "start", NULL);
    else if (code == OTACTL_OK)
        code = show_rollout(ctl, answer);
    free(id);
    free(firmware);
    cJSON_Delete(answer);
    return code;
}

/* --- the others --- */

static const struct otactl_option resume_options[] = {
    {"force", NULL, "resume although it was halted by its failure threshold", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option watch_options[] = {
    {"interval", "SECONDS", "between two looks, 1 unless told", OTACTL_OPTIONAL},
    {0},
};

static int run_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("rollouts"), rollout_columns,
                            OTACTL_COUNT(rollout_columns),
                            "no rollout yet: otactl rollout create --help");
}

static int run_show(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = otactl_get(ctl, otactl_path("rollouts", args->operands[0]), &answer);
    if (code == OTACTL_OK)
        code = show_rollout(ctl, answer);
    cJSON_Delete(answer);
    return code;
}

static int run_devices(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_show_list(ctl, otactl_path("rollouts", args->operands[0], "devices"),
                            place_columns, OTACTL_COUNT(place_columns),
                            "no device has been offered it yet");
}

static int run_events(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_show_list(ctl, otactl_path("rollouts", args->operands[0], "events"),
                            event_columns, OTACTL_COUNT(event_columns), "nothing happened yet");
}

/* start, pause and cancel: the verb of the command is the verb of the API. */
static int run_verb(struct otactl *ctl, const struct otactl_args *args)
{
    return act_on(ctl, args->operands[0], args->command->verb, NULL);
}

static int run_resume(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *body = cJSON_CreateObject();
    if (otactl_args_has(args, "force"))
        cJSON_AddBoolToObject(body, "force", true);
    return act_on(ctl, args->operands[0], "resume", body);
}

static int run_watch(struct otactl *ctl, const struct otactl_args *args)
{
    uint64_t interval = 1;
    int code = otactl_args_number(args, "interval", 1, 3600, &interval);
    if (code != OTACTL_OK)
        return code;
    return otactl_rollout_watch(ctl, args->operands[0], (unsigned)interval);
}

const struct otactl_command otactl_rollout_commands[] = {
    {"rollout", "create", "", "Plan a rollout; it starts with rollout start.", create_options, 0, 0,
     false, run_create},
    {"rollout", "list", "", "List the rollouts.", NULL, 0, 0, false, run_list},
    {"rollout", "show", "ID", "Tell how far a rollout is.", NULL, 1, 1, false, run_show},
    {"rollout", "devices", "ID", "Tell how far each device of a rollout is.", NULL, 1, 1, false,
     run_devices},
    {"rollout", "events", "ID", "Tell what happened to a rollout, newest first.", NULL, 1, 1, false,
     run_events},
    {"rollout", "start", "ID", "Start a planned rollout.", NULL, 1, 1, false, run_verb},
    {"rollout", "pause", "ID", "Offer it to no more devices; those under way may finish.", NULL, 1,
     1, false, run_verb},
    {"rollout", "resume", "ID", "Go on after a pause, or with --force after a halt.",
     resume_options, 1, 1, false, run_resume},
    {"rollout", "cancel", "ID", "End a rollout for good.", NULL, 1, 1, false, run_verb},
    {"rollout", "watch", "ID", "Follow a rollout; ends with 0 when completed, 1 when halted.",
     watch_options, 1, 1, false, run_watch},
    {0},
};
