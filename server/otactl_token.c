/* token ...: who may use the API. */
#include "server/otactl.h"

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"

#define SECONDS_A_DAY 86400

static const struct otactl_column token_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"ROLE", "role", OTACTL_SHAPE_PLAIN},
    {"SINCE", "created_at", OTACTL_SHAPE_TIME},
    {"EXPIRES", "expires_at", OTACTL_SHAPE_TIME},
    {"REVOKED", "revoked_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_option add_options[] = {
    {"role", "viewer|operator|admin", "what the token may do", OTACTL_REQUIRED},
    {"days", "N", "how long it is good, without end unless told", OTACTL_OPTIONAL},
    {"o", "FILE", "write the token there, readable by you only", OTACTL_OPTIONAL},
    {0},
};

static int run_add(struct otactl *ctl, const struct otactl_args *args)
{
    uint64_t days = 0;
    cJSON *answer = NULL;
    int code = otactl_args_number(args, "days", 1, 3650, &days);
    if (code != OTACTL_OK)
        return code;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    cJSON_AddStringToObject(body, "role", otactl_args_value(args, "role"));
    if (days > 0)
        cJSON_AddNumberToObject(body, "expires_in_seconds", (double)days * SECONDS_A_DAY);
    code = otactl_send(ctl, "POST", otactl_path("tokens"), body, &answer);
    if (code == OTACTL_OK)
        code = otactl_give_secret(ctl, answer, "token", otactl_args_value(args, "o"));
    cJSON_Delete(answer);
    return code;
}

static int run_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("tokens"), token_columns, OTACTL_COUNT(token_columns),
                            "no token");
}

static int run_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "tokens", "token", args->operands[0]);
}

const struct otactl_command otactl_token_commands[] = {
    {"token", "add", "NAME", "Make an API token; it is shown once.", add_options, 1, 1, false,
     run_add},
    {"token", "list", "", "List the API tokens, without the tokens themselves.", NULL, 0, 0, false,
     run_list},
    {"token", "delete", "ID|NAME", "Revoke an API token at once.", NULL, 1, 1, false, run_delete},
    {0},
};
