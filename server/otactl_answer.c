#include "server/otactl_answer.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_file.h"
#include "server/otactl_http.h"

void otactl_show_items(const struct otactl *ctl, const struct otactl_column *columns, size_t count,
                       const cJSON *answer, const char *nothing)
{
    if (otactl_print_json(ctl, answer))
        return;
    otactl_table_print(stdout, columns, count, cJSON_GetObjectItemCaseSensitive(answer, "items"),
                       otactl_terminal_width(), nothing);
}

int otactl_show_list(struct otactl *ctl, char *path, const struct otactl_column *columns,
                     size_t count, const char *nothing)
{
    cJSON *answer = NULL;
    int code = otactl_get_all(ctl, path, &answer);
    if (code == OTACTL_OK)
        otactl_show_items(ctl, columns, count, answer, nothing);
    cJSON_Delete(answer);
    return code;
}

int otactl_show_one(struct otactl *ctl, char *path, const struct otactl_column *columns,
                    size_t count)
{
    cJSON *answer = NULL;
    int code = otactl_get(ctl, path, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        otactl_record_print(stdout, columns, count, answer);
    cJSON_Delete(answer);
    return code;
}

/* Ids are told apart first: a name that looks like another item's id does not hide it. */
static const cJSON *match(const cJSON *items, const char *given, size_t *named)
{
    const cJSON *item = NULL;
    const cJSON *found = NULL;
    *named = 0;
    cJSON_ArrayForEach(item, items)
    {
        char *id = otactl_json_id(item, "id");
        bool same = id != NULL && strcmp(id, given) == 0;
        free(id);
        if (same) {
            *named = 1;
            return item;
        }
        if (strcmp(otactl_json_text(item, "name"), given) == 0) {
            found = item;
            (*named)++;
        }
    }
    return found;
}

int otactl_find(struct otactl *ctl, const char *collection, const char *given, char **id)
{
    cJSON *answer = NULL;
    size_t named = 0;
    *id = NULL;
    int code = otactl_get_all(ctl, otactl_path(collection), &answer);
    if (code != OTACTL_OK)
        return code;
    const cJSON *found = match(cJSON_GetObjectItemCaseSensitive(answer, "items"), given, &named);
    if (named == 1) /* a group may have no id but its name */
        *id = cJSON_HasObjectItem(found, "id") ? otactl_json_id(found, "id") : otactl_strdup(given);
    cJSON_Delete(answer);
    if (*id != NULL)
        return OTACTL_OK;
    if (named > 1)
        return otactl_fail(OTACTL_FAILED, "%zu of the %s are named %s: give the id", named,
                           collection, given);
    return otactl_fail(OTACTL_FAILED, "none of the %s has the id or name %s", collection, given);
}

int otactl_remove(struct otactl *ctl, const char *collection, const char *what, const char *given)
{
    char *id = NULL;
    cJSON *answer = NULL;
    int code = otactl_find(ctl, collection, given, &id);
    if (code != OTACTL_OK)
        return code;
    code = otactl_send(ctl, "DELETE", otactl_path(collection, id), NULL, &answer);
    if (code == OTACTL_OK && !ctl->json)
        printf("%s %s is gone\n", what, given);
    cJSON_Delete(answer);
    free(id);
    return code;
}

int otactl_give_secret(const struct otactl *ctl, const cJSON *answer, const char *member,
                       const char *file)
{
    const char *secret = otactl_json_text(answer, member);
    if (secret[0] == '\0')
        return otactl_fail(OTACTL_FAILED, "the server's answer has no %s", member);
    if (file != NULL) {
        char *line = otactl_format("%s\n", secret);
        int code = otactl_file_write(file, line, strlen(line), true, false);
        free(line);
        if (code == OTACTL_OK && !ctl->json)
            printf("written to %s; it is not shown again\n", file);
        return code;
    }
    if (!otactl_print_json(ctl, answer)) {
        puts(secret);
        otactl_warn("keep it: it is not shown again");
    }
    return OTACTL_OK;
}
