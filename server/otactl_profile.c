#include "server/otactl_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "server/otactl_file.h"
#include "server/otactl_http.h"

#define PROFILES_MAX (256U * 1024U) /* bytes of the file */

/* The directory, NULL when the environment names none. To be freed. */
static char *config_dir(void)
{
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (xdg != NULL && xdg[0] == '/')
        return otactl_format("%s/otactl", xdg);
    return home != NULL && home[0] == '/' ? otactl_format("%s/.config/otactl", home) : NULL;
}

static int parse(const char *path, cJSON **all)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    int code = otactl_file_read(path, PROFILES_MAX, &bytes, &len);
    if (code != OTACTL_OK)
        return code;
    *all = cJSON_ParseWithLength((const char *)bytes, len);
    free(bytes);
    if (cJSON_IsObject(*all))
        return OTACTL_OK;
    cJSON_Delete(*all);
    *all = NULL;
    return otactl_fail(OTACTL_FAILED, "%s is no JSON object: mend or remove it, then otactl login",
                       path);
}

int otactl_profiles_read(cJSON **all)
{
    struct stat found;
    char *dir = config_dir();
    char *path = dir != NULL ? otactl_format("%s/profiles.json", dir) : NULL;
    int code = OTACTL_OK;
    *all = NULL;
    if (path == NULL || (stat(path, &found) != 0 && (errno == ENOENT || errno == ENOTDIR)))
        *all = cJSON_CreateObject();
    else if (stat(path, &found) != 0)
        code = otactl_fail(OTACTL_FAILED, "%s cannot be read: %s", path, strerror(errno));
    else if ((found.st_mode & 077) != 0)
        code = otactl_fail(OTACTL_FAILED,
                           "%s holds tokens and others may open it: chmod 600 it, and replace the "
                           "tokens if somebody else uses this machine",
                           path);
    else
        code = parse(path, all);
    free(path);
    free(dir);
    return code;
}

/* Every missing directory of the path, for its owner only. */
static bool make_dirs(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *at = '/';
        if (!made)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

int otactl_profiles_write(const cJSON *all)
{
    char *dir = config_dir();
    if (dir == NULL)
        return otactl_fail(OTACTL_FAILED, "no place for profiles: set HOME or XDG_CONFIG_HOME");
    if (!make_dirs(dir)) {
        int code = otactl_fail(OTACTL_FAILED, "%s cannot be made: %s", dir, strerror(errno));
        free(dir);
        return code;
    }
    char *path = otactl_format("%s/profiles.json", dir);
    char *text = cJSON_Print(all);
    char *line = otactl_format("%s\n", text != NULL ? text : "{}");
    int code = otactl_file_write(path, line, strlen(line), true, false);
    free(line);
    cJSON_free(text);
    free(path);
    free(dir);
    return code;
}

const char *otactl_profiles_current(const cJSON *all)
{
    const char *name = otactl_json_text(all, "current");
    return name[0] != '\0' ? name : OTACTL_PROFILE_DEFAULT;
}

cJSON *otactl_profiles_find(const cJSON *all, const char *name)
{
    const cJSON *profiles = cJSON_GetObjectItemCaseSensitive(all, "profiles");
    cJSON *found = cJSON_GetObjectItemCaseSensitive(profiles, name);
    return cJSON_IsObject(found) ? found : NULL;
}

void otactl_profiles_put(cJSON *all, const char *name, cJSON *profile)
{
    cJSON *profiles = cJSON_GetObjectItemCaseSensitive(all, "profiles");
    if (!cJSON_IsObject(profiles)) {
        cJSON_DeleteItemFromObjectCaseSensitive(all, "profiles");
        profiles = cJSON_AddObjectToObject(all, "profiles");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(profiles, name);
    cJSON_AddItemToObject(profiles, name, profile);
}

void otactl_profiles_remove(cJSON *all, const char *name)
{
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(all, "profiles"),
                                            name);
}
