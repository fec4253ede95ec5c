#include "tests/support/support.h"

#include <string.h>

#include "tests/unit/rollout/caller.h"

/* A caller with `devices` devices and one draft of one stage. */
static struct rollout *open_one(struct caller *caller, size_t devices)
{
    caller_open(caller, devices);
    return &caller->rollouts[caller_add_rollout(caller)];
}

static void start(struct caller *caller)
{
    assert_int_equal(caller_order(caller, 0, ROLLOUT_START, false), ROLLOUT_ALLOWED);
}

static enum rollout_action poll(struct caller *caller, size_t device)
{
    return caller_poll(caller, device).action;
}

/* Offer to devices [from, to) and let each end with `event`. */
static void give(struct caller *caller, size_t from, size_t to, enum ota_event event)
{
    for (size_t i = from; i < to; i++) {
        assert_int_equal(poll(caller, i), ROLLOUT_ACTION_OFFER);
        if (event == OTA_EVENT_CONFIRMED)
            caller_update(caller, 0, i);
        else
            caller_event(caller, 0, i, event);
    }
}

static size_t count_offers(struct caller *caller, size_t devices)
{
    size_t offers = 0;

    for (size_t i = 0; i < devices; i++)
        offers += poll(caller, i) == ROLLOUT_ACTION_OFFER;
    return offers;
}

/* ---- stages ---- */

static void one_stage_to_the_end(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);

    (void)state;
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_NONE);
    start(&caller);
    give(&caller, 0, 2, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    assert_int_equal(rollout_stage_waiting(&rollout->stages[0]), 1);
    give(&caller, 2, 3, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    assert_int_equal(rollout->stages[0].state, ROLLOUT_STAGE_DONE);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_NONE);
    caller_close(&caller);
}

static void set_group_stage(struct rollout *rollout, uint32_t group)
{
    rollout->stage_count = 2;
    rollout->stages[1] = rollout->stages[0];
    rollout->stages[0].rule = ROLLOUT_RULE_GROUP;
    rollout->stages[0].group = group;
}

static void next_stage_waits_for_success(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 10);

    (void)state;
    set_group_stage(rollout, 1);
    rollout->stages[0].success_percent = 60;
    for (size_t i = 0; i < 4; i++)
        caller.devices[i].view.group = 1;
    start(&caller);
    assert_int_equal(caller_poll(&caller, 9).reason, ROLLOUT_REASON_STAGE_NOT_REACHED);
    give(&caller, 0, 2, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->current, 0); /* 50 % */
    give(&caller, 2, 3, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->current, 1); /* 75 % */
    assert_int_equal(poll(&caller, 9), ROLLOUT_ACTION_OFFER);
    assert_int_equal(poll(&caller, 3), ROLLOUT_ACTION_OFFER); /* a straggler of the stage before */
    caller_close(&caller);
}

static void soak(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);
    uint64_t next;

    (void)state;
    set_group_stage(rollout, 1);
    rollout->stages[0].soak_seconds = 600;
    caller.devices[0].view.group = 1;
    start(&caller);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout_tick(rollout, caller.now, &next), ROLLOUT_EVENT_NONE);
    assert_int_equal(next, caller.now + 600);
    caller.now += 599;
    caller_settle(&caller);
    assert_int_equal(rollout->current, 0);
    caller.now += 1;
    caller_settle(&caller);
    assert_int_equal(rollout->current, 1);
    caller_close(&caller);
}

static void soak_starts_again(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    set_group_stage(rollout, 1);
    rollout->stages[0].soak_seconds = 600;
    caller.devices[0].view.group = 1;
    start(&caller);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    caller.now += 500;
    caller_change_begin(&caller, 1);
    caller.devices[1].view.group = 1; /* joins the stage, not yet updated */
    caller_change_end(&caller, 1);
    caller_settle(&caller);
    caller.now += 500;
    caller_settle(&caller);
    assert_int_equal(rollout->current, 0);
    give(&caller, 1, 2, OTA_EVENT_CONFIRMED);
    caller.now += 599;
    caller_settle(&caller);
    assert_int_equal(rollout->current, 0);
    caller.now += 1;
    caller_settle(&caller);
    assert_int_equal(rollout->current, 1);
    caller_close(&caller);
}

static void empty_group_stops_it(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    set_group_stage(rollout, 1);
    start(&caller);
    caller_settle(&caller);
    assert_int_equal(rollout->current, 0);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_ADVANCE, false), ROLLOUT_REFUSED_STAGE);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_ADVANCE, true), ROLLOUT_ALLOWED);
    assert_int_equal(rollout->current, 1);
    caller_close(&caller);
}

