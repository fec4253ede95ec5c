#include "server/rollout_target.h"

#include <string.h>

#define FNV_OFFSET 0xcbf29ce484222325U
#define FNV_PRIME 0x00000100000001b3U

static uint64_t fnv1a(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * FNV_PRIME;
    return hash;
}

/* FNV-1a alone spreads ids that differ in their last digits badly over the upper bits. */
static uint64_t fmix64(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdU;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53U;
    return hash ^ hash >> 33;
}

uint16_t rollout_share_place(uint64_t seed, struct ota_text device_id)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(seed >> 8 * i);
    uint64_t hash = fnv1a(FNV_OFFSET, bytes, sizeof bytes);
    hash = fmix64(fnv1a(hash, device_id.at, device_id.len));
    return (uint16_t)((hash >> 32) * ROLLOUT_SHARE_WHOLE >> 32);
}

static bool in_target_group(const struct rollout_target *target, uint32_t group)
{
    if (target->group_count == 0)
        return true;
    for (size_t i = 0; i < target->group_count; i++) {
        if (target->groups[i] == group)
            return true;
    }
    return false;
}

static bool in_running_range(const struct rollout_target *target, const struct ota_version *version)
{
    if (target->has_running_min && ota_version_compare(version, &target->running_min) < 0)
        return false;
    return !target->has_running_max || ota_version_compare(version, &target->running_max) <= 0;
}

/* Whether the device may be given this kind of release at all. */
static enum rollout_reason same_kind(const struct rollout *rollout,
                                     const struct rollout_device *device)
{
    if (!device->accepted)
        return ROLLOUT_REASON_NOT_ACCEPTED;
    if (!ota_text_is(device->product, rollout->release.product))
        return ROLLOUT_REASON_PRODUCT;
    if (!ota_text_is(device->hardware, rollout->release.hardware))
        return ROLLOUT_REASON_HARDWARE;
    return ROLLOUT_REASON_NONE;
}

/* Whether the target means the device; NONE if so. */
static enum rollout_reason meant(const struct rollout *rollout, const struct rollout_device *device)
{
    const struct rollout_target *target = &rollout->target;
    enum rollout_reason reason = same_kind(rollout, device);

    if (reason != ROLLOUT_REASON_NONE)
        return reason;
    if (!in_target_group(target, device->group))
        return ROLLOUT_REASON_GROUP;
    if (!selector_matches(&target->tags, device->tags, device->tag_count))
        return ROLLOUT_REASON_TAGS;
    if (!target->has_running_min && !target->has_running_max)
        return ROLLOUT_REASON_NONE;
    if (!device->seen)
        return ROLLOUT_REASON_NOT_SEEN;
    return in_running_range(target, &device->version) ? ROLLOUT_REASON_NONE
                                                      : ROLLOUT_REASON_RUNNING_RANGE;
}

/* The first stage that takes the device; stage_count if none does. */
static uint8_t first_stage(const struct rollout *rollout, const struct rollout_device *device)
{
    uint16_t share_place = rollout_share_place(rollout->seed, device->id);
    uint8_t i;

    for (i = 0; i < rollout->stage_count; i++) {
        const struct rollout_stage *stage = &rollout->stages[i];

        if (stage->rule == ROLLOUT_RULE_SHARE && share_place < stage->share_bp)
            break;
        if (stage->rule == ROLLOUT_RULE_GROUP && device->group == stage->group)
            break;
    }
    return i;
}

bool rollout_runs_target(const struct rollout *rollout, const struct rollout_device *device)
{
    return device->seen && memcmp(device->hash, rollout->release.hash, OTA_HASH_LEN) == 0;
}

uint64_t rollout_postponed_until(const struct rollout *rollout, const struct rollout_device *device)
{
    uint64_t end = rollout->started_at + rollout->postpone_seconds_max;

    if (rollout->postpone_seconds_max != 0 && device->postponed_until > end)
        return end;
    return device->postponed_until;
}

enum rollout_reason rollout_release_fits(const struct rollout *rollout,
                                         const struct rollout_device *device)
{
    const struct rollout_release *release = &rollout->release;
    enum rollout_reason reason = same_kind(rollout, device);

    if (reason != ROLLOUT_REASON_NONE)
        return reason;
    if (device->opted_out)
        return ROLLOUT_REASON_OPTED_OUT;
    if (!device->seen)
        return ROLLOUT_REASON_NOT_SEEN;
    if (release->counter < device->counter)
        return ROLLOUT_REASON_COUNTER_LOW;
    if (release->counter - device->counter > OTA_COUNTER_JUMP_MAX)
        return ROLLOUT_REASON_COUNTER_JUMP;
    if (ota_version_compare(&release->version, &device->version) < 0) {
        if (!rollout->allow_downgrade)
            return ROLLOUT_REASON_DOWNGRADE;
        if (release->counter != device->counter)
            return ROLLOUT_REASON_DOWNGRADE_COUNTER;
    }
    if (release->has_version_min &&
        ota_version_compare(&device->version, &release->version_min) < 0)
        return ROLLOUT_REASON_STEPPING_STONE;
    return ROLLOUT_REASON_NONE;
}

struct rollout_plan rollout_plan_device(const struct rollout *rollout,
                                        const struct rollout_device *device)
{
    struct rollout_plan plan = {.reason = meant(rollout, device)};

    if (plan.reason != ROLLOUT_REASON_NONE)
        return plan;
    plan.stage = first_stage(rollout, device);
    plan.member = plan.stage < rollout->stage_count;
    if (!plan.member)
        plan.reason = ROLLOUT_REASON_NO_STAGE;
    else if (rollout_runs_target(rollout, device))
        plan.reason = ROLLOUT_REASON_RUNS_TARGET;
    else
        plan.reason = rollout_release_fits(rollout, device);
    return plan;
}

bool rollout_reason_excludes(enum rollout_reason reason)
{
    return reason == ROLLOUT_REASON_RUNS_TARGET || reason == ROLLOUT_REASON_COUNTER_LOW ||
           reason == ROLLOUT_REASON_DOWNGRADE || reason == ROLLOUT_REASON_DOWNGRADE_COUNTER ||
           reason == ROLLOUT_REASON_OPTED_OUT;
}

/* It is not meant yet; but what it has in hand may take it where it is, so it is waited for. */
static bool comes_into_range(const struct rollout *rollout, const struct rollout_device *device,
                             enum rollout_reason reason)
{
    return reason == ROLLOUT_REASON_RUNNING_RANGE && device->heading != NULL &&
           in_running_range(&rollout->target, device->heading);
}

struct rollout_place rollout_place(const struct rollout *rollout,
                                   const struct rollout_device *device,
                                   const struct deployment *newest)
{
    struct rollout_place place = {.member = true};

    if (newest != NULL && newest->state != DEPLOYMENT_SKIPPED) {
        place.stage = newest->stage;
        return place;
    }
    struct rollout_plan plan = rollout_plan_device(rollout, device);
    if (comes_into_range(rollout, device, plan.reason)) {
        plan.stage = first_stage(rollout, device);
        plan.member = plan.stage < rollout->stage_count;
    }
    place.member = plan.member;
    place.stage = plan.stage;
    place.excluded = plan.member && rollout_reason_excludes(plan.reason);
    return place;
}
