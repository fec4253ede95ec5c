/*
 * The parts of a running server, wired together by main.c. Each part knows its own header; request
 * handlers reach the others through this.
 */
#ifndef OTAD_APP_H
#define OTAD_APP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "protocol/report.h"
#include "server/blobs.h"
#include "server/census.h"
#include "server/config.h"
#include "server/fleet.h"
#include "server/hooks.h"
#include "server/idle_answers.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/patches.h"
#include "server/signer.h"
#include "server/steer.h"
#include "server/throttle.h"
#include "server/writer.h"

/* Counted for /metrics. */
struct app_counters {
    atomic_ullong requests;
    atomic_ullong polls;
    atomic_ullong reports[OTA_EVENT_LAST + 1]; /* by event; 0: malformed */
    atomic_ullong refused_tokens;
    struct metrics_requests kinds[METRICS_KIND_COUNT];
};

struct herald;
struct mqtt;

#define APP_RUN_DIGITS 8

struct app {
    struct config config;
    struct log log;
    uint64_t started_at;          /* seconds since 1970 */
    char run[APP_RUN_DIGITS + 1]; /* hex; begins the ids of this run's requests */
    struct writer *writer;
    struct fleet *fleet;
    struct steer steer;
    struct census_taker census;
    struct signer *signer;
    struct hooks *hooks;
    struct herald *herald;
    struct mqtt *mqtt; /* NULL: no broker */
    struct blobs *blobs;
    struct idle_answers *idle_answers;
    struct patches *patches;
    struct db *reader; /* guarded by reader_lock */
    pthread_mutex_t reader_lock;
    atomic_int uploads; /* under way */
    atomic_int hashing; /* passwords */
    struct throttle *sign_ins;
    atomic_int plans; /* under way: dry runs over all devices */
    struct streams *streams;
    atomic_bool draining;
    struct app_counters counters;
};

/* Seconds since 1970. */
uint64_t app_now(void);
/* Milliseconds that only rise, for durations. */
uint64_t app_clock_ms(void);

#endif
