/* login, logout, profile ...: keep a server and its token for the next calls. */
#include "server/otactl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/limits.h"
#include "protocol/text.h"
#include "server/otactl_answer.h"
#include "server/otactl_commands.h"
#include "server/otactl_connect.h"
#include "server/otactl_http.h"
#include "server/otactl_profile.h"
#include "server/otactl_prompt.h"

#define TOKEN_LINE_MAX 1024

static const struct otactl_column profile_columns[] = {
    {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"SERVER", "server", OTACTL_SHAPE_PLAIN},
    {"CA", "cacert", OTACTL_SHAPE_PLAIN},
    {"IN USE", "in_use", OTACTL_SHAPE_PLAIN},
};

static int get_token(const struct otactl_args *args, char **token)
{
    const char *file = otactl_args_value(args, "token-file");
    if (file != NULL)
        return otactl_token_read(file, token);
    *token = otactl_alloc(TOKEN_LINE_MAX);
    int code = otactl_prompt("API token (otad's first one is in admin-token in its data directory)",
                             *token, TOKEN_LINE_MAX);
    return code == OTACTL_OK ? otactl_token_trim(*token) : code;
}

static int profile_name(const struct otactl_args *args, const char **name)
{
    const char *named = otactl_setting(args, "profile", "OTACTL_PROFILE");
    *name = named != NULL ? named : OTACTL_PROFILE_DEFAULT;
    if (ota_text_is_name((struct ota_text){*name, strlen(*name)}))
        return OTACTL_OK;
    return otactl_fail(OTACTL_USAGE,
                       "--profile %s: 1 to %d characters of A-Z a-z 0-9 . _ - are "
                       "allowed",
                       *name, OTA_NAME_MAX);
}

/* Whose token it is; *who is to be deleted. */
static int check(struct otactl *ctl, const struct otactl_http_config *config, cJSON **who)
{
    int code = otactl_http_new(&ctl->http, config);
    if (code == OTACTL_OK)
        code = otactl_get(ctl, otactl_path("session"), who);
    if (code == OTACTL_OK && otactl_json_text(*who, "role")[0] == '\0')
        code = otactl_fail(OTACTL_FAILED, "%s is no otad: it does not say whose token this is",
                           config->server);
    return code;
}

static int keep(cJSON *all, const char *name, const struct otactl_http_config *config)
{
    cJSON *profile = cJSON_CreateObject();
    size_t len = strlen(config->server);
    while (len > 0 && config->server[len - 1] == '/')
        len--;
    char *server = otactl_format("%.*s", (int)len, config->server);
    cJSON_AddStringToObject(profile, "server", server);
    cJSON_AddStringToObject(profile, "token", config->token);
    if (config->ca_file != NULL)
        cJSON_AddStringToObject(profile, "cacert", config->ca_file);
    free(server);
    otactl_profiles_put(all, name, profile);
    cJSON_DeleteItemFromObjectCaseSensitive(all, "current");
    cJSON_AddStringToObject(all, "current", name);
    return otactl_profiles_write(all);
}

static int check_and_keep(struct otactl *ctl, cJSON *all, const char *name,
                          const struct otactl_http_config *config)
{
    cJSON *who = NULL;
    int code = check(ctl, config, &who);
    if (code == OTACTL_OK)
        code = keep(all, name, config);
    if (code == OTACTL_OK && !otactl_print_json(ctl, who))
        printf("logged in at %s as %s (%s), profile %s\n", config->server,
               otactl_json_text(who, "name"), otactl_json_text(who, "role"), name);
    cJSON_Delete(who);
    if (code == OTACTL_OK && getenv("OTACTL_TOKEN") != NULL)
        otactl_warn("OTACTL_TOKEN is set and wins over the profile: unset it");
    return code;
}

/* The CA's file by its absolute name, since the next call may come from another directory. NULL for
 * none; to be freed. */
static char *find_ca(const struct otactl_args *args)
{
    const char *given = otactl_setting(args, "cacert", "OTACTL_CACERT");
    char here[4096];
    if (given == NULL)
        return NULL;
    if (given[0] == '/' || getcwd(here, sizeof here) == NULL)
        return otactl_strdup(given);
    return otactl_format("%s/%s", here, given);
}

