/* The settings of a rollout, from options to the API's JSON. */
#include "server/otactl_rollout.h"

#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_http.h"

#define YEAR_SECONDS 31536000U
#define PERCENT "percent" /* the one number that may have decimals */

/* --- stages --- */

struct stage_key {
    const char *name;   /* on the command line */
    const char *member; /* in the API; NULL for the one text, group */
    uint64_t min;
    uint64_t max;
};

static const struct stage_key stage_keys[] = {
    {"group", NULL, 0, 0},
    {PERCENT, PERCENT, 0, 0}, /* add_percent() has its bounds */
    {"success", "success_percent", 0, 100},
    {"failures", "failure_count", 1, UINT32_MAX},
    {"failure-percent", "failure_percent", 1, 100},
    {"soak", "soak_seconds", 0, 30U * 86400U},
    {"offers", "offers_a_minute", 1, UINT32_MAX},
    {"at-once", "in_flight_max", 1, UINT32_MAX},
    {"allowed-bp", "sequential.allowed_bp", 1, 9998},
    {"suspect-bp", "sequential.suspect_bp", 2, 9999},
    {"confidence-bp", "sequential.confidence_bp", 5000, 9999},
};

/* Where "sequential.x" belongs: in an object of its own. */
static cJSON *parent_of(cJSON *stage, const char **member)
{
    static const char prefix[] = "sequential.";
    cJSON *inner = stage;
    if (strncmp(*member, prefix, sizeof prefix - 1) == 0) {
        *member += sizeof prefix - 1;
        inner = cJSON_GetObjectItemCaseSensitive(stage, "sequential");
        if (inner == NULL)
            inner = cJSON_AddObjectToObject(stage, "sequential");
    }
    return inner;
}

/* "0.5" into 50. */
static bool parse_hundredths(const char *text, uint64_t *hundredths)
{
    char digits[8];
    size_t whole = strspn(text, "0123456789");
    size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    if (whole < 1 || whole > 3 || decimals > 2 || (text[whole] == '.' && decimals == 0) ||
        text[whole + (decimals > 0 ? 1 + decimals : 0)] != '\0')
        return false;
    snprintf(digits, sizeof digits, "%.*s%.*s%.*s", (int)whole, text, (int)decimals,
             text + whole + 1, (int)(2 - decimals), "00");
    return otactl_number_parse(digits, hundredths);
}

static bool add_percent(cJSON *stage, const char *value)
{
    uint64_t hundredths = 0;
    if (!parse_hundredths(value, &hundredths) || hundredths < 1 || hundredths > 10000)
        return otactl_fail(false,
                           "--stage percent=%s: a number from 0.01 to 100 with at most two "
                           "decimals is needed",
                           value);
    cJSON_AddNumberToObject(stage, PERCENT, (double)hundredths / 100);
    return true;
}

static bool add_stage_pair(cJSON *stage, const char *name, const char *value)
{
    for (size_t i = 0; i < OTACTL_COUNT(stage_keys); i++) {
        const struct stage_key *key = &stage_keys[i];
        const char *member = key->member != NULL ? key->member : key->name;
        uint64_t number = 0;
        if (strcmp(key->name, name) != 0)
            continue;
        cJSON *object = parent_of(stage, &member);
        if (cJSON_HasObjectItem(object, member))
            return otactl_fail(false, "--stage: %s stands twice", name);
        if (key->member == NULL) {
            cJSON_AddStringToObject(stage, member, value);
            return value[0] != '\0' || otactl_fail(false, "--stage: group= needs a name");
        }
        if (strcmp(name, PERCENT) == 0)
            return add_percent(stage, value);
        if (!otactl_number_parse(value, &number) || number < key->min || number > key->max)
            return otactl_fail(false, "--stage %s=%s: a number from %llu to %llu is needed", name,
                               value, (unsigned long long)key->min, (unsigned long long)key->max);
        cJSON_AddNumberToObject(object, member, (double)number);
        return true;
    }
    return otactl_fail(false, "--stage: unknown %s; it takes %s", name, OTACTL_STAGE_HELP);
}

