/* webhook ...: who is told what happens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"

static const struct otactl_column columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"URL", "url", OTACTL_SHAPE_PLAIN},
    {"ON", "enabled", OTACTL_SHAPE_PLAIN},
    {"QUEUED", "queued", OTACTL_SHAPE_COUNT},
    {"DELIVERED", "delivered", OTACTL_SHAPE_COUNT},
    {"DROPPED", "dropped", OTACTL_SHAPE_COUNT},
    {"LAST TRY", "last_at", OTACTL_SHAPE_TIME},
    {"STATUS", "last_status", OTACTL_SHAPE_PLAIN},
    {"ERROR", "last_error", OTACTL_SHAPE_PLAIN},
    {"EVENTS", "events", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_option add_options[] = {
    {"url", "URL", "where to POST to", OTACTL_REQUIRED},
    {"event", "EVENT", "tell this, as in rollout.halted; all of rollouts unless given",
     OTACTL_REPEATED},
    {"o", "FILE", "write the secret there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_option change_options[] = {
    {"url", "URL", "where to POST to", OTACTL_OPTIONAL},
    {"event", "EVENT", "tell this, and nothing that is not named; rollouts: all of theirs",
     OTACTL_REPEATED},
    {0},
};

static const struct otactl_option secret_options[] = {
    {"o", "FILE", "write the secret there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

/* What --url and --event ask for. */
static cJSON *read_settings(const struct otactl_args *args)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *events = NULL;
    const char *url = otactl_args_value(args, "url");
    const char *event = otactl_args_value(args, "event");
    if (url != NULL)
        cJSON_AddStringToObject(body, "url", url);
    if (event != NULL && strcmp(event, "rollouts") == 0)
        cJSON_AddNullToObject(body, "events");
    else if (event != NULL)
        events = cJSON_AddArrayToObject(body, "events");
    for (size_t n = 0; events != NULL && (event = otactl_args_nth(args, "event", n)) != NULL; n++)
        cJSON_AddItemToArray(events, cJSON_CreateString(event));
    return body;
}

static int run_add(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    cJSON *body = read_settings(args);
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    int code = otactl_send(ctl, "POST", otactl_path("webhooks"), body, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "secret", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

static int run_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("webhooks"), columns, OTACTL_COUNT(columns),
                            "no webhook: otactl webhook add --help");
}

/* `method` and the rest of the path after the hook's id; *answer may be NULL after it. */
static int call(struct otactl *ctl, const char *given, const char *method, const char *verb,
                cJSON *body, cJSON **answer)
{
    char *id = NULL;
    int code = otactl_find(ctl, "webhooks", given, &id);
    if (code == OTACTL_OK)
        code = otactl_send(ctl, method, otactl_path("webhooks", id, verb), body, answer);
    else
        cJSON_Delete(body);
    free(id);
    return code;
}

static int run_test(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = call(ctl, args->operands[0], "POST", "test", NULL, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        printf("a ping is on its way; otactl webhook list tells how it went\n");
    cJSON_Delete(answer);
    return code;
}

static int run_secret(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    int code = call(ctl, args->operands[0], "POST", "secret", NULL, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "secret", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

static int run_change(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    if (!otactl_args_has(args, "url") && !otactl_args_has(args, "event"))
        return otactl_fail(OTACTL_USAGE, "webhook change needs --url or --event");
    int code = call(ctl, args->operands[0], "PATCH", NULL, read_settings(args), &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        otactl_record_print(stdout, columns, OTACTL_COUNT(columns), answer);
    cJSON_Delete(answer);
    return code;
}

static int switch_to(struct otactl *ctl, const char *given, bool on)
{
    cJSON *answer = NULL;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddBoolToObject(body, "enabled", on);
    int code = call(ctl, given, "PATCH", NULL, body, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        printf("webhook %s is %s\n", given, on ? "on" : "off");
    cJSON_Delete(answer);
    return code;
}

static int run_enable(struct otactl *ctl, const struct otactl_args *args)
{
    return switch_to(ctl, args->operands[0], true);
}

static int run_disable(struct otactl *ctl, const struct otactl_args *args)
{
    return switch_to(ctl, args->operands[0], false);
}

static int run_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "webhooks", "webhook", args->operands[0]);
}

const struct otactl_command otactl_webhook_commands[] = {
    {"webhook", "add", "NAME", "Tell another server what happens; its secret is shown once.",
     add_options, 1, 1, false, run_add},
    {"webhook", "list", "", "List the webhooks, and how their deliveries went.", NULL, 0, 0, false,
     run_list},
    {"webhook", "change", "ID|NAME",
     "Tell it elsewhere or other events; its secret stays, and what waits is tried at once.",
     change_options, 1, 1, false, run_change},
    {"webhook", "test", "ID|NAME", "Send it a ping.", NULL, 1, 1, false, run_test},
    {"webhook", "secret", "ID|NAME", "Give it a new secret.", secret_options, 1, 1, false,
     run_secret},
    {"webhook", "enable", "ID|NAME", "Switch it on, and try it at once.", NULL, 1, 1, false,
     run_enable},
    {"webhook", "disable", "ID|NAME", "Switch it off; it is told nothing meanwhile.", NULL, 1, 1,
     false, run_disable},
    {"webhook", "delete", "ID|NAME", "Delete it.", NULL, 1, 1, false, run_delete},
    {0},
};
