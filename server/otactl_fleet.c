/* fleet, fleet-history: the devices in numbers. events: what changes, as it does. */
#include "server/otactl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_http.h"

#define EVENT_MAX 64

static const struct otactl_column fleet_record[] = {
    {"devices", "devices", OTACTL_SHAPE_COUNT},   {"online", "online", OTACTL_SHAPE_COUNT},
    {"stale", "stale", OTACTL_SHAPE_COUNT},       {"never seen", "never_seen", OTACTL_SHAPE_COUNT},
    {"updating", "updating", OTACTL_SHAPE_COUNT}, {"failing", "failing", OTACTL_SHAPE_COUNT},
    {"pending", "pending", OTACTL_SHAPE_COUNT},   {"rejected", "rejected", OTACTL_SHAPE_COUNT},
};

/* The time is of a history alone. */
static const struct otactl_column version_columns[] = {
    {"TIME", "time", OTACTL_SHAPE_TIME},
    {"PRODUCT", "product", OTACTL_SHAPE_PLAIN},
    {"VERSION", "version", OTACTL_SHAPE_PLAIN},
    {"DEVICES", "devices", OTACTL_SHAPE_COUNT},
};

static int run_fleet(struct otactl *ctl, const struct otactl_args *args)
{
    (void)args;
    cJSON *fleet = NULL;
    int code = otactl_get(ctl, otactl_path("fleet"), &fleet);
    if (code == OTACTL_OK && !otactl_print_json(ctl, fleet)) {
        otactl_record_print(stdout, fleet_record, OTACTL_COUNT(fleet_record), fleet);
        putchar('\n');
        otactl_table_print(stdout, version_columns + 1, OTACTL_COUNT(version_columns) - 1,
                           cJSON_GetObjectItemCaseSensitive(fleet, "versions"),
                           otactl_terminal_width(), "no device has told its version yet");
    }
    cJSON_Delete(fleet);
    return code;
}

/* --- fleet-history --- */

static const struct otactl_option history_options[] = {
    {"hours", "N", "back from now, 24 unless given; 1 to 2160", OTACTL_OPTIONAL},
    {0},
};

/* The versions of all samples as rows of one table, each with its sample's time. */
static cJSON *rows_of(const cJSON *history)
{
    cJSON *rows = cJSON_CreateArray();
    const cJSON *sample = NULL;
    cJSON_ArrayForEach(sample, cJSON_GetObjectItemCaseSensitive(history, "samples"))
    {
        const cJSON *version = NULL;
        cJSON_ArrayForEach(version, cJSON_GetObjectItemCaseSensitive(sample, "versions"))
        {
            cJSON *row = cJSON_Duplicate(version, true);
            cJSON_AddStringToObject(row, "time", otactl_json_text(sample, "time"));
            cJSON_AddItemToArray(rows, row);
        }
    }
    return rows;
}

static int run_history(struct otactl *ctl, const struct otactl_args *args)
{
    cJSON *history = NULL;
    uint64_t hours = 24;
    int code = otactl_args_number(args, "hours", 1, 2160, &hours);
    if (code != OTACTL_OK)
        return code;
    char *text = otactl_format("%llu", (unsigned long long)hours);
    char *path = otactl_path("fleet", "history");
    otactl_path_query(&path, "hours", text);
    free(text);
    code = otactl_get(ctl, path, &history);
    if (code == OTACTL_OK && !otactl_print_json(ctl, history)) {
        cJSON *rows = rows_of(history);
        otactl_table_print(stdout, version_columns, OTACTL_COUNT(version_columns), rows,
                           otactl_terminal_width(), "no sample in these hours");
        cJSON_Delete(rows);
    }
    cJSON_Delete(history);
    return code;
}

/* --- events --- */

static const struct otactl_option event_options[] = {
    {"count", "N", "end after so many; else it goes on until it is stopped", OTACTL_OPTIONAL},
    {0},
};

struct follow {
    const struct otactl *ctl;
    uint64_t left;         /* events until the end; 0: there is none */
    char event[EVENT_MAX]; /* of the block that is being read */
    bool ended;
};

static void print_event(const struct follow *follow, cJSON *data)
{
    char line[OTACTL_CELL_MAX];
    char time_text[32];
    char *id = otactl_json_id(data, "id");
    if (follow->ctl->json) {
        cJSON_AddStringToObject(data, "event", follow->event);
        char *text = cJSON_PrintUnformatted(data);
        puts(text != NULL ? text : "");
        cJSON_free(text);
    } else {
        otactl_time_format((double)time(NULL), time_text, sizeof time_text);
        char *text = otactl_format("%s  %s%s%s", time_text, follow->event, id != NULL ? " " : "",
                                   id != NULL ? id : "");
        otactl_text_clean(text, line, sizeof line);
        puts(line);
        free(text);
    }
    free(id);
    fflush(stdout);
}

/* "event: NAME", then "data: {...}", which ends the block for us. */
static bool take_line(void *ctx, const char *line)
{
    struct follow *follow = ctx;
    if (strncmp(line, "event: ", 7) == 0) {
        snprintf(follow->event, sizeof follow->event, "%s", line + 7);
    } else if (strncmp(line, "data: ", 6) == 0) {
        cJSON *data = cJSON_Parse(line + 6);
        if (cJSON_IsObject(data)) {
            print_event(follow, data);
            follow->ended = follow->left == 1;
            follow->left -= follow->left > 0 ? 1 : 0;
        }
        cJSON_Delete(data);
    }
    return !follow->ended && !ferror(stdout);
}

static int run_events(struct otactl *ctl, const struct otactl_args *args)
{
    struct follow follow = {.ctl = ctl};
    int code = otactl_args_number(args, "count", 1, UINT32_MAX, &follow.left);
    char *path = otactl_path("events");
    struct otactl_request request = {
        .method = "GET", .path = path, .take_line = take_line, .take_line_ctx = &follow};
    /* The server ends a stream after some minutes; the next one says hello again. */
    while (code == OTACTL_OK && !follow.ended && !ferror(stdout)) {
        cJSON *none = NULL;
        code = otactl_http_call(ctl, &request, &none);
        cJSON_Delete(none);
    }
    free(path);
    return code;
}

const struct otactl_command otactl_fleet_commands[] = {
    {NULL, "fleet", "", "The fleet in numbers: who is online, who fails, what runs.", NULL, 0, 0,
     false, run_fleet},
    {NULL, "fleet-history", "", "How many devices ran which version, over time.", history_options,
     0, 0, false, run_history},
    {NULL, "events", "",
     "Follow what changes: a line for each, \"rollout ID\" or \"fleet\"; \"hello\" at the start.",
     event_options, 0, 0, false, run_events},
    {0},
};
