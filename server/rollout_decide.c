#include "server/rollout_decide.h"

#include "server/deployment.h"
#include "server/rollout_target.h"

bool rollout_goes_before(const struct rollout *a, const struct rollout *b)
{
    if (a->release.security != b->release.security)
        return a->release.security;
    if (a->started_at != b->started_at)
        return a->started_at > b->started_at;
    return a->id > b->id;
}

static struct rollout_decision answer(enum rollout_action action, enum rollout_reason reason)
{
    return (struct rollout_decision){.action = action,
                                     .reason = reason,
                                     .candidate = ROLLOUT_NO_CANDIDATE,
                                     .supersedes = ROLLOUT_NO_CANDIDATE};
}

static struct rollout_decision wait(enum rollout_action action, enum rollout_reason reason,
                                    uint64_t not_before)
{
    struct rollout_decision decision = answer(action, reason);

    decision.not_before = not_before;
    return decision;
}

/* The device's own clock: its wish to wait, and its window. NONE when both let it. */
static enum rollout_reason asleep(const struct rollout *rollout,
                                  const struct rollout_device *device, uint64_t now,
                                  uint64_t *until)
{
    uint64_t postponed = rollout_postponed_until(rollout, device);

    if (postponed > now) {
        *until = postponed;
        return ROLLOUT_REASON_POSTPONED;
    }
    *until = window_next_open(&rollout->window, device->utc_offset_minutes, now);
    return *until > now ? ROLLOUT_REASON_WINDOW : ROLLOUT_REASON_NONE;
}

/* The device has a deployment in hand. */
static struct rollout_decision consider_active(const struct rollout_candidate *candidate,
                                               const struct rollout_device *device, uint64_t now)
{
    const struct rollout *rollout = candidate->rollout;
    enum rollout_reason reason;
    uint64_t until;

    if (rollout_runs_target(rollout, device))
        return answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_RUNS_TARGET);
    if (!deployment_preboot(candidate->newest))
        return answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_UNDER_WAY);
    if (rollout->state == ROLLOUT_CANCELLED)
        return answer(ROLLOUT_ACTION_CANCEL, ROLLOUT_REASON_CANCELLED);
    reason = rollout_release_fits(rollout, device);
    if (reason != ROLLOUT_REASON_NONE && reason != ROLLOUT_REASON_NOT_SEEN)
        return answer(ROLLOUT_ACTION_CANCEL, reason);
    if (rollout->state == ROLLOUT_HALTED)
        return answer(ROLLOUT_ACTION_HOLD, ROLLOUT_REASON_HALTED);
    reason = asleep(rollout, device, now, &until);
    if (reason != ROLLOUT_REASON_NONE)
        return wait(ROLLOUT_ACTION_HOLD, reason, until);
    return answer(ROLLOUT_ACTION_CONTINUE, ROLLOUT_REASON_UNDER_WAY);
}

/* Whether a device that ended a try may have another; else why not. */
static enum rollout_reason chance_left(const struct rollout *rollout,
                                       const struct deployment *newest)
{
    bool budget = newest == NULL || newest->attempt <= rollout->retries;

    switch (newest == NULL ? DEPLOYMENT_NONE : newest->state) {
    case DEPLOYMENT_REVERTED:
        return ROLLOUT_REASON_REVERTED;
    case DEPLOYMENT_UNHEALTHY:
        return ROLLOUT_REASON_UNHEALTHY;
    case DEPLOYMENT_FAILED:
        return ROLLOUT_REASON_FAILED;
    case DEPLOYMENT_TIMED_OUT:
        return budget ? ROLLOUT_REASON_NONE : ROLLOUT_REASON_TIMED_OUT;
    case DEPLOYMENT_SUCCEEDED:
        return budget ? ROLLOUT_REASON_NONE : ROLLOUT_REASON_LEFT;
    case DEPLOYMENT_NONE:
    case DEPLOYMENT_OFFERED:
    case DEPLOYMENT_DOWNLOADING:
    case DEPLOYMENT_INSTALLING:
    case DEPLOYMENT_TRIAL:
    case DEPLOYMENT_RETRY:
    case DEPLOYMENT_SKIPPED:
        break;
    }
    return ROLLOUT_REASON_NONE;
}

/* What the rollout's state has against an offer. */
static enum rollout_reason not_running(enum rollout_state state)
{
    switch (state) {
    case ROLLOUT_RUNNING:
        return ROLLOUT_REASON_NONE;
    case ROLLOUT_DRAFT:
        return ROLLOUT_REASON_DRAFT;
    case ROLLOUT_SCHEDULED:
        return ROLLOUT_REASON_SCHEDULED;
    case ROLLOUT_PAUSED:
        return ROLLOUT_REASON_PAUSED;
    case ROLLOUT_HALTED:
        return ROLLOUT_REASON_HALTED;
    case ROLLOUT_COMPLETED:
        return ROLLOUT_REASON_COMPLETED;
    case ROLLOUT_CANCELLED:
        break;
    }
    return ROLLOUT_REASON_CANCELLED;
}

