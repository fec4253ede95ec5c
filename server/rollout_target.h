/*
 * Whom a rollout means: a device's place in the order, the stage that takes it, and what about the
 * device itself keeps the release from it. Pure functions of settings and facts; time plays no
 * part.
 */
#ifndef OTAD_SERVER_ROLLOUT_TARGET_H
#define OTAD_SERVER_ROLLOUT_TARGET_H

#include <stdint.h>

#include "server/rollout.h"
#include "server/rollout_reason.h"

/* A device's place, 0 to ROLLOUT_SHARE_WHOLE - 1: FNV-1a (64 bit) over the seed's eight bytes,
 * little endian, and the id's bytes; finished with MurmurHash3's fmix64; the upper 32 bits scaled
 * down. */
uint16_t rollout_share_place(uint64_t seed, struct ota_text device_id);

struct rollout_plan {
    bool member;                /* some stage takes the device; `stage` is valid */
    uint8_t stage;              /* the first whose rule takes it */
    enum rollout_reason reason; /* NONE: nothing about the device is in the way */
};

/* Who would get it, in which stage, and who would not and why: the dry run. Looks at no state of
 * the rollout, so a draft will do. Reasons: the device is not meant (not a member), or is a member
 * and RUNS_TARGET, COUNTER_LOW, COUNTER_JUMP, DOWNGRADE, DOWNGRADE_COUNTER, STEPPING_STONE,
 * OPTED_OUT. A device that was never seen is a member by its facts as registered (NOT_SEEN); one
 * with a target of running versions is not a member before it has told its own. */
struct rollout_plan rollout_plan_device(const struct rollout *rollout,
                                        const struct rollout_device *device);

/* Whether the release may go over what the device runs: NONE, or the reason of a plan (all of the
 * above but RUNS_TARGET). PRODUCT, HARDWARE and NOT_ACCEPTED as well. */
enum rollout_reason rollout_release_fits(const struct rollout *rollout,
                                         const struct rollout_device *device);
bool rollout_runs_target(const struct rollout *rollout, const struct rollout_device *device);

/* Until when the device's wish to wait is honoured; 0 = it has none. */
uint64_t rollout_postponed_until(const struct rollout *rollout,
                                 const struct rollout_device *device);

/* Whether a reason of a plan takes the device out of the stage's count (`excluded`): RUNS_TARGET,
 * COUNTER_LOW, DOWNGRADE, DOWNGRADE_COUNTER, OPTED_OUT. What another release can mend
 * (STEPPING_STONE, COUNTER_JUMP, NOT_SEEN) keeps it waiting. */
bool rollout_reason_excludes(enum rollout_reason reason);

/* Where the device counts; `newest` is its newest deployment in this rollout or NULL. A deployment
 * that was not withdrawn keeps its stage and is never excluded. */
struct rollout_place rollout_place(const struct rollout *rollout,
                                   const struct rollout_device *device,
                                   const struct deployment *newest);

#endif
