#include "server/rollout.h"

#include <assert.h>
#include <string.h>

#include "server/deployment.h"

/* The bucket counts in 1/60 device, so that a rate of 1 a minute fills it by 1 a second. */
#define BUCKET_DEVICE 60U      /* one offer */
#define BUCKET_SECONDS_MAX 60U /* waiting longer fills no more; keeps the product small */

void rollout_place_add(struct rollout *rollout, struct rollout_place place)
{
    if (!place.member)
        return;
    rollout->stages[place.stage].counts.members++;
    if (place.excluded)
        rollout->stages[place.stage].counts.excluded++;
}

void rollout_place_remove(struct rollout *rollout, struct rollout_place place)
{
    struct rollout_counts *counts = &rollout->stages[place.stage].counts;

    if (!place.member)
        return;
    assert(counts->members > 0 && (!place.excluded || counts->excluded > 0));
    counts->members--;
    if (place.excluded)
        counts->excluded--;
}

void rollout_place_move(struct rollout *rollout, struct rollout_place from, struct rollout_place to)
{
    rollout_place_remove(rollout, from);
    rollout_place_add(rollout, to);
}

void rollout_count_reset(struct rollout *rollout)
{
    for (size_t i = 0; i < ROLLOUT_STAGES_MAX; i++)
        memset(&rollout->stages[i].counts, 0, sizeof rollout->stages[i].counts);
    rollout->counted = false;
}

/* The counter of this round that a deployment stands in, NULL if none. */
static uint32_t *round_counter(struct rollout *rollout, const struct deployment *deployment)
{
    struct rollout_counts *counts = &rollout->stages[deployment->stage].counts;

    if (deployment->round != rollout->round)
        return NULL;
    if (deployment->state == DEPLOYMENT_SUCCEEDED)
        return &counts->round_successes;
    return deployment_failure(deployment->state) ? &counts->round_failures : NULL;
}

static bool counts_as_state(const struct deployment *deployment)
{
    return deployment->state != DEPLOYMENT_NONE && deployment->state != DEPLOYMENT_SKIPPED;
}

void rollout_count_deployment(struct rollout *rollout, const struct deployment *deployment)
{
    uint32_t *round = round_counter(rollout, deployment);

    if (!counts_as_state(deployment))
        return;
    rollout->stages[deployment->stage].counts.by_state[deployment->state]++;
    if (round != NULL)
        (*round)++;
}

void rollout_uncount_deployment(struct rollout *rollout, const struct deployment *deployment)
{
    uint32_t *round = round_counter(rollout, deployment);
    uint32_t *counter;

    if (!counts_as_state(deployment))
        return;
    counter = &rollout->stages[deployment->stage].counts.by_state[deployment->state];
    assert(*counter > 0 && (round == NULL || *round > 0));
    (*counter)--;
    if (round != NULL)
        (*round)--;
}

uint32_t rollout_stage_failures(const struct rollout_stage *stage)
{
    const uint32_t *by_state = stage->counts.by_state;

    return by_state[DEPLOYMENT_FAILED] + by_state[DEPLOYMENT_REVERTED] +
           by_state[DEPLOYMENT_TIMED_OUT] + by_state[DEPLOYMENT_UNHEALTHY];
}

uint32_t rollout_stage_in_flight(const struct rollout_stage *stage)
{
    const uint32_t *by_state = stage->counts.by_state;

    return by_state[DEPLOYMENT_OFFERED] + by_state[DEPLOYMENT_DOWNLOADING] +
           by_state[DEPLOYMENT_INSTALLING] + by_state[DEPLOYMENT_TRIAL] +
           by_state[DEPLOYMENT_RETRY];
}

uint32_t rollout_stage_devices(const struct rollout_stage *stage)
{
    return stage->counts.members - stage->counts.excluded;
}

uint32_t rollout_stage_waiting(const struct rollout_stage *stage)
{
    uint32_t begun = rollout_stage_failures(stage) + rollout_stage_in_flight(stage) +
                     stage->counts.by_state[DEPLOYMENT_SUCCEEDED];
    uint32_t devices = rollout_stage_devices(stage);

    return devices > begun ? devices - begun : 0;
}

enum rollout_halt_cause rollout_stage_broken(const struct rollout *rollout, uint8_t at)
{
    const struct rollout_stage *stage = &rollout->stages[at];
    uint32_t failures = stage->counts.round_failures;
    uint64_t devices = rollout_stage_devices(stage);

    if (failures == 0)
        return ROLLOUT_HALT_NONE;
    if (stage->failure_count != 0 && failures >= stage->failure_count)
        return ROLLOUT_HALT_FAILURE_COUNT;
    if (sequential_exceeded(&stage->sequential, failures, stage->counts.round_successes))
        return ROLLOUT_HALT_SEQUENTIAL;
    if (stage->failure_percent != 0 &&
        (uint64_t)failures * 100 >= (uint64_t)stage->failure_percent * devices)
        return ROLLOUT_HALT_FAILURE_PERCENT;
    return ROLLOUT_HALT_NONE;
}

/* What the bucket holds now: at most one device and a second's worth, so that no minute sees more
 * than its rate and that. */
static uint64_t bucket_level(const struct rollout *rollout, uint64_t now)
{
    uint64_t rate = rollout->stages[rollout->current].offers_a_minute;
    uint64_t most = BUCKET_DEVICE + rate;
    uint64_t elapsed = now > rollout->bucket_at ? now - rollout->bucket_at : 0;
    uint64_t level;

    if (rollout->bucket_at == 0)
        return 0;
    if (elapsed > BUCKET_SECONDS_MAX)
        elapsed = BUCKET_SECONDS_MAX;
    level = rollout->bucket + elapsed * rate;
    return level < most ? level : most;
}

bool rollout_rate_allows(const struct rollout *rollout, uint64_t now, uint64_t *at)
{
    uint32_t rate = rollout->stages[rollout->current].offers_a_minute;
    uint64_t level = bucket_level(rollout, now);

    if (rate == 0 || level >= BUCKET_DEVICE)
        return true;
    *at = now + (BUCKET_DEVICE - level + rate - 1) / rate;
    return false;
}

uint32_t rollout_room(const struct rollout *rollout, uint64_t now)
{
    const struct rollout_stage *stage = &rollout->stages[rollout->current];
    uint64_t room = UINT32_MAX;
    uint32_t in_flight = 0;

    if (stage->offers_a_minute != 0)
        room = bucket_level(rollout, now) / BUCKET_DEVICE;
    if (stage->in_flight_max == 0)
        return (uint32_t)room;
    for (uint8_t i = 0; i <= rollout->current; i++)
        in_flight += rollout_stage_in_flight(&rollout->stages[i]);
    if (in_flight >= stage->in_flight_max)
        return 0;
    return room < stage->in_flight_max - in_flight ? (uint32_t)room
                                                   : stage->in_flight_max - in_flight;
}

void rollout_rate_take(struct rollout *rollout, uint64_t now)
{
    uint64_t level = bucket_level(rollout, now);

    if (rollout->stages[rollout->current].offers_a_minute == 0)
        return;
    rollout->bucket = level > BUCKET_DEVICE ? level - BUCKET_DEVICE : 0;
    rollout->bucket_at = now;
}
