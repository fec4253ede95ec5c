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
    {"SAVED", "bytes_saved", OTACTL_SHAPE_SIZE},
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

/* --- rollout create --- */

static const struct otactl_option create_options[] = {
    {"name", "NAME", "what people call it", OTACTL_REQUIRED},
    {"firmware", "ID|HASH|PRODUCT@VERSION", "what is rolled out", OTACTL_REQUIRED},
    OTACTL_ROLLOUT_OPTIONS,
    {"start", NULL, "start it at once", OTACTL_OPTIONAL},
    {"start-at", "TIME", "start it then, as in 2030-01-31T04:00:00Z", OTACTL_OPTIONAL},
    {0},
};

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

static int schedule(struct otactl *ctl, const char *id, const char *start_at)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "start_at", start_at);
    return act_on(ctl, id, "schedule", body);
}

static int run_create(struct otactl *ctl, const struct otactl_args *args)
{
    char *firmware = NULL;
    cJSON *answer = NULL;
    int code = otactl_firmware_find(ctl, otactl_args_value(args, "firmware"), &firmware);
    if (code == OTACTL_OK)
        code = otactl_rollout_plan(ctl, args, otactl_args_value(args, "name"), firmware, &answer);
    char *id = otactl_json_id(answer, "id");
    const char *start_at = otactl_args_value(args, "start-at");
    if (code == OTACTL_OK && start_at != NULL)
        code = schedule(ctl, id != NULL ? id : "", start_at);
    else if (code == OTACTL_OK && otactl_args_has(args, "start"))
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
    {"force", NULL, "resume although it was halted", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option advance_options[] = {
    {"force", NULL, "although the stage has not reached its success", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option schedule_options[] = {
    {"at", "TIME", "when, as in 2030-01-31T04:00:00Z", OTACTL_REQUIRED},
    {0},
};

static const struct otactl_option halt_options[] = {
    {"reason", "TEXT", "what everybody is to read", OTACTL_REQUIRED},
    {0},
};

static const struct otactl_option rollback_options[] = {
    {"firmware", "ID|HASH|PRODUCT@VERSION", "where to go back to; the release before unless given",
     OTACTL_OPTIONAL},
    {"name", "NAME", "what people call it", OTACTL_OPTIONAL},
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

/* resume and advance. */
static int run_forcible(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *body = cJSON_CreateObject();
    if (otactl_args_has(args, "force"))
        cJSON_AddBoolToObject(body, "force", true);
    return act_on(ctl, args->operands[0], args->command->verb, body);
}

static int run_schedule(struct otactl *ctl, const struct otactl_args *args)
{
    return schedule(ctl, args->operands[0], otactl_args_value(args, "at"));
}

static int run_halt(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "reason", otactl_args_value(args, "reason"));
    return act_on(ctl, args->operands[0], "halt", body);
}

static int run_rollback(struct otactl *ctl, const struct otactl_args *args)
{
    const char *firmware = otactl_args_value(args, "firmware");
    const char *name = otactl_args_value(args, "name");
    cJSON *body = cJSON_CreateObject();
    char *id = NULL;
    int code = firmware != NULL ? otactl_firmware_find(ctl, firmware, &id) : OTACTL_OK;
    if (code != OTACTL_OK) {
        cJSON_Delete(body);
        return code;
    }
    if (id != NULL)
        otactl_rollout_add_firmware(body, id);
    if (name != NULL)
        cJSON_AddStringToObject(body, "name", name);
    free(id);
    return act_on(ctl, args->operands[0], "rollback", body);
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
    {"rollout", "plan", "[ID]",
     "Tell whom a rollout would reach, in which stage, and whom not and why.",
     otactl_rollout_plan_options, 0, 1, false, otactl_rollout_plan_run},
    {"rollout", "list", "", "List the rollouts.", NULL, 0, 0, false, run_list},
    {"rollout", "show", "ID", "Tell how far a rollout is.", NULL, 1, 1, false, run_show},
    {"rollout", "devices", "ID", "Tell how far each device of a rollout is.", NULL, 1, 1, false,
     run_devices},
    {"rollout", "events", "ID", "Tell what happened to a rollout, newest first.", NULL, 1, 1, false,
     run_events},
    {"rollout", "start", "ID", "Start a planned rollout.", NULL, 1, 1, false, run_verb},
    {"rollout", "schedule", "ID", "Start a planned rollout at a time to come.", schedule_options, 1,
     1, false, run_schedule},
    {"rollout", "pause", "ID", "Offer it to no more devices; those under way may finish.", NULL, 1,
     1, false, run_verb},
    {"rollout", "resume", "ID", "Go on after a pause, or with --force after a halt.",
     resume_options, 1, 1, false, run_forcible},
    {"rollout", "advance", "ID", "Go on to the next stage, where that is done by hand.",
     advance_options, 1, 1, false, run_forcible},
    {"rollout", "halt", "ID", "Stop a rollout by hand; devices hold what they have not booted.",
     halt_options, 1, 1, false, run_halt},
    {"rollout", "rollback", "ID", "End a rollout and take its devices back to the release before.",
     rollback_options, 1, 1, false, run_rollback},
    {"rollout", "cancel", "ID", "End a rollout for good.", NULL, 1, 1, false, run_verb},
    {"rollout", "watch", "ID", "Follow a rollout; ends with 0 when completed, 1 when halted.",
     watch_options, 1, 1, false, run_watch},
    {0},
};
