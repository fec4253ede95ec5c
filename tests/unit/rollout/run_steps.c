#include "tests/unit/rollout/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/rollout/record.h"

static const char *const events_by_char = "?ditcrf";

/* ---- steps ---- */

void run_tell(struct run *run, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(run->what, sizeof run->what, format, args);
    va_end(args);
    if (run->told)
        fprintf(stderr, "%ld %s\n", run->model.now - RUN_START_TIME, run->what);
}

static void settle(struct run *run)
{
    caller_settle(&run->caller);
    model_tick(&run->model);
}

void run_set_time(struct run *run, long now)
{
    run->caller.now = (uint64_t)now;
    run->model.now = now;
}

static void step_poll(struct run *run, int d)
{
    static const char *const actions[] = {"none", "offer", "continue", "hold", "cancel"};
    struct caller_device *device = &run->caller.devices[d];
    struct deployment before[M_ROLLOUTS];
    struct rollout_decision decision;
    struct m_answer answer;

    run_tell(run, "device %d polls, runs %d v%d c%d%s", d, run->facts[d].image,
             run->facts[d].version, run->facts[d].counter, run->facts[d].trial ? " on trial" : "");
    run->facts[d].seen = true;
    run_learn(run, d, &run->facts[d]);
    memcpy(before, device->newest, sizeof before);
    decision = caller_poll(&run->caller, (size_t)d);
    answer = model_poll(&run->model, d, &run->facts[d]);
    if (run->told)
        fprintf(stderr, "    %s %s by %d over %d\n", actions[decision.action],
                rollout_reason_name(decision.reason), (int)decision.candidate,
                (int)decision.supersedes);
    run_agree_on_words(run, "action", actions[decision.action], answer.action);
    run_agree_on_words(run, "reason", rollout_reason_name(decision.reason), answer.reason);
    run_agree(run, "rollout", (int64_t)decision.candidate, answer.rollout);
    run_agree(run, "superseded", (int64_t)decision.supersedes, answer.supersedes);
    run->met.actions[decision.action]++;
    run->met.reasons[decision.reason]++;
    if (decision.action != ROLLOUT_ACTION_OFFER)
        return;
    run_agree(run, "stage", decision.stage, answer.stage);
    run->met.supersedes += decision.supersedes != ROLLOUT_NO_CANDIDATE;
    if (before[decision.candidate].state != DEPLOYMENT_NONE)
        run->old[before[decision.candidate].id] = before[decision.candidate];
    run_note_could_fail(run, decision.candidate);
}

/* A report about any deployment there ever was. */
static void report(struct run *run, int try, uint64_t seq, enum ota_event event, unsigned percent,
                   int image)
{
    const struct m_try *t = &run->model.world.tries[try];
    struct caller_device *device = &run->caller.devices[t->device];
    struct ota_report body = {.seq = seq, .event = event, .percent = percent};
    bool newest = run->model.world.newest[t->rollout][t->device] == try;
    bool repeated = newest && seq <= device->newest[t->rollout].seq;
    bool superseded = newest && device->view.newest_deployment != (uint64_t)try + 1;
    struct kept kept;

    run_tell(run, "device %d reports %c of try %d by rollout %d, seq %d, %u%%, runs %d", t->device,
             events_by_char[event], try, t->rollout, (int)seq, percent, image);
    settle(run);
    run_keep(run, &kept);
    caller_hash(body.hash, (unsigned)image);
    if (newest) {
        caller_report(&run->caller, (size_t)t->rollout, (size_t)t->device, (uint64_t)try + 1,
                      &body);
    } else if (!device->gone && run->old[try + 1].id != 0) {
        struct deployment old = run->old[try + 1];

        deployment_report(&run->caller.rollouts[t->rollout], &device->view, &old, &body,
                          run->caller.now);
        run_hold(run, memcmp(&old, &run->old[try + 1], sizeof old) == 0,
                 "a superseded deployment does not change");
    }
    if (!newest || superseded)
        run_hold_unchanged(run, &kept, "a report of a superseded deployment changes nothing");
    if (repeated) {
        run->met.repeats++;
        run_hold_unchanged(run, &kept, "a repeated sequence number changes nothing");
    }
    model_report(&run->model, try, (long)seq, events_by_char[event], (int)percent, image);
}

