#include "tests/support/support.h"

#include <string.h>

#include "tests/unit/rollout/caller.h"

/*
 * For each reason a scene in which it is the truth. Two rollouts, of which the second is a draft
 * that only some scenes use; two devices, of which the first is asked about; decided is what
 * explaining says of the first rollout.
 */
struct scene {
    struct caller caller;
    struct rollout *rollout, *second;
    struct rollout_device *device;
    struct deployment *newest;
};

static void set_scene(struct scene *scene)
{
    caller_open(&scene->caller, 2);
    scene->rollout = &scene->caller.rollouts[caller_add_rollout(&scene->caller)];
    scene->second = &scene->caller.rollouts[caller_add_rollout(&scene->caller)];
    scene->second->release.version.minor = 2;
    caller_hash(scene->second->release.hash, 2);
    scene->device = &scene->caller.devices[0].view;
    scene->newest = &scene->caller.devices[0].newest[0];
}

static void start(struct scene *s)
{
    assert_int_equal(caller_order(&s->caller, 0, ROLLOUT_START, false), ROLLOUT_ALLOWED);
}

static void start_second(struct scene *s)
{
    s->caller.now++;
    assert_int_equal(caller_order(&s->caller, 1, ROLLOUT_START, false), ROLLOUT_ALLOWED);
}

static void offer(struct scene *s)
{
    start(s);
    assert_int_equal(caller_poll(&s->caller, 0).action, ROLLOUT_ACTION_OFFER);
}

