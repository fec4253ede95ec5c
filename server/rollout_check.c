#include "server/rollout.h"

#include <stddef.h>
#include <string.h>

static bool seconds_fit(uint32_t seconds)
{
    return seconds <= ROLLOUT_SECONDS_MAX;
}

static bool timeout_fits(uint32_t seconds)
{
    return seconds > 0 && seconds_fit(seconds);
}

static bool timeouts_fit(const struct rollout *rollout)
{
    const struct rollout_timeouts *timeouts = &rollout->timeouts;

    return timeout_fits(timeouts->offered_seconds) && timeout_fits(timeouts->downloading_seconds) &&
           timeout_fits(timeouts->installing_seconds) && timeout_fits(timeouts->trial_seconds) &&
           timeout_fits(timeouts->retry_seconds) && seconds_fit(rollout->retry_wait_seconds) &&
           seconds_fit(rollout->health_seconds) && seconds_fit(rollout->postpone_seconds_max);
}

static bool targets_group(const struct rollout_target *target, uint32_t group)
{
    if (target->group_count == 0)
        return true;
    for (size_t i = 0; i < target->group_count; i++) {
        if (target->groups[i] == group)
            return true;
    }
    return false;
}

static bool group_taken(const struct rollout *rollout, uint8_t stage)
{
    for (uint8_t i = 0; i < stage; i++) {
        if (rollout->stages[i].rule == ROLLOUT_RULE_GROUP &&
            rollout->stages[i].group == rollout->stages[stage].group)
            return true;
    }
    return false;
}

/* The share up to which earlier stages took everybody. */
static uint16_t share_before(const struct rollout *rollout, uint8_t stage)
{
    uint16_t share = 0;

    for (uint8_t i = 0; i < stage; i++) {
        if (rollout->stages[i].rule == ROLLOUT_RULE_SHARE)
            share = rollout->stages[i].share_bp;
    }
    return share;
}

static enum rollout_flaw check_rule(const struct rollout *rollout, uint8_t at)
{
    const struct rollout_stage *stage = &rollout->stages[at];

    if (stage->rule == ROLLOUT_RULE_GROUP) {
        if (stage->group == 0)
            return ROLLOUT_FLAW_RULE;
        if (group_taken(rollout, at) || !targets_group(&rollout->target, stage->group))
            return ROLLOUT_FLAW_GROUP;
        return ROLLOUT_FLAW_NONE;
    }
    if (stage->rule != ROLLOUT_RULE_SHARE || stage->share_bp == 0 ||
        stage->share_bp > ROLLOUT_SHARE_WHOLE)
        return ROLLOUT_FLAW_RULE;
    if (stage->share_bp <= share_before(rollout, at))
        return ROLLOUT_FLAW_SHARE_ORDER;
    if (at + 1 == rollout->stage_count && stage->share_bp != ROLLOUT_SHARE_WHOLE)
        return ROLLOUT_FLAW_SHARE_LAST;
    return ROLLOUT_FLAW_NONE;
}

static enum rollout_flaw check_stage(const struct rollout *rollout, uint8_t at)
{
    const struct rollout_stage *stage = &rollout->stages[at];

    if (stage->success_percent > 100 || stage->failure_percent > 100)
        return ROLLOUT_FLAW_PERCENT;
    if (!sequential_valid(&stage->sequential))
        return ROLLOUT_FLAW_SEQUENTIAL;
    if (!seconds_fit(stage->soak_seconds))
        return ROLLOUT_FLAW_SECONDS;
    return check_rule(rollout, at);
}

static enum rollout_flaw check_target(const struct rollout_target *target)
{
    if (target->group_count > ROLLOUT_GROUPS_MAX)
        return ROLLOUT_FLAW_TARGET;
    if (target->has_running_min && target->has_running_max &&
        ota_version_compare(&target->running_min, &target->running_max) > 0)
        return ROLLOUT_FLAW_TARGET;
    return ROLLOUT_FLAW_NONE;
}

