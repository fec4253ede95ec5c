/*
 * The engine against the model: random sequences of everything that can happen to rollouts, and
 * after each step the two must agree on every state, count, deadline and answer. Beside that, the
 * rules that hold always are checked on the engine alone.
 *
 *   MODEL_SEQUENCES=n   how many sequences (20,000); MODEL_SECONDS=n   stop after so long (20), but
 * not before 6,000 MODEL_SEED=n        this one sequence, told step by step
 */
#include "tests/support/support.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/rollout/caller.h"
#include "tests/unit/rollout/model.h"
#include "tests/unit/rollout/record.h"

#define START_TIME 1700000000L
#define STEPS_MAX 60
#define SEQUENCES_MIN 6000 /* whatever the time: enough to meet everything once */
#define FOREIGN_IMAGE 9

static const char *const events_by_char = "?ditcrf";

/* What the runs have met; each must be met at least once, or the test tests too little. */
static struct {
    unsigned long states[DEPLOYMENT_STATE_COUNT];
    unsigned long rollout_states[ROLLOUT_STATE_COUNT];
    unsigned long halts[ROLLOUT_HALT_SHORT + 1];
    unsigned long reasons[ROLLOUT_REASON_COUNT];
    unsigned long actions[ROLLOUT_ACTION_CANCEL + 1];
    unsigned long events[ROLLOUT_EVENT_COMPLETED + 1];
    unsigned long refusals[-ROLLOUT_REFUSED_REVISION + 1];
    unsigned long restarts, supersedes, repeats, steps;
} met;

struct run {
    uint64_t seed, random;
    bool told;
    struct caller caller;
    struct model model;
    struct m_facts facts[M_DEVICES];           /* as they are; the engine learns them by polls */
    struct deployment old[M_TRIES + 1];        /* superseded ones, by id */
    unsigned could_fail[M_ROLLOUTS][M_STAGES]; /* sets of devices, see check_overshoot() */
    char what[160];                            /* the step, for a message */
};

static struct run run;

/* ---- chance
 * --------------------------------------------------------------------------------------- */

static unsigned draw(unsigned below)
{
    run.random ^= run.random << 13;
    run.random ^= run.random >> 7;
    run.random ^= run.random << 17;
    return (unsigned)((run.random >> 32) % below);
}

static bool chance(unsigned percent)
{
    return draw(100) < percent;
}

static int pick(const int *values, unsigned count)
{
    return values[draw(count)];
}
#define PICK(...) pick((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* ---- settings, for both
 * ----------------------------------------------------------------------------- */

static struct ota_version version_of(int version)
{
    return (struct ota_version){1, (uint8_t)version, 0, 0};
}

static void draw_stage(struct m_stage_spec *stage, bool last, int share)
{
    *stage = (struct m_stage_spec){
        .share_bp = last ? 10000 : share,
        .success = PICK(100, 100, 100, 50, 67, 0),
        .failure_count = PICK(0, 0, 1, 2, 3),
        .failure_percent = PICK(0, 0, 0, 1, 34, 50, 100),
        .soak = PICK(0, 0, 1, 50, 400),
        .rate = PICK(0, 0, 0, 0, 1, 2, 60, 90),
        .in_flight_max = PICK(0, 0, 0, 1, 2),
        .by_hand = chance(5),
    };
    if (chance(20))
        *stage = (struct m_stage_spec){.share_bp = stage->share_bp,
                                       .success = stage->success,
                                       .allowed_bp = PICK(100, 1000, 3000),
                                       .suspect_bp = PICK(5000, 9000),
                                       .error_bp = PICK(500, 1900)};
    if (chance(last ? 10 : 40))
        stage->group = (int)draw(2) + 1;
}

static void draw_stages(struct m_spec *spec)
{
    static const int shares[] = {2500, 6000};

    spec->stage_count = PICK(1, 1, 2, 3);
    for (int s = 0; s < spec->stage_count; s++) {
        draw_stage(&spec->stages[s], s + 1 == spec->stage_count, shares[s % 2]);
        for (int before = 0; before < s; before++) {
            if (spec->stages[before].group == spec->stages[s].group)
                spec->stages[s].group = 0; /* not two stages with one group */
        }
    }
    if (spec->group_count > 0) {
        for (int s = 0; s < spec->stage_count; s++)
            spec->groups[spec->stages[s].group % 2] =
                spec->stages[s].group != 0 ? spec->stages[s].group : spec->groups[0];
        spec->groups[0] = 2, spec->groups[1] = 1, spec->group_count = 2;
    }
}