static int run_login(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *all = NULL;
    char *token = NULL;
    char *ca_file = find_ca(args);
    const char *name = NULL;
    int code = profile_name(args, &name);
    if (code == OTACTL_OK)
        code = otactl_profiles_read(&all);
    if (code == OTACTL_OK)
        code = get_token(args, &token);
    if (code == OTACTL_OK) {
        const cJSON *before = otactl_profiles_find(all, name);
        const char *given = otactl_setting(args, "server", "OTACTL_SERVER");
        const char *kept = otactl_json_text(before, "server");
        const char *kept_ca = otactl_json_text(before, "cacert");
        struct otactl_http_config config = {
            .server = given != NULL     ? given
                      : kept[0] != '\0' ? kept
                                        : OTACTL_SERVER_DEFAULT,
            .token = token,
            .ca_file = ca_file,
        };
        if (ca_file == NULL && kept_ca[0] != '\0' && strcmp(config.server, kept) == 0)
            config.ca_file = kept_ca;
        code = check_and_keep(ctl, all, name, &config);
    }
    free(token);
    free(ca_file);
    cJSON_Delete(all);
    return code;
}

/* The name in the operand, --profile or the profile in use; it must be there. */
static int find_name(const struct otactl_args *args, const cJSON *all, const char **name)
{
    const char *named = args->operand_count > 0 ? args->operands[0]
                                                : otactl_setting(args, "profile", "OTACTL_PROFILE");
    *name = named != NULL ? named : otactl_profiles_current(all);
    if (otactl_profiles_find(all, *name) != NULL)
        return OTACTL_OK;
    return otactl_fail(OTACTL_FAILED, "there is no profile %s: otactl profile list shows them",
                       *name);
}

static int run_logout(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *all = NULL;
    const char *name = NULL;
    int code = otactl_profiles_read(&all);
    if (code == OTACTL_OK)
        code = find_name(args, all, &name);
    if (code == OTACTL_OK) {
        char *gone = otactl_strdup(name);
        otactl_profiles_remove(all, gone);
        code = otactl_profiles_write(all);
        if (code == OTACTL_OK && !ctl->json)
            printf("profile %s is gone; its token is still good until otactl token delete\n", gone);
        free(gone);
    }
    cJSON_Delete(all);
    return code;
}

static int run_profile_list(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    cJSON *all = NULL;
    const cJSON *profile = NULL;
    int code = otactl_profiles_read(&all);
    if (code != OTACTL_OK)
        return code;
    cJSON *shown = cJSON_CreateObject();
    cJSON *items = cJSON_AddArrayToObject(shown, "items");
    cJSON_ArrayForEach(profile, cJSON_GetObjectItemCaseSensitive(all, "profiles"))
    {
        cJSON *item = cJSON_CreateObject();
        bool in_use = strcmp(profile->string, otactl_profiles_current(all)) == 0;
        cJSON_AddStringToObject(item, "name", profile->string);
        cJSON_AddStringToObject(item, "server", otactl_json_text(profile, "server"));
        cJSON_AddStringToObject(item, "cacert", otactl_json_text(profile, "cacert"));
        cJSON_AddStringToObject(item, "in_use", in_use ? "yes" : "no");
        cJSON_AddItemToArray(items, item);
    }
    otactl_show_items(ctl, profile_columns, OTACTL_COUNT(profile_columns), shown,
                      "no profile yet: otactl login --server URL");
    cJSON_Delete(shown);
    cJSON_Delete(all);
    return OTACTL_OK;
}

static int run_profile_use(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *all = NULL;
    const char *name = NULL;
    int code = otactl_profiles_read(&all);
    if (code == OTACTL_OK)
        code = find_name(args, all, &name);
    if (code == OTACTL_OK) {
        cJSON_DeleteItemFromObjectCaseSensitive(all, "current");
        cJSON_AddStringToObject(all, "current", name);
        code = otactl_profiles_write(all);
    }
    if (code == OTACTL_OK && !ctl->json)
        printf("otactl talks to %s from now on\n",
               otactl_json_text(otactl_profiles_find(all, name), "server"));
    cJSON_Delete(all);
    return code;
}

const struct otactl_command otactl_profile_commands[] = {
    {NULL, "login", "",
     "Keep --server and an API token, asked for or read from standard input, as a profile.", NULL,
     0, 0, true, run_login},
    {NULL, "logout", "", "Forget the profile in use, or the one of --profile.", NULL, 0, 0, true,
     run_logout},
    {"profile", "list", "", "List the profiles that otactl login kept.", NULL, 0, 0, true,
     run_profile_list},
    {"profile", "use", "NAME", "Use this profile when none is named.", NULL, 1, 1, true,
     run_profile_use},
    {0},
};
