#include "server/rollout.h"

#include <string.h>

#define BUCKET_AT_START 60U /* one device may be offered at once */

void rollout_init(struct rollout *rollout, uint64_t id)
{
    memset(rollout, 0, sizeof *rollout);
    rollout->id = id;
    rollout->seed = id;
    rollout->revision = 1;
    rollout_set_timeouts(rollout, ROLLOUT_TIMEOUT_DEFAULT);
}

void rollout_set_timeouts(struct rollout *rollout, uint32_t seconds)
{
    rollout->timeouts = (struct rollout_timeouts){seconds, seconds, seconds, seconds, seconds};
}

static uint64_t elapsed(uint64_t now, uint64_t since)
{
    return now > since ? now - since : 0;
}

/* ---- steps, each of which changes the state once ---- */

static void activate(struct rollout *rollout, uint8_t stage, uint64_t now)
{
    rollout->current = stage;
    rollout->stages[stage].state = ROLLOUT_STAGE_ACTIVE;
    rollout->stages[stage].started_at = now;
}

static void begin(struct rollout *rollout, uint64_t now)
{
    rollout->state = ROLLOUT_RUNNING;
    rollout->started_at = now;
    rollout->bucket = BUCKET_AT_START;
    rollout->bucket_at = now;
    rollout_count_reset(rollout);
    activate(rollout, 0, now);
}

/* The current stage is done: on to the next, or to the end. */
static enum rollout_event finish_stage(struct rollout *rollout, uint64_t now)
{
    rollout->stages[rollout->current].state = ROLLOUT_STAGE_DONE;
    rollout->stages[rollout->current].done_at = now;
    if (rollout->current + 1 < rollout->stage_count) {
        activate(rollout, (uint8_t)(rollout->current + 1), now);
        return ROLLOUT_EVENT_ADVANCED;
    }
    rollout->state = ROLLOUT_COMPLETED;
    rollout->ended_at = now;
    return ROLLOUT_EVENT_COMPLETED;
}

static void halt(struct rollout *rollout, uint8_t stage, enum rollout_halt_cause cause,
                 uint64_t now)
{
    const struct rollout_stage *at = &rollout->stages[stage];
    bool is_short = cause == ROLLOUT_HALT_SHORT;

    rollout->state = ROLLOUT_HALTED;
    rollout->halt = (struct rollout_halt){
        .cause = cause,
        .stage = stage,
        .failures = is_short ? rollout_stage_failures(at) : at->counts.round_failures,
        .successes =
            is_short ? at->counts.by_state[DEPLOYMENT_SUCCEEDED] : at->counts.round_successes,
        .devices = rollout_stage_devices(at),
        .at = now,
    };
}

/* A new round: the operator has seen the failures so far, they no longer count. */
static void begin_round(struct rollout *rollout)
{
    if (rollout->halt.cause == ROLLOUT_HALT_SHORT)
        rollout->stages[rollout->halt.stage].accepted = true;
    rollout->halt = (struct rollout_halt){.cause = ROLLOUT_HALT_NONE};
    rollout->round++;
    for (size_t i = 0; i < rollout->stage_count; i++) {
        rollout->stages[i].counts.round_failures = 0;
        rollout->stages[i].counts.round_successes = 0;
    }
}

/* ---- orders ---- */

static bool not_begun(const struct rollout *rollout)
{
    return rollout->state == ROLLOUT_DRAFT || rollout->state == ROLLOUT_SCHEDULED;
}

static bool ended(const struct rollout *rollout)
{
    return rollout->state == ROLLOUT_COMPLETED || rollout->state == ROLLOUT_CANCELLED;
}

static bool soaked(const struct rollout *rollout, uint64_t now)
{
    const struct rollout_stage *stage = &rollout->stages[rollout->current];

    return stage->met_at != 0 && elapsed(now, stage->met_at) >= stage->soak_seconds;
}