static void empty_share_is_passed(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);

    (void)state;
    rollout->stage_count = 2;
    rollout->stages[1] = rollout->stages[0];
    rollout->stages[0].share_bp = 2300; /* dev-000 lies at 2300 for seed 1, just not below */
    start(&caller);
    assert_int_equal(rollout->current, 1);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void nobody_is_not_success(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);

    (void)state;
    caller.devices[0].view.accepted = false;
    start(&caller);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    caller_change_begin(&caller, 0);
    caller.devices[0].view.accepted = true; /* joins later, is taken in */
    caller_change_end(&caller, 0);
    caller_settle(&caller);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

static void excluded_do_not_count(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 4);

    (void)state;
    caller.devices[0].view.opted_out = true;
    caller.devices[1].view.version = (struct ota_version){2, 0, 0, 0};
    caller_hash(caller.devices[2].hash, 1);
    start(&caller);
    assert_int_equal(rollout_stage_devices(&rollout->stages[0]), 1);
    give(&caller, 3, 4, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

static void by_hand(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);

    (void)state;
    rollout->stages[0].by_hand = true;
    rollout->stages[0].soak_seconds = 60;
    start(&caller);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_ADVANCE, false), ROLLOUT_REFUSED_STAGE);
    caller.now += 60;
    caller_settle(&caller);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_ADVANCE, false), ROLLOUT_ALLOWED);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

static void not_ended_before_counted(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 4);

    (void)state;
    caller.count_at_once = false;
    rollout->stages[0].success_percent = 25;
    start(&caller);
    give(&caller, 3, 4, OTA_EVENT_CONFIRMED);
    caller_count(&caller, 0, 3);
    caller_settle(&caller);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    caller_count(&caller, 0, 1);
    caller_settle(&caller);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

/* ---- thresholds ---- */

static void failure_count_halts(void **state)
{
    static const enum ota_event failures[] = {OTA_EVENT_FAILED, OTA_EVENT_REVERTED};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct caller caller;
        struct rollout *rollout = open_one(&caller, 10);
        char sentence[128];

        rollout->stages[0].failure_count = 2;
        start(&caller);
        give(&caller, 0, 1, failures[i]);
        assert_int_equal(rollout->state, ROLLOUT_RUNNING);
        give(&caller, 1, 2, failures[i]);
        assert_int_equal(rollout->state, ROLLOUT_HALTED);
        assert_int_equal(rollout->halt.cause, ROLLOUT_HALT_FAILURE_COUNT);
        assert_int_equal(poll(&caller, 2), ROLLOUT_ACTION_NONE);
        rollout_halt_sentence(rollout, sentence, sizeof sentence);
        assert_string_equal(sentence, "Stage 1: 2 of 10 devices failed; the limit is 2.");
        caller_close(&caller);
    }
}

static void failure_percent_halts(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 30);

    (void)state;
    rollout->stages[0].failure_percent = 10;
    start(&caller);
    give(&caller, 0, 2, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    give(&caller, 2, 3, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    assert_int_equal(rollout->halt.cause, ROLLOUT_HALT_FAILURE_PERCENT);
    caller_close(&caller);
}

static void percent_waits_for_the_count(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 30);

    (void)state;
    caller.count_at_once = false;
    rollout->stages[0].failure_percent = 10;
    start(&caller);
    caller_count(&caller, 0, 5);
    give(&caller, 29, 30, OTA_EVENT_FAILED); /* one of five so far: not a halt, but no offers */
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    assert_int_equal(caller_poll(&caller, 1).reason, ROLLOUT_REASON_THRESHOLD);
    caller_count(&caller, 0, 25);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void sequential_halts(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1000);
    uint32_t limit;

    (void)state;
    rollout->stages[0].sequential = (struct sequential){100, 500, 500};
    limit = sequential_limit(&rollout->stages[0].sequential, 50);
    start(&caller);
    give(&caller, 0, 50, OTA_EVENT_CONFIRMED);
    give(&caller, 50, 50 + limit - 1, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    give(&caller, 50 + limit - 1, 50 + limit, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    assert_int_equal(rollout->halt.cause, ROLLOUT_HALT_SEQUENTIAL);
    caller_close(&caller);
}

static void short_halts(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);

    (void)state;
    start(&caller);
    give(&caller, 0, 2, OTA_EVENT_CONFIRMED);
    give(&caller, 2, 3, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    assert_int_equal(rollout->halt.cause, ROLLOUT_HALT_SHORT);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_RESUME, true), ROLLOUT_ALLOWED);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED); /* the operator took it as it is */
    caller_close(&caller);
}

static void earlier_stage_halts(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 6);

    (void)state;
    set_group_stage(rollout, 1);
    rollout->stages[0].success_percent = 50;
    rollout->stages[0].failure_count = 1;
    for (size_t i = 0; i < 2; i++)
        caller.devices[i].view.group = 1;
    start(&caller);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    assert_int_equal(rollout->current, 1);
    caller_event(&caller, 0, 1, OTA_EVENT_REVERTED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    assert_int_equal(rollout->halt.stage, 0);
    caller_close(&caller);
}

