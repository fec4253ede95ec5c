#include "tests/support/support.h"

#include <string.h>

#include "tests/unit/rollout/caller.h"

/* One rollout, running, and one device that has been offered it. */
struct scene {
    struct caller caller;
    struct rollout *rollout;
    struct caller_device *device;
    struct deployment *deployment;
};

static void set_scene(struct scene *scene)
{
    caller_open(&scene->caller, 2);
    scene->rollout = &scene->caller.rollouts[caller_add_rollout(&scene->caller)];
    scene->device = &scene->caller.devices[0];
    scene->deployment = &scene->device->newest[0];
    scene->rollout->timeouts = (struct rollout_timeouts){100, 200, 300, 400, 500};
    caller_order(&scene->caller, 0, ROLLOUT_START, false);
    assert_int_equal(caller_poll(&scene->caller, 0).action, ROLLOUT_ACTION_OFFER);
}

static void run_target(struct scene *scene, bool trial)
{
    caller_hash(scene->device->hash, 1);
    scene->device->view.version.minor = 1;
    scene->device->view.trial = trial;
}

static void run_old(struct scene *scene)
{
    caller_hash(scene->device->hash, 0);
    scene->device->view.version.minor = 0;
    scene->device->view.trial = false;
}

/* A report as the device would send it: the later ones come from the new image. */
static struct deployment_change event(struct scene *scene, enum ota_event event)
{
    if (event == OTA_EVENT_TRIAL || event == OTA_EVENT_CONFIRMED)
        run_target(scene, event == OTA_EVENT_TRIAL);
    else
        run_old(scene);
    return caller_event(&scene->caller, 0, 0, event);
}

/* Bring a fresh deployment into a state. */
static void bring(struct scene *scene, enum deployment_state state)
{
    switch (state) {
    case DEPLOYMENT_OFFERED:
        break;
    case DEPLOYMENT_DOWNLOADING:
        event(scene, OTA_EVENT_DOWNLOADING);
        break;
    case DEPLOYMENT_INSTALLING:
        event(scene, OTA_EVENT_INSTALLED);
        break;
    case DEPLOYMENT_TRIAL:
        event(scene, OTA_EVENT_TRIAL);
        break;
    case DEPLOYMENT_RETRY:
        scene->rollout->retries = 1;
        event(scene, OTA_EVENT_FAILED);
        break;
    case DEPLOYMENT_SUCCEEDED:
        event(scene, OTA_EVENT_CONFIRMED);
        break;
    case DEPLOYMENT_FAILED:
        event(scene, OTA_EVENT_FAILED);
        break;
    case DEPLOYMENT_REVERTED:
        event(scene, OTA_EVENT_REVERTED);
        break;
    case DEPLOYMENT_TIMED_OUT:
        scene->caller.now += 100;
        caller_expire(&scene->caller);
        break;
    case DEPLOYMENT_UNHEALTHY:
        scene->rollout->health_seconds = 1000;
        event(scene, OTA_EVENT_CONFIRMED);
        caller_health(&scene->caller, 0, 0, ++scene->device->seq, 1);
        break;
    case DEPLOYMENT_SKIPPED:
        scene->device->view.opted_out = true;
        event(scene, OTA_EVENT_FAILED);
        scene->device->view.opted_out = false;
        break;
    case DEPLOYMENT_NONE:
        break;
    }
    assert_int_equal(scene->deployment->state, state);
}

#define O DEPLOYMENT_OFFERED
#define D DEPLOYMENT_DOWNLOADING
#define I DEPLOYMENT_INSTALLING
#define T DEPLOYMENT_TRIAL
#define Y DEPLOYMENT_RETRY
#define S DEPLOYMENT_SUCCEEDED
#define F DEPLOYMENT_FAILED
#define R DEPLOYMENT_REVERTED
#define L DEPLOYMENT_TIMED_OUT
#define U DEPLOYMENT_UNHEALTHY
#define K DEPLOYMENT_SKIPPED

/* From each state, by downloading, installed, trial, confirmed, reverted, failed. */
static const struct {
    enum deployment_state from;
    enum deployment_state to[6];
} steps[] = {
    {O, {D, I, T, S, R, F}}, {D, {D, I, T, S, R, F}}, {I, {I, I, T, S, R, F}},
    {T, {T, T, T, S, R, F}}, {Y, {Y, Y, Y, Y, Y, Y}}, {S, {S, S, S, S, S, S}},
    {F, {F, F, F, F, F, F}}, {R, {R, R, R, R, R, R}}, {L, {L, L, L, S, R, F}},
    {U, {U, U, U, U, U, U}}, {K, {K, K, K, K, K, K}},
};

