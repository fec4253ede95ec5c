/*
 * The fleet in numbers: who is online, who is not, who fails, and what runs where.
 *
 * Counted from the memory view, 4,096 devices a hold of its lock, and kept: a fleet is counted anew
 * when the count is older than CENSUS_MS, and than 20 times what counting took. Any thread.
 */
#ifndef OTAD_CENSUS_H
#define OTAD_CENSUS_H

#include <pthread.h>
#include <stdint.h>

#include "server/fleet.h"

#define CENSUS_MS 1000
#define CENSUS_ROWS_MAX 256 /* versions told apart; what is beyond counts as others */

/* When a device was heard last. */
enum presence { PRESENCE_NEVER, PRESENCE_STALE, PRESENCE_ONLINE };
/* How it stands with its newest deployment, as long as that rollout has not ended. */
enum progress { PROGRESS_NONE, PROGRESS_UPDATING, PROGRESS_FAILING };

struct census_row {
    uint16_t target;
    bool known; /* a version was told */
    struct ota_version version;
    char product[DB_NAME_MAX + 1];
    char text[OTA_VERSION_TEXT_MAX + 1]; /* "" when not known */
    uint32_t devices;
};

struct census {
    uint64_t at;      /* seconds since 1970 */
    uint32_t devices; /* accepted ones; the next three add up to it */
    uint32_t online;
    uint32_t stale;
    uint32_t never;
    uint32_t updating;
    uint32_t failing;
    uint32_t pending;
    uint32_t rejected;
    uint32_t others; /* in no row */
    size_t row_count;
    struct census_row rows[CENSUS_ROWS_MAX]; /* by product, then most devices first */
};

struct census_taker {
    pthread_mutex_t lock;
    struct fleet *fleet;
    uint32_t online_seconds; /* a device that was heard within is online */
    uint64_t counted_ms;     /* CLOCK_MONOTONIC; 0: never */
    uint64_t cost_ms;
    struct census last;
};

void census_init(struct census_taker *taker, struct fleet *fleet, uint32_t poll_seconds);
void census_close(struct census_taker *taker);
/* A copy of the numbers, counted anew when they are old. */
void census_read(struct census_taker *taker, struct census *census);

/* Both with the fleet's lock held. */
enum presence census_presence(const struct fleet_device *device, uint32_t online_seconds,
                              uint64_t now);
enum progress census_progress(struct fleet *fleet, const struct fleet_device *device);

#endif