static void overshoot(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 20);

    (void)state;
    rollout->stages[0].failure_count = 3;
    start(&caller);
    assert_int_equal(count_offers(&caller, 8), 8);
    for (size_t i = 0; i < 8; i++)
        caller_event(&caller, 0, i, OTA_EVENT_FAILED);
    assert_int_equal(count_offers(&caller, 20), 0);
    assert_int_equal(rollout->halt.failures, 3);
    assert_int_equal(rollout_stage_failures(&rollout->stages[0]), 8); /* those in flight, no more */
    caller_close(&caller);
}

static void in_flight_bounds_overshoot(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 20);

    (void)state;
    rollout->stages[0].failure_count = 3;
    rollout->stages[0].in_flight_max = 2;
    start(&caller);
    assert_int_equal(count_offers(&caller, 20), 2);
    assert_int_equal(caller_poll(&caller, 5).reason, ROLLOUT_REASON_IN_FLIGHT);
    caller_event(&caller, 0, 0, OTA_EVENT_FAILED);
    assert_int_equal(count_offers(&caller, 20), 1);
    caller_close(&caller);
}

static void in_flight_keeps_the_seat_of_a_retry(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);

    (void)state;
    rollout->stages[0].in_flight_max = 1;
    rollout->retries = 1;
    start(&caller);
    give(&caller, 0, 1, OTA_EVENT_FAILED);
    assert_int_equal(caller_newest(&caller, 0, 0)->state, DEPLOYMENT_RETRY);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_NONE);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void offer_before_the_halt_is_known(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);
    struct rollout_candidate candidate = {rollout, NULL};
    struct ota_report report = {.seq = 1, .event = OTA_EVENT_FAILED};

    (void)state;
    rollout->stages[0].failure_count = 1;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    deployment_report(rollout, &caller.devices[0].view, &caller.devices[0].newest[0], &report,
                      caller.now); /* and nobody ticks */
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    assert_int_equal(rollout_consider(&candidate, &caller.devices[1].view, caller.now).reason,
                     ROLLOUT_REASON_THRESHOLD);
    caller_close(&caller);
}

/* ---- the rate ---- */

static void rate(void **state)
{
    static const uint32_t rates[] = {1, 7, 59, 60, 61, 600, 6000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct caller caller;
        struct rollout *rollout = open_one(&caller, 20000);
        size_t at = 0, first_minute = 0;
        uint64_t most = rates[i] / 60 + 1;

        rollout->stages[0].offers_a_minute = rates[i];
        start(&caller);
        for (unsigned second = 0; second < 180; second++, caller.now++) {
            size_t before = at;

            while (poll(&caller, at) == ROLLOUT_ACTION_OFFER)
                at++;
            assert_true(at - before <= most);
            if (second == 59)
                first_minute = at;
        }
        assert_in_range(at - first_minute, 2U * rates[i] - 1, 2U * rates[i] + 1);
        assert_true(first_minute <= rates[i] + most);
        caller_close(&caller);
    }
}

static void rate_says_when(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);
    struct rollout_decision decision;

    (void)state;
    rollout->stages[0].offers_a_minute = 4;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    decision = caller_poll(&caller, 1);
    assert_int_equal(decision.reason, ROLLOUT_REASON_RATE);
    assert_int_equal(decision.not_before, caller.now + 15);
    caller.now += 14;
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_NONE);
    caller.now += 1;
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void rate_after_restart(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    rollout->stages[0].offers_a_minute = 1;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    rollout->bucket = rollout->bucket_at = 0; /* as loaded */
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_NONE);
    caller.now += 60;
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void clock_steps_back(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);

    (void)state;
    rollout->stages[0].offers_a_minute = 1;
    rollout->stages[0].soak_seconds = 100;
    rollout->stages[0].success_percent = 30;
    start(&caller);
    give(&caller, 0, 1, OTA_EVENT_CONFIRMED);
    caller.now -= 1000000;
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_NONE);
    caller.now += 60;
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    caller.now += 40;
    caller_settle(&caller);
    assert_int_equal(rollout->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

/* ---- orders ---- */

static void paused(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_PAUSE, false), ROLLOUT_ALLOWED);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_NONE);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_CONTINUE);
    caller_update(&caller, 0, 0);
    assert_int_equal(caller_newest(&caller, 0, 0)->state, DEPLOYMENT_SUCCEEDED);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_RESUME, false), ROLLOUT_ALLOWED);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_OFFER);
    caller_close(&caller);
}

static void paused_halts(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    rollout->stages[0].failure_count = 1;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_order(&caller, 0, ROLLOUT_PAUSE, false);
    caller_event(&caller, 0, 0, OTA_EVENT_REVERTED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    caller_close(&caller);
}

static void paused_does_not_advance(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 2);

    (void)state;
    set_group_stage(rollout, 1);
    caller.devices[0].view.group = 1;
    start(&caller);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_order(&caller, 0, ROLLOUT_PAUSE, false);
    caller_update(&caller, 0, 0);
    assert_int_equal(rollout->current, 0);
    caller_order(&caller, 0, ROLLOUT_RESUME, false);
    assert_int_equal(rollout->current, 1);
    caller_close(&caller);
}