static void reports_step_forward(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        for (int e = OTA_EVENT_DOWNLOADING; e <= (int)OTA_EVENT_FAILED; e++) {
            struct scene scene;
            struct deployment_change change;

            set_scene(&scene);
            bring(&scene, steps[i].from);
            change = event(&scene, (enum ota_event)e);
            if (change.to != steps[i].to[e - 1] || change.from != steps[i].from ||
                scene.deployment->state != change.to)
                fail_msg("%s by %d: %s", deployment_state_name(steps[i].from), e,
                         deployment_state_name(change.to));
            assert_int_equal(change.effect == DEPLOYMENT_MOVED, change.from != change.to);
            caller_close(&scene.caller);
        }
    }
}

static void repeated_reports(void **state)
{
    (void)state;
    for (int e = OTA_EVENT_DOWNLOADING; e <= (int)OTA_EVENT_FAILED; e++) {
        struct scene scene;
        struct rollout rollout;
        struct deployment deployment;

        set_scene(&scene);
        event(&scene, (enum ota_event)e);
        rollout = *scene.rollout;
        deployment = *scene.deployment;
        scene.caller.now += 7;
        for (int again = OTA_EVENT_DOWNLOADING; again <= (int)OTA_EVENT_FAILED; again++) {
            struct ota_report report = {.seq = scene.device->seq - (again % 2 == 0),
                                        .event = (enum ota_event)again,
                                        .percent = 99};

            assert_int_equal(
                caller_report(&scene.caller, 0, 0, scene.deployment->id, &report).effect,
                DEPLOYMENT_UNCHANGED);
        }
        assert_memory_equal(&deployment, scene.deployment, sizeof deployment);
        assert_memory_equal(&rollout, scene.rollout, sizeof rollout);
        caller_close(&scene.caller);
    }
}

static void superseded_reports(void **state)
{
    struct scene scene;
    struct deployment before;
    struct rollout rollout;

    (void)state;
    set_scene(&scene);
    bring(&scene, L);
    scene.device->view.newest_deployment = scene.deployment->id + 1; /* another rollout's */
    before = *scene.deployment;
    rollout = *scene.rollout;
    assert_int_equal(event(&scene, OTA_EVENT_CONFIRMED).effect, DEPLOYMENT_UNCHANGED);
    assert_memory_equal(&before, scene.deployment, sizeof before);
    assert_memory_equal(&rollout, scene.rollout, sizeof rollout);
    caller_close(&scene.caller);
}

static void wrong_image_is_no_success(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    bring(&scene, I);
    caller_event(&scene.caller, 0, 0, OTA_EVENT_TRIAL); /* of the old image */
    assert_int_equal(scene.deployment->state, I);
    caller_event(&scene.caller, 0, 0, OTA_EVENT_CONFIRMED);
    assert_int_equal(scene.deployment->state, F);
    caller_close(&scene.caller);
}

/* What a poll that tells the image does to each state: on the target, on trial of it, on the old.
 */
static const struct {
    enum deployment_state from;
    enum deployment_state target, trial, old;
} truths[] = {
    {O, S, T, O}, {D, S, T, D}, {I, S, T, I}, {T, S, T, R}, {Y, S, Y, Y}, {S, S, S, S},
    {F, F, F, F}, {R, R, R, R}, {L, S, L, L}, {U, U, U, U}, {K, K, K, K},
};

static void what_runs_is_the_truth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        for (int runs = 0; runs < 3; runs++) {
            struct scene scene;
            enum deployment_state expected =
                runs == 0 ? truths[i].target : (runs == 1 ? truths[i].trial : truths[i].old);

            set_scene(&scene);
            bring(&scene, truths[i].from);
            if (runs == 2)
                run_old(&scene);
            else
                run_target(&scene, runs == 1);
            assert_int_equal(deployment_reconciles(scene.rollout, &scene.device->view,
                                                   scene.deployment, scene.caller.now),
                             expected != truths[i].from);
            deployment_reconcile(scene.rollout, &scene.device->view, scene.deployment,
                                 scene.caller.now);
            if (scene.deployment->state != expected)
                fail_msg("%s, runs %d: %s", deployment_state_name(truths[i].from), runs,
                         deployment_state_name(scene.deployment->state));
            caller_close(&scene.caller);
        }
    }
}