/* The tick that halts may come later than the poll. */
static bool about_to_halt(const struct rollout *rollout)
{
    for (uint8_t i = 0; i <= rollout->current; i++) {
        if (rollout_stage_broken(rollout, i) != ROLLOUT_HALT_NONE)
            return true;
    }
    return false;
}

/* A device that waits for its next try has its seat already. */
static bool in_flight_full(const struct rollout *rollout, const struct deployment *newest)
{
    uint32_t max = rollout->stages[rollout->current].in_flight_max;
    uint32_t in_flight = 0;

    if (max == 0 || (newest != NULL && newest->state == DEPLOYMENT_RETRY))
        return false;
    for (uint8_t i = 0; i <= rollout->current; i++)
        in_flight += rollout_stage_in_flight(&rollout->stages[i]);
    return in_flight >= max;
}

/* The rollout runs and wants the device: may it be now? */
static struct rollout_decision consider_moment(const struct rollout_candidate *candidate,
                                               const struct rollout_device *device, uint8_t stage,
                                               uint64_t now)
{
    const struct rollout *rollout = candidate->rollout;
    const struct deployment *newest = candidate->newest;
    struct rollout_decision offer = answer(ROLLOUT_ACTION_OFFER, ROLLOUT_REASON_OFFERED);
    enum rollout_reason reason;
    uint64_t until;

    if (about_to_halt(rollout))
        return answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_THRESHOLD);
    if (newest != NULL && newest->state != DEPLOYMENT_SKIPPED) {
        until = newest->changed_at + rollout->retry_wait_seconds;
        if (now < until)
            return wait(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_RETRY_WAIT, until);
    }
    reason = asleep(rollout, device, now, &until);
    if (reason != ROLLOUT_REASON_NONE)
        return wait(ROLLOUT_ACTION_NONE, reason, until);
    if (in_flight_full(rollout, newest))
        return answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_IN_FLIGHT);
    if (!rollout_rate_allows(rollout, now, &until))
        return wait(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_RATE, until);
    offer.stage = stage;
    return offer;
}

/* The device has nothing in hand from this rollout. */
static struct rollout_decision consider_new(const struct rollout_candidate *candidate,
                                            const struct rollout_device *device, uint64_t now)
{
    const struct rollout *rollout = candidate->rollout;
    const struct deployment *newest = candidate->newest;
    struct rollout_plan plan = rollout_plan_device(rollout, device);
    bool tried = newest != NULL && newest->state != DEPLOYMENT_SKIPPED;
    uint8_t stage = tried ? newest->stage : plan.stage;
    enum rollout_reason reason;

    if (tried && rollout_runs_target(rollout, device) && !deployment_failure(newest->state))
        return answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_RUNS_TARGET);
    reason = chance_left(rollout, newest);
    if (reason == ROLLOUT_REASON_NONE)
        reason = plan.reason;
    if (reason == ROLLOUT_REASON_NONE)
        reason = not_running(rollout->state);
    if (reason == ROLLOUT_REASON_SCHEDULED)
        return wait(ROLLOUT_ACTION_NONE, reason, rollout->start_at);
    if (reason == ROLLOUT_REASON_NONE && stage > rollout->current)
        reason = ROLLOUT_REASON_STAGE_NOT_REACHED;
    if (reason != ROLLOUT_REASON_NONE)
        return answer(ROLLOUT_ACTION_NONE, reason);
    return consider_moment(candidate, device, stage, now);
}

struct rollout_decision rollout_consider(const struct rollout_candidate *candidate,
                                         const struct rollout_device *device, uint64_t now)
{
    struct rollout_decision decision;

    if (device->trial)
        decision = answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_IN_TRIAL);
    else if (candidate->newest != NULL && deployment_active(candidate->newest))
        decision = consider_active(candidate, device, now);
    else
        decision = consider_new(candidate, device, now);
    decision.candidate = 0;
    return decision;
}

/* The candidate with the newest active deployment. */
static size_t find_active(const struct rollout_candidate *candidates, size_t count)
{
    size_t active = ROLLOUT_NO_CANDIDATE;

    for (size_t i = 0; i < count; i++) {
        const struct deployment *newest = candidates[i].newest;

        if (newest == NULL || !deployment_active(newest))
            continue;
        if (active == ROLLOUT_NO_CANDIDATE || newest->id > candidates[active].newest->id)
            active = i;
    }
    return active;
}