static void draw_spec(struct m_spec *spec, int index)
{
    *spec = (struct m_spec){
        .id = index + 1,
        .seed = (unsigned long)draw(50),
        .product = chance(3) ? 2 : 1,
        .hardware = chance(3) ? 2 : 1,
        .version = chance(80) ? 10 + index : PICK(3, 5, 10),
        .counter = PICK(1, 1, 1, 2, 3, 17, 18),
        .image = index + 1,
        .security = chance(20),
        .version_min = chance(10) ? PICK(4, 5, 6, 10) : -1,
        .running_min = chance(8) ? PICK(4, 5, 6) : -1,
        .running_max = chance(8) ? PICK(6, 10, 11) : -1,
        .group_count = chance(10) ? 2 : 0,
        .ring = chance(10) ? 1 : 0,
        .allow_downgrade = chance(25),
        .offered = PICK(30, 100, 600),
        .downloading = PICK(30, 100, 600),
        .installing = PICK(30, 100, 600),
        .trial = PICK(30, 100, 600),
        .retry = PICK(30, 100, 600),
        .retries = PICK(0, 0, 0, 1, 2),
        .retry_wait = PICK(0, 0, 20),
        .health_seconds = PICK(0, 0, 60, 500),
        .health_events = PICK(0, 1, 2),
        .postpone_max = PICK(0, 100),
    };
    if (chance(12)) {
        spec->window_days = PICK(0x7f, 0x15, 0x40);
        spec->window_from = (int)draw(1440);
        spec->window_to = (int)draw(1440);
    }
    draw_stages(spec);
}

/* A first share that ends exactly at the place of a device. */
static void draw_edge(struct m_spec *spec, const int *places)
{
    int share = places[draw((unsigned)run.model.device_count)];

    if (spec->stage_count > 1 && share > 0 && share < 6000 && chance(30))
        spec->stages[0].share_bp = share;
}

static void name_of(char *buf, const char *prefix, int number)
{
    snprintf(buf, OTA_NAME_MAX + 1, "%s%d", prefix, number);
}

static void build_stage(struct rollout_stage *stage, const struct m_stage_spec *spec)
{
    stage->rule = spec->group != 0 ? ROLLOUT_RULE_GROUP : ROLLOUT_RULE_SHARE;
    stage->group = (uint32_t)spec->group;
    stage->share_bp = spec->group != 0 ? 0 : (uint16_t)spec->share_bp;
    stage->success_percent = (uint8_t)spec->success;
    stage->failure_percent = (uint8_t)spec->failure_percent;
    stage->failure_count = (uint32_t)spec->failure_count;
    stage->sequential = (struct sequential){(uint16_t)spec->allowed_bp, (uint16_t)spec->suspect_bp,
                                            (uint16_t)spec->error_bp};
    stage->soak_seconds = (uint32_t)spec->soak;
    stage->offers_a_minute = (uint32_t)spec->rate;
    stage->in_flight_max = (uint32_t)spec->in_flight_max;
    stage->by_hand = spec->by_hand;
}

static void build_target(struct rollout_target *target, const struct m_spec *spec)
{
    target->group_count = (uint8_t)spec->group_count;
    for (int i = 0; i < spec->group_count; i++)
        target->groups[i] = (uint32_t)spec->groups[i];
    target->has_running_min = spec->running_min >= 0;
    target->has_running_max = spec->running_max >= 0;
    target->running_min = version_of(spec->running_min);
    target->running_max = version_of(spec->running_max);
    if (spec->ring != 0)
        selector_parse(&target->tags, caller_text("ring=1"), NULL);
}

static void build_release(struct rollout_release *release, const struct m_spec *spec)
{
    name_of(release->product, "product", spec->product);
    name_of(release->hardware, "hardware", spec->hardware);
    release->version = version_of(spec->version);
    release->counter = (uint32_t)spec->counter;
    caller_hash(release->hash, (unsigned)spec->image);
    release->security = spec->security;
    release->has_version_min = spec->version_min >= 0;
    release->version_min = version_of(spec->version_min);
}

/* The settings alone, as they would be read from a database. */
static void build_rollout(struct rollout *rollout, const struct m_spec *spec)
{
    rollout_init(rollout, (uint64_t)spec->id);
    rollout->seed = spec->seed;
    build_release(&rollout->release, spec);
    build_target(&rollout->target, spec);
    rollout->stage_count = (uint8_t)spec->stage_count;
    for (int s = 0; s < spec->stage_count; s++)
        build_stage(&rollout->stages[s], &spec->stages[s]);
    rollout->allow_downgrade = spec->allow_downgrade;
    rollout->window = (struct window){(uint8_t)spec->window_days, (uint16_t)spec->window_from,
                                      (uint16_t)spec->window_to};
    rollout->timeouts = (struct rollout_timeouts){
        (uint32_t)spec->offered, (uint32_t)spec->downloading, (uint32_t)spec->installing,
        (uint32_t)spec->trial, (uint32_t)spec->retry};
    rollout->retries = (uint8_t)spec->retries;
    rollout->retry_wait_seconds = (uint32_t)spec->retry_wait;
    rollout->health_seconds = (uint32_t)spec->health_seconds;
    rollout->health_events = (uint32_t)spec->health_events;
    rollout->postpone_seconds_max = (uint32_t)spec->postpone_max;
}

/* ---- devices
 * ------------------------------------------------------------------------------------------ */

static void build_view(struct caller_device *device, const struct m_facts *facts)
{
    static const char *const products[] = {"product0", "product1", "product2"};
    static const char *const hardwares[] = {"hardware0", "hardware1", "hardware2"};
    static const char *const rings[] = {"0", "1"};
    struct rollout_device *view = &device->view;

    view->product = caller_text(products[facts->product]);
    view->hardware = caller_text(hardwares[facts->hardware]);
    view->group = (uint32_t)facts->group;
    view->accepted = facts->accepted;
    view->seen = facts->seen;
    view->trial = facts->trial;
    view->version = version_of(facts->version);
    view->counter = (uint32_t)facts->counter;
    caller_hash(device->hash, (unsigned)facts->image);
    view->hash = device->hash;
    view->opted_out = facts->opted_out;
    view->postponed_until = (uint64_t)facts->postponed_until;
    view->utc_offset_minutes = facts->offset_minutes;
    device->tag = (struct selector_tag){{"ring", 4}, caller_text(rings[facts->ring])};
    view->tags = &device->tag;
    view->tag_count = 1;
}