static bool add_stage_pairs(cJSON *stage, char *text)
{
    char *rest = NULL;
    for (char *pair = strtok_r(text, ",", &rest); pair != NULL; pair = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(pair, '=');
        if (strcmp(pair, "by-hand") == 0 && !cJSON_HasObjectItem(stage, "by_hand")) {
            cJSON_AddBoolToObject(stage, "by_hand", true);
            continue;
        }
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

/* --- the rest --- */

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

static int add_numbers(cJSON *body, const struct otactl_args *args)
{
    static const struct {
        const char *option;
        const char *member;
        uint64_t min;
        uint64_t max;
    } numbers[] = {
        {"timeout", "timeout_seconds", 1, YEAR_SECONDS},
        {"retries", "retries", 0, 10},
        {"retry-wait", "retry_wait_seconds", 0, YEAR_SECONDS},
        {"health", "health_seconds", 0, YEAR_SECONDS},
        {"health-events", "health_events", 1, 65535},
        {"postpone-max", "postpone_seconds_max", 0, YEAR_SECONDS},
        {"seed", "seed", 1, 9007199254740991U},
    };
    int code = OTACTL_OK;
    for (size_t i = 0; i < OTACTL_COUNT(numbers) && code == OTACTL_OK; i++) {
        uint64_t number = 0;
        if (!otactl_args_has(args, numbers[i].option))
            continue;
        code = otactl_args_number(args, numbers[i].option, numbers[i].min, numbers[i].max, &number);
        cJSON_AddNumberToObject(body, numbers[i].member, (double)number);
    }
    return code;
}

static void add_texts(cJSON *body, const struct otactl_args *args)
{
    static const char *const texts[][2] = {{"tags", "tags"},
                                           {"running-min", "running_min"},
                                           {"running-max", "running_max"},
                                           {"version-min", "version_min"}};
    static const char *const switches[][2] = {{"allow-downgrade", "allow_downgrade"},
                                              {"security", "security"}};
    for (size_t i = 0; i < OTACTL_COUNT(texts); i++) {
        const char *value = otactl_args_value(args, texts[i][0]);
        if (value != NULL)
            cJSON_AddStringToObject(body, texts[i][1], value);
    }
    for (size_t i = 0; i < OTACTL_COUNT(switches); i++)
        if (otactl_args_has(args, switches[i][0]))
            cJSON_AddBoolToObject(body, switches[i][1], true);
}

static void add_groups(cJSON *body, const struct otactl_args *args)
{
    if (!otactl_args_has(args, "group"))
        return;
    cJSON *groups = cJSON_AddArrayToObject(body, "groups");
    const char *name = NULL;
    for (size_t n = 0; (name = otactl_args_nth(args, "group", n)) != NULL; n++)
        cJSON_AddItemToArray(groups, cJSON_CreateString(name));
}

/* "sat,sun,22:00-04:00": days if any, and two times. The server checks what they are. */
static int add_window(cJSON *body, const struct otactl_args *args)
{
    const char *text = otactl_args_value(args, "window");
    if (text == NULL)
        return OTACTL_OK;
    cJSON *window = cJSON_AddObjectToObject(body, "window");
    char *copy = otactl_strdup(text);
    char *times = strrchr(copy, ',');
    if (times != NULL) {
        char *rest = NULL;
        *times++ = '\0';
        cJSON *days = cJSON_AddArrayToObject(window, "days");
        for (char *d = strtok_r(copy, ",", &rest); d != NULL; d = strtok_r(NULL, ",", &rest))
            cJSON_AddItemToArray(days, cJSON_CreateString(d));
    } else {
        times = copy;
    }
    char *dash = strchr(times, '-');
    if (dash != NULL) {
        *dash = '\0';
        cJSON_AddStringToObject(window, "from", times);
        cJSON_AddStringToObject(window, "to", dash + 1);
    }
    free(copy);
    if (dash == NULL)
        return otactl_fail(OTACTL_USAGE,
                           "--window %s: it is like 22:00-04:00 or sat,sun,22:00-04:00", text);
    return OTACTL_OK;
}

static int add_timeouts(cJSON *body, const struct otactl_args *args)
{
    const char *text = otactl_args_value(args, "timeouts");
    if (text == NULL)
        return OTACTL_OK;
    cJSON *timeouts = cJSON_AddObjectToObject(body, "timeouts");
    char *copy = otactl_strdup(text);
    char *rest = NULL;
    int code = OTACTL_OK;
    for (char *p = strtok_r(copy, ",", &rest); p != NULL; p = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(p, '=');
        uint64_t number = 0;
        if (value == NULL || !otactl_number_parse(value + 1, &number)) {
            code = otactl_fail(OTACTL_USAGE, "--timeouts: %s is not like trial=600", p);
            break;
        }
        *value = '\0';
        cJSON_AddNumberToObject(timeouts, p, (double)number);
    }
    free(copy);
    return code;
}

void otactl_rollout_add_firmware(cJSON *body, const char *id)
{
    uint64_t number = 0;
    if (otactl_number_parse(id, &number))
        cJSON_AddNumberToObject(body, "firmware", (double)number);
    else
        cJSON_AddStringToObject(body, "firmware", id);
}

cJSON *otactl_rollout_body(const struct otactl_args *args, const char *name, const char *firmware)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "name", name);
    int code = add_stages(body, args);
    if (code == OTACTL_OK)
        code = add_numbers(body, args);
    if (code == OTACTL_OK)
        code = add_window(body, args);
    if (code == OTACTL_OK)
        code = add_timeouts(body, args);
    if (code != OTACTL_OK) {
        cJSON_Delete(body);
        return NULL;
    }
    add_texts(body, args);
    add_groups(body, args);
    otactl_rollout_add_firmware(body, firmware);
    return body;
}

int otactl_rollout_plan(struct otactl *ctl, const struct otactl_args *args, const char *name,
                        const char *firmware, cJSON **rollout)
{
    cJSON *body = otactl_rollout_body(args, name, firmware);
    if (body == NULL)
        return OTACTL_USAGE;
    return otactl_send(ctl, "POST", otactl_path("rollouts"), body, rollout);
}