static enum rollout_refusal check_order(const struct rollout *rollout,
                                        const struct rollout_order *order, uint64_t now)
{
    if (order->if_revision != 0 && order->if_revision != rollout->revision)
        return ROLLOUT_REFUSED_REVISION;
    switch (order->command) {
    case ROLLOUT_START:
    case ROLLOUT_SCHEDULE:
        if (!not_begun(rollout))
            return ROLLOUT_REFUSED_STATE;
        if (rollout_check(rollout, NULL) != ROLLOUT_FLAW_NONE)
            return ROLLOUT_REFUSED_SETTINGS;
        if (order->command == ROLLOUT_SCHEDULE && order->start_at <= now)
            return ROLLOUT_REFUSED_TIME;
        return ROLLOUT_ALLOWED;
    case ROLLOUT_PAUSE:
        return rollout->state == ROLLOUT_RUNNING ? ROLLOUT_ALLOWED : ROLLOUT_REFUSED_STATE;
    case ROLLOUT_RESUME:
        if (rollout->state == ROLLOUT_HALTED)
            return order->force ? ROLLOUT_ALLOWED : ROLLOUT_REFUSED_FORCE;
        return rollout->state == ROLLOUT_PAUSED ? ROLLOUT_ALLOWED : ROLLOUT_REFUSED_STATE;
    case ROLLOUT_CANCEL:
        return ended(rollout) ? ROLLOUT_REFUSED_STATE : ROLLOUT_ALLOWED;
    case ROLLOUT_ADVANCE:
        if (rollout->state != ROLLOUT_RUNNING)
            return ROLLOUT_REFUSED_STATE;
        return order->force || soaked(rollout, now) ? ROLLOUT_ALLOWED : ROLLOUT_REFUSED_STAGE;
    case ROLLOUT_HALT:
        return rollout->state == ROLLOUT_RUNNING || rollout->state == ROLLOUT_PAUSED
                   ? ROLLOUT_ALLOWED
                   : ROLLOUT_REFUSED_STATE;
    }
    return ROLLOUT_REFUSED_STATE;
}

static void obey(struct rollout *rollout, const struct rollout_order *order, uint64_t now)
{
    switch (order->command) {
    case ROLLOUT_START:
        begin(rollout, now);
        break;
    case ROLLOUT_SCHEDULE:
        rollout->state = ROLLOUT_SCHEDULED;
        rollout->start_at = order->start_at;
        break;
    case ROLLOUT_PAUSE:
        rollout->state = ROLLOUT_PAUSED;
        break;
    case ROLLOUT_RESUME:
        if (rollout->state == ROLLOUT_HALTED)
            begin_round(rollout);
        rollout->state = ROLLOUT_RUNNING;
        rollout->resumed_at = now;
        break;
    case ROLLOUT_CANCEL:
        rollout->state = ROLLOUT_CANCELLED;
        rollout->ended_at = now;
        break;
    case ROLLOUT_ADVANCE:
        finish_stage(rollout, now);
        break;
    case ROLLOUT_HALT:
        halt(rollout, rollout->current, ROLLOUT_HALT_OPERATOR, now);
        break;
    }
}

enum rollout_refusal rollout_command(struct rollout *rollout, const struct rollout_order *order,
                                     uint64_t now)
{
    enum rollout_refusal refusal = check_order(rollout, order, now);

    if (refusal != ROLLOUT_ALLOWED)
        return refusal;
    obey(rollout, order, now);
    rollout->revision++;
    return ROLLOUT_ALLOWED;
}

/* ---- time and counts ---- */

/* It means only devices that run something newer: once there are none, nothing is left to do. */
static bool takes_back(const struct rollout *rollout)
{
    return rollout->target.has_running_min &&
           ota_version_compare(&rollout->release.version, &rollout->target.running_min) < 0;
}

/* A stage without a device: a canary group that is empty by mistake must not wave the release on. A
 * share may be empty in a small fleet, as long as the rollout means anybody at all. */
static bool is_empty(const struct rollout *rollout)
{
    if (rollout->stages[rollout->current].rule == ROLLOUT_RULE_GROUP)
        return rollout->stages[rollout->current].counts.members == 0;
    for (size_t i = 0; i < rollout->stage_count; i++) {
        if (rollout->stages[i].counts.members != 0)
            return false;
    }
    return !takes_back(rollout);
}

static bool success_reached(const struct rollout *rollout)
{
    const struct rollout_stage *stage = &rollout->stages[rollout->current];
    uint64_t succeeded = stage->counts.by_state[DEPLOYMENT_SUCCEEDED];

    if (stage->accepted)
        return true;
    return rollout->counted && !is_empty(rollout) &&
           succeeded * 100 >= (uint64_t)rollout_stage_devices(stage) * stage->success_percent;
}

/* Every device of the current stage has its verdict, and they do not suffice. */
static bool fell_short(const struct rollout *rollout)
{
    const struct rollout_stage *stage = &rollout->stages[rollout->current];

    return rollout->counted && rollout_stage_devices(stage) != 0 && !success_reached(rollout) &&
           rollout_stage_waiting(stage) == 0 && rollout_stage_in_flight(stage) == 0;
}