/* The server comes to know `facts`. */
static void learn(int device, const struct m_facts *facts)
{
    struct caller_device *target = &run.caller.devices[device];

    caller_change_begin(&run.caller, (size_t)device);
    build_view(target, facts);
    target->gone = false;
    caller_change_end(&run.caller, (size_t)device);
}

static void draw_facts(struct m_facts *facts)
{
    *facts = (struct m_facts){
        .present = true,
        .accepted = chance(96),
        .seen = chance(70),
        .product = chance(97) ? 1 : 2,
        .hardware = chance(97) ? 1 : 2,
        .group = PICK(0, 0, 1, 1, 2),
        .ring = chance(70),
        .image = chance(95) ? 0 : FOREIGN_IMAGE,
        .version = PICK(5, 5, 5, 5, 4, 12),
        .counter = PICK(1, 1, 1, 1, 0, 2),
        .offset_minutes = PICK(0, 0, 120, -300, 1080),
    };
}

/* ---- agreement
 * ------------------------------------------------------------------------------------------ */

static void disagree(const char *about, int64_t engine, int64_t model)
{
    fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": %s: the engine has %" PRId64
             ", the model %" PRId64,
             run.seed, run.what, about, engine, model);
}

static void agree(const char *about, int64_t engine, int64_t model)
{
    if (engine != model)
        disagree(about, engine, model);
}

static void agree_on_words(const char *about, const char *engine, const char *model)
{
    if (strcmp(engine, model) != 0)
        fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": %s: the engine says %s, the model %s",
                 run.seed, run.what, about, engine, model);
}

static void hold(bool condition, const char *rule)
{
    if (!condition)
        fail_msg("MODEL_SEED=%" PRIu64 ": after \"%s\": broken: %s", run.seed, run.what, rule);
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
    return "-cpsf"[cause];
}

static void compare_counts(size_t r, size_t s)
{
    const struct rollout_counts *engine = &run.caller.rollouts[r].stages[s].counts;
    struct m_counts model = model_counts(&run.model, (int)r, (int)s);

    agree("members", engine->members, model.members);
    agree("excluded", engine->excluded, model.excluded);
    for (int i = DEPLOYMENT_OFFERED; i < (int)DEPLOYMENT_SKIPPED; i++)
        agree(deployment_state_name((enum deployment_state)i), engine->by_state[i],
              model.by_state[(int)deployment_char((enum deployment_state)i)]);
    agree("failures of the round", engine->round_failures, model.round_failures);
    agree("successes of the round", engine->round_successes, model.round_successes);
}

static void compare_rollout(size_t r)
{
    const struct rollout *engine = &run.caller.rollouts[r];
    const struct m_rollout *model = &run.model.world.rollouts[r];

    agree("state of a rollout", rollout_char(engine->state), model->state);
    agree("current stage", engine->current, model->current);
    agree("round", engine->round, model->round);
    agree("revision", (int64_t)engine->revision, model->revision);
    agree("halt", halt_char(engine->halt.cause), model->halt);
    if (model->halt != '-')
        agree("halt's stage", engine->halt.stage, model->halt_stage);
    agree("start_at", (int64_t)engine->start_at, model->start_at);
    agree("started_at", (int64_t)engine->started_at, model->started);
    agree("resumed_at", (int64_t)engine->resumed_at, model->resumed);
    met.rollout_states[engine->state]++;
    for (size_t s = 0; s < engine->stage_count; s++) {
        agree("state of a stage", "wad"[engine->stages[s].state], model -> stages[s].state);
        agree("met_at", (int64_t)engine->stages[s].met_at, model->stages[s].met);
        agree("accepted", engine->stages[s].accepted, model->stages[s].accepted);
        compare_counts(r, s);
    }
}

static void compare_deployment(size_t r, size_t d)
{
    const struct deployment *engine = caller_newest(&run.caller, r, d);
    int try = run.model.world.newest[r][d];
    const struct m_try *model = &run.model.world.tries[try >= 0 ? try : 0];

    agree("deployment", engine != NULL ? (int64_t)engine->id : 0, try + 1);
    if (engine == NULL)
        return;
    agree("state of a deployment", deployment_char(engine->state), model->state);
    agree("its stage", engine->stage, model->stage);
    agree("its attempt", engine->attempt, model->attempt);
    agree("its round", engine->round, model->round);
    agree("its seq", (int64_t)engine->seq, model->seq);
    agree("its percent", engine->percent, model->percent);
    agree("its health", engine->health, model->health);
    agree("inferred", engine->inferred, model->inferred);
    agree("changed_at", (int64_t)engine->changed_at, model->changed);
    uint64_t deadline =
        deployment_deadline(&run.caller.rollouts[r], &run.caller.devices[d].view, engine);
    agree("its deadline", deadline == ROLLOUT_NEVER ? M_NEVER : (int64_t)deadline,
          model_deadline(&run.model, try));
    met.states[engine->state]++;
}

