#include "tests/bench/load_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void load_stats_good(struct load_stats *stats, uint64_t micros)
{
    if (stats->count == stats->cap) {
        stats->cap = stats->cap > 0 ? stats->cap * 2 : 65536;
        stats->latencies = realloc(stats->latencies, stats->cap * sizeof(*stats->latencies));
        if (stats->latencies == NULL)
            abort();
    }
    stats->latencies[stats->count++] = micros < UINT32_MAX ? (uint32_t)micros : UINT32_MAX;
    stats->statuses[2]++;
}

void load_stats_bad(struct load_stats *stats, unsigned status, int reason)
{
    if (status == 0)
        stats->reasons[(unsigned)reason < LOAD_ERRNO_MAX ? (unsigned)reason : 0]++;
    stats->errors++;
    stats->statuses[status / 100 < 6 ? status / 100 : 0]++;
    if (stats->first_bad == 0)
        stats->first_bad = status;
}

void load_stats_retry(struct load_stats *stats, unsigned long seconds)
{
    stats->retry[seconds < LOAD_RETRY_MAX ? seconds : LOAD_RETRY_MAX - 1]++;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double quantile_ms(const struct load_stats *stats, double share)
{
    size_t at = (size_t)(share * (double)stats->count);

    if (stats->count == 0)
        return 0;
    return stats->latencies[at < stats->count ? at : stats->count - 1] / 1000.0;
}

static void print_retry(const struct load_stats *stats)
{
    uint64_t total = 0;
    uint32_t peak = 0;
    unsigned min = 0;
    unsigned max = 0;

    for (unsigned i = 0; i < LOAD_RETRY_MAX; i++) {
        if (stats->retry[i] == 0)
            continue;
        if (total == 0)
            min = i;
        max = i;
        total += stats->retry[i];
        peak = stats->retry[i] > peak ? stats->retry[i] : peak;
    }
    printf("\"retry_after\":{\"answers\":%" PRIu64 ",\"min\":%u,\"max\":%u,\"peak\":%" PRIu32 "}",
           total, min, max, peak);
}

static void print_reasons(const struct load_stats *stats)
{
    const char *comma = "";

    printf("\"broken\":{");
    for (unsigned i = 0; i < LOAD_ERRNO_MAX; i++) {
        if (stats->reasons[i] == 0)
            continue;
        printf("%s\"%s\":%" PRIu64, comma, i != 0 ? strerror((int)i) : "ended", stats->reasons[i]);
        comma = ",";
    }
    printf("},");
}

void load_stats_print(struct load_stats *stats, double seconds, uint64_t lost)
{
    qsort(stats->latencies, stats->count, sizeof(*stats->latencies), compare);
    printf("{\"seconds\":%.3f,\"started\":%" PRIu64 ",\"good\":%zu,\"errors\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"no_answer\":%" PRIu64 ",\"first_bad\":%u,\"per_second\":%.1f,",
           seconds, stats->started, stats->count, stats->errors, lost, stats->statuses[0],
           stats->first_bad, (double)stats->count / seconds);
    printf("\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,", quantile_ms(stats, 0.5),
           quantile_ms(stats, 0.99), quantile_ms(stats, 1));
    print_reasons(stats);
    print_retry(stats);
    printf("}\n");
}
