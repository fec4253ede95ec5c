/* user ...: people who sign in to the dashboard. whoami: who asks. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"
#include "server/otactl_prompt.h"

#define PASSWORD_MIN 10
#define PASSWORD_MAX 200

static const struct otactl_column user_columns[] = {
    {"ID", "id", OTACTL_SHAPE_PLAIN},
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"ROLE", "role", OTACTL_SHAPE_PLAIN},
    {"SINCE", "created_at", OTACTL_SHAPE_TIME},
    {"PASSWORD OF", "password_changed_at", OTACTL_SHAPE_TIME},
};

static const struct otactl_column session_record[] = {
    {"name", "name", OTACTL_SHAPE_PLAIN},
    {"kind", "kind", OTACTL_SHAPE_PLAIN},
    {"role", "role", OTACTL_SHAPE_PLAIN},
};

static const struct otactl_option add_options[] = {
    {"role", "viewer|operator|admin", "what the user may do", OTACTL_REQUIRED},
    {0},
};

static int ask_password(char password[PASSWORD_MAX + 2])
{
    int code = otactl_prompt("password, 10 to 200 characters", password, PASSWORD_MAX + 2);
    size_t len = code == OTACTL_OK ? strlen(password) : 0;
    if (code == OTACTL_OK && (len < PASSWORD_MIN || len > PASSWORD_MAX))
        return otactl_fail(OTACTL_USAGE, "a password has %d to %d characters, this has %zu",
                           PASSWORD_MIN, PASSWORD_MAX, len);
    return code;
}

static void show_user(const struct otactl *ctl, const cJSON *user)
{
    if (!otactl_print_json(ctl, user))
        otactl_record_print(stdout, user_columns, OTACTL_COUNT(user_columns), user);
}

static int run_add(struct otactl *ctl, const struct otactl_args *args)
{
    char password[PASSWORD_MAX + 2];
    cJSON *answer = NULL;
    int code = ask_password(password);
    if (code != OTACTL_OK)
        return code;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", args->operands[0]);
    cJSON_AddStringToObject(body, "role", otactl_args_value(args, "role"));
    cJSON_AddStringToObject(body, "password", password);
    code = otactl_send(ctl, "POST", otactl_path("users"), body, &answer);
    if (code == OTACTL_OK)
        show_user(ctl, answer);
    cJSON_Delete(answer);
    return code;
}

/* PATCH the user that is named by id or name with one member. */
static int change(struct otactl *ctl, const char *given, const char *member, const char *value)
{
    char *id = NULL;
    cJSON *answer = NULL;
    int code = otactl_find(ctl, "users", given, &id);
    if (code == OTACTL_OK) {
        cJSON *body = cJSON_CreateObject();
        cJSON_AddStringToObject(body, member, value);
        code = otactl_send(ctl, "PATCH", otactl_path("users", id), body, &answer);
    }
    if (code == OTACTL_OK)
        show_user(ctl, answer);
    cJSON_Delete(answer);
    free(id);
    return code;
}

static int run_role(struct otactl *ctl, const struct otactl_args *args)
{
    return change(ctl, args->operands[0], "role", otactl_args_value(args, "role"));
}

static int run_password(struct otactl *ctl, const struct otactl_args *args)
{
    char password[PASSWORD_MAX + 2];
    int code = ask_password(password);
    return code == OTACTL_OK ? change(ctl, args->operands[0], "password", password) : code;
}

static int run_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_list(ctl, otactl_path("users"), user_columns, OTACTL_COUNT(user_columns),
                            "no user yet: otactl user add NAME");
}

static int run_delete(struct otactl *ctl, const struct otactl_args *args)
{
    return otactl_remove(ctl, "users", "user", args->operands[0]);
}

static int run_whoami(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    return otactl_show_one(ctl, otactl_path("session"), session_record,
                           OTACTL_COUNT(session_record));
}

const struct otactl_command otactl_user_commands[] = {
    {"user", "add", "NAME", "Let a person sign in; the password is asked for.", add_options, 1, 1,
     false, run_add},
    {"user", "list", "", "List the people who may sign in.", NULL, 0, 0, false, run_list},
    {"user", "role", "ID|NAME", "Give a user another role.", add_options, 1, 1, false, run_role},
    {"user", "password", "ID|NAME", "Give a user another password; it is asked for.", NULL, 1, 1,
     false, run_password},
    {"user", "delete", "ID|NAME", "Let a person sign in no more, and end their sessions.", NULL, 1,
     1, false, run_delete},
    {NULL, "whoami", "", "Tell whose token this is, and its role.", NULL, 0, 0, false, run_whoami},
    {0},
};