static void lost_report(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    bring(&scene, I);
    run_target(&scene, false);
    assert_int_equal(caller_poll(&scene.caller, 0).action, ROLLOUT_ACTION_NONE);
    assert_int_equal(scene.deployment->state, S);
    assert_true(scene.deployment->inferred);
    event(&scene, OTA_EVENT_CONFIRMED); /* it comes after all */
    assert_int_equal(scene.deployment->state, S);
    assert_false(scene.deployment->inferred);
    caller_close(&scene.caller);
}

static void found_on_the_old_image(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    bring(&scene, T);
    run_old(&scene);
    caller_poll(&scene.caller, 0);
    assert_int_equal(scene.deployment->state, R);
    event(&scene, OTA_EVENT_CONFIRMED); /* the poll had been an old one: the device knows better */
    assert_int_equal(scene.deployment->state, S);
    caller_close(&scene.caller);
}

static void left_within_the_health_time(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->health_seconds = 60;
    bring(&scene, S);
    run_old(&scene);
    scene.caller.now += 59;
    scene.device->view.newest_deployment++; /* brought there by another rollout: no surprise */
    caller_poll(&scene.caller, 0);
    assert_int_equal(scene.deployment->state, S);
    scene.device->view.newest_deployment--;
    caller_poll(&scene.caller, 0);
    assert_int_equal(scene.deployment->state, R);
    caller_close(&scene.caller);

    set_scene(&scene);
    scene.rollout->health_seconds = 60;
    bring(&scene, S);
    run_old(&scene);
    scene.caller.now += 60;
    assert_int_equal(caller_poll(&scene.caller, 0).reason, ROLLOUT_REASON_LEFT);
    assert_int_equal(scene.deployment->state, S);
    caller_close(&scene.caller);
}

static void health(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->health_seconds = 60;
    scene.rollout->health_events = 3;
    bring(&scene, S);
    scene.caller.now += 59;
    assert_int_equal(caller_health(&scene.caller, 0, 0, 10, 2).effect, DEPLOYMENT_NOTED);
    assert_int_equal(caller_health(&scene.caller, 0, 0, 10, 2).effect, DEPLOYMENT_UNCHANGED);
    assert_int_equal(scene.deployment->state, S);
    assert_int_equal(caller_health(&scene.caller, 0, 0, 11, 1).effect, DEPLOYMENT_MOVED);
    assert_int_equal(scene.deployment->state, U);
    assert_int_equal(scene.rollout->stages[0].counts.round_failures, 1);
    caller_close(&scene.caller);
}

static void health_too_late_or_too_early(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->health_seconds = 60;
    assert_int_equal(caller_health(&scene.caller, 0, 0, 1, 5).effect, DEPLOYMENT_NOTED);
    scene.device->seq = 1;
    bring(&scene, S);
    scene.caller.now += 60;
    assert_int_equal(caller_health(&scene.caller, 0, 0, 10, UINT32_MAX).effect, DEPLOYMENT_NOTED);
    assert_int_equal(scene.deployment->state, S);
    caller_close(&scene.caller);
}

/* ---- silence ---- */

static void every_state_times_out(void **state)
{
    static const struct {
        enum deployment_state from;
        uint64_t seconds;
        enum deployment_state to;
    } cases[] = {
        {O, 100, L}, {D, 200, L}, {I, 300, L}, {T, 400, L}, {Y, 500, F},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene scene;
        uint64_t deadline;

        set_scene(&scene);
        bring(&scene, cases[i].from);
        deadline = deployment_deadline(scene.rollout, &scene.device->view, scene.deployment);
        assert_int_equal(deadline, scene.caller.now + cases[i].seconds);
        scene.caller.now = deadline - 1;
        caller_expire(&scene.caller);
        assert_int_equal(scene.deployment->state, cases[i].from);
        scene.caller.now = deadline;
        caller_expire(&scene.caller);
        assert_int_equal(scene.deployment->state, cases[i].to);
        assert_int_equal(rollout_stage_failures(&scene.rollout->stages[0]), 1);
        assert_int_equal(deployment_deadline(scene.rollout, &scene.device->view, scene.deployment),
                         ROLLOUT_NEVER);
        caller_close(&scene.caller);
    }
}

