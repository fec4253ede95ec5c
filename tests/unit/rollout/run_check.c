#include "tests/support/support.h"
#include "tests/unit/rollout/run.h"

#include <inttypes.h>
#include <string.h>

/* ---- agreement ---- */

static void disagree(struct run *run, const char *about, int64_t engine, int64_t model)
{
    fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": %s: the engine has %" PRId64
             ", the model %" PRId64,
             run->seed, run->what, about, engine, model);
}

void run_agree(struct run *run, const char *about, int64_t engine, int64_t model)
{
    if (engine != model)
        disagree(run, about, engine, model);
}

void run_agree_on_words(struct run *run, const char *about, const char *engine, const char *model)
{
    if (strcmp(engine, model) != 0)
        fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": %s: the engine says %s, the model %s",
                 run->seed, run->what, about, engine, model);
}

void run_hold(struct run *run, bool condition, const char *rule)
{
    if (!condition)
        fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": broken: %s", run->seed, run->what, rule);
}

static char rollout_char(enum rollout_state state)
{
    return "dsrphcx"[state];
}

static char deployment_char(enum deployment_state state)
{
    return "-oditySFRLUK"[state];
}

static char halt_char(enum rollout_halt_cause cause)
{
    return "-cpsfo"[cause];
}

static void compare_counts(struct run *run, size_t r, size_t s)
{
    const struct rollout_counts *engine = &run->caller.rollouts[r].stages[s].counts;
    struct m_counts model = model_counts(&run->model, (int)r, (int)s);

    run_agree(run, "members", engine->members, model.members);
    run_agree(run, "excluded", engine->excluded, model.excluded);
    for (int i = DEPLOYMENT_OFFERED; i < (int)DEPLOYMENT_SKIPPED; i++)
        run_agree(run, deployment_state_name((enum deployment_state)i), engine->by_state[i],
                  model.by_state[(int)deployment_char((enum deployment_state)i)]);
    run_agree(run, "failures of the round", engine->round_failures, model.round_failures);
    run_agree(run, "successes of the round", engine->round_successes, model.round_successes);
}

static void compare_rollout(struct run *run, size_t r)
{
    const struct rollout *engine = &run->caller.rollouts[r];
    const struct m_rollout *model = &run->model.world.rollouts[r];

    run_agree(run, "state of a rollout", rollout_char(engine->state), model->state);
    run_agree(run, "current stage", engine->current, model->current);
    run_agree(run, "round", engine->round, model->round);
    run_agree(run, "revision", (int64_t)engine->revision, model->revision);
    run_agree(run, "halt", halt_char(engine->halt.cause), model->halt);
    if (model->halt != '-')
        run_agree(run, "halt's stage", engine->halt.stage, model->halt_stage);
    run_agree(run, "start_at", (int64_t)engine->start_at, model->start_at);
    run_agree(run, "started_at", (int64_t)engine->started_at, model->started);
    run_agree(run, "resumed_at", (int64_t)engine->resumed_at, model->resumed);
    run->met.rollout_states[engine->state]++;
    for (size_t s = 0; s < engine->stage_count; s++) {
        run_agree(run, "state of a stage", "wad"[engine->stages[s].state],
                  model -> stages[s].state);
        run_agree(run, "met_at", (int64_t)engine->stages[s].met_at, model->stages[s].met);
        run_agree(run, "accepted", engine->stages[s].accepted, model->stages[s].accepted);
        compare_counts(run, r, s);
    }
}

static void compare_deployment(struct run *run, size_t r, size_t d)
{
    const struct deployment *engine = caller_newest(&run->caller, r, d);
    int try = run->model.world.newest[r][d];
    const struct m_try *model = &run->model.world.tries[try >= 0 ? try : 0];

    run_agree(run, "deployment", engine != NULL ? (int64_t)engine->id : 0, try + 1);
    if (engine == NULL)
        return;
    run_agree(run, "state of a deployment", deployment_char(engine->state), model->state);
    run_agree(run, "its stage", engine->stage, model->stage);
    run_agree(run, "its attempt", engine->attempt, model->attempt);
    run_agree(run, "its round", engine->round, model->round);
    run_agree(run, "its seq", (int64_t)engine->seq, model->seq);
    run_agree(run, "its percent", engine->percent, model->percent);
    run_agree(run, "its health", engine->health, model->health);
    run_agree(run, "inferred", engine->inferred, model->inferred);
    run_agree(run, "changed_at", (int64_t)engine->changed_at, model->changed);
    uint64_t deadline =
        deployment_deadline(&run->caller.rollouts[r], &run->caller.devices[d].view, engine);
    run_agree(run, "its deadline", deadline == ROLLOUT_NEVER ? M_NEVER : (int64_t)deadline,
              model_deadline(&run->model, try));
    run->met.states[engine->state]++;
}

void run_compare(struct run *run)
{
    for (size_t r = 0; r < run->caller.rollout_count; r++) {
        compare_rollout(run, r);
        for (size_t d = 0; d < run->caller.device_count; d++)
            compare_deployment(run, r, d);
    }
}

/* ---- the rules that hold always, on the engine alone ---- */

static bool can_still_fail(const struct deployment *deployment, const struct rollout *rollout)
{
    return deployment_active(deployment) || deployment->state == DEPLOYMENT_RETRY ||
           deployment->state == DEPLOYMENT_SUCCEEDED ||
           (deployment_failure(deployment->state) &&
            (deployment->inferred || deployment->round == rollout->round));
}