static void is_offered(struct scene *s)
{
    start(s);
}
static void is_under_way(struct scene *s)
{
    offer(s);
}
static void is_in_trial(struct scene *s)
{
    offer(s);
    s->device->trial = true;
}
static void runs_target(struct scene *s)
{
    caller_hash(s->caller.devices[0].hash, 1);
    start(s);
}
static void has_succeeded(struct scene *s)
{
    offer(s);
    caller_update(&s->caller, 0, 0);
}
static void is_not_accepted(struct scene *s)
{
    s->device->accepted = false;
    start(s);
}
static void is_not_seen(struct scene *s)
{
    s->device->seen = false;
    start(s);
}
static void is_of_another_product(struct scene *s)
{
    s->device->product = caller_text("kettle");
    start(s);
}
static void is_other_hardware(struct scene *s)
{
    s->device->hardware = caller_text("b2");
    start(s);
}
static void is_in_another_group(struct scene *s)
{
    s->rollout->target.groups[s->rollout->target.group_count++] = 3;
    start(s);
}
static void has_no_tag(struct scene *s)
{
    selector_parse(&s->rollout->target.tags, caller_text("site=berlin"), NULL);
    start(s);
}
static void runs_outside_the_range(struct scene *s)
{
    s->rollout->target.has_running_min = true;
    s->rollout->target.running_min.major = 9;
    start(s);
}
static void is_in_no_stage(struct scene *s)
{
    s->rollout->stages[0].rule = ROLLOUT_RULE_GROUP;
    s->rollout->stages[0].group = 3;
    start(s);
}
static void has_a_higher_counter(struct scene *s)
{
    s->device->counter = 2;
    start(s);
}
static void has_a_far_lower_counter(struct scene *s)
{
    s->rollout->release.counter = 18;
    start(s);
}
static void runs_newer(struct scene *s)
{
    s->device->version.major = 2;
    start(s);
}
static void runs_newer_of_a_lower_counter(struct scene *s)
{
    s->rollout->allow_downgrade = true;
    s->rollout->release.counter = 2;
    runs_newer(s);
}
static void runs_too_old(struct scene *s)
{
    s->rollout->release.has_version_min = true;
    s->rollout->release.version_min = (struct ota_version){1, 0, 5, 0};
    start(s);
}
static void has_opted_out(struct scene *s)
{
    s->device->opted_out = true;
    start(s);
}
static void is_of_a_draft(struct scene *s)
{
    (void)s;
}
static void is_scheduled(struct scene *s)
{
    struct rollout_order order = {.command = ROLLOUT_SCHEDULE, .start_at = s->caller.now + 1};

    assert_int_equal(caller_obey(&s->caller, 0, &order), ROLLOUT_ALLOWED);
}
static void is_paused(struct scene *s)
{
    start(s);
    caller_order(&s->caller, 0, ROLLOUT_PAUSE, false);
}
static void is_halted(struct scene *s)
{
    s->rollout->stages[0].failure_count = 1;
    start(s);
    caller_poll(&s->caller, 1);
    caller_event(&s->caller, 0, 1, OTA_EVENT_FAILED);
}
static void is_completed(struct scene *s)
{
    s->rollout->stages[0].success_percent = 50;
    start(s);
    caller_poll(&s->caller, 1);
    caller_update(&s->caller, 0, 1);
}
static void is_cancelled(struct scene *s)
{
    start(s);
    caller_order(&s->caller, 0, ROLLOUT_CANCEL, false);
}
static void is_in_a_later_stage(struct scene *s)
{
    s->rollout->stage_count = 2;
    s->rollout->stages[1] = s->rollout->stages[0];
    s->rollout->stages[0].rule = ROLLOUT_RULE_GROUP;
    s->rollout->stages[0].group = 3;
    start(s);
}
static void is_about_to_halt(struct scene *s)
{
    s->caller.count_at_once = false; /* so that the percentage cannot halt it yet */
    s->rollout->stages[0].failure_percent = 1;
    start(s);
    caller_poll(&s->caller, 1);
    caller_event(&s->caller, 0, 1, OTA_EVENT_FAILED);
}
static void is_beyond_the_rate(struct scene *s)
{
    s->rollout->stages[0].offers_a_minute = 1;
    start(s);
    caller_poll(&s->caller, 1);
}
static void is_one_too_many(struct scene *s)
{
    s->rollout->stages[0].in_flight_max = 1;
    start(s);
    caller_poll(&s->caller, 1);
}
static void is_outside_its_window(struct scene *s)
{
    uint16_t minute = (uint16_t)(s->caller.now / 60 % WINDOW_MINUTES_A_DAY);

    s->rollout->window =
        (struct window){WINDOW_EVERY_DAY, (uint16_t)((minute + 60) % WINDOW_MINUTES_A_DAY), minute};
    start(s);
}
static void has_postponed(struct scene *s)
{
    s->device->postponed_until = s->caller.now + 1;
    start(s);
}
static void waits_for_its_next_try(struct scene *s)
{
    s->rollout->retries = 1;
    s->rollout->retry_wait_seconds = 10;
    offer(s);
    caller_event(&s->caller, 0, 0, OTA_EVENT_FAILED);
}
static void is_updated_by_another(struct scene *s)
{
    start_second(s);
    caller_poll(&s->caller, 0);
    start(s);
}
static void is_outranked(struct scene *s)
{
    start(s);
    start_second(s);
}
static void has_failed(struct scene *s)
{
    offer(s);
    caller_event(&s->caller, 0, 0, OTA_EVENT_FAILED);
}
static void has_reverted(struct scene *s)
{
    offer(s);
    caller_event(&s->caller, 0, 0, OTA_EVENT_REVERTED);
}
static void has_timed_out(struct scene *s)
{
    offer(s);
    s->caller.now += ROLLOUT_TIMEOUT_DEFAULT;
    caller_expire(&s->caller);
}
static void is_unhealthy(struct scene *s)
{
    s->rollout->health_seconds = 60;
    has_succeeded(s);
    caller_health(&s->caller, 0, 0, 100, 1);
}
static void has_left(struct scene *s)
{
    has_succeeded(s);
    caller_hash(s->caller.devices[0].hash, 7);
}