static void progress_defers(void **state)
{
    struct scene scene;
    struct ota_report report = {.event = OTA_EVENT_DOWNLOADING};

    (void)state;
    set_scene(&scene);
    bring(&scene, D);
    for (report.percent = 0; report.percent <= 120; report.percent++) {
        scene.caller.now += 150;
        report.seq = ++scene.device->seq;
        caller_report(&scene.caller, 0, 0, scene.deployment->id, &report);
        caller_expire(&scene.caller);
        if (scene.deployment->state != D)
            break;
    }
    assert_int_equal(report.percent, 102); /* a device that stays at 100 % is not going anywhere */
    caller_close(&scene.caller);
}

static void halted_does_not_time_out(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    bring(&scene, D);
    scene.rollout->stages[0].failure_count = 1;
    assert_int_equal(caller_poll(&scene.caller, 1).action, ROLLOUT_ACTION_OFFER);
    caller_event(&scene.caller, 0, 1, OTA_EVENT_FAILED);
    assert_int_equal(scene.rollout->state, ROLLOUT_HALTED);
    assert_int_equal(deployment_deadline(scene.rollout, &scene.device->view, scene.deployment),
                     ROLLOUT_NEVER);
    scene.caller.now += 100000;
    caller_order(&scene.caller, 0, ROLLOUT_RESUME, true);
    assert_int_equal(deployment_deadline(scene.rollout, &scene.device->view, scene.deployment),
                     scene.caller.now + 200);
    caller_close(&scene.caller);
}

static void window_defers(void **state)
{
    struct scene scene;
    struct rollout_decision decision;
    uint64_t midnight;

    (void)state;
    set_scene(&scene);
    midnight = scene.caller.now - scene.caller.now % 86400 + 86400;
    scene.rollout->window = (struct window){WINDOW_EVERY_DAY, 120, 180};
    scene.caller.now = scene.deployment->changed_at = midnight + 3 * 3600 - 10;
    assert_int_equal(deployment_deadline(scene.rollout, &scene.device->view, scene.deployment),
                     midnight + 26 * 3600 + 100);
    scene.caller.now += 10;
    decision = caller_poll(&scene.caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_HOLD);
    assert_int_equal(decision.reason, ROLLOUT_REASON_WINDOW);
    assert_int_equal(decision.not_before, midnight + 26 * 3600);
    scene.caller.now = decision.not_before;
    assert_int_equal(caller_poll(&scene.caller, 0).action, ROLLOUT_ACTION_CONTINUE);
    caller_close(&scene.caller);
}

static void postponing_defers(void **state)
{
    struct scene scene;
    struct rollout_decision decision;

    (void)state;
    set_scene(&scene);
    scene.device->view.postponed_until = scene.caller.now + 1000;
    decision = caller_poll(&scene.caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_HOLD);
    assert_int_equal(decision.not_before, scene.caller.now + 1000);
    assert_int_equal(deployment_deadline(scene.rollout, &scene.device->view, scene.deployment),
                     scene.caller.now + 1100);
    caller_close(&scene.caller);
}

/* ---- tries ---- */

static void retry_budget(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->retries = 2;
    scene.rollout->retry_wait_seconds = 30;
    for (unsigned attempt = 1; attempt <= 2; attempt++) {
        assert_int_equal(scene.deployment->attempt, attempt);
        event(&scene, OTA_EVENT_FAILED);
        assert_int_equal(scene.deployment->state, Y);
        assert_int_equal(rollout_stage_failures(&scene.rollout->stages[0]), 0);
        scene.caller.now += 29;
        assert_int_equal(caller_poll(&scene.caller, 0).reason, ROLLOUT_REASON_RETRY_WAIT);
        scene.caller.now += 1;
        assert_int_equal(caller_poll(&scene.caller, 0).action, ROLLOUT_ACTION_OFFER);
    }
    event(&scene, OTA_EVENT_FAILED);
    assert_int_equal(scene.deployment->state, F);
    scene.caller.now += 1000;
    assert_int_equal(caller_poll(&scene.caller, 0).reason, ROLLOUT_REASON_FAILED);
    assert_int_equal(scene.caller.last_deployment, 3);
    caller_close(&scene.caller);
}