static void compare(void)
{
    for (size_t r = 0; r < run.caller.rollout_count; r++) {
        compare_rollout(r);
        for (size_t d = 0; d < run.caller.device_count; d++)
            compare_deployment(r, d);
    }
}

/* ---- the rules that hold always, on the engine alone
 * ---------------------------------------------------- */

static bool can_still_fail(const struct deployment *deployment, const struct rollout *rollout)
{
    return deployment_active(deployment) || deployment->state == DEPLOYMENT_RETRY ||
           deployment->state == DEPLOYMENT_SUCCEEDED ||
           (deployment_failure(deployment->state) &&
            (deployment->inferred || deployment->round == rollout->round));
}

/* At an offer and at a forced resume: who may yet fail without another offer. */
static void note_could_fail(size_t r)
{
    memset(run.could_fail[r], 0, sizeof run.could_fail[r]);
    for (size_t d = 0; d < run.caller.device_count; d++) {
        const struct deployment *newest = caller_newest(&run.caller, r, d);

        if (newest != NULL && can_still_fail(newest, &run.caller.rollouts[r]))
            run.could_fail[r][newest->stage] |= 1U << d;
    }
}

static unsigned failed_devices(size_t r, size_t stage)
{
    const struct rollout *rollout = &run.caller.rollouts[r];
    unsigned failed = 0;

    for (size_t d = 0; d < run.caller.device_count; d++) {
        const struct deployment *newest = caller_newest(&run.caller, r, d);

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

static void check_overshoot(void)
{
    for (size_t r = 0; r < run.caller.rollout_count; r++) {
        for (size_t s = 0; s < run.caller.rollouts[r].stage_count; s++)
            hold((failed_devices(r, s) & ~run.could_fail[r][s]) == 0,
                 "a threshold is overshot by no more than what was in flight");
    }
}

static void check_devices(void)
{
    for (size_t d = 0; d < run.caller.device_count; d++) {
        unsigned active = 0;

        for (size_t r = 0; r < run.caller.rollout_count; r++) {
            const struct deployment *newest = caller_newest(&run.caller, r, d);

            active += newest != NULL && deployment_active(newest);
            hold(newest == NULL || newest->attempt <= run.caller.rollouts[r].retries + 1,
                 "no more tries than the budget");
        }
        hold(active <= 1, "one active deployment a device");
    }
}

static void check_offer(size_t d, const struct rollout_decision *decision)
{
    const struct rollout *rollout = &run.caller.rollouts[decision->candidate];
    const struct m_spec *spec = &run.model.specs[decision->candidate];
    const struct m_facts *facts = &run.facts[d];

    hold(rollout->state == ROLLOUT_RUNNING, "only a running rollout offers");
    hold(facts->product == spec->product && facts->hardware == spec->hardware,
         "only its product and hardware");
    hold(facts->accepted && !facts->trial && !facts->opted_out, "only who may be asked");
    hold(spec->counter >= facts->counter, "never below its counter");
    hold(spec->version >= facts->version ||
             (spec->allow_downgrade && spec->counter == facts->counter),
         "no downgrade unless asked for, with the same counter");
    hold(decision->stage <= rollout->current, "only stages that have begun");
    for (size_t s = 0; s < rollout->stage_count; s++) {
        unsigned limit = (unsigned)spec->stages[s].failure_count;

        hold(limit == 0 || bits(failed_devices(decision->candidate, s)) < limit,
             "no offer once a threshold is reached");
    }
    note_could_fail(decision->candidate);
}

static void check_change(void *ctx, struct deployment_change change)
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

    (void)ctx;
    hold(strchr(arrows[change.from], deployment_char(change.to)) != NULL,
         "only legal transitions of a deployment");
}

static void check_event(void *ctx, size_t r, enum rollout_event event)
{
    (void)ctx;
    met.events[event]++;
    if (event == ROLLOUT_EVENT_HALTED)
        met.halts[run.caller.rollouts[r].halt.cause]++;
}

/* A copy of all that the engine keeps, to see that a step changed nothing. */
struct kept {
    struct rollout rollouts[CALLER_ROLLOUTS];
    struct deployment newest[M_DEVICES][CALLER_ROLLOUTS];
};

static void keep(struct kept *kept)
{
    memcpy(kept->rollouts, run.caller.rollouts, sizeof kept->rollouts);
    for (size_t d = 0; d < run.caller.device_count; d++)
        memcpy(kept->newest[d], run.caller.devices[d].newest, sizeof kept->newest[d]);
}

static void hold_unchanged(const struct kept *kept, const char *rule)
{
    hold(memcmp(kept->rollouts, run.caller.rollouts, sizeof kept->rollouts) == 0, rule);
    for (size_t d = 0; d < run.caller.device_count; d++)
        hold(memcmp(kept->newest[d], run.caller.devices[d].newest, sizeof kept->newest[d]) == 0,
             rule);
}

/* ---- steps
 * --------------------------------------------------------------------------------------------------
 */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(run.what, sizeof run.what, format, args);
    va_end(args);
    if (run.told)
        fprintf(stderr, "%ld %s\n", run.model.now - START_TIME, run.what);
}

