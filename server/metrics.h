/*
 * Numbers for Prometheus: what requests count while they run, and the text format 0.0.4.
 *
 * Every label has a fixed set of values, so the number of series does not grow with the fleet.
 */
#ifndef OTAD_METRICS_H
#define OTAD_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route;

/* ---- counting ---- */

enum metrics_kind {
    METRICS_POLL,     /* a device asks for its manifest */
    METRICS_REPORT,   /* a device reports */
    METRICS_DOWNLOAD, /* a device fetches an image, or a part of it */
    METRICS_OPERATOR, /* the API, the dashboard */
    METRICS_OTHER,    /* health, enrolment, no such route */
    METRICS_KIND_COUNT
};

/* Upper bounds in milliseconds; what is slower is in the last bucket, "+Inf". */
#define METRICS_BUCKETS_MS                                                                         \
    {                                                                                              \
        1, 5, 25, 100, 500, 2500, 10000, 60000                                                     \
    }
#define METRICS_BUCKET_COUNT 8

struct metrics_requests {
    atomic_ullong answers[6]; /* by the first digit of the status; 0: none was given */
    atomic_ullong buckets[METRICS_BUCKET_COUNT + 1];
    atomic_ullong sum_ms;
};

/* Any thread. `route` may be NULL. */
void metrics_note_request(struct metrics_requests kinds[METRICS_KIND_COUNT],
                          const struct route *route, unsigned status, uint64_t ms);

/* ---- writing ---- */

struct metrics_page {
    char *text; /* to be freed */
    size_t len;
    size_t cap;
    bool failed; /* out of memory: sticky */
};

/* "# HELP" and "# TYPE" of a family; its values follow. */
void metrics_family(struct metrics_page *page, const char *type, const char *name,
                    const char *help);
/* A value; `labels` as they stand between the braces, "" for none. */
void metrics_value(struct metrics_page *page, const char *name, const char *labels, double value);
/* A family of one value without labels. */
void metrics_put(struct metrics_page *page, const char *type, const char *name, const char *help,
                 unsigned long long value);
void metrics_put_requests(struct metrics_page *page,
                          struct metrics_requests kinds[METRICS_KIND_COUNT]);
/* This process: memory, open files, start; read from /proc. */
void metrics_put_process(struct metrics_page *page);

#endif
