/* How far a rollout is: drawn, as a line for a log, and watched until it ends. */
#include "server/otactl_rollout.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/otactl_http.h"
#include "server/otactl_table.h"

#define BAR_CELLS 32
#define LINE_MAX 512
#define PATIENCE_SECONDS 120.0 /* of a server that is being restarted */

struct count {
    const char *member;
    char mark; /* in the bar */
};

/* In the order of the bar: what is done, what went wrong, what is under way. */
static const struct count counts[] = {
    {"succeeded", '#'},   {"failed", 'x'},  {"reverted", 'x'}, {"timed_out", 'x'},
    {"unhealthy", 'x'},   {"skipped", '/'}, {"trial", '+'},    {"installing", '+'},
    {"downloading", '-'}, {"retry", '~'},   {"offered", '.'},
};
#define COUNTS (sizeof counts / sizeof counts[0])

static void stage_name(const cJSON *stage, char *buf, size_t cap)
{
    const char *group = otactl_json_text(stage, "group");
    if (group[0] != '\0')
        snprintf(buf, cap, "group %s", group);
    else
        snprintf(buf, cap, "%g %%", otactl_json_number(stage, "percent"));
}

/* Appends to a line that is cut where it is full. */
static void append(char *buf, size_t cap, const char *text)
{
    size_t used = strlen(buf);
    if (used + 1 < cap)
        snprintf(buf + used, cap - used, "%s", text);
}

static void stage_counts(const cJSON *stage, char *buf, size_t cap)
{
    char part[64];
    snprintf(part, sizeof part, "%.0f of %.0f succeeded", otactl_json_number(stage, "succeeded"),
             otactl_json_number(stage, "targeted"));
    append(buf, cap, part);
    for (size_t i = 1; i < COUNTS; i++) {
        double n = otactl_json_number(stage, counts[i].member);
        if (n <= 0)
            continue;
        snprintf(part, sizeof part, ", %.0f %s", n, counts[i].member);
        append(buf, cap, part);
    }
}

/* Each kind gets its share of the bar, at least one cell when it has a device and there is room. */
static void stage_bar(const cJSON *stage, char bar[BAR_CELLS + 1])
{
    double total = otactl_json_number(stage, "targeted");
    size_t used = 0;
    memset(bar, ' ', BAR_CELLS);
    bar[BAR_CELLS] = '\0';
    for (size_t i = 0; i < COUNTS && total >= 1; i++) {
        double n = otactl_json_number(stage, counts[i].member);
        size_t cells = n >= total ? BAR_CELLS : n <= 0 ? 0 : (size_t)(n * BAR_CELLS / total);
        if (cells == 0 && n > 0)
            cells = 1;
        for (; cells > 0 && used < BAR_CELLS; cells--)
            bar[used++] = counts[i].mark;
    }
}

static void headline(const cJSON *rollout, char *buf, size_t cap)
{
    char *id = otactl_json_id(rollout, "id");
    buf[0] = '\0';
    append(buf, cap, "rollout ");
    append(buf, cap, id != NULL ? id : "?");
    append(buf, cap, " ");
    append(buf, cap, otactl_json_text(rollout, "name"));
    append(buf, cap, ": ");
    append(buf, cap, otactl_json_text(rollout, "state"));
    free(id);
}

static void print_line(FILE *out, const char *text, unsigned width)
{
    char clean[LINE_MAX];
    size_t cap = width > 0 && width + 1U < sizeof clean ? width + 1U : sizeof clean;
    otactl_text_clean(text, clean, cap);
    fprintf(out, "%s\n", clean);
}

/* The stage that is under way, else the last one that was begun. */
static const cJSON *current_stage(const cJSON *rollout, unsigned *number)
{
    const cJSON *stage = NULL;
    const cJSON *current = NULL;
    unsigned n = 0;
    cJSON_ArrayForEach(stage, cJSON_GetObjectItemCaseSensitive(rollout, "stages"))
    {
        n++;
        if (current == NULL || strcmp(otactl_json_text(stage, "state"), "waiting") != 0) {
            current = stage;
            *number = n;
        }
    }
    return current;
}