/* The device does what comes next, more or less. */
static void step_progress(struct run *run, int d, int try)
{
    const struct m_try *t = &run->model.world.tries[try];
    const struct m_spec *spec = &run->model.specs[t->rollout];
    struct m_facts *facts = &run->facts[d];
    uint64_t seq = ++run->caller.devices[d].seq;
    enum ota_event event = OTA_EVENT_DOWNLOADING;

    if (run_chance(run, 18)) {
        event = t->state == 't' || run_chance(run, 50) ? OTA_EVENT_REVERTED : OTA_EVENT_FAILED;
        if (facts->image == spec->image) {
            facts->image = 0;
            facts->version = 5;
        }
        facts->trial = false;
    } else if (t->state == 't' || (facts->image == spec->image && run_chance(run, 80))) {
        event = OTA_EVENT_CONFIRMED;
        facts->trial = false;
        facts->counter = facts->counter > spec->counter ? facts->counter : spec->counter;
    } else if (t->state == 'i' || run_chance(run, 30)) {
        event = OTA_EVENT_TRIAL;
        facts->image = spec->image;
        facts->version = spec->version;
        facts->trial = true;
    } else if (t->state == 'd' && run_chance(run, 60)) {
        event = OTA_EVENT_INSTALLED;
    }
    if (run_chance(run, 85)) /* else the report is lost */
        report(run, try, seq, event, run_draw(run, 101), facts->image);
    else
        run_tell(run, "device %d loses its report %c", d, events_by_char[event]);
}

static void step_device(struct run *run)
{
    int d = (int)run_draw(run, (unsigned)run->model.device_count);
    int last = run->model.world.last[d];
    char state = last >= 0 ? run->model.world.tries[last].state : '-';

    if (!run->facts[d].present)
        return;
    if (strchr("odit", state) != NULL && state != '-' && run_chance(run, 70))
        step_progress(run, d, last);
    else
        step_poll(run, d);
}

static void step_any_report(struct run *run)
{
    int try;
    enum ota_event event = (enum ota_event)(run_draw(run, 6) + 1);
    uint64_t seq;

    if (run->model.world.try_count == 0)
        return;
    try = (int)run_draw(run, (unsigned)run->model.world.try_count);
    if (!run->facts[run->model.world.tries[try].device].present)
        return;
    seq = run->caller.devices[run->model.world.tries[try].device].seq;
    if (run_chance(run, 50))
        seq = ++run->caller.devices[run->model.world.tries[try].device].seq;
    else if (seq > 0)
        seq -= run_draw(run, seq > 3 ? 3 : (unsigned)seq);
    report(run, try, seq, event, run_draw(run, 130),
           run_chance(run, 60) ? run->model.specs[run->model.world.tries[try].rollout].image
                               : PICK(0, 9));
}

static void step_health(struct run *run)
{
    int try, d, events = (int)run_draw(run, 3);

    if (run->model.world.try_count == 0)
        return;
    try = (int)run_draw(run, (unsigned)run->model.world.try_count);
    d = run->model.world.tries[try].device;
    if (!run->facts[d].present ||
        run->model.world.newest[run->model.world.tries[try].rollout][d] != try)
        return;
    uint64_t seq = ++run->caller.devices[d].seq - run_draw(run, 2);
    run_tell(run, "device %d reports %d bad events of try %d", d, events, try);
    caller_health(&run->caller, (size_t)run->model.world.tries[try].rollout, (size_t)d, seq,
                  (uint32_t)events);
    model_health(&run->model, try, (long)seq, events);
}

static void step_time(struct run *run)
{
    long now = run->model.now;

    switch (run_draw(run, 12)) {
    case 0:
        now += 86400 * (long)run_draw(run, 8);
        break;
    case 1:
        now += 3600 * (long)run_draw(run, 30);
        break;
    case 2:
        now -= (long)run_draw(run, 4) * 500;
        break;
    case 3:
    case 4:
    case 5:
        now += (long)run_draw(run, 700);
        break;
    default:
        now += (long)run_draw(run, 60);
        break;
    }
    run_tell(run, "time goes on by %ld", now - run->model.now);
    run_set_time(run, now);
}

/* The next second at which the minute comes at which a window opens or closes for a device. */
static long window_edge(struct run *run, int r, int d)
{
    const struct m_spec *spec = &run->model.specs[r];
    long local = run->model.now + 60L * run->model.world.facts[d].offset_minutes;
    long edge = 60L * (run_chance(run, 50) ? spec->window_from : spec->window_to);

    return run->model.now + (edge - local % 86400 + 86400) % 86400;
}

