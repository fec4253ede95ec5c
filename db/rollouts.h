/*
 * Rollouts: their settings, written once; their state, written at each change; the log of changes.
 * Numbers mean what server/rollout.h says; this side stores and returns them.
 */
#ifndef OTAD_DB_ROLLOUTS_H
#define OTAD_DB_ROLLOUTS_H

#include "db/db.h"
#include "db/firmware.h"

#define DB_STAGES_MAX 16
#define DB_ROLLOUT_GROUPS_MAX 16
#define DB_SELECTOR_MAX 256 /* characters */
#define DB_DETAIL_MAX 256   /* characters of a line in the log */

struct db_stage {
    /* Settings. */
    int64_t group_id; /* 0: by share */
    int share_bp;
    int success_percent;
    int failure_percent;
    int64_t failure_count;
    int allowed_bp, suspect_bp, error_bp;
    int64_t soak_seconds;
    int64_t offers_a_minute;
    int64_t in_flight_max;
    bool by_hand;
    /* State. */
    int state;
    bool accepted;
    int64_t started_at, met_at, done_at;
    int64_t members, excluded; /* as counted when the state was written */
};

struct db_rollout {
    int64_t id;
    /* Settings. */
    char name[DB_LABEL_MAX + 1];
    int64_t firmware_id;
    int64_t created_at;
    int64_t seed;
    bool security;
    char version_min[DB_VERSION_MAX + 1]; /* "": none, likewise below */
    char running_min[DB_VERSION_MAX + 1];
    char running_max[DB_VERSION_MAX + 1];
    char tags[DB_SELECTOR_MAX + 1];
    bool allow_downgrade;
    int window_days, window_from, window_to;
    int64_t timeout_offered, timeout_downloading, timeout_installing, timeout_trial, timeout_retry;
    int retries;
    int64_t retry_wait;
    int64_t health_seconds, health_events, postpone_max;
    int64_t groups[DB_ROLLOUT_GROUPS_MAX];
    int group_count;
    /* State. */
    int state;
    int current;
    int round;
    int64_t revision, start_at, started_at, resumed_at, ended_at;
    int halt_cause, halt_stage;
    int64_t halt_failures, halt_successes, halt_devices, halt_at;
    char halt_note[DB_DETAIL_MAX + 1]; /* who halted it by hand, and why; "" otherwise */

    struct db_stage stages[DB_STAGES_MAX];
    int stage_count;
};

/* Adds the rollout with its groups and stages; its id is set. */
int db_rollout_add(struct db *db, struct db_rollout *rollout);
/* For a rollout that takes its own id as seed, which it has only once it is added. */
int db_rollout_set_seed(struct db *db, int64_t id, int64_t seed);
/* Writes the state of the rollout and of its stages. */
int db_rollout_update(struct db *db, const struct db_rollout *rollout);
/* Every rollout in order of id; a result of `each` other than 0 ends the walk with it. */
int db_rollouts_each(struct db *db, int (*each)(void *ctx, const struct db_rollout *rollout),
                     void *ctx);

struct db_rollout_event {
    int64_t id;
    int64_t rollout_id;
    int64_t at;
    char event[DB_LABEL_MAX + 1];
    int stage;
    char detail[DB_DETAIL_MAX + 1];
    char actor[DB_LABEL_MAX + 1]; /* the API token's name, "" for the server itself */
};

int db_rollout_event_add(struct db *db, const struct db_rollout_event *event);
/* Newest first: ids below page->after (0: from the newest). The count or an error. */
int db_rollout_events_list(struct db *db, int64_t rollout_id, const struct db_page *page,
                           struct db_rollout_event *events);

#endif