static void halted(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 4);

    (void)state;
    rollout->stages[0].failure_count = 1;
    start(&caller);
    assert_int_equal(count_offers(&caller, 3), 3);
    caller_event(&caller, 0, 1, OTA_EVENT_INSTALLED);
    caller_event(&caller, 0, 2, OTA_EVENT_FAILED);
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_HOLD);
    assert_int_equal(poll(&caller, 1), ROLLOUT_ACTION_HOLD);
    caller_update(&caller, 0, 1); /* went on without asking: still its success */
    assert_int_equal(caller_newest(&caller, 0, 1)->state, DEPLOYMENT_SUCCEEDED);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_RESUME, false), ROLLOUT_REFUSED_FORCE);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_RESUME, true), ROLLOUT_ALLOWED);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING); /* the old failure is forgiven */
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_CONTINUE);
    caller_event(&caller, 0, 0, OTA_EVENT_FAILED); /* a new one is not */
    assert_int_equal(rollout->state, ROLLOUT_HALTED);
    caller_close(&caller);
}

static void cancelled(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 3);

    (void)state;
    start(&caller);
    assert_int_equal(count_offers(&caller, 2), 2);
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_CANCEL, false), ROLLOUT_ALLOWED);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_CANCEL);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_CANCEL); /* until it says so */
    caller_event(&caller, 0, 0, OTA_EVENT_FAILED);
    assert_int_equal(caller_newest(&caller, 0, 0)->state, DEPLOYMENT_SKIPPED);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_NONE);
    assert_int_equal(poll(&caller, 2), ROLLOUT_ACTION_NONE);
    caller.now += ROLLOUT_TIMEOUT_DEFAULT;
    caller_expire(&caller);
    assert_int_equal(caller_newest(&caller, 0, 1)->state, DEPLOYMENT_SKIPPED);
    assert_int_equal(rollout_stage_failures(&rollout->stages[0]), 0);
    caller_close(&caller);
}