static enum rollout_event watch_failures(struct rollout *rollout, uint64_t now)
{
    for (uint8_t i = 0; i <= rollout->current; i++) {
        enum rollout_halt_cause cause = rollout_stage_broken(rollout, i);

        if (cause == ROLLOUT_HALT_NONE ||
            (cause == ROLLOUT_HALT_FAILURE_PERCENT && !rollout->counted))
            continue;
        halt(rollout, i, cause, now);
        return ROLLOUT_EVENT_HALTED;
    }
    if (!fell_short(rollout))
        return ROLLOUT_EVENT_NONE;
    halt(rollout, rollout->current, ROLLOUT_HALT_SHORT, now);
    return ROLLOUT_EVENT_HALTED;
}

static enum rollout_event watch_success(struct rollout *rollout, uint64_t now)
{
    struct rollout_stage *stage = &rollout->stages[rollout->current];
    bool reached = success_reached(rollout);

    if (reached && stage->met_at == 0) {
        stage->met_at = now > 0 ? now : 1;
        return ROLLOUT_EVENT_MET;
    }
    if (!reached && stage->met_at != 0) {
        stage->met_at = 0;
        return ROLLOUT_EVENT_UNMET;
    }
    if (rollout->state == ROLLOUT_RUNNING && !stage->by_hand && soaked(rollout, now))
        return finish_stage(rollout, now);
    return ROLLOUT_EVENT_NONE;
}

static enum rollout_event step(struct rollout *rollout, uint64_t now)
{
    enum rollout_event event;

    if (rollout->state == ROLLOUT_SCHEDULED && now >= rollout->start_at) {
        begin(rollout, now);
        return ROLLOUT_EVENT_STARTED;
    }
    if (rollout->state != ROLLOUT_RUNNING && rollout->state != ROLLOUT_PAUSED)
        return ROLLOUT_EVENT_NONE;
    event = watch_failures(rollout, now);
    return event != ROLLOUT_EVENT_NONE ? event : watch_success(rollout, now);
}

/* After a restart the bucket is empty; after a step back of the clock nothing may wait for the old
 * time to come again. */
static void mend_times(struct rollout *rollout, uint64_t now)
{
    struct rollout_stage *stage = &rollout->stages[rollout->current];

    if (rollout->bucket_at == 0 || rollout->bucket_at > now)
        rollout->bucket_at = now;
    if (stage->met_at > now)
        stage->met_at = now > 0 ? now : 1;
}

static uint64_t next_act(const struct rollout *rollout)
{
    const struct rollout_stage *stage = &rollout->stages[rollout->current];

    if (rollout->state == ROLLOUT_SCHEDULED)
        return rollout->start_at;
    if (rollout->state == ROLLOUT_RUNNING && stage->met_at != 0 && !stage->by_hand)
        return stage->met_at + stage->soak_seconds;
    return ROLLOUT_NEVER;
}

enum rollout_event rollout_tick(struct rollout *rollout, uint64_t now, uint64_t *next_at)
{
    enum rollout_event event;

    mend_times(rollout, now);
    event = step(rollout, now);
    if (event != ROLLOUT_EVENT_NONE)
        rollout->revision++;
    if (next_at != NULL)
        *next_at = next_act(rollout);
    return event;
}

const char *rollout_refusal_sentence(enum rollout_refusal refusal, enum rollout_command command,
                                     enum rollout_state state)
{
    switch (refusal) {
    case ROLLOUT_ALLOWED:
        return "The order is carried out.";
    case ROLLOUT_REFUSED_FORCE:
        return "The rollout has halted; look at its failures, then resume with force.";
    case ROLLOUT_REFUSED_STAGE:
        return "The stage has not reached its success or is still soaking; advance with force to "
               "go on all the same.";
    case ROLLOUT_REFUSED_SETTINGS:
        return "The rollout's settings are not well formed; correct them first.";
    case ROLLOUT_REFUSED_TIME:
        return "The start time is not in the future; start the rollout instead.";
    case ROLLOUT_REFUSED_REVISION:
        return "The rollout has changed since it was read; read it again, then decide.";
    case ROLLOUT_REFUSED_STATE:
        break;
    }
    if (state == ROLLOUT_COMPLETED)
        return "The rollout is completed; create a new one.";
    if (state == ROLLOUT_CANCELLED)
        return "The rollout has been cancelled; create a new one.";
    switch (command) {
    case ROLLOUT_START:
    case ROLLOUT_SCHEDULE:
        return "The rollout has been started already.";
    case ROLLOUT_PAUSE:
        return "Only a running rollout can be paused.";
    case ROLLOUT_RESUME:
        return "Only a paused or halted rollout can be resumed.";
    case ROLLOUT_ADVANCE:
        return "Only a running rollout can be advanced.";
    case ROLLOUT_HALT:
        return "Only a running or paused rollout can be halted.";
    case ROLLOUT_CANCEL:
        break;
    }
    return "The rollout cannot be cancelled.";
}