/* A stage that has its successes and goes on by hand looks like one that hangs. */
static bool waits_for_hand(const cJSON *stage)
{
    double targeted = otactl_json_number(stage, "targeted");
    double needed = otactl_json_number(stage, "success_percent") * targeted / 100;
    return targeted > 0 && strcmp(otactl_json_text(stage, "state"), "active") == 0 &&
           cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(stage, "by_hand")) &&
           otactl_json_number(stage, "succeeded") >= needed;
}

static bool meant_nobody(const cJSON *rollout)
{
    double targeted = 0;
    const cJSON *stage = NULL;
    cJSON_ArrayForEach(stage, cJSON_GetObjectItemCaseSensitive(rollout, "stages"))
    {
        targeted += otactl_json_number(stage, "targeted");
    }
    return targeted < 1;
}

/* The first stage whose failures halt nothing before its last device has tried; 0 for none. */
static unsigned stage_without_rule(const cJSON *rollout)
{
    unsigned number = 0;
    const cJSON *stage = NULL;
    cJSON_ArrayForEach(stage, cJSON_GetObjectItemCaseSensitive(rollout, "stages"))
    {
        number++;
        if (otactl_json_number(stage, "failure_count") < 1 &&
            otactl_json_number(stage, "failure_percent") < 1 &&
            !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(stage, "sequential")))
            return number;
    }
    return 0;
}

static void tell_draft(const cJSON *rollout, double id, char *buf, size_t cap)
{
    char part[64] = "";
    unsigned bare = stage_without_rule(rollout);
    if (bare != 0)
        snprintf(part, sizeof part, "; no failure halts stage %u: --stage takes failures=N", bare);
    snprintf(buf, cap, "Start it: otactl rollout start %.0f%s", id, part);
}

/* What to do next, or why there is nothing to do; "" where the rollout goes on by itself. */
static void tell_next(const cJSON *rollout, char *buf, size_t cap)
{
    unsigned number = 0;
    double id = otactl_json_number(rollout, "id");
    const char *state = otactl_json_text(rollout, "state");
    const cJSON *stage = current_stage(rollout, &number);
    buf[0] = '\0';
    if (strcmp(state, "draft") == 0)
        tell_draft(rollout, id, buf, cap);
    else if (strcmp(state, "running") == 0 && waits_for_hand(stage))
        snprintf(buf, cap, "Stage %u goes on by hand: otactl rollout advance %.0f", number, id);
    else if (strcmp(state, "halted") == 0)
        snprintf(buf, cap,
                 "See otactl rollout devices %.0f; then otactl rollout rollback %.0f, resume %.0f "
                 "--force or cancel %.0f",
                 id, id, id, id);
    else if (strcmp(state, "completed") == 0 && meant_nobody(rollout))
        snprintf(buf, cap, "No device had to be updated");
}

unsigned otactl_rollout_draw(FILE *out, const cJSON *rollout, unsigned width)
{
    char line[LINE_MAX];
    char name[64];
    char bar[BAR_CELLS + 1];
    unsigned lines = 1;
    const cJSON *stage = NULL;
    headline(rollout, line, sizeof line);
    print_line(out, line, width);
    cJSON_ArrayForEach(stage, cJSON_GetObjectItemCaseSensitive(rollout, "stages"))
    {
        stage_name(stage, name, sizeof name);
        stage_bar(stage, bar);
        snprintf(line, sizeof line, "%2u  %-14.40s [%s] ", lines, name, bar);
        stage_counts(stage, line, sizeof line);
        print_line(out, line, width);
        lines++;
    }
    double patched = otactl_json_number(rollout, "patched_devices");
    if (patched > 0) {
        snprintf(line, sizeof line, "%.0f by patch, %.0f KB less to fetch", patched,
                 otactl_json_number(rollout, "bytes_saved") / 1024);
        print_line(out, line, width);
        lines++;
    }
    const char *reason = otactl_json_text(rollout, "halt_reason");
    if (reason[0] != '\0') {
        print_line(out, reason, width);
        lines++;
    }
    tell_next(rollout, line, sizeof line);
    if (line[0] != '\0') {
        print_line(out, line, width);
        lines++;
    }
    return lines;
}