static void settle(void)
{
    caller_settle(&run.caller);
    model_tick(&run.model);
}

static void set_time(long now)
{
    run.caller.now = (uint64_t)now;
    run.model.now = now;
}

static void step_poll(int d)
{
    static const char *const actions[] = {"none", "offer", "continue", "hold", "cancel"};
    struct caller_device *device = &run.caller.devices[d];
    struct deployment before[M_ROLLOUTS];
    struct rollout_decision decision;
    struct m_answer answer;

    tell("device %d polls, runs %d v%d c%d%s", d, run.facts[d].image, run.facts[d].version,
         run.facts[d].counter, run.facts[d].trial ? " on trial" : "");
    run.facts[d].seen = true;
    learn(d, &run.facts[d]);
    memcpy(before, device->newest, sizeof before);
    decision = caller_poll(&run.caller, (size_t)d);
    answer = model_poll(&run.model, d, &run.facts[d]);
    if (run.told)
        fprintf(stderr, "    %s %s by %d over %d\n", actions[decision.action],
                rollout_reason_name(decision.reason), (int)decision.candidate,
                (int)decision.supersedes);
    agree_on_words("action", actions[decision.action], answer.action);
    agree_on_words("reason", rollout_reason_name(decision.reason), answer.reason);
    agree("rollout", (int64_t)decision.candidate, answer.rollout);
    agree("superseded", (int64_t)decision.supersedes, answer.supersedes);
    met.actions[decision.action]++;
    met.reasons[decision.reason]++;
    if (decision.action != ROLLOUT_ACTION_OFFER)
        return;
    agree("stage", decision.stage, answer.stage);
    met.supersedes += decision.supersedes != ROLLOUT_NO_CANDIDATE;
    if (before[decision.candidate].state != DEPLOYMENT_NONE)
        run.old[before[decision.candidate].id] = before[decision.candidate];
    check_offer((size_t)d, &decision);
}

/* A report about any deployment there ever was. */
static void report(int try, uint64_t seq, enum ota_event event, unsigned percent, int image)
{
    const struct m_try *t = &run.model.world.tries[try];
    struct caller_device *device = &run.caller.devices[t->device];
    struct ota_report body = {.seq = seq, .event = event, .percent = percent};
    bool newest = run.model.world.newest[t->rollout][t->device] == try;
    bool repeated = newest && seq <= device->newest[t->rollout].seq;
    bool superseded = newest && device->view.newest_deployment != (uint64_t)try + 1;
    struct kept kept;

    tell("device %d reports %c of try %d by rollout %d, seq %d, %u%%, runs %d", t->device,
         events_by_char[event], try, t->rollout, (int)seq, percent, image);
    settle();
    keep(&kept);
    caller_hash(body.hash, (unsigned)image);
    if (newest) {
        caller_report(&run.caller, (size_t)t->rollout, (size_t)t->device, (uint64_t)try + 1, &body);
    } else if (!device->gone && run.old[try + 1].id != 0) {
        struct deployment old = run.old[try + 1];

        deployment_report(&run.caller.rollouts[t->rollout], &device->view, &old, &body,
                          run.caller.now);
        hold(memcmp(&old, &run.old[try + 1], sizeof old) == 0,
             "a superseded deployment does not change");
    }
    if (!newest || superseded)
        hold_unchanged(&kept, "a report of a superseded deployment changes nothing");
    if (repeated) {
        met.repeats++;
        hold_unchanged(&kept, "a repeated sequence number changes nothing");
    }
    model_report(&run.model, try, (long)seq, events_by_char[event], (int)percent, image);
}

/* The device does what comes next, more or less. */
static void step_progress(int d, int try)
{
    const struct m_try *t = &run.model.world.tries[try];
    const struct m_spec *spec = &run.model.specs[t->rollout];
    struct m_facts *facts = &run.facts[d];
    uint64_t seq = ++run.caller.devices[d].seq;
    enum ota_event event = OTA_EVENT_DOWNLOADING;

    if (chance(18)) {
        event = t->state == 't' || chance(50) ? OTA_EVENT_REVERTED : OTA_EVENT_FAILED;
        if (facts->image == spec->image) {
            facts->image = 0;
            facts->version = 5;
        }
        facts->trial = false;
    } else if (t->state == 't' || (facts->image == spec->image && chance(80))) {
        event = OTA_EVENT_CONFIRMED;
        facts->trial = false;
        facts->counter = facts->counter > spec->counter ? facts->counter : spec->counter;
    } else if (t->state == 'i' || chance(30)) {
        event = OTA_EVENT_TRIAL;
        facts->image = spec->image;
        facts->version = spec->version;
        facts->trial = true;
    } else if (t->state == 'd' && chance(60)) {
        event = OTA_EVENT_INSTALLED;
    }
    if (chance(85)) /* else the report is lost */
        report(try, seq, event, draw(101), facts->image);
    else
        tell("device %d loses its report %c", d, events_by_char[event]);
}

static void step_device(void)
{
    int d = (int)draw((unsigned)run.model.device_count);
    int last = run.model.world.last[d];
    char state = last >= 0 ? run.model.world.tries[last].state : '-';

    if (!run.facts[d].present)
        return;
    if (strchr("odit", state) != NULL && state != '-' && chance(70))
        step_progress(d, last);
    else
        step_poll(d);
}

