/*
 * The engine against the model: random sequences of everything that can happen to rollouts, and
 * after each step the two must agree on every state, count, deadline and answer. Beside that, the
 * rules that hold always are checked on the engine alone.
 *
 *   MODEL_SEQUENCES=n   how many sequences (100,000)
 *   MODEL_SECONDS=n     stop after so long (60), but not before 6,000 sequences
 *   MODEL_SEED=n        this one sequence, told step by step
 *   MODEL_COUNTS=1      how often each state, reason and so on was met
 */
#include "tests/support/support.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/rollout/run.h"

#define STEPS_MAX 60
#define SEQUENCES_MIN 6000 /* whatever the time: enough to meet everything once */

static void begin(struct run *run, uint64_t seed)
{
    memset(&run->model, 0, offsetof(struct model, log));
    memset(run->old, 0, sizeof run->old);
    memset(run->could_fail, 0, sizeof run->could_fail);
    run->seed = seed;
    run->restless = seed % 8 == 7;
    run->random = (seed + 1) * 0x9e3779b97f4a7c15U;
    run_draw(run, 2);
    run->model.rollout_count = PICK(1, 1, 2, 2, 3);
    run->model.device_count = PICK(2, 4, 6, 6);
    run->model.count_at_once = run_chance(run, 75);
    for (int r = 0; r < run->model.rollout_count; r++)
        run_draw_spec(run, &run->model.specs[r], r);
    model_open(&run->model);
    for (int r = 0; r < run->model.rollout_count; r++)
        run_draw_edge(run, &run->model.specs[r], run->model.places[r]);
    caller_open(&run->caller, (size_t)run->model.device_count);
    run->caller.count_at_once = run->model.count_at_once;
    run->caller.ctx = run;
    run->caller.on_event = run_check_event;
    run->caller.on_change = run_check_change;
    run->caller.on_offer = run_check_offer;
    run->caller.rollout_count = (size_t)run->model.rollout_count;
    run_set_time(run, RUN_START_TIME);
    run_tell(run, "the beginning");
    for (int r = 0; r < run->model.rollout_count; r++) {
        run_build_rollout(&run->caller.rollouts[r], &run->model.specs[r]);
        run_hold(run, rollout_check(&run->caller.rollouts[r], NULL) == ROLLOUT_FLAW_NONE,
                 "the drawn settings are well formed");
    }
    for (int d = 0; d < run->model.device_count; d++) {
        memset(&run->facts[d], 0, sizeof run->facts[d]);
        run->caller.devices[d].gone = true;
        if (run_chance(run, 90)) {
            run_draw_facts(run, &run->facts[d]);
            run_learn(run, d, &run->facts[d]);
        }
        model_facts(&run->model, d, &run->facts[d]);
    }
}

static void run_sequence(struct run *run, uint64_t seed)
{
    unsigned count;

    begin(run, seed);
    if (run_chance(run, 85))
        run_order(run, 0, 's', false, 0, 0);
    count = 10 + run_draw(run, STEPS_MAX - 10);
    for (unsigned i = 0; i < count; i++)
        run_take_step(run);
    caller_close(&run->caller);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value != NULL ? strtoull(value, NULL, 10) : otherwise;
}

static void expect_met(const unsigned long *counts, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if (getenv("MODEL_COUNTS") != NULL)
            print_message("%s %zu: %lu\n", what, i, counts[i]);
        if (counts[i] == 0)
            fail_msg("no sequence met %s number %zu", what, i);
    }
}

static void agree_on_everything(void **state)
{
    uint64_t sequences = setting("MODEL_SEQUENCES", 100000);
    time_t end = time(NULL) + (time_t)setting("MODEL_SECONDS", 60);
    struct run *run = *state;
    uint64_t done = 0;

    if (getenv("MODEL_SEED") != NULL) {
        run->told = true;
        run_sequence(run, setting("MODEL_SEED", 0));
        return;
    }
    for (; done < sequences && (done < SEQUENCES_MIN || done % 64 != 0 || time(NULL) < end); done++)
        run_sequence(run, done);
    print_message("%" PRIu64 " sequences, %lu steps\n", done, run->met.steps);
}

static void met_everything(void **state)
{
    static const enum rollout_reason others[] = {ROLLOUT_REASON_NONE, ROLLOUT_REASON_NOT_SEEN,
                                                 ROLLOUT_REASON_OTHER_DEPLOYMENT,
                                                 ROLLOUT_REASON_DRAFT, ROLLOUT_REASON_OUTRANKED};
    struct run *run = *state;

    if (getenv("MODEL_SEED") != NULL)
        return;
    /* A poll is never answered with these: they are rollout_explain()'s. */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        run->met.reasons[others[i]] = 1;
    run->met.reasons[ROLLOUT_REASON_COMPLETED] = run->met.reasons[ROLLOUT_REASON_NO_ROLLOUT] = 1;
    run->met.refusals[-ROLLOUT_REFUSED_SETTINGS] = 1; /* all that is drawn is well formed */
    expect_met(run->met.states + 1, DEPLOYMENT_STATE_COUNT - 1, "deployment state");
    expect_met(run->met.rollout_states, ROLLOUT_STATE_COUNT, "rollout state");
    expect_met(run->met.halts + 1, ROLLOUT_HALT_OPERATOR, "cause of a halt");
    expect_met(run->met.actions, ROLLOUT_ACTION_CANCEL + 1, "action");
    expect_met(run->met.reasons, ROLLOUT_REASON_COUNT, "reason");
    expect_met(run->met.events + 1, ROLLOUT_EVENT_COMPLETED, "event");
    expect_met(run->met.refusals, -ROLLOUT_REFUSED_REVISION + 1, "refusal");
    assert_true(run->met.restarts > 0 && run->met.supersedes > 0 && run->met.repeats > 0);
}

static int open_run(void **state)
{
    *state = calloc(1, sizeof(struct run));
    return *state == NULL;
}

static int close_run(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("the engine and the model agree on every step of random sequences",
              agree_on_everything)},
        {TEST("the sequences met every state, action, reason, halt and refusal", met_everything)},
    };

    return cmocka_run_group_tests(tests, open_run, close_run);
}
