/*
 * Why a device is or is not being updated, and whom a rollout would reach: what the engine answers
 * when somebody else than the device asks. Nothing is changed.
 */
#ifndef OTAD_STEER_EXPLAIN_H
#define OTAD_STEER_EXPLAIN_H

#include "db/rollouts.h"
#include "server/rollout_decide.h"
#include "server/steer.h"

#define STEER_EXPLAINED_MAX (FLEET_LIVE_MAX + 2)
#define STEER_SAMPLES_MAX 5 /* names of devices, for each number of a plan */

struct steer_explained {
    uint64_t rollout; /* 0: none means the device */
    char name[DB_LABEL_MAX + 1];
    struct ota_version version;
    enum rollout_state state;
    bool member; /* some stage takes the device; `stage` is valid */
    uint8_t stage;
    enum rollout_action action;
    enum rollout_reason reason;
    uint64_t not_before;          /* when asking again may bring more; 0: not known */
    char halt[DB_DETAIL_MAX + 1]; /* why the rollout halted, "" if it has not */
};

struct steer_explanation {
    struct steer_explained whole; /* what a poll would be answered, and on whose behalf */
    size_t count;
    struct steer_explained each[STEER_EXPLAINED_MAX];
};

/* With the fleet's lock. By the device's last known facts, for the rollouts that are under way for
 * its product, and `asked` (NULL: none) whatever its state and product. */
void steer_explain(struct fleet *fleet, const struct fleet_device *device,
                   struct fleet_rollout *asked, uint64_t now, struct steer_explanation *out);

struct steer_tally {
    uint32_t devices;
    uint32_t sample_count;
    char samples[STEER_SAMPLES_MAX][DB_DEVICE_NAME_MAX + 1];
};

struct steer_plan {
    uint32_t devices;                                /* looked at: all */
    struct steer_tally stages[ROLLOUT_STAGES_MAX];   /* who would get it, in which stage */
    struct steer_tally others[ROLLOUT_REASON_COUNT]; /* who would not, by the reason */
    uint32_t later[ROLLOUT_REASON_COUNT]; /* of them: a stage takes them, and they may yet get it */
};

/* The dry run, over every device; `rollout` need not be in the fleet. Takes the lock for a bounded
 * number of devices at a time. Not for a thread that serves others. */
void steer_make_plan(struct fleet *fleet, const struct rollout *rollout, struct steer_plan *plan);

#endif
