#include "server/otactl_connect.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_commands.h"
#include "server/otactl_file.h"
#include "server/otactl_http.h"
#include "server/otactl_profile.h"

#define TOKEN_FILE_MAX 4096U

const char *otactl_setting(const struct otactl_args *args, const char *option, const char *env)
{
    const char *value = otactl_args_value(args, option);
    if (value == NULL && !otactl_args_has(args, "profile"))
        value = getenv(env);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int otactl_token_trim(char *token)
{
    token[strcspn(token, "\r\n\t ")] = '\0';
    if (token[0] == '\0')
        return otactl_fail(OTACTL_UNAUTHORIZED, "the token is empty");
    for (const char *at = token; *at != '\0'; at++) {
        if (*at < 0x21 || *at > 0x7e)
            return otactl_fail(OTACTL_UNAUTHORIZED, "the token has characters that no token has");
    }
    return OTACTL_OK;
}

int otactl_token_read(const char *file, char **token)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (otactl_file_read(file, TOKEN_FILE_MAX, &bytes, &len) != OTACTL_OK)
        return OTACTL_UNAUTHORIZED;
    *token = (char *)bytes;
    return otactl_token_trim(*token);
}

/* --token-file before $OTACTL_TOKEN before $OTACTL_TOKEN_FILE before the profile's; *token is to be
 * freed. */
static int find_token(const struct otactl_args *args, const char *kept, char **token)
{
    const char *flag = otactl_args_value(args, "token-file");
    const char *direct = otactl_setting(args, "token-file", "OTACTL_TOKEN");
    const char *file = otactl_setting(args, "token-file", "OTACTL_TOKEN_FILE");
    if (flag == NULL && direct != NULL)
        *token = otactl_strdup(direct);
    else if (file != NULL)
        return otactl_token_read(file, token);
    else if (kept != NULL && kept[0] != '\0')
        *token = otactl_strdup(kept);
    else
        return otactl_fail(OTACTL_UNAUTHORIZED,
                           "no token: set OTACTL_TOKEN or OTACTL_TOKEN_FILE, give --token-file, or "
                           "let otactl login keep one (otad wrote its first one to admin-token in "
                           "its data directory)");
    return otactl_token_trim(*token);
}

/* The profile in force, NULL when there is none; one that was named must be there. */
static int find_profile(const struct otactl_args *args, const cJSON *all, const cJSON **profile)
{
    const char *named = otactl_setting(args, "profile", "OTACTL_PROFILE");
    const char *name = named != NULL ? named : otactl_profiles_current(all);
    *profile = otactl_profiles_find(all, name);
    if (*profile == NULL && named != NULL)
        return otactl_fail(OTACTL_USAGE,
                           "there is no profile %s: otactl profile list shows them, otactl login "
                           "--profile %s makes it",
                           named, named);
    return OTACTL_OK;
}

static int connect_with(struct otactl *ctl, const struct otactl_args *args, const cJSON *profile)
{
    const char *kept_server = otactl_json_text(profile, "server");
    const char *kept_ca = otactl_json_text(profile, "cacert");
    const char *server = otactl_setting(args, "server", "OTACTL_SERVER");
    const char *ca_file = otactl_setting(args, "cacert", "OTACTL_CACERT");
    bool is_profiles = server == NULL || strcmp(server, kept_server) == 0;
    char *token = NULL;
    int code = find_token(args, is_profiles ? otactl_json_text(profile, "token") : NULL, &token);
    if (server == NULL)
        server = kept_server[0] != '\0' ? kept_server : OTACTL_SERVER_DEFAULT;
    if (ca_file == NULL && is_profiles && kept_ca[0] != '\0')
        ca_file = kept_ca;
    if (code == OTACTL_OK) {
        struct otactl_http_config config = {.server = server, .token = token, .ca_file = ca_file};
        code = otactl_http_new(&ctl->http, &config);
    }
    free(token);
    return code;
}

int otactl_connect(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *all = NULL;
    const cJSON *profile = NULL;
    int code = otactl_profiles_read(&all);
    if (code == OTACTL_OK)
        code = find_profile(args, all, &profile);
    if (code == OTACTL_OK)
        code = connect_with(ctl, args, profile);
    cJSON_Delete(all);
    return code;
}
