/* device explain, device tag. */
#include "server/otactl_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_http.h"

/* --- device explain --- */

const struct otactl_option otactl_explain_options[] = {
    {"rollout", "ID", "tell about this rollout as well, whatever its state", OTACTL_OPTIONAL},
    {0},
};

static const struct otactl_column columns[] = {
    {"ROLLOUT", "rollout", OTACTL_SHAPE_PLAIN},      {"NAME", "name", OTACTL_SHAPE_PLAIN},
    {"VERSION", "version", OTACTL_SHAPE_PLAIN},      {"STATE", "state", OTACTL_SHAPE_PLAIN},
    {"STAGE", "stage", OTACTL_SHAPE_COUNT},          {"WHY", "sentence", OTACTL_SHAPE_PLAIN},
    {"NOT BEFORE", "not_before", OTACTL_SHAPE_TIME},
};

/* What the next poll would be answered, in two words. */
static const char *headline(const char *action)
{
    static const char *const words[][2] = {{"offer", "gets an offer at its next poll"},
                                           {"continue", "is being updated"},
                                           {"hold", "is held"},
                                           {"cancel", "is told to give up what it has"}};
    for (size_t i = 0; i < OTACTL_COUNT(words); i++)
        if (strcmp(words[i][0], action) == 0)
            return words[i][1];
    return "is not being updated";
}

static void draw(const cJSON *answer)
{
    const cJSON *rollouts = cJSON_GetObjectItemCaseSensitive(answer, "rollouts");
    char *id = otactl_json_id(answer, "rollout");
    printf("%s %s", otactl_json_text(answer, "device"),
           headline(otactl_json_text(answer, "action")));
    if (id != NULL)
        printf(", by rollout %s", id);
    printf(": %s\n", otactl_json_text(answer, "sentence"));
    free(id);
    if (cJSON_GetArraySize(rollouts) == 0)
        return;
    printf("\n");
    otactl_table_print(stdout, columns, OTACTL_COUNT(columns), rollouts, otactl_terminal_width(),
                       "");
}

int otactl_explain_run(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    char *path = otactl_path("devices", args->operands[0], "explain");
    otactl_path_query(&path, "rollout", otactl_args_value(args, "rollout"));
    int code = otactl_get(ctl, path, &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer))
        draw(answer);
    cJSON_Delete(answer);
    return code;
}

/* --- device tag --- */

/* "ring=beta" sets a tag, "ring-" removes one. */
static bool add_tag(cJSON *tags, const char *text)
{
    char *key = otactl_strdup(text);
    char *equals = strchr(key, '=');
    size_t len = strlen(key);
    bool good = true;
    if (equals != NULL) {
        *equals = '\0';
        cJSON_AddStringToObject(tags, key, equals + 1);
    } else if (len > 1 && key[len - 1] == '-') {
        key[len - 1] = '\0';
        cJSON_AddNullToObject(tags, key);
    } else {
        good = otactl_fail(false, "%s: KEY=VALUE sets a tag, KEY- removes it", text);
    }
    free(key);
    return good;
}

const struct otactl_option otactl_tag_options[] = {
    {"replace", NULL, "take all other tags away", OTACTL_OPTIONAL},
    {0},
};

static int send_tags(struct otactl *ctl, const char *device, cJSON *tags, bool replace,
                     cJSON **answer)
{
    if (replace)
        return otactl_send(ctl, "PUT", otactl_path("devices", device, "tags"), tags, answer);
    cJSON *body = cJSON_CreateObject();
    cJSON_AddItemToObject(body, "tags", tags);
    return otactl_send(ctl, "PATCH", otactl_path("devices", device), body, answer);
}

int otactl_tag_run(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *answer = NULL;
    cJSON *tags = cJSON_CreateObject();
    for (size_t i = 1; i < args->operand_count; i++) {
        if (!add_tag(tags, args->operands[i])) {
            cJSON_Delete(tags);
            return OTACTL_USAGE;
        }
    }
    int code = send_tags(ctl, args->operands[0], tags, otactl_args_has(args, "replace"), &answer);
    if (code == OTACTL_OK && !otactl_print_json(ctl, answer)) {
        const cJSON *tag = NULL;
        printf("device %s:", args->operands[0]);
        cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(answer, "tags"))
        {
            printf(" %s=%s", tag->string, cJSON_IsString(tag) ? tag->valuestring : "");
        }
        printf("\n");
    }
    cJSON_Delete(answer);
    return code;
}