/* The table of orders: which state takes which, and what becomes of it. */
static void orders(void **state)
{
    enum { REFUSED = -1 };
    static const struct {
        enum rollout_state from;
        int to[8]; /* by command; 0 unused */
    } table[] = {
        {ROLLOUT_DRAFT,
         {0, ROLLOUT_RUNNING, ROLLOUT_SCHEDULED, REFUSED, REFUSED, ROLLOUT_CANCELLED, REFUSED,
          REFUSED}},
        {ROLLOUT_SCHEDULED,
         {0, ROLLOUT_RUNNING, ROLLOUT_SCHEDULED, REFUSED, REFUSED, ROLLOUT_CANCELLED, REFUSED,
          REFUSED}},
        {ROLLOUT_RUNNING,
         {0, REFUSED, REFUSED, ROLLOUT_PAUSED, REFUSED, ROLLOUT_CANCELLED, ROLLOUT_COMPLETED,
          ROLLOUT_HALTED}},
        {ROLLOUT_PAUSED,
         {0, REFUSED, REFUSED, REFUSED, ROLLOUT_RUNNING, ROLLOUT_CANCELLED, REFUSED,
          ROLLOUT_HALTED}},
        {ROLLOUT_HALTED,
         {0, REFUSED, REFUSED, REFUSED, ROLLOUT_RUNNING, ROLLOUT_CANCELLED, REFUSED, REFUSED}},
        {ROLLOUT_COMPLETED, {0, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {ROLLOUT_CANCELLED, {0, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int command = ROLLOUT_START; command <= (int)ROLLOUT_HALT; command++) {
            struct caller caller;
            struct rollout *rollout = open_one(&caller, 1), before;
            struct rollout_order order = {.command = (enum rollout_command)command,
                                          .force = true,
                                          .start_at = caller.now + 1};
            enum rollout_refusal refusal;

            rollout->state = table[i].from;
            before = *rollout;
            refusal = rollout_command(rollout, &order, caller.now);
            if (table[i].to[command] == REFUSED) {
                assert_int_equal(refusal, ROLLOUT_REFUSED_STATE);
                assert_memory_equal(&before, rollout, sizeof before);
            } else {
                assert_int_equal(refusal, ROLLOUT_ALLOWED);
                assert_int_equal(rollout->state, table[i].to[command]);
                assert_int_equal(rollout->revision, before.revision + 1);
            }
            assert_non_null(rollout_refusal_sentence(refusal, order.command, before.state));
            caller_close(&caller);
        }
    }
}

static void flaws_do_not_start(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);

    (void)state;
    rollout->stages[0].share_bp = 5000;
    assert_int_equal(caller_order(&caller, 0, ROLLOUT_START, false), ROLLOUT_REFUSED_SETTINGS);
    assert_int_equal(rollout->state, ROLLOUT_DRAFT);
    caller_close(&caller);
}

static void two_operators(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);
    struct rollout_order pause = {.command = ROLLOUT_PAUSE};
    struct rollout_order cancel = {.command = ROLLOUT_CANCEL};

    (void)state;
    start(&caller);
    pause.if_revision = cancel.if_revision = rollout->revision; /* both have read the same */
    assert_int_equal(caller_obey(&caller, 0, &pause), ROLLOUT_ALLOWED);
    assert_int_equal(caller_obey(&caller, 0, &cancel), ROLLOUT_REFUSED_REVISION);
    assert_int_equal(rollout->state, ROLLOUT_PAUSED);
    cancel.if_revision = rollout->revision;
    assert_int_equal(caller_obey(&caller, 0, &cancel), ROLLOUT_ALLOWED);
    caller_close(&caller);
}

static void schedule(void **state)
{
    struct caller caller;
    struct rollout *rollout = open_one(&caller, 1);
    struct rollout_order order = {.command = ROLLOUT_SCHEDULE, .start_at = caller.now};
    struct rollout_decision decision;
    uint64_t next;

    (void)state;
    assert_int_equal(caller_obey(&caller, 0, &order), ROLLOUT_REFUSED_TIME);
    order.start_at = caller.now + 100;
    assert_int_equal(caller_obey(&caller, 0, &order), ROLLOUT_ALLOWED);
    assert_int_equal(rollout_tick(rollout, caller.now, &next), ROLLOUT_EVENT_NONE);
    assert_int_equal(next, order.start_at);
    decision = caller_poll(&caller, 0);
    assert_int_equal(decision.reason, ROLLOUT_REASON_SCHEDULED);
    assert_int_equal(decision.not_before, order.start_at);
    caller.now += 100;
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    assert_int_equal(rollout->state, ROLLOUT_RUNNING);
    caller_close(&caller);
}

/* ---- several rollouts ---- */

static size_t add_running(struct caller *caller, unsigned image, uint8_t minor, bool security)
{
    size_t index = caller_add_rollout(caller);
    struct rollout *rollout = &caller->rollouts[index];

    caller_hash(rollout->release.hash, image);
    rollout->release.version.minor = minor;
    rollout->release.security = security;
    caller->now++;
    assert_int_equal(caller_order(caller, index, ROLLOUT_START, false), ROLLOUT_ALLOWED);
    return index;
}

static void newest_first(void **state)
{
    struct caller caller;
    struct rollout_decision decision;
    size_t older, newer;

    (void)state;
    caller_open(&caller, 1);
    older = add_running(&caller, 1, 1, false);
    newer = add_running(&caller, 2, 2, false);
    decision = caller_poll(&caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_OFFER);
    assert_int_equal(decision.candidate, newer);
    caller_update(&caller, newer, 0);
    decision = caller_poll(&caller, 0); /* the older one would be a downgrade */
    assert_int_equal(decision.action, ROLLOUT_ACTION_NONE);
    assert_int_equal(rollout_stage_devices(&caller.rollouts[older].stages[0]), 0);
    caller_close(&caller);
}

static void security_first(void **state)
{
    struct caller caller;
    struct rollout_decision decision;
    size_t security;

    (void)state;
    caller_open(&caller, 1);
    security = add_running(&caller, 1, 1, true);
    add_running(&caller, 2, 2, false);
    decision = caller_poll(&caller, 0);
    assert_int_equal(decision.candidate, security);
    caller_close(&caller);
}

static void security_preempts(void **state)
{
    struct caller caller;
    struct rollout_decision decision;
    size_t plain, security;

    (void)state;
    caller_open(&caller, 2);
    plain = add_running(&caller, 1, 1, false);
    assert_int_equal(count_offers(&caller, 2), 2);
    caller_event(&caller, plain, 0, OTA_EVENT_INSTALLED);
    security = add_running(&caller, 2, 2, true);
    decision = caller_poll(&caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_OFFER);
    assert_int_equal(decision.candidate, security);
    assert_int_equal(decision.supersedes, plain);
    assert_int_equal(caller_newest(&caller, plain, 0)->state, DEPLOYMENT_SKIPPED);
    caller_close(&caller);
}

static void trial_is_not_preempted(void **state)
{
    struct caller caller;
    size_t plain;

    (void)state;
    caller_open(&caller, 1);
    plain = add_running(&caller, 1, 1, false);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_hash(caller.devices[0].hash, 1);
    caller.devices[0].view.trial = true;
    caller_event(&caller, plain, 0, OTA_EVENT_TRIAL);
    add_running(&caller, 2, 2, true);
    assert_int_equal(caller_poll(&caller, 0).reason, ROLLOUT_REASON_IN_TRIAL);
    caller_close(&caller);
}

static void newer_does_not_preempt(void **state)
{
    struct caller caller;

    (void)state;
    caller_open(&caller, 1);
    add_running(&caller, 1, 1, false);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    add_running(&caller, 2, 2, false);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_CONTINUE);
    caller_close(&caller);
}