static const struct {
    enum rollout_reason reason;
    void (*set)(struct scene *scene);
} scenes[] = {
    {ROLLOUT_REASON_OFFERED, is_offered},
    {ROLLOUT_REASON_UNDER_WAY, is_under_way},
    {ROLLOUT_REASON_IN_TRIAL, is_in_trial},
    {ROLLOUT_REASON_RUNS_TARGET, runs_target},
    {ROLLOUT_REASON_RUNS_TARGET, has_succeeded},
    {ROLLOUT_REASON_NOT_ACCEPTED, is_not_accepted},
    {ROLLOUT_REASON_NOT_SEEN, is_not_seen},
    {ROLLOUT_REASON_PRODUCT, is_of_another_product},
    {ROLLOUT_REASON_HARDWARE, is_other_hardware},
    {ROLLOUT_REASON_GROUP, is_in_another_group},
    {ROLLOUT_REASON_TAGS, has_no_tag},
    {ROLLOUT_REASON_RUNNING_RANGE, runs_outside_the_range},
    {ROLLOUT_REASON_NO_STAGE, is_in_no_stage},
    {ROLLOUT_REASON_COUNTER_LOW, has_a_higher_counter},
    {ROLLOUT_REASON_COUNTER_JUMP, has_a_far_lower_counter},
    {ROLLOUT_REASON_DOWNGRADE, runs_newer},
    {ROLLOUT_REASON_DOWNGRADE_COUNTER, runs_newer_of_a_lower_counter},
    {ROLLOUT_REASON_STEPPING_STONE, runs_too_old},
    {ROLLOUT_REASON_OPTED_OUT, has_opted_out},
    {ROLLOUT_REASON_DRAFT, is_of_a_draft},
    {ROLLOUT_REASON_SCHEDULED, is_scheduled},
    {ROLLOUT_REASON_PAUSED, is_paused},
    {ROLLOUT_REASON_HALTED, is_halted},
    {ROLLOUT_REASON_COMPLETED, is_completed},
    {ROLLOUT_REASON_CANCELLED, is_cancelled},
    {ROLLOUT_REASON_STAGE_NOT_REACHED, is_in_a_later_stage},
    {ROLLOUT_REASON_THRESHOLD, is_about_to_halt},
    {ROLLOUT_REASON_RATE, is_beyond_the_rate},
    {ROLLOUT_REASON_IN_FLIGHT, is_one_too_many},
    {ROLLOUT_REASON_WINDOW, is_outside_its_window},
    {ROLLOUT_REASON_POSTPONED, has_postponed},
    {ROLLOUT_REASON_RETRY_WAIT, waits_for_its_next_try},
    {ROLLOUT_REASON_OTHER_DEPLOYMENT, is_updated_by_another},
    {ROLLOUT_REASON_OUTRANKED, is_outranked},
    {ROLLOUT_REASON_FAILED, has_failed},
    {ROLLOUT_REASON_REVERTED, has_reverted},
    {ROLLOUT_REASON_TIMED_OUT, has_timed_out},
    {ROLLOUT_REASON_UNHEALTHY, is_unhealthy},
    {ROLLOUT_REASON_LEFT, has_left},
};
#define SCENES (sizeof scenes / sizeof scenes[0])

static struct rollout_decision explain(struct scene *scene)
{
    struct rollout_candidate candidates[2];

    for (size_t i = 0; i < 2; i++)
        candidates[i] = (struct rollout_candidate){&scene->caller.rollouts[i],
                                                   caller_newest(&scene->caller, i, 0)};
    return rollout_explain(candidates, 2, 0, scene->device, scene->caller.now);
}