static void step_any_report(void)
{
    int try;
    enum ota_event event = (enum ota_event)(draw(6) + 1);
    uint64_t seq;

    if (run.model.world.try_count == 0)
        return;
    try = (int)draw((unsigned)run.model.world.try_count);
    if (!run.facts[run.model.world.tries[try].device].present)
        return;
    seq = run.caller.devices[run.model.world.tries[try].device].seq;
    if (chance(50))
        seq = ++run.caller.devices[run.model.world.tries[try].device].seq;
    else if (seq > 0)
        seq -= draw(seq > 3 ? 3 : (unsigned)seq);
    report(try, seq, event, draw(130),
           chance(60) ? run.model.specs[run.model.world.tries[try].rollout].image : PICK(0, 9));
}

static void step_health(void)
{
    int try, d, events = (int)draw(3);

    if (run.model.world.try_count == 0)
        return;
    try = (int)draw((unsigned)run.model.world.try_count);
    d = run.model.world.tries[try].device;
    if (!run.facts[d].present ||
        run.model.world.newest[run.model.world.tries[try].rollout][d] != try)
        return;
    uint64_t seq = ++run.caller.devices[d].seq - draw(2);
    tell("device %d reports %d bad events of try %d", d, events, try);
    caller_health(&run.caller, (size_t)run.model.world.tries[try].rollout, (size_t)d, seq,
                  (uint32_t)events);
    model_health(&run.model, try, (long)seq, events);
}

static void step_time(void)
{
    long now = run.model.now;

    switch (draw(12)) {
    case 0:
        now += 86400 * (long)draw(8);
        break;
    case 1:
        now += 3600 * (long)draw(30);
        break;
    case 2:
        now -= (long)draw(4) * 500;
        break;
    case 3:
    case 4:
    case 5:
        now += (long)draw(700);
        break;
    default:
        now += (long)draw(60);
        break;
    }
    tell("time goes on by %ld", now - run.model.now);
    set_time(now);
}

/* To the second at which a state's timeout or a soak ends, or just before. */
static void step_to_deadline(void)
{
    const struct m_world *world = &run.model.world;
    int r = (int)draw((unsigned)run.model.rollout_count);
    int d = (int)draw((unsigned)run.model.device_count);
    long at = M_NEVER;
    uint64_t next;

    rollout_tick(&run.caller.rollouts[r], run.caller.now, &next);
    settle();
    if (next != ROLLOUT_NEVER && chance(50))
        at = (long)next;
    else if (world->newest[r][d] >= 0)
        at = model_deadline(&run.model, world->newest[r][d]);
    if (at == M_NEVER || at < run.model.now)
        return;
    tell("time goes on to a deadline");
    set_time(at - (chance(30) && at > run.model.now ? 1 : 0));
    settle();
    if (chance(80)) {
        caller_expire(&run.caller);
        model_expire(&run.model);
    }
}

static const char *refusal_word(enum rollout_refusal refusal)
{
    static const char *const words[] = {"allowed",  "state", "force",   "stage",
                                        "settings", "time",  "revision"};

    met.refusals[-(int)refusal]++;
    return words[-(int)refusal];
}

static enum rollout_refusal order(int r, char command, bool force, long start_at, long if_revision)
{
    static const char commands[] = "?stprca";
    struct rollout_order engine = {
        .command = (enum rollout_command)(strchr(commands, command) - commands),
        .force = force,
        .start_at = (uint64_t)start_at,
        .if_revision = (uint64_t)if_revision,
    };
    struct m_order model = {command, force, start_at, if_revision};
    enum rollout_state state;
    enum rollout_refusal refusal;
    struct kept kept;

    tell("order %c for rollout %d%s, revision %ld", command, r, force ? ", by force" : "",
         if_revision);
    settle();
    keep(&kept);
    state = run.caller.rollouts[r].state;
    refusal = caller_obey(&run.caller, (size_t)r, &engine);
    agree_on_words("refusal", refusal_word(refusal), model_order(&run.model, r, &model));
    if (refusal != ROLLOUT_ALLOWED)
        hold_unchanged(&kept, "a refused order changes nothing");
    else if (state == ROLLOUT_HALTED && command == 'r')
        note_could_fail((size_t)r);
    return refusal;
}

static char draw_command(int r)
{
    static const char commands[] = "srrpcaast";

    if (run.model.world.rollouts[r].state == 'd')
        return chance(80) ? 's' : 't';
    return commands[draw(sizeof commands - 1)];
}

static void step_order(void)
{
    int r = (int)draw((unsigned)run.model.rollout_count);
    char command = draw_command(r);

    if (command == 'c' && chance(60))
        return;
    order(r, command, chance(60), run.model.now + (long)draw(300) - 10, 0);
}

static void step_two_operators(void)
{
    int r = (int)draw((unsigned)run.model.rollout_count);
    long read = (long)run.caller.rollouts[r].revision;
    bool first, second;

    first = order(r, draw_command(r), chance(50), run.model.now + 50, read) == ROLLOUT_ALLOWED;
    second = order(r, draw_command(r), chance(50), run.model.now + 60, read) == ROLLOUT_ALLOWED;
    hold(!(first && second), "of two orders on one revision, one is obeyed");
}