static void fix_replaces_halted(void **state)
{
    struct caller caller;
    struct rollout_decision decision;
    size_t bad, fix;

    (void)state;
    caller_open(&caller, 2);
    bad = add_running(&caller, 1, 1, false);
    caller.rollouts[bad].stages[0].failure_count = 1;
    assert_int_equal(count_offers(&caller, 2), 2);
    caller_event(&caller, bad, 1, OTA_EVENT_REVERTED);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_HOLD);
    fix = add_running(&caller, 2, 2, false);
    decision = caller_poll(&caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_OFFER);
    assert_int_equal(decision.candidate, fix);
    caller_close(&caller);
}

static void later_stage_leaves_it_to_the_older(void **state)
{
    struct caller caller;
    size_t older, newer;

    (void)state;
    caller_open(&caller, 2);
    older = add_running(&caller, 1, 1, false);
    newer = caller_add_rollout(&caller);
    caller_hash(caller.rollouts[newer].release.hash, 2);
    caller.rollouts[newer].release.version.minor = 2;
    set_group_stage(&caller.rollouts[newer], 1);
    caller.devices[1].view.group = 1;
    caller.now++;
    caller_order(&caller, newer, ROLLOUT_START, false);
    assert_int_equal(caller_poll(&caller, 0).candidate, older);
    assert_int_equal(caller_poll(&caller, 1).candidate, newer);
    caller_close(&caller);
}

static void rollback_keeps_what_it_gave(void **state)
{
    struct caller caller;
    size_t release, rollback;

    (void)state;
    caller_open(&caller, 2); /* the second never polls, so that both rollouts go on */
    release = add_running(&caller, 1, 2, false);
    caller.rollouts[release].retries = 3;
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_OFFER);
    caller_update(&caller, release, 0);
    rollback = caller_add_rollout(&caller);
    caller_hash(caller.rollouts[rollback].release.hash, 2);
    caller.rollouts[rollback].allow_downgrade = true;
    caller.now++;
    caller_order(&caller, rollback, ROLLOUT_START, false);
    assert_int_equal(caller_poll(&caller, 0).candidate, rollback);
    caller_update(&caller, rollback, 0);
    assert_int_equal(poll(&caller, 0), ROLLOUT_ACTION_NONE); /* and not forth and back for ever */
    caller_close(&caller);
}

/* ---- settings ---- */

static void no_stage(struct rollout *r)
{
    r->stage_count = 0;
}
static void too_many_stages(struct rollout *r)
{
    r->stage_count = ROLLOUT_STAGES_MAX + 1;
}
static void no_rule(struct rollout *r)
{
    r->stages[0].rule = (enum rollout_rule)0;
}
static void group_zero(struct rollout *r)
{
    r->stages[0].rule = ROLLOUT_RULE_GROUP;
}
static void share_zero(struct rollout *r)
{
    r->stages[0].share_bp = 0;
}
static void share_above(struct rollout *r)
{
    r->stages[0].share_bp = ROLLOUT_SHARE_WHOLE + 1;
}
static void share_repeated(struct rollout *r)
{
    set_group_stage(r, 1);
    r->stage_count = 3;
    r->stages[2] = r->stages[1];
}
static void share_not_whole(struct rollout *r)
{
    r->stages[0].share_bp = ROLLOUT_SHARE_WHOLE - 1;
}
static void group_twice(struct rollout *r)
{
    set_group_stage(r, 1);
    r->stages[1] = r->stages[0];
}
static void group_outside(struct rollout *r)
{
    set_group_stage(r, 1);
    r->target.group_count = 1;
    r->target.groups[0] = 2;
}
static void success_above(struct rollout *r)
{
    r->stages[0].success_percent = 101;
}
static void failure_above(struct rollout *r)
{
    r->stages[0].failure_percent = 101;
}
static void test_reversed(struct rollout *r)
{
    r->stages[0].sequential = (struct sequential){500, 100, 500};
}
static void soak_too_long(struct rollout *r)
{
    r->stages[0].soak_seconds = ROLLOUT_SECONDS_MAX + 1;
}
static void timeout_zero(struct rollout *r)
{
    rollout_set_timeouts(r, 0);
}
static void too_many_retries(struct rollout *r)
{
    r->retries = ROLLOUT_RETRIES_MAX + 1;
}
static void window_beyond_the_day(struct rollout *r)
{
    r->window.from_minute = WINDOW_MINUTES_A_DAY;
}
static void too_many_groups(struct rollout *r)
{
    r->target.group_count = ROLLOUT_GROUPS_MAX + 1;
}
static void range_reversed(struct rollout *r)
{
    r->target.has_running_min = r->target.has_running_max = true;
    r->target.running_min.major = 1;
}
static void no_product(struct rollout *r)
{
    r->release.product[0] = '\0';
}
static void nothing(struct rollout *r)
{
    (void)r;
}