/* To the second at which a timeout, a soak or a window ends, or just before. */
static void step_to_deadline(struct run *run)
{
    const struct m_world *world = &run->model.world;
    int r = (int)run_draw(run, (unsigned)run->model.rollout_count);
    int d = (int)run_draw(run, (unsigned)run->model.device_count);
    long at = M_NEVER;
    uint64_t next;

    rollout_tick(&run->caller.rollouts[r], run->caller.now, &next);
    settle(run);
    if (run->model.specs[r].window_days != 0 && run_chance(run, 50))
        at = window_edge(run, r, d);
    else if (next != ROLLOUT_NEVER && run_chance(run, 50))
        at = (long)next;
    else if (world->newest[r][d] >= 0)
        at = model_deadline(&run->model, world->newest[r][d]);
    if (at == M_NEVER || at < run->model.now)
        return;
    run_tell(run, "time goes on to a deadline");
    run_set_time(run, at - (run_chance(run, 30) && at > run->model.now ? 1 : 0));
    settle(run);
    if (run_chance(run, 80)) {
        caller_expire(&run->caller);
        model_expire(&run->model);
    }
}

static const char *refusal_word(struct run *run, enum rollout_refusal refusal)
{
    static const char *const words[] = {"allowed",  "state", "force",   "stage",
                                        "settings", "time",  "revision"};

    run->met.refusals[-(int)refusal]++;
    return words[-(int)refusal];
}

enum rollout_refusal run_order(struct run *run, int r, char command, bool force, long start_at,
                               long if_revision)
{
    static const char commands[] = "?stprcah";
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

    run_tell(run, "order %c for rollout %d%s, revision %ld", command, r, force ? ", by force" : "",
             if_revision);
    settle(run);
    run_keep(run, &kept);
    state = run->caller.rollouts[r].state;
    refusal = caller_obey(&run->caller, (size_t)r, &engine);
    run_agree_on_words(run, "refusal", refusal_word(run, refusal),
                       model_order(&run->model, r, &model));
    if (refusal != ROLLOUT_ALLOWED)
        run_hold_unchanged(run, &kept, "a refused order changes nothing");
    else if (state == ROLLOUT_HALTED && command == 'r')
        run_note_could_fail(run, (size_t)r);
    else if (command == 'h')
        run->met.halts[ROLLOUT_HALT_OPERATOR]++;
    return refusal;
}

static char draw_command(struct run *run, int r)
{
    static const char commands[] = "srrpcaasth";

    if (run->model.world.rollouts[r].state == 'd')
        return run_chance(run, 80) ? 's' : 't';
    return commands[run_draw(run, sizeof commands - 1)];
}

static void step_order(struct run *run)
{
    int r = (int)run_draw(run, (unsigned)run->model.rollout_count);
    char command = draw_command(run, r);

    if (command == 'c' && run_chance(run, 60))
        return;
    run_order(run, r, command, run_chance(run, 60), run->model.now + (long)run_draw(run, 300) - 10,
              0);
}

static void step_two_operators(struct run *run)
{
    int r = (int)run_draw(run, (unsigned)run->model.rollout_count);
    long read = (long)run->caller.rollouts[r].revision;
    bool first, second;

    first = run_order(run, r, draw_command(run, r), run_chance(run, 50), run->model.now + 50,
                      read) == ROLLOUT_ALLOWED;
    second = run_order(run, r, draw_command(run, r), run_chance(run, 50), run->model.now + 60,
                       read) == ROLLOUT_ALLOWED;
    run_hold(run, !(first && second), "of two orders on one revision, one is obeyed");
}

static void change_image(struct run *run, struct m_facts *facts)
{
    int image = (int)run_draw(run, (unsigned)run->model.rollout_count + 2);

    facts->trial = run_chance(run, 30);
    facts->image = image <= run->model.rollout_count ? image : RUN_FOREIGN_IMAGE;
    facts->version = 5;
    if (image >= 1 && image <= run->model.rollout_count) {
        facts->version = run->model.specs[image - 1].version;
        facts->counter = run_chance(run, 50) ? run->model.specs[image - 1].counter : facts->counter;
    }
}