static void change_image(struct m_facts *facts)
{
    int image = (int)draw((unsigned)run.model.rollout_count + 2);

    facts->trial = chance(30);
    facts->image = image <= run.model.rollout_count ? image : FOREIGN_IMAGE;
    facts->version = 5;
    if (image >= 1 && image <= run.model.rollout_count) {
        facts->version = run.model.specs[image - 1].version;
        facts->counter = chance(50) ? run.model.specs[image - 1].counter : facts->counter;
    }
}

/* Something about a device changes: at the server at once, at the device until it polls. */
static void step_facts(void)
{
    int d = (int)draw((unsigned)run.model.device_count);
    struct m_facts *facts = &run.facts[d], known;

    if (!facts->present)
        return;
    tell("device %d changes", d);
    if (chance(25)) {
        change_image(facts);
        return;
    }
    switch (draw(6)) {
    case 0:
        facts->group = (int)draw(3);
        break;
    case 1:
        facts->opted_out = !facts->opted_out;
        break;
    case 2:
        facts->postponed_until = run.model.now + (long)draw(200);
        break;
    case 3:
        facts->accepted = !facts->accepted;
        break;
    case 4:
        facts->ring = !facts->ring;
        break;
    default:
        facts->offset_minutes = PICK(0, 60, -60);
        break;
    }
    known = run.model.world.facts[d];
    known.group = facts->group;
    known.opted_out = facts->opted_out;
    known.postponed_until = facts->postponed_until;
    known.accepted = facts->accepted;
    known.ring = facts->ring;
    known.offset_minutes = facts->offset_minutes;
    learn(d, &known);
    caller_settle(&run.caller);
    model_facts(&run.model, d, &known);
}

/* The deployments of a device go with it. */
static void forget_old(int d)
{
    for (int try = 0; try < run.model.world.try_count; try++) {
        if (run.model.world.tries[try].device == d)
            run.old[try + 1].id = 0;
    }
}

static void step_come_and_go(void)
{
    int d = (int)draw((unsigned)run.model.device_count);
    struct m_facts *facts = &run.facts[d];

    if (!facts->present) {
        tell("device %d joins", d);
        draw_facts(facts);
        learn(d, facts);
        caller_settle(&run.caller);
    } else if (chance(30)) {
        tell("device %d is deleted", d);
        memset(facts, 0, sizeof *facts);
        forget_old(d);
        caller_remove(&run.caller, (size_t)d);
    } else {
        return;
    }
    model_facts(&run.model, d, facts);
}

static void step_expire(void)
{
    tell("silence is looked at");
    caller_expire(&run.caller);
    model_expire(&run.model);
}

static void step_count(void)
{
    int r = (int)draw((unsigned)run.model.rollout_count);
    int devices = (int)draw(4) + 1;

    if (strchr("ds", run.model.world.rollouts[r].state) != NULL)
        return;
    tell("%d devices more of rollout %d are counted", devices, r);
    caller_count(&run.caller, (size_t)r, (size_t)devices);
    caller_settle(&run.caller);
    model_count(&run.model, r, devices);
    model_tick(&run.model);
}

/* ---- restart
 * ------------------------------------------------------------------------------------------------
 */

static void recount(size_t r)
{
    struct rollout *rollout = &run.caller.rollouts[r];

    rollout_count_reset(rollout);
    for (size_t d = 0; d < run.caller.device_count; d++)
        rollout_count_deployment(rollout, &run.caller.devices[d].newest[r]);
    run.caller.counted[r] = 0;
    if (rollout->state != ROLLOUT_DRAFT && rollout->state != ROLLOUT_SCHEDULED)
        caller_count(&run.caller, r, run.caller.device_count);
}

/* Everything durable goes through rows of numbers; the rest is gone. */
static void step_restart(void)
{
    struct kept kept;

    tell("restart");
    settle();
    met.restarts++;
    keep(&kept);
    for (size_t r = 0; r < run.caller.rollout_count; r++) {
        struct rollout *rollout = &run.caller.rollouts[r];
        struct record record;
        bool counted = rollout->counted;

        record_rollout(&record, rollout);
        memset(rollout, 0xa5, sizeof *rollout);
        build_rollout(rollout, &run.model.specs[r]);
        record_load_rollout(&record, rollout);
        for (size_t d = 0; d < run.caller.device_count; d++) {
            struct deployment *newest = &run.caller.devices[d].newest[r];

            record_deployment(&record, newest);
            memset(newest, 0xa5, sizeof *newest);
            record_load_deployment(&record, newest);
        }
        recount(r);
        kept.rollouts[r].bucket = kept.rollouts[r].bucket_at = 0;
        kept.rollouts[r].counted = rollout->counted;
        if (!counted) { /* the count goes through in one piece at start-up */
            for (size_t s = 0; s < ROLLOUT_STAGES_MAX; s++) {
                kept.rollouts[r].stages[s].counts.members = rollout->stages[s].counts.members;
                kept.rollouts[r].stages[s].counts.excluded = rollout->stages[s].counts.excluded;
            }
        }
    }
    hold_unchanged(&kept, "a restart changes nothing");
    model_restart(&run.model);
    caller_settle(&run.caller);
}