/* The next candidate in the order of precedence, after `last` (or the first of all). */
static size_t next_in_order(const struct rollout_candidate *candidates, size_t count, size_t last)
{
    size_t next = ROLLOUT_NO_CANDIDATE;

    for (size_t i = 0; i < count; i++) {
        const struct rollout *rollout = candidates[i].rollout;

        if (last != ROLLOUT_NO_CANDIDATE && !rollout_goes_before(candidates[last].rollout, rollout))
            continue;
        if (next == ROLLOUT_NO_CANDIDATE || rollout_goes_before(rollout, candidates[next].rollout))
            next = i;
    }
    return next;
}

/* A rollout that has the device on its image, or will have it as soon as the hour allows, leaves it
 * to none that comes after. */
static bool keeps_device(const struct rollout *rollout, enum rollout_reason reason)
{
    if (reason == ROLLOUT_REASON_RUNS_TARGET)
        return rollout->state == ROLLOUT_RUNNING || rollout->state == ROLLOUT_PAUSED;
    return reason == ROLLOUT_REASON_IN_TRIAL || reason == ROLLOUT_REASON_RATE ||
           reason == ROLLOUT_REASON_IN_FLIGHT || reason == ROLLOUT_REASON_WINDOW ||
           reason == ROLLOUT_REASON_POSTPONED || reason == ROLLOUT_REASON_RETRY_WAIT;
}

static bool tells_much(enum rollout_reason reason)
{
    return reason < ROLLOUT_REASON_NO_ROLLOUT || reason > ROLLOUT_REASON_NO_STAGE;
}

/* The first offer in the order of precedence, or the most telling refusal. `but` is left out. */
static struct rollout_decision best_offer(const struct rollout_candidate *candidates, size_t count,
                                          size_t but, bool security_only,
                                          const struct rollout_device *device, uint64_t now)
{
    struct rollout_decision best = answer(ROLLOUT_ACTION_NONE, ROLLOUT_REASON_NO_ROLLOUT);
    size_t i = next_in_order(candidates, count, ROLLOUT_NO_CANDIDATE);

    for (; i != ROLLOUT_NO_CANDIDATE; i = next_in_order(candidates, count, i)) {
        const struct rollout *rollout = candidates[i].rollout;

        if (i == but || (security_only && !rollout->release.security))
            continue;
        struct rollout_decision decision = rollout_consider(&candidates[i], device, now);
        decision.candidate = i;
        if (decision.action == ROLLOUT_ACTION_OFFER || keeps_device(rollout, decision.reason))
            return decision;
        if (best.candidate == ROLLOUT_NO_CANDIDATE ||
            (!tells_much(best.reason) && tells_much(decision.reason)))
            best = decision;
    }
    return best;
}

struct rollout_decision rollout_decide(const struct rollout_candidate *candidates, size_t count,
                                       const struct rollout_device *device, uint64_t now)
{
    size_t active = find_active(candidates, count);
    struct rollout_decision own, other;

    if (active == ROLLOUT_NO_CANDIDATE)
        return best_offer(candidates, count, ROLLOUT_NO_CANDIDATE, false, device, now);
    own = rollout_consider(&candidates[active], device, now);
    own.candidate = active;
    bool given_up = own.action == ROLLOUT_ACTION_CANCEL ||
                    (own.action == ROLLOUT_ACTION_HOLD && own.reason == ROLLOUT_REASON_HALTED);
    bool yields =
        own.action != ROLLOUT_ACTION_NONE && !candidates[active].rollout->release.security;
    if (!given_up && !yields)
        return own;
    other = best_offer(candidates, count, active, !given_up, device, now);
    if (other.action != ROLLOUT_ACTION_OFFER)
        return own;
    other.supersedes = active;
    return other;
}

struct rollout_decision rollout_explain(const struct rollout_candidate *candidates, size_t count,
                                        size_t which, const struct rollout_device *device,
                                        uint64_t now)
{
    struct rollout_decision all = rollout_decide(candidates, count, device, now);
    struct rollout_decision own = rollout_consider(&candidates[which], device, now);
    size_t active = find_active(candidates, count);

    own.candidate = which;
    if (own.action != ROLLOUT_ACTION_OFFER || all.candidate == which)
        return own;
    own.action = ROLLOUT_ACTION_NONE;
    own.reason = active != ROLLOUT_NO_CANDIDATE && active != which ? ROLLOUT_REASON_OTHER_DEPLOYMENT
                                                                   : ROLLOUT_REASON_OUTRANKED;
    return own;
}