static enum rollout_flaw check_whole(const struct rollout *rollout)
{
    if (rollout->release.product[0] == '\0' || rollout->release.hardware[0] == '\0')
        return ROLLOUT_FLAW_RELEASE;
    if (rollout->stage_count == 0)
        return ROLLOUT_FLAW_NO_STAGE;
    if (rollout->stage_count > ROLLOUT_STAGES_MAX)
        return ROLLOUT_FLAW_STAGES;
    if (!timeouts_fit(rollout))
        return ROLLOUT_FLAW_SECONDS;
    if (rollout->retries > ROLLOUT_RETRIES_MAX)
        return ROLLOUT_FLAW_RETRIES;
    if (!window_valid(&rollout->window))
        return ROLLOUT_FLAW_WINDOW;
    return check_target(&rollout->target);
}

enum rollout_flaw rollout_check(const struct rollout *rollout, uint8_t *stage)
{
    enum rollout_flaw flaw = check_whole(rollout);

    if (stage != NULL)
        *stage = 0;
    for (uint8_t i = 0; flaw == ROLLOUT_FLAW_NONE && i < rollout->stage_count; i++) {
        flaw = check_stage(rollout, i);
        if (flaw != ROLLOUT_FLAW_NONE && stage != NULL)
            *stage = i;
    }
    return flaw;
}

static bool goes_back(const struct rollout_release *from, const struct rollout_release *to)
{
    return strcmp(from->product, to->product) == 0 && strcmp(from->hardware, to->hardware) == 0 &&
           from->counter == to->counter && ota_version_compare(&to->version, &from->version) < 0;
}

enum rollout_flaw rollout_init_rollback(struct rollout *rollback, uint64_t id,
                                        const struct rollout *of, const struct rollout_release *to)
{
    if (!goes_back(&of->release, to))
        return ROLLOUT_FLAW_ROLLBACK;
    rollout_init(rollback, id);
    rollback->release = *to;
    rollback->target = of->target;
    rollback->target.has_running_min = rollback->target.has_running_max = true;
    rollback->target.running_min = rollback->target.running_max = of->release.version;
    rollback->stage_count = 1;
    rollback->stages[0].rule = ROLLOUT_RULE_SHARE;
    rollback->stages[0].share_bp = ROLLOUT_SHARE_WHOLE;
    rollback->stages[0].success_percent = 100;
    rollback->stages[0].offers_a_minute = of->stages[of->stage_count - 1].offers_a_minute;
    rollback->allow_downgrade = true;
    rollback->timeouts = of->timeouts;
    rollback->retries = of->retries;
    rollback->retry_wait_seconds = of->retry_wait_seconds;
    return ROLLOUT_FLAW_NONE;
}

const char *rollout_flaw_sentence(enum rollout_flaw flaw)
{
    switch (flaw) {
    case ROLLOUT_FLAW_NONE:
        return "The rollout is well formed.";
    case ROLLOUT_FLAW_NO_STAGE:
        return "The rollout has no stage; give at least one, such as percent 100.";
    case ROLLOUT_FLAW_STAGES:
        return "The rollout has more than 16 stages.";
    case ROLLOUT_FLAW_RULE:
        return "A stage needs a group, or a percentage above 0 and at most 100.";
    case ROLLOUT_FLAW_SHARE_ORDER:
        return "A stage's percentage is not above that of a stage before it, so it would take no "
               "device; percentages add up to the whole target.";
    case ROLLOUT_FLAW_SHARE_LAST:
        return "The last stage leaves devices out; it must be percent 100 or a group.";
    case ROLLOUT_FLAW_GROUP:
        return "A stage names a group that another stage has, or that is not in the target.";
    case ROLLOUT_FLAW_PERCENT:
        return "A success or failure threshold is above 100 %.";
    case ROLLOUT_FLAW_SEQUENTIAL:
        return "The sequential test needs an allowed rate, a higher suspect rate below 100 %, and "
               "a confidence from 50 to 99.99 %.";
    case ROLLOUT_FLAW_SECONDS:
        return "A time is above one year, or a timeout is 0.";
    case ROLLOUT_FLAW_RETRIES:
        return "A device may be given at most 10 further tries.";
    case ROLLOUT_FLAW_WINDOW:
        return "A maintenance window's times must lie between 00:00 and 23:59.";
    case ROLLOUT_FLAW_TARGET:
        return "The target names more than 16 groups, or its lowest running version is above its "
               "highest.";
    case ROLLOUT_FLAW_RELEASE:
        return "The release names no product or no hardware.";
    case ROLLOUT_FLAW_ROLLBACK:
        return "A rollback needs an older release of the same product, hardware and security "
               "counter; a device refuses any other.";
    }
    return "The rollout is not well formed.";
}