static void flaws(void **state)
{
    static const struct {
        void (*spoil)(struct rollout *rollout);
        enum rollout_flaw flaw;
        uint8_t stage;
    } cases[] = {
        {nothing, ROLLOUT_FLAW_NONE, 0},
        {no_stage, ROLLOUT_FLAW_NO_STAGE, 0},
        {too_many_stages, ROLLOUT_FLAW_STAGES, 0},
        {no_rule, ROLLOUT_FLAW_RULE, 0},
        {group_zero, ROLLOUT_FLAW_RULE, 0},
        {share_zero, ROLLOUT_FLAW_RULE, 0},
        {share_above, ROLLOUT_FLAW_RULE, 0},
        {share_repeated, ROLLOUT_FLAW_SHARE_ORDER, 2},
        {share_not_whole, ROLLOUT_FLAW_SHARE_LAST, 0},
        {group_twice, ROLLOUT_FLAW_GROUP, 1},
        {group_outside, ROLLOUT_FLAW_GROUP, 0},
        {success_above, ROLLOUT_FLAW_PERCENT, 0},
        {failure_above, ROLLOUT_FLAW_PERCENT, 0},
        {test_reversed, ROLLOUT_FLAW_SEQUENTIAL, 0},
        {soak_too_long, ROLLOUT_FLAW_SECONDS, 0},
        {timeout_zero, ROLLOUT_FLAW_SECONDS, 0},
        {too_many_retries, ROLLOUT_FLAW_RETRIES, 0},
        {window_beyond_the_day, ROLLOUT_FLAW_WINDOW, 0},
        {too_many_groups, ROLLOUT_FLAW_TARGET, 0},
        {range_reversed, ROLLOUT_FLAW_TARGET, 0},
        {no_product, ROLLOUT_FLAW_RELEASE, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct caller caller;
        struct rollout *rollout = open_one(&caller, 1);
        uint8_t stage = 99;

        cases[i].spoil(rollout);
        if (rollout_check(rollout, &stage) != cases[i].flaw || stage != cases[i].stage)
            fail_msg("case %zu: flaw %d in stage %u", i, (int)rollout_check(rollout, NULL), stage);
        assert_non_null(rollout_flaw_sentence(cases[i].flaw));
        caller_close(&caller);
    }
}

static void rollback(void **state)
{
    struct caller caller;
    struct rollout *bad = open_one(&caller, 3), *back = &caller.rollouts[1];
    struct rollout_release old = bad->release, other;

    (void)state;
    start(&caller);
    give(&caller, 0, 2, OTA_EVENT_CONFIRMED);
    caller_order(&caller, 0, ROLLOUT_CANCEL, false);
    old.version = (struct ota_version){1, 0, 0, 0};
    caller_hash(old.hash, 0);
    other = old;
    other.counter++;
    assert_int_equal(rollout_init_rollback(back, 2, bad, &other), ROLLOUT_FLAW_ROLLBACK);
    assert_int_equal(rollout_init_rollback(back, 2, bad, &bad->release), ROLLOUT_FLAW_ROLLBACK);
    assert_int_equal(rollout_init_rollback(back, 2, bad, &old), ROLLOUT_FLAW_NONE);
    caller.rollout_count = 2;
    assert_int_equal(caller_order(&caller, 1, ROLLOUT_START, false), ROLLOUT_ALLOWED);
    assert_int_equal(count_offers(&caller, 3), 2); /* the third never had the bad release */
    caller_update(&caller, 1, 0);
    caller_update(&caller, 1, 1);
    assert_int_equal(back->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

static void begin_rollback(struct caller *caller)
{
    struct rollout_release old = caller->rollouts[0].release;

    old.version = (struct ota_version){1, 0, 0, 0};
    caller_hash(old.hash, 0);
    caller_order(caller, 0, ROLLOUT_CANCEL, false);
    assert_int_equal(rollout_init_rollback(&caller->rollouts[1], 2, &caller->rollouts[0], &old),
                     ROLLOUT_FLAW_NONE);
    caller->rollout_count = 2;
    assert_int_equal(caller_order(caller, 1, ROLLOUT_START, false), ROLLOUT_ALLOWED);
}

static void rollback_of_nobody(void **state)
{
    struct caller caller;

    (void)state;
    open_one(&caller, 3);
    start(&caller);
    begin_rollback(&caller);
    assert_int_equal(caller.rollouts[1].state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

static void rollback_waits(void **state)
{
    struct caller caller;
    const struct rollout *back = &caller.rollouts[1];

    (void)state;
    open_one(&caller, 4);
    start(&caller);
    for (size_t i = 0; i < 3; i++)
        caller_poll(&caller, i);
    begin_rollback(&caller);
    assert_int_equal(back->state, ROLLOUT_RUNNING);
    assert_int_equal(rollout_stage_waiting(&back->stages[0]), 3);
    assert_int_equal(caller_poll(&caller, 0).action, ROLLOUT_ACTION_CANCEL);
    caller_event(&caller, 0, 0, OTA_EVENT_FAILED); /* has given it up */
    caller_update(&caller, 0, 1);                  /* had it in flash already */
    assert_int_equal(rollout_stage_waiting(&back->stages[0]), 2);
    assert_int_equal(count_offers(&caller, 4), 1);
    caller_update(&caller, 1, 1);
    assert_int_equal(back->state, ROLLOUT_RUNNING);
    caller.now += ROLLOUT_TIMEOUT_DEFAULT + 1; /* the third is not heard of again */
    caller_expire(&caller);
    assert_int_equal(back->state, ROLLOUT_COMPLETED);
    caller_close(&caller);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("a rollout of one stage completes when all its devices have succeeded",
              one_stage_to_the_end)},
        {TEST("a stage begins when the one before has its success", next_stage_waits_for_success)},
        {TEST("a stage's success must have stood for its soak time", soak)},
        {TEST("a device that joins late makes the soak start again", soak_starts_again)},
        {TEST("a group without devices does not wave the rollout on", empty_group_stops_it)},
        {TEST("a share that happens to be empty is passed", empty_share_is_passed)},
        {TEST("a rollout that means nobody waits for somebody", nobody_is_not_success)},
        {TEST("devices that are not to be updated do not count", excluded_do_not_count)},
        {TEST("a stage by hand goes on only when told to", by_hand)},
        {TEST("no stage ends before all devices are counted", not_ended_before_counted)},
        {TEST("as many failures as the threshold halt the rollout", failure_count_halts)},
        {TEST("a percentage of failures halts the rollout", failure_percent_halts)},
        {TEST("a percentage does not halt before all are counted, but holds offers back",
              percent_waits_for_the_count)},
        {TEST("the sequential test halts the rollout at its limit", sequential_halts)},
        {TEST("a stage that falls short halts, and resuming takes it as it is", short_halts)},
        {TEST("a stage that is done is still watched", earlier_stage_halts)},
        {TEST("a threshold is overshot by no more than the offers in flight", overshoot)},
        {TEST("a limit on devices under way bounds the overshoot", in_flight_bounds_overshoot)},
        {TEST("a device that is to try again keeps its seat among those under way",
              in_flight_keeps_the_seat_of_a_retry)},
        {TEST("no offer is made between a failure and the tick that halts",
              offer_before_the_halt_is_known)},
        {TEST("offers keep to the rate, second by second and minute by minute", rate)},
        {TEST("a device beyond the rate is told when", rate_says_when)},
        {TEST("a restart does not let a second offer out in the same minute", rate_after_restart)},
        {TEST("a step back of the clock stops neither offers nor soak", clock_steps_back)},
        {TEST("a paused rollout makes no offers, and those under way finish", paused)},
        {TEST("a paused rollout halts when those under way fail", paused_halts)},
        {TEST("a paused rollout does not advance", paused_does_not_advance)},
        {TEST("a halted rollout holds those under way; resumed, it counts failures anew", halted)},
        {TEST("a cancelled rollout withdraws what has not been booted", cancelled)},
        {TEST("each state takes its orders and refuses the others unchanged", orders)},
        {TEST("a rollout that is not well formed does not start", flaws_do_not_start)},
        {TEST("of two operators who decided on the same state, one is obeyed", two_operators)},
        {TEST("a scheduled rollout starts at its time", schedule)},
        {TEST("of two rollouts the one started last goes first", newest_first)},
        {TEST("a security release goes before a newer one", security_first)},
        {TEST("a security release replaces a deployment that has not been booted",
              security_preempts)},
        {TEST("a device in trial is left alone", trial_is_not_preempted)},
        {TEST("a newer rollout does not replace a deployment under way", newer_does_not_preempt)},
        {TEST("a fix replaces what a halted rollout holds", fix_replaces_halted)},
        {TEST("a device in a later stage of the newer rollout gets the older one meanwhile",
              later_stage_leaves_it_to_the_older)},
        {TEST("a rollback and the release it undoes do not take turns",
              rollback_keeps_what_it_gave)},
        {TEST("each flaw of the settings is found, with its stage", flaws)},
        {TEST("a rollback takes back those who run the bad release, and no others", rollback)},
        {TEST("a rollback that nobody needs completes by itself", rollback_of_nobody)},
        {TEST("a rollback waits for those who have the bad release in hand", rollback_waits)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