void run_note_could_fail(struct run *run, size_t r)
{
    memset(run->could_fail[r], 0, sizeof run->could_fail[r]);
    for (size_t d = 0; d < run->caller.device_count; d++) {
        const struct deployment *newest = caller_newest(&run->caller, r, d);

        if (newest != NULL && can_still_fail(newest, &run->caller.rollouts[r]))
            run->could_fail[r][newest->stage] |= 1U << d;
    }
}

static unsigned failed_devices(struct run *run, size_t r, size_t stage)
{
    const struct rollout *rollout = &run->caller.rollouts[r];
    unsigned failed = 0;

    for (size_t d = 0; d < run->caller.device_count; d++) {
        const struct deployment *newest = caller_newest(&run->caller, r, d);

        if (newest != NULL && newest->stage == stage && deployment_failure(newest->state) &&
            newest->round == rollout->round)
            failed |= 1U << d;
    }
    return failed;
}

static unsigned bits(unsigned set)
{
    unsigned count = 0;

    for (; set != 0; set &= set - 1)
        count++;
    return count;
}

void run_check_overshoot(struct run *run)
{
    for (size_t r = 0; r < run->caller.rollout_count; r++) {
        for (size_t s = 0; s < run->caller.rollouts[r].stage_count; s++)
            run_hold(run, (failed_devices(run, r, s) & ~run->could_fail[r][s]) == 0,
                     "a threshold is overshot by no more than what was in flight");
    }
}

void run_check_devices(struct run *run)
{
    for (size_t d = 0; d < run->caller.device_count; d++) {
        unsigned active = 0;

        for (size_t r = 0; r < run->caller.rollout_count; r++) {
            const struct deployment *newest = caller_newest(&run->caller, r, d);

            active += newest != NULL && deployment_active(newest);
            run_hold(run, newest == NULL || newest->attempt <= run->caller.rollouts[r].retries + 1,
                     "no more tries than the budget");
        }
        run_hold(run, active <= 1, "one active deployment a device");
    }
}

void run_check_offer(void *ctx, size_t d, const struct rollout_decision *decision)
{
    struct run *run = ctx;
    const struct rollout *rollout = &run->caller.rollouts[decision->candidate];
    const struct m_spec *spec = &run->model.specs[decision->candidate];
    const struct m_facts *facts = &run->facts[d];

    run_hold(run, rollout->state == ROLLOUT_RUNNING, "only a running rollout offers");
    run_hold(run, facts->product == spec->product && facts->hardware == spec->hardware,
             "only its product and hardware");
    run_hold(run, facts->accepted && !facts->trial && !facts->opted_out, "only who may be asked");
    run_hold(run, spec->counter >= facts->counter, "never below its counter");
    run_hold(run,
             spec->version >= facts->version ||
                 (spec->allow_downgrade && spec->counter == facts->counter),
             "no downgrade unless asked for, with the same counter");
    run_hold(run, decision->stage <= rollout->current, "only stages that have begun");
    for (size_t s = 0; s < rollout->stage_count; s++) {
        unsigned limit = (unsigned)spec->stages[s].failure_count;

        run_hold(run, limit == 0 || bits(failed_devices(run, decision->candidate, s)) < limit,
                 "no offer once a threshold is reached");
    }
}

void run_check_change(void *ctx, struct deployment_change change)
{
    /* To, by from: the arrows of docs/rollouts.md. */
    static const char *const arrows[DEPLOYMENT_STATE_COUNT] = {
        [DEPLOYMENT_OFFERED] = "ditySFRLK",
        [DEPLOYMENT_DOWNLOADING] = "itySFRLK",
        [DEPLOYMENT_INSTALLING] = "tySFRLK",
        [DEPLOYMENT_TRIAL] = "SFRL",
        [DEPLOYMENT_RETRY] = "SFK",
        [DEPLOYMENT_SUCCEEDED] = "RUF",
        [DEPLOYMENT_TIMED_OUT] = "SFR",
        [DEPLOYMENT_REVERTED] = "SF",
        [DEPLOYMENT_FAILED] = "",
        [DEPLOYMENT_UNHEALTHY] = "",
        [DEPLOYMENT_SKIPPED] = "",
        [DEPLOYMENT_NONE] = "",
    };

    run_hold(ctx, strchr(arrows[change.from], deployment_char(change.to)) != NULL,
             "only legal transitions of a deployment");
}

void run_check_event(void *ctx, size_t r, enum rollout_event event)
{
    struct run *run = ctx;

    run->met.events[event]++;
    if (event == ROLLOUT_EVENT_HALTED)
        run->met.halts[run->caller.rollouts[r].halt.cause]++;
}

void run_keep(struct run *run, struct kept *kept)
{
    memcpy(kept->rollouts, run->caller.rollouts, sizeof kept->rollouts);
    for (size_t d = 0; d < run->caller.device_count; d++)
        memcpy(kept->newest[d], run->caller.devices[d].newest, sizeof kept->newest[d]);
}

void run_hold_unchanged(struct run *run, const struct kept *kept, const char *rule)
{
    run_hold(run, memcmp(kept->rollouts, run->caller.rollouts, sizeof kept->rollouts) == 0, rule);
    for (size_t d = 0; d < run->caller.device_count; d++)
        run_hold(run,
                 memcmp(kept->newest[d], run->caller.devices[d].newest, sizeof kept->newest[d]) ==
                     0,
                 rule);
}