/* Something about a device changes: at the server at once, at the device until it polls. */
static void step_facts(struct run *run)
{
    int d = (int)run_draw(run, (unsigned)run->model.device_count);
    struct m_facts *facts = &run->facts[d], known;

    if (!facts->present)
        return;
    run_tell(run, "device %d changes", d);
    if (run_chance(run, 25)) {
        change_image(run, facts);
        return;
    }
    switch (run_draw(run, 6)) {
    case 0:
        facts->group = (int)run_draw(run, 3);
        break;
    case 1:
        facts->opted_out = !facts->opted_out;
        break;
    case 2:
        facts->postponed_until = run->model.now + (long)run_draw(run, 200);
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
    known = run->model.world.facts[d];
    known.group = facts->group;
    known.opted_out = facts->opted_out;
    known.postponed_until = facts->postponed_until;
    known.accepted = facts->accepted;
    known.ring = facts->ring;
    known.offset_minutes = facts->offset_minutes;
    run_learn(run, d, &known);
    caller_settle(&run->caller);
    model_facts(&run->model, d, &known);
}

/* The deployments of a device go with it. */
static void forget_old(struct run *run, int d)
{
    for (int try = 0; try < run->model.world.try_count; try++) {
        if (run->model.world.tries[try].device == d)
            run->old[try + 1].id = 0;
    }
}

static void step_come_and_go(struct run *run)
{
    int d = (int)run_draw(run, (unsigned)run->model.device_count);
    struct m_facts *facts = &run->facts[d];

    if (!facts->present) {
        run_tell(run, "device %d joins", d);
        run_draw_facts(run, facts);
        run_learn(run, d, facts);
        caller_settle(&run->caller);
    } else if (run_chance(run, 30)) {
        run_tell(run, "device %d is deleted", d);
        memset(facts, 0, sizeof *facts);
        forget_old(run, d);
        caller_remove(&run->caller, (size_t)d);
    } else {
        return;
    }
    model_facts(&run->model, d, facts);
}

static void step_expire(struct run *run)
{
    run_tell(run, "silence is looked at");
    caller_expire(&run->caller);
    model_expire(&run->model);
}

static void step_count(struct run *run)
{
    int r = (int)run_draw(run, (unsigned)run->model.rollout_count);
    int devices = (int)run_draw(run, 4) + 1;

    if (strchr("ds", run->model.world.rollouts[r].state) != NULL)
        return;
    run_tell(run, "%d devices more of rollout %d are counted", devices, r);
    caller_count(&run->caller, (size_t)r, (size_t)devices);
    caller_settle(&run->caller);
    model_count(&run->model, r, devices);
    model_tick(&run->model);
}

/* ---- restart ---- */

static void recount(struct run *run, size_t r)
{
    struct rollout *rollout = &run->caller.rollouts[r];

    rollout_count_reset(rollout);
    for (size_t d = 0; d < run->caller.device_count; d++)
        rollout_count_deployment(rollout, &run->caller.devices[d].newest[r]);
    run->caller.counted[r] = 0;
    if (rollout->state != ROLLOUT_DRAFT && rollout->state != ROLLOUT_SCHEDULED)
        caller_count(&run->caller, r, run->caller.device_count);
}

/* Everything durable goes through rows of numbers; the rest is gone. */
static void step_restart(struct run *run)
{
    struct kept kept;

    run_tell(run, "restart");
    settle(run);
    run->met.restarts++;
    run_keep(run, &kept);
    for (size_t r = 0; r < run->caller.rollout_count; r++) {
        struct rollout *rollout = &run->caller.rollouts[r];
        struct record record;
        bool counted = rollout->counted;

        record_rollout(&record, rollout);
        memset(rollout, 0xa5, sizeof *rollout);
        run_build_rollout(rollout, &run->model.specs[r]);
        record_load_rollout(&record, rollout);
        for (size_t d = 0; d < run->caller.device_count; d++) {
            struct deployment *newest = &run->caller.devices[d].newest[r];

            record_deployment(&record, newest);
            memset(newest, 0xa5, sizeof *newest);
            record_load_deployment(&record, newest);
        }
        recount(run, r);
        kept.rollouts[r].bucket = kept.rollouts[r].bucket_at = 0;
        kept.rollouts[r].counted = rollout->counted;
        if (!counted) { /* the count goes through in one piece at start-up */
            for (size_t s = 0; s < ROLLOUT_STAGES_MAX; s++) {
                kept.rollouts[r].stages[s].counts.members = rollout->stages[s].counts.members;
                kept.rollouts[r].stages[s].counts.excluded = rollout->stages[s].counts.excluded;
            }
        }
    }
    run_hold_unchanged(run, &kept, "a restart changes nothing");
    model_restart(&run->model);
    caller_settle(&run->caller);
}

/* ---- one step ---- */

static const struct {
    void (*step)(struct run *run);
    unsigned weight;
} steps[] = {
    {step_device, 46}, {step_any_report, 8},  {step_health, 4},        {step_time, 10},
    {step_expire, 4},  {step_order, 10},      {step_two_operators, 3}, {step_facts, 4},
    {step_restart, 3}, {step_come_and_go, 4}, {step_count, 3},         {step_to_deadline, 5},
};

static void step_by_chance(struct run *run)
{
    unsigned total = 0, at;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        total += steps[i].weight;
    at = run_draw(run, total);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (at < steps[i].weight) {
            steps[i].step(run);
            break;
        }
        at -= steps[i].weight;
    }
}

void run_take_step(struct run *run)
{
    step_by_chance(run);
    if (run->restless)
        step_restart(run);
    settle(run);
    run->met.steps++;
    run_compare(run);
    run_check_devices(run);
    run_check_overshoot(run);
}