static void vanished_and_back(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->retries = 1;
    bring(&scene, L);
    assert_int_equal(rollout_stage_failures(&scene.rollout->stages[0]), 1);
    assert_int_equal(caller_poll(&scene.caller, 0).action, ROLLOUT_ACTION_OFFER);
    assert_int_equal(rollout_stage_failures(&scene.rollout->stages[0]), 0);
    scene.caller.now += 100;
    caller_expire(&scene.caller);
    assert_int_equal(scene.deployment->state, L);
    assert_int_equal(caller_poll(&scene.caller, 0).reason, ROLLOUT_REASON_TIMED_OUT);
    caller_close(&scene.caller);
}

static void reverted_is_final(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    scene.rollout->retries = 5;
    bring(&scene, R);
    scene.caller.now += 100000;
    assert_int_equal(caller_poll(&scene.caller, 0).reason, ROLLOUT_REASON_REVERTED);
    caller_close(&scene.caller);
}

static void unfit_is_withdrawn(void **state)
{
    struct scene scene;
    struct rollout_decision decision;

    (void)state;
    set_scene(&scene);
    bring(&scene, D);
    scene.device->view.counter = 5; /* flashed by hand with something newer */
    decision = caller_poll(&scene.caller, 0);
    assert_int_equal(decision.action, ROLLOUT_ACTION_CANCEL);
    assert_int_equal(decision.reason, ROLLOUT_REASON_COUNTER_LOW);
    caller_event(&scene.caller, 0, 0, OTA_EVENT_FAILED);
    assert_int_equal(scene.deployment->state, K);
    assert_int_equal(scene.rollout->stages[0].counts.excluded, 1);
    scene.device->view.counter = 1;
    caller_close(&scene.caller);
}

static void withdrawn_costs_no_try(void **state)
{
    struct scene scene;

    (void)state;
    set_scene(&scene);
    bring(&scene, K);
    assert_int_equal(caller_poll(&scene.caller, 0).action, ROLLOUT_ACTION_OFFER);
    assert_int_equal(scene.deployment->attempt, 1);
    caller_close(&scene.caller);
}

static void names(void **state)
{
    (void)state;
    for (int i = 0; i < DEPLOYMENT_STATE_COUNT; i++) {
        assert_non_null(deployment_state_name((enum deployment_state)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(deployment_state_name((enum deployment_state)i),
                                    deployment_state_name((enum deployment_state)j));
    }
    assert_null(deployment_state_name((enum deployment_state)DEPLOYMENT_STATE_COUNT));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("reports move a deployment forward, and a verdict stands", reports_step_forward)},
        {TEST("a sequence number that was taken changes nothing, whatever it says",
              repeated_reports)},
        {TEST("a report about a superseded deployment changes nothing", superseded_reports)},
        {TEST("an image that is not the release's is neither trial nor success",
              wrong_image_is_no_success)},
        {TEST("what the device runs is the truth in every state", what_runs_is_the_truth)},
        {TEST("a success is seen at the next poll when its report was lost", lost_report)},
        {TEST("a device in trial that is found on its old image has reverted",
              found_on_the_old_image)},
        {TEST("leaving the release counts against it within the health time only",
              left_within_the_health_time)},
        {TEST("bad events within the health time make a device unhealthy", health)},
        {TEST("bad events before the confirm or after the health time are noted only",
              health_too_late_or_too_early)},
        {TEST("silence in every state becomes a verdict at its timeout", every_state_times_out)},
        {TEST("only a download that gets on defers its timeout", progress_defers)},
        {TEST("a device held by a halt does not time out", halted_does_not_time_out)},
        {TEST("a closed window holds a device and defers its timeout", window_defers)},
        {TEST("a device that postpones is held and not timed out", postponing_defers)},
        {TEST("a device has as many tries as the budget, with a wait between", retry_budget)},
        {TEST("a device that vanished is counted, and may try again when it is back",
              vanished_and_back)},
        {TEST("a device that reverted is not tried again", reverted_is_final)},
        {TEST("a release that no longer fits is withdrawn without a verdict", unfit_is_withdrawn)},
        {TEST("a try that the server withdrew costs none of the budget", withdrawn_costs_no_try)},
        {TEST("every state of a deployment has a word of its own", names)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
