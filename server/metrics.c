#include "server/metrics.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/request.h"

#define LINE_CAP 512 /* bytes; names, labels and helps are ours */

static const unsigned BUCKETS_MS[METRICS_BUCKET_COUNT] = METRICS_BUCKETS_MS;

static const char *const KINDS[METRICS_KIND_COUNT] = {
    [METRICS_POLL] = "poll",         [METRICS_REPORT] = "report", [METRICS_DOWNLOAD] = "download",
    [METRICS_OPERATOR] = "operator", [METRICS_OTHER] = "other",
};

static bool starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static enum metrics_kind kind_of(const struct route *route)
{
    if (route == NULL)
        return METRICS_OTHER;
    if (starts(route->pattern, "/device/v1/manifest"))
        return METRICS_POLL;
    if (starts(route->pattern, "/device/v1/reports"))
        return METRICS_REPORT;
    if (route->role == ROLE_DEVICE)
        return METRICS_DOWNLOAD;
    return starts(route->pattern, "/api/") ? METRICS_OPERATOR : METRICS_OTHER;
}

void metrics_note_request(struct metrics_requests kinds[METRICS_KIND_COUNT],
                          const struct route *route, unsigned status, uint64_t ms)
{
    struct metrics_requests *kind = &kinds[kind_of(route)];
    unsigned digit = status / 100;
    size_t bucket = 0;

    while (bucket < METRICS_BUCKET_COUNT && ms > BUCKETS_MS[bucket])
        bucket++;
    atomic_fetch_add(&kind->answers[digit < 6 ? digit : 0], 1);
    atomic_fetch_add(&kind->buckets[bucket], 1);
    atomic_fetch_add(&kind->sum_ms, ms);
}

/* ---- writing ---- */

__attribute__((format(printf, 2, 3))) static void put_line(struct metrics_page *page,
                                                           const char *format, ...)
{
    va_list args;
    int len;

    if (!page->failed && page->cap - page->len < LINE_CAP) {
        size_t cap = page->cap > 0 ? page->cap * 2 : 16384;
        char *grown = realloc(page->text, cap);
        if (grown != NULL) {
            page->text = grown;
            page->cap = cap;
        } else {
            page->failed = true;
        }
    }
    if (page->failed)
        return;
    va_start(args, format);
    len = vsnprintf(page->text + page->len, LINE_CAP, format, args);
    va_end(args);
    if (len > 0 && len < LINE_CAP)
        page->len += (size_t)len;
    else
        page->failed = true;
}

void metrics_family(struct metrics_page *page, const char *type, const char *name, const char *help)
{
    put_line(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_value(struct metrics_page *page, const char *name, const char *labels, double value)
{
    put_line(page, "%s%s%s%s %.17g\n", name, labels[0] != '\0' ? "{" : "", labels,
             labels[0] != '\0' ? "}" : "", value);
}

void metrics_put(struct metrics_page *page, const char *type, const char *name, const char *help,
                 unsigned long long value)
{
    metrics_family(page, type, name, help);
    put_line(page, "%s %llu\n", name, value);
}

static void put_answers(struct metrics_page *page, const char *kind,
                        struct metrics_requests *requests)
{
    char labels[64];

    for (unsigned digit = 0; digit < 6; digit++) {
        if (digit == 1)
            continue;
        snprintf(labels, sizeof(labels), "kind=\"%s\",status=\"%u%s\"", kind, digit,
                 digit != 0 ? "xx" : "");
        metrics_value(page, "otad_http_requests_total", labels,
                      (double)atomic_load(&requests->answers[digit]));
    }
}

static void put_histogram(struct metrics_page *page, const char *kind,
                          struct metrics_requests *requests)
{
    char labels[64];
    unsigned long long count = 0;

    for (size_t i = 0; i <= METRICS_BUCKET_COUNT; i++) {
        count += atomic_load(&requests->buckets[i]);
        if (i < METRICS_BUCKET_COUNT)
            snprintf(labels, sizeof(labels), "kind=\"%s\",le=\"%g\"", kind, BUCKETS_MS[i] / 1000.0);
        else
            snprintf(labels, sizeof(labels), "kind=\"%s\",le=\"+Inf\"", kind);
        metrics_value(page, "otad_http_request_duration_seconds_bucket", labels, (double)count);
    }
    snprintf(labels, sizeof(labels), "kind=\"%s\"", kind);
    metrics_value(page, "otad_http_request_duration_seconds_sum", labels,
                  (double)atomic_load(&requests->sum_ms) / 1000);
    metrics_value(page, "otad_http_request_duration_seconds_count", labels, (double)count);
}

void metrics_put_requests(struct metrics_page *page,
                          struct metrics_requests kinds[METRICS_KIND_COUNT])
{
    metrics_family(page, "counter", "otad_http_requests_total",
                   "Requests that are over, by who asks and the answer; status 0: none was given.");
    for (size_t i = 0; i < METRICS_KIND_COUNT; i++)
        put_answers(page, KINDS[i], &kinds[i]);
    metrics_family(page, "histogram", "otad_http_request_duration_seconds",
                   "From the first header to the end of the answer.");
    for (size_t i = 0; i < METRICS_KIND_COUNT; i++)
        put_histogram(page, KINDS[i], &kinds[i]);
}

static unsigned long long resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
}

/* Minus ".", ".." and the directory itself. */
static unsigned long long open_files(void)
{
    unsigned long long count = 0;
    DIR *dir = opendir("/proc/self/fd");

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0;
}

void metrics_put_process(struct metrics_page *page)
{
    struct timespec used = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    metrics_family(page, "counter", "process_cpu_seconds_total", "Processor time used.");
    metrics_value(page, "process_cpu_seconds_total", "",
                  (double)used.tv_sec + (double)used.tv_nsec / 1e9);
    metrics_put(page, "gauge", "process_resident_memory_bytes", "Memory in use.", resident_bytes());
    metrics_put(page, "gauge", "process_open_fds", "Open files and connections.", open_files());
}