void otactl_rollout_line(const cJSON *rollout, char *buf, size_t cap)
{
    char text[LINE_MAX];
    char part[160];
    char name[64];
    unsigned number = 0;
    const cJSON *stages = cJSON_GetObjectItemCaseSensitive(rollout, "stages");
    const cJSON *stage = current_stage(rollout, &number);
    headline(rollout, text, sizeof text);
    if (stage != NULL) {
        stage_name(stage, name, sizeof name);
        snprintf(part, sizeof part, "; stage %u of %d (%s): ", number, cJSON_GetArraySize(stages),
                 name);
        append(text, sizeof text, part);
        stage_counts(stage, text, sizeof text);
    }
    const char *reason = otactl_json_text(rollout, "halt_reason");
    append(text, sizeof text, reason[0] != '\0' ? ". " : "");
    append(text, sizeof text, reason);
    tell_next(rollout, part, sizeof part);
    append(text, sizeof text, part[0] == '\0' ? "" : text[strlen(text) - 1] == '.' ? " " : ". ");
    append(text, sizeof text, part);
    otactl_text_clean(text, buf, cap);
}

int otactl_rollout_end(const cJSON *rollout)
{
    const char *state = otactl_json_text(rollout, "state");
    if (strcmp(state, "completed") == 0)
        return OTACTL_OK;
    if (strcmp(state, "halted") == 0 || strcmp(state, "cancelled") == 0)
        return OTACTL_FAILED;
    return -1;
}

/* What was drawn last, to be drawn over or compared with. */
struct watch {
    unsigned lines;
    char last[LINE_MAX];
};

static void redraw(struct watch *watch, const cJSON *rollout)
{
    for (; watch->lines > 0; watch->lines--)
        fputs("\033[A\033[2K", stdout);
    watch->lines = otactl_rollout_draw(stdout, rollout, otactl_terminal_width());
}

static void show(const struct otactl *ctl, struct watch *watch, const cJSON *rollout)
{
    char line[LINE_MAX];
    if (ctl->terminal && !ctl->json) {
        redraw(watch, rollout);
        fflush(stdout);
        return;
    }
    otactl_rollout_line(rollout, line, sizeof line);
    if (strcmp(line, watch->last) == 0)
        return;
    memcpy(watch->last, line, sizeof line);
    char *text = ctl->json ? cJSON_PrintUnformatted(rollout) : NULL;
    puts(text != NULL ? text : line);
    cJSON_free(text);
    fflush(stdout);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int otactl_rollout_watch(struct otactl *ctl, const char *id, unsigned interval_seconds)
{
    struct watch watch = {0};
    char *path = otactl_path("rollouts", id);
    double answered = seconds_now();
    bool reached = false;
    int code = -1;
    while (code < 0) {
        /* A server that was there may be back soon; one that never was is told at once. */
        bool patient = reached && seconds_now() - answered < PATIENCE_SECONDS;
        struct otactl_request request = {.method = "GET", .path = path, .quiet = patient};
        cJSON *rollout = NULL;
        int got = otactl_http_call(ctl, &request, &rollout);
        if (got == OTACTL_OK) {
            reached = true;
            answered = seconds_now();
            show(ctl, &watch, rollout);
            code = otactl_rollout_end(rollout);
        } else if (got != OTACTL_UNREACHABLE || !patient) {
            code = got;
        }
        cJSON_Delete(rollout);
        struct timespec pause = {.tv_sec = (time_t)interval_seconds};
        if (code < 0)
            nanosleep(&pause, NULL);
    }
    free(path);
    return code;
}