static void every_reason_is_told(void **state)
{
    bool told[ROLLOUT_REASON_COUNT] = {false};

    (void)state;
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene;
        struct rollout_decision decision;

        set_scene(&scene);
        scenes[i].set(&scene);
        decision = explain(&scene);
        if (decision.reason != scenes[i].reason)
            fail_msg("scene %zu: not \"%s\" but \"%s\"", i,
                     rollout_reason_sentence(scenes[i].reason),
                     rollout_reason_sentence(decision.reason));
        assert_int_equal(decision.candidate, 0);
        told[decision.reason] = true;
        caller_close(&scene.caller);
    }
    told[ROLLOUT_REASON_NONE] = told[ROLLOUT_REASON_NO_ROLLOUT] = true; /* the test after this */
    for (int i = 0; i < ROLLOUT_REASON_COUNT; i++) {
        if (!told[i])
            fail_msg("no scene tells %s", rollout_reason_name((enum rollout_reason)i));
    }
}

static void no_rollout(void **state)
{
    struct scene scene;
    struct rollout_decision decision;

    (void)state;
    set_scene(&scene);
    decision = rollout_decide(NULL, 0, scene.device, scene.caller.now);
    assert_int_equal(decision.action, ROLLOUT_ACTION_NONE);
    assert_int_equal(decision.reason, ROLLOUT_REASON_NO_ROLLOUT);
    assert_true(decision.candidate == ROLLOUT_NO_CANDIDATE);
    caller_close(&scene.caller);
}

/* Explaining is deciding with what is known; where a poll would be answered otherwise, it lies. */
static void explained_as_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENES; i++) {
        struct scene scene;
        struct rollout_decision explained, answered;
        bool alone = scenes[i].reason != ROLLOUT_REASON_OTHER_DEPLOYMENT &&
                     scenes[i].reason != ROLLOUT_REASON_OUTRANKED;

        set_scene(&scene);
        scenes[i].set(&scene);
        explained = explain(&scene);
        if (!alone || scene.rollout->state == ROLLOUT_DRAFT ||
            scene.rollout->state == ROLLOUT_COMPLETED ||
            scene.rollout->state == ROLLOUT_CANCELLED) {
            caller_close(&scene.caller);
            continue; /* no candidates of a poll */
        }
        answered = caller_poll(&scene.caller, 0);
        assert_int_equal(answered.reason, explained.reason);
        assert_int_equal(answered.action, explained.action);
        assert_int_equal(answered.not_before, explained.not_before);
        caller_close(&scene.caller);
    }
}

static void telling_refusals_go_first(void **state)
{
    struct scene scene;
    struct rollout_decision decision;

    (void)state;
    set_scene(&scene);
    start(&scene);
    caller_order(&scene.caller, 0, ROLLOUT_PAUSE, false);
    scene.second->target.groups[scene.second->target.group_count++] = 3;
    start_second(&scene);
    decision = caller_poll(&scene.caller, 0); /* the newer one does not mean it: no news */
    assert_int_equal(decision.reason, ROLLOUT_REASON_PAUSED);
    assert_int_equal(decision.candidate, 0);
    caller_close(&scene.caller);
}

static void words(void **state)
{
    (void)state;
    assert_null(rollout_reason_name(ROLLOUT_REASON_NONE));
    assert_null(rollout_reason_sentence((enum rollout_reason)ROLLOUT_REASON_COUNT));
    for (int i = 1; i < ROLLOUT_REASON_COUNT; i++) {
        const char *name = rollout_reason_name((enum rollout_reason)i);
        const char *sentence = rollout_reason_sentence((enum rollout_reason)i);

        assert_non_null(name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_true(sentence[0] >= 'A' && sentence[0] <= 'Z');
        assert_int_equal(sentence[strlen(sentence) - 1], '.');
        for (int j = 1; j < i; j++) {
            assert_string_not_equal(name, rollout_reason_name((enum rollout_reason)j));
            assert_string_not_equal(sentence, rollout_reason_sentence((enum rollout_reason)j));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("every reason is told of a device of which it is true", every_reason_is_told)},
        {TEST("without a rollout the answer is that there is none", no_rollout)},
        {TEST("what is explained is what a poll is answered", explained_as_answered)},
        {TEST("a rollout that means the device explains more than one that does not",
              telling_refusals_go_first)},
        {TEST("each reason has a word and a sentence of its own", words)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