/* ---- sequences
 * -----------------------------------------------------------------------------------------------
 */

static const struct {
    void (*step)(void);
    unsigned weight;
} steps[] = {
    {step_device, 46}, {step_any_report, 8},  {step_health, 4},        {step_time, 10},
    {step_expire, 4},  {step_order, 10},      {step_two_operators, 3}, {step_facts, 4},
    {step_restart, 3}, {step_come_and_go, 4}, {step_count, 3},         {step_to_deadline, 5},
};

static void take_step(void)
{
    unsigned total = 0, at;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        total += steps[i].weight;
    at = draw(total);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (at < steps[i].weight) {
            steps[i].step();
            break;
        }
        at -= steps[i].weight;
    }
    settle();
    met.steps++;
    compare();
    check_devices();
    check_overshoot();
}

static void begin(uint64_t seed)
{
    memset(&run.model, 0, offsetof(struct model, log));
    memset(run.old, 0, sizeof run.old);
    memset(run.could_fail, 0, sizeof run.could_fail);
    run.seed = seed;
    run.random = (seed + 1) * 0x9e3779b97f4a7c15U;
    draw(2);
    run.model.rollout_count = PICK(1, 1, 2, 2, 3);
    run.model.device_count = PICK(2, 4, 6, 6);
    run.model.count_at_once = chance(75);
    for (int r = 0; r < run.model.rollout_count; r++)
        draw_spec(&run.model.specs[r], r);
    model_open(&run.model);
    for (int r = 0; r < run.model.rollout_count; r++)
        draw_edge(&run.model.specs[r], run.model.places[r]);
    caller_open(&run.caller, (size_t)run.model.device_count);
    run.caller.count_at_once = run.model.count_at_once;
    run.caller.on_event = check_event;
    run.caller.on_change = check_change;
    run.caller.rollout_count = (size_t)run.model.rollout_count;
    set_time(START_TIME);
    tell("the beginning");
    for (int r = 0; r < run.model.rollout_count; r++) {
        build_rollout(&run.caller.rollouts[r], &run.model.specs[r]);
        hold(rollout_check(&run.caller.rollouts[r], NULL) == ROLLOUT_FLAW_NONE,
             "the drawn settings are well formed");
    }
    for (int d = 0; d < run.model.device_count; d++) {
        memset(&run.facts[d], 0, sizeof run.facts[d]);
        run.caller.devices[d].gone = true;
        if (chance(90)) {
            draw_facts(&run.facts[d]);
            learn(d, &run.facts[d]);
        }
        model_facts(&run.model, d, &run.facts[d]);
    }
}

static void run_sequence(uint64_t seed)
{
    unsigned count;

    begin(seed);
    if (chance(85))
        order(0, 's', false, 0, 0);
    count = 10 + draw(STEPS_MAX - 10);
    for (unsigned i = 0; i < count; i++)
        take_step();
    caller_close(&run.caller);
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
    uint64_t sequences = setting("MODEL_SEQUENCES", 20000);
    time_t end = time(NULL) + (time_t)setting("MODEL_SECONDS", 20);
    uint64_t done = 0;

    (void)state;
    if (getenv("MODEL_SEED") != NULL) {
        run.told = true;
        run_sequence(setting("MODEL_SEED", 0));
        return;
    }
    for (; done < sequences && (done < SEQUENCES_MIN || done % 64 != 0 || time(NULL) < end); done++)
        run_sequence(done);
    print_message("%" PRIu64 " sequences, %lu steps\n", done, met.steps);
}

static void met_everything(void **state)
{
    static const enum rollout_reason others[] = {ROLLOUT_REASON_NONE, ROLLOUT_REASON_NOT_SEEN,
                                                 ROLLOUT_REASON_OTHER_DEPLOYMENT,
                                                 ROLLOUT_REASON_DRAFT, ROLLOUT_REASON_OUTRANKED};

    (void)state;
    if (getenv("MODEL_SEED") != NULL)
        return;
    /* A poll is never answered with these: they are rollout_explain()'s. */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        met.reasons[others[i]] = 1;
    met.reasons[ROLLOUT_REASON_COMPLETED] = met.reasons[ROLLOUT_REASON_NO_ROLLOUT] = 1;
    met.refusals[-ROLLOUT_REFUSED_SETTINGS] = 1; /* all that is drawn is well formed */
    expect_met(met.states + 1, DEPLOYMENT_STATE_COUNT - 1, "deployment state");
    expect_met(met.rollout_states, ROLLOUT_STATE_COUNT, "rollout state");
    expect_met(met.halts + 1, ROLLOUT_HALT_SHORT, "cause of a halt");
    expect_met(met.actions, ROLLOUT_ACTION_CANCEL + 1, "action");
    expect_met(met.reasons, ROLLOUT_REASON_COUNT, "reason");
    expect_met(met.events + 1, ROLLOUT_EVENT_COMPLETED, "event");
    expect_met(met.refusals, -ROLLOUT_REFUSED_REVISION + 1, "refusal");
    assert_true(met.restarts > 0 && met.supersedes > 0 && met.repeats > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("the engine and the model agree on every step of random sequences",
              agree_on_everything)},
        {TEST("the sequences met every state, action, reason, halt and refusal", met_everything)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
