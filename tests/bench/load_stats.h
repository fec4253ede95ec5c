/* What a run of the load generator saw: answers, errors, latencies, and when devices were told to
 * come again. */
#ifndef OTAD_BENCH_LOAD_STATS_H
#define OTAD_BENCH_LOAD_STATS_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_ERRNO_MAX 256U
#define LOAD_RETRY_MAX 4096U /* seconds of a Retry-After that are told apart */

struct load_stats {
    uint64_t started;     /* requests */
    uint64_t errors;      /* connections that broke, statuses other than 2xx */
    uint64_t statuses[6]; /* by first digit; [0]: no answer */
    unsigned first_bad;   /* the first status that was not 2xx */
    uint64_t
        reasons[LOAD_ERRNO_MAX]; /* connections that broke, by errno; 0: ended without answer */
    uint32_t *latencies;         /* microseconds, of the good answers */
    size_t count;
    size_t cap;
    uint32_t retry[LOAD_RETRY_MAX]; /* how many were told to wait so many seconds */
};

void load_stats_good(struct load_stats *stats, uint64_t micros);
/* `reason`: an errno, when the status is 0. */
void load_stats_bad(struct load_stats *stats, unsigned status, int reason);
void load_stats_retry(struct load_stats *stats, unsigned long seconds);
/* One line of JSON on standard output. */
void load_stats_print(struct load_stats *stats, double seconds, uint64_t lost);

#endif
