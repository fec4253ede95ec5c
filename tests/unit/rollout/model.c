#include "tests/unit/rollout/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_JUMP 16 /* a security counter may rise by so much in one update */

/* ---- the log, replayed --------------------------------------------------------------------------
 */

static bool is_failure(char state)
{
    return strchr("FRLU", state) != NULL;
}

static bool is_active(char state)
{
    return strchr("odit", state) != NULL;
}

static bool before_boot(char state)
{
    return strchr("odi", state) != NULL;
}

/* The rate's bucket in devices, second by second, at today's rate. */
static double bucket_at(const struct model *model, const struct m_world *world, int rollout,
                        long now)
{
    const struct m_rollout *r = &world->rollouts[rollout];
    int rate = model->specs[rollout].stages[r->current].rate;
    double level = r->bucket;

    for (long second = r->bucket_at; second < now && second < r->bucket_at + 60; second++)
        level = fmin(level + rate / 60.0, 1 + rate / 60.0);
    return fmin(level, 1 + rate / 60.0);
}

static void start_stage(struct m_rollout *r, int stage)
{
    r->current = stage;
    r->stages[stage].state = 'a';
}

static void replay_order(struct m_world *world, const struct m_entry *e)
{
    struct m_rollout *r = &world->rollouts[e->rollout];

    r->revision++;
    if (e->kind == M_START) {
        r->state = 'r';
        r->started = e->t;
        r->bucket = 1;
        r->bucket_at = e->t;
        start_stage(r, 0);
    } else if (e->kind == M_SCHEDULE) {
        r->state = 's';
        r->start_at = e->a;
    } else if (e->kind == M_PAUSE) {
        r->state = 'p';
    } else if (e->kind == M_CANCEL) {
        r->state = 'x';
    } else if (e->kind == M_RESUME) {
        if (r->state == 'h') {
            r->round++;
            if (r->halt == 'f')
                r->stages[r->halt_stage].accepted = true;
            r->halt = '-';
        }
        r->state = 'r';
        r->resumed = e->t;
    }
}

static void replay_stage(const struct model *model, struct m_world *world, const struct m_entry *e)
{
    struct m_rollout *r = &world->rollouts[e->rollout];

    r->revision++;
    if (e->kind == M_MET) {
        r->stages[r->current].met = e->t;
    } else if (e->kind == M_UNMET) {
        r->stages[r->current].met = 0;
    } else if (e->kind == M_HALT) {
        r->state = 'h';
        r->halt = (char)e->a;
        r->halt_stage = (int)e->b;
    } else if (e->kind == M_DONE) {
        r->stages[r->current].state = 'd';
        if (r->current + 1 == model->specs[e->rollout].stage_count)
            r->state = 'c';
        else
            start_stage(r, r->current + 1);
    }
}

static void replay_offer(const struct model *model, struct m_world *world, const struct m_entry *e)
{
    int previous = world->newest[e->rollout][e->device];
    struct m_try *try = &world->tries[world->try_count];
    struct m_rollout *r = &world->rollouts[e->rollout];

    *try = (struct m_try){.rollout = e->rollout,
                          .device = e->device,
                          .stage = (int)e->a,
                          .attempt = 1,
                          .round = r->round,
                          .state = 'o',
                          .changed = e->t};
    if (previous >= 0)
        try->attempt = world->tries[previous].attempt + (world->tries[previous].state != 'K');
    world->newest[e->rollout][e->device] = world->try_count;
    world->last[e->device] = world->try_count;
    world->try_count++;
    if (model->specs[e->rollout].stages[r->current].rate > 0) {
        r->bucket = bucket_at(model, world, e->rollout, e->t) - 1;
        r->bucket_at = e->t;
    }
}

static void replay_state(struct m_world *world, const struct m_entry *e)
{
    struct m_try *try = &world->tries[e->try];

    if (!(is_failure(try->state) && is_failure((char)e->a)))
        try->round = world->rollouts[try->rollout].round;
    try->state = (char)e->a;
    try->inferred = e->b != 0;
    try->changed = e->t;
}

static void replay_facts(struct m_world *world, const struct m_entry *e)
{
    world->facts[e->device] = e->facts;
    if (e->facts.present)
        return;
    for (int r = 0; r < M_ROLLOUTS; r++)
        world->newest[r][e->device] = -1;
    world->last[e->device] = -1;
}

static void replay_restart(const struct model *model, struct m_world *world, long t)
{
    for (int r = 0; r < model->rollout_count; r++) {
        if (strchr("ds", world->rollouts[r].state) == NULL)
            world->rollouts[r].cursor = model->device_count;
        world->rollouts[r].bucket = 0;
        world->rollouts[r].bucket_at = t;
    }
}

static void replay_clock(const struct model *model, struct m_world *world, long t)
{
    for (int i = 0; i < model->rollout_count; i++) {
        struct m_rollout *r = &world->rollouts[i];

        if (r->bucket_at > t)
            r->bucket_at = t;
        if (r->stages[r->current].met > t)
            r->stages[r->current].met = t;
    }
}

static void replay(const struct model *model, struct m_world *world, const struct m_entry *e)
{
    switch (e->kind) {
    case M_START:
    case M_SCHEDULE:
    case M_PAUSE:
    case M_RESUME:
    case M_CANCEL:
        replay_order(world, e);
        break;
    case M_DONE:
    case M_MET:
    case M_UNMET:
    case M_HALT:
        replay_stage(model, world, e);
        break;
    case M_COUNTED:
        world->rollouts[e->rollout].cursor = (int)e->a;
        break;
    case M_FACTS:
        replay_facts(world, e);
        break;
    case M_OFFER:
        replay_offer(model, world, e);
        break;
    case M_STATE:
        replay_state(world, e);
        break;
    case M_SEQ:
        world->tries[e->try].seq = e->a;
        break;
    case M_PERCENT:
        world->tries[e->try].percent = (int)e->a;
        world->tries[e->try].changed = e->t;
        break;
    case M_HEALTH:
        world->tries[e->try].health = (int)e->a;
        break;
    case M_CONFIRMED_LATER:
        world->tries[e->try].inferred = false;
        break;
    case M_RESTART:
        replay_restart(model, world, e->t);
        break;
    case M_CLOCK:
        replay_clock(model, world, e->t);
        break;
    }
}

static void replay_all(struct model *model)
{
    struct m_world *world = &model->world;

    memset(world, 0, sizeof *world);
    for (int r = 0; r < M_ROLLOUTS; r++) {
        world->rollouts[r].state = 'd';
        world->rollouts[r].halt = '-';
        world->rollouts[r].revision = 1;
        for (int s = 0; s < M_STAGES; s++)
            world->rollouts[r].stages[s].state = 'w';
        for (int d = 0; d < M_DEVICES; d++)
            world->newest[r][d] = -1;
    }
    for (int d = 0; d < M_DEVICES; d++)
        world->last[d] = -1;
    for (int i = 0; i < model->log_len; i++)
        replay(model, world, &model->log[i]);
}

static void append(struct model *model, struct m_entry entry)
{
    if (model->log_len == M_LOG || model->world.try_count == M_TRIES) {
        fprintf(stderr, "model: the log is full\n");
        abort();
    }
    entry.t = model->now;
    model->log[model->log_len++] = entry;
    replay_all(model);
}

static void set_state(struct model *model, int try, char state, bool inferred)
{
    append(model, (struct m_entry){.kind = M_STATE, .try = try, .a = state, .b = inferred});
}

/* ---- who is meant -------------------------------------------------------------------------------
 */

/* FNV-1a and the end of MurmurHash3, as docs/rollouts.md gives them. */
static int share_place(unsigned long seed, const char *id)
{
    unsigned long h = 14695981039346656037U;

    for (int i = 0; i < 64; i += 8)
        h = (h ^ (seed >> i & 255)) * 1099511628211U;
    for (; *id != '\0'; id++)
        h = (h ^ (unsigned char)*id) * 1099511628211U;
    h ^= h >> 33;
    h *= 18397679294719823053U;
    h ^= h >> 33;
    h *= 14181476777654086739U;
    h ^= h >> 33;
    return (int)((double)(h >> 32) / 4294967296.0 * 10000.0);
}

void model_open(struct model *model)
{
    model->log_len = 0;
    for (int r = 0; r < model->rollout_count; r++) {
        for (int d = 0; d < model->device_count; d++) {
            char name[32];

            snprintf(name, sizeof name, "dev-%03d", d);
            model->places[r][d] = share_place(model->specs[r].seed, name);
        }
    }
    replay_all(model);
}

static bool has_group(const struct m_spec *spec, int group)
{
    bool found = spec->group_count == 0;

    for (int i = 0; i < spec->group_count; i++)
        found = found || spec->groups[i] == group;
    return found;
}

static const char *wrong_kind(const struct m_spec *spec, const struct m_facts *f)
{
    return !f->accepted                    ? "not_accepted"
           : f->product != spec->product   ? "product"
           : f->hardware != spec->hardware ? "hardware"
                                           : NULL;
}

static const char *not_meant(const struct m_spec *spec, const struct m_facts *f)
{
    bool ranged = spec->running_min >= 0 || spec->running_max >= 0;

    if (wrong_kind(spec, f) != NULL)
        return wrong_kind(spec, f);
    if (!has_group(spec, f->group))
        return "group";
    if (spec->ring != 0 && f->ring != spec->ring)
        return "tags";
    if (ranged && !f->seen)
        return "not_seen";
    if ((spec->running_min >= 0 && f->version < spec->running_min) ||
        (spec->running_max >= 0 && f->version > spec->running_max))
        return "running_range";
    return NULL;
}

static int stage_of(const struct model *model, int rollout, int device, const struct m_facts *f)
{
    const struct m_spec *spec = &model->specs[rollout];

    for (int s = 0; s < spec->stage_count; s++) {
        if (spec->stages[s].group != 0 ? f->group == spec->stages[s].group
                                       : model->places[rollout][device] < spec->stages[s].share_bp)
            return s;
    }
    return -1;
}

static const char *unfit(const struct m_spec *spec, const struct m_facts *f)
{
    bool lower = spec->version < f->version;

    if (wrong_kind(spec, f) != NULL)
        return wrong_kind(spec, f);
    if (f->opted_out)
        return "opted_out";
    if (!f->seen)
        return "not_seen";
    if (spec->counter < f->counter)
        return "counter_low";
    if (spec->counter > f->counter + OLDEST_JUMP)
        return "counter_jump";
    if (lower && !spec->allow_downgrade)
        return "downgrade";
    if (lower && spec->counter != f->counter)
        return "downgrade_counter";
    if (f->version < spec->version_min)
        return "stepping_stone";
    return NULL;
}

static bool runs_it(const struct m_spec *spec, const struct m_facts *f)
{
    return f->seen && f->image == spec->image;
}

/* NULL: nothing about the device is in the way. *stage is -1 for one that no stage takes. */
static const char *plan(const struct model *model, int rollout, int device, const struct m_facts *f,
                        int *stage)
{
    const struct m_spec *spec = &model->specs[rollout];

    *stage = -1;
    if (not_meant(spec, f) != NULL)
        return not_meant(spec, f);
    *stage = stage_of(model, rollout, device, f);
    if (*stage < 0)
        return "no_stage";
    return runs_it(spec, f) ? "runs_target" : unfit(spec, f);
}

static bool leaves_out(const char *reason)
{
    static const char *const out[] = {"runs_target", "counter_low", "downgrade",
                                      "downgrade_counter", "opted_out"};
    bool found = false;

    for (size_t i = 0; reason != NULL && i < sizeof out / sizeof out[0]; i++)
        found = found || strcmp(reason, out[i]) == 0;
    return found;
}

/* ---- counting, device by device
 * ------------------------------------------------------------------ */

static void count_device(const struct model *model, int rollout, int stage, int device,
                         struct m_counts *counts)
{
    const struct m_world *world = &model->world;
    int newest = world->newest[rollout][device];
    const struct m_try *try = newest >= 0 ? &world->tries[newest] : NULL;
    bool counted = device < world->rollouts[rollout].cursor;
    int planned;

    if (try != NULL && try->state != 'K') {
        if (try->stage != stage)
            return;
        counts->members += counted;
        counts->by_state[(int)try->state]++;
        if (try->round == world->rollouts[rollout].round) {
            counts->round_failures += is_failure(try->state);
            counts->round_successes += try->state == 'S';
        }
        return;
    }
    const char *reason = plan(model, rollout, device, &world->facts[device], &planned);
    if (planned == stage && counted) {
        counts->members++;
        counts->excluded += leaves_out(reason);
    }
}

struct m_counts model_counts(const struct model *model, int rollout, int stage)
{
    struct m_counts counts = {0};

    if (strchr("ds", model->world.rollouts[rollout].state) != NULL)
        return counts;
    for (int d = 0; d < model->device_count; d++) {
        if (model->world.facts[d].present)
            count_device(model, rollout, stage, d, &counts);
    }
    return counts;
}

static int sum(const struct m_counts *counts, const char *states)
{
    int total = 0;

    for (; *states != '\0'; states++)
        total += counts->by_state[(int)*states];
    return total;
}

/* ---- stopping and going on
 * ----------------------------------------------------------------------- */

/* c(ount) s(equential) p(ercent), 0 for none. */
static char broken(const struct model *model, int rollout, int stage)
{
    const struct m_stage_spec *spec = &model->specs[rollout].stages[stage];
    struct m_counts n = model_counts(model, rollout, stage);
    double allowed = spec->allowed_bp / 1e4, suspect = spec->suspect_bp / 1e4;

    if (n.round_failures == 0)
        return 0;
    if (spec->failure_count > 0 && n.round_failures >= spec->failure_count)
        return 'c';
    if (spec->allowed_bp > 0 && n.round_failures * log(suspect / allowed) -
                                        n.round_successes * log((1 - allowed) / (1 - suspect)) >=
                                    log(1e4 / spec->error_bp))
        return 's';
    if (spec->failure_percent > 0 &&
        100 * n.round_failures >= spec->failure_percent * (n.members - n.excluded))
        return 'p';
    return 0;
}

static bool all_counted(const struct model *model, int rollout)
{
    return model->world.rollouts[rollout].cursor == model->device_count;
}

static bool nobody(const struct model *model, int rollout)
{
    int members = 0, current = model->world.rollouts[rollout].current;

    if (model->specs[rollout].stages[current].group != 0)
        return model_counts(model, rollout, current).members == 0;
    for (int s = 0; s < model->specs[rollout].stage_count; s++)
        members += model_counts(model, rollout, s).members;
    return members == 0;
}

static bool success(const struct model *model, int rollout)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];
    struct m_counts n = model_counts(model, rollout, r->current);

    if (r->stages[r->current].accepted)
        return true;
    return all_counted(model, rollout) && !nobody(model, rollout) &&
           100 * sum(&n, "S") >=
               model->specs[rollout].stages[r->current].success * (n.members - n.excluded);
}

static bool fell_short(const struct model *model, int rollout)
{
    struct m_counts n = model_counts(model, rollout, model->world.rollouts[rollout].current);

    return all_counted(model, rollout) && !success(model, rollout) && n.members > n.excluded &&
           sum(&n, "SFRLU") == n.members - n.excluded;
}

static bool soaked(const struct model *model, int rollout)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];
    long met = r->stages[r->current].met;

    return met != 0 && model->now >= met + model->specs[rollout].stages[r->current].soak;
}

/* The one thing that time and counts make of the rollout next. */
static bool next_entry(const struct model *model, int rollout, struct m_entry *entry)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];

    *entry = (struct m_entry){.rollout = rollout};
    if (r->state == 's' && model->now >= r->start_at)
        entry->kind = M_START;
    if (r->state != 'r' && r->state != 'p')
        return entry->kind != 0;
    for (int s = 0; s <= r->current; s++) {
        char rule = broken(model, rollout, s);

        if (rule == 0 || (rule == 'p' && !all_counted(model, rollout)))
            continue;
        *entry = (struct m_entry){.kind = M_HALT, .rollout = rollout, .a = rule, .b = s};
        return true;
    }
    if (fell_short(model, rollout)) {
        *entry = (struct m_entry){.kind = M_HALT, .rollout = rollout, .a = 'f', .b = r->current};
        return true;
    }
    if (success(model, rollout) != (r->stages[r->current].met != 0))
        entry->kind = success(model, rollout) ? M_MET : M_UNMET;
    else if (r->state == 'r' && !model->specs[rollout].stages[r->current].by_hand &&
             soaked(model, rollout))
        entry->kind = M_DONE;
    return entry->kind != 0;
}

void model_tick(struct model *model)
{
    struct m_entry entry;
    bool late = false;

    for (int r = 0; r < model->rollout_count; r++) {
        const struct m_rollout *rollout = &model->world.rollouts[r];

        late = late || rollout->bucket_at > model->now ||
               rollout->stages[rollout->current].met > model->now;
    }
    if (late)
        append(model, (struct m_entry){.kind = M_CLOCK});
    for (int r = 0; r < model->rollout_count; r++) {
        while (next_entry(model, r, &entry)) {
            append(model, entry);
            if (entry.kind == M_START && model->count_at_once)
                model_count(model, r, model->device_count);
        }
    }
}

const char *model_order(struct model *model, int rollout, const struct m_order *order)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];
    bool waits = r->state == 'd' || r->state == 's';
    enum m_kind kind = M_START;
    const char *refusal = NULL;

    if (order->if_revision != 0 && order->if_revision != r->revision) {
        refusal = "revision";
    } else if (order->command == 's') {
        refusal = waits ? NULL : "state";
    } else if (order->command == 't') {
        kind = M_SCHEDULE;
        refusal = !waits ? "state" : (order->start_at <= model->now ? "time" : NULL);
    } else if (order->command == 'p') {
        kind = M_PAUSE;
        refusal = r->state == 'r' ? NULL : "state";
    } else if (order->command == 'r') {
        kind = M_RESUME;
        refusal = r->state == 'p' ? NULL : (r->state != 'h' ? "state" : NULL);
        if (r->state == 'h' && !order->force)
            refusal = "force";
    } else if (order->command == 'c') {
        kind = M_CANCEL;
        refusal = r->state == 'c' || r->state == 'x' ? "state" : NULL;
    } else {
        kind = M_DONE;
        refusal = r->state != 'r' ? "state" : NULL;
        if (r->state == 'r' && !order->force && !soaked(model, rollout))
            refusal = "stage";
    }
    if (refusal == NULL) {
        append(model, (struct m_entry){.kind = kind, .rollout = rollout, .a = order->start_at});
        if (kind == M_START && model->count_at_once)
            model_count(model, rollout, model->device_count);
    }
    model_tick(model);
    return refusal != NULL ? refusal : "allowed";
}

void model_count(struct model *model, int rollout, int devices)
{
    int cursor = model->world.rollouts[rollout].cursor + devices;

    append(model,
           (struct m_entry){.kind = M_COUNTED,
                            .rollout = rollout,
                            .a = cursor < model->device_count ? cursor : model->device_count});
}

void model_restart(struct model *model)
{
    append(model, (struct m_entry){.kind = M_RESTART});
    model_tick(model);
}

void model_facts(struct model *model, int device, const struct m_facts *facts)
{
    append(model, (struct m_entry){.kind = M_FACTS, .device = device, .facts = *facts});
    model_tick(model);
}

/* ---- what a device says
 * --------------------------------------------------------------------------- */

static long since(const struct model *model, long then)
{
    return model->now > then ? model->now - then : 0;
}

static bool watched(const struct model *model, const struct m_try *try)
{
    return try->state == 'S' &&
           since(model, try->changed) < model->specs[try->rollout].health_seconds;
}

static bool not_wanted(const struct model *model, const struct m_try *try)
{
    const char *reason = unfit(&model->specs[try->rollout], &model->world.facts[try->device]);

    return model->world.rollouts[try->rollout].state == 'x' ||
           (reason != NULL && strcmp(reason, "not_seen") != 0);
}

static void give_up(struct model *model, int try)
{
    const struct m_try *t = &model->world.tries[try];
    bool again = t->attempt <= model->specs[t->rollout].retries &&
                 strchr("rph", model->world.rollouts[t->rollout].state) != NULL;
    char state = 'F';

    if (before_boot(t->state) && not_wanted(model, t))
        state = 'K';
    else if (before_boot(t->state) && again)
        state = 'y';
    if (t->state != state)
        set_state(model, try, state, false);
    else
        append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
}

static void step_on(struct model *model, int try, char to, int percent)
{
    static const char order[] = "odit";
    const struct m_try *t = &model->world.tries[try];

    if (!is_active(t->state) || strchr(order, to) < strchr(order, t->state))
        return;
    if (percent > 100)
        percent = 100;
    if (to == 'd' && percent > t->percent)
        append(model, (struct m_entry){.kind = M_PERCENT, .try = try, .a = percent});
    if (t->state != to)
        set_state(model, try, to, false);
}

static void final_word(struct model *model, int try, char state)
{
    const struct m_try *t = &model->world.tries[try];

    if (!is_active(t->state) && !t->inferred)
        return;
    if (state == 'F')
        give_up(model, try);
    else if (t->state != state)
        set_state(model, try, state, false);
    else
        append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
}

void model_report(struct model *model, int try, long seq, char event, int percent, int image)
{
    const struct m_try *t = &model->world.tries[try];
    bool target = image == model->specs[t->rollout].image;

    if (model->world.last[t->device] != try || t->state == 'K' || seq <= t->seq) {
        model_tick(model);
        return;
    }
    append(model, (struct m_entry){.kind = M_SEQ, .try = try, .a = seq});
    if (event == 'd' || event == 'i')
        step_on(model, try, event, percent);
    else if (event == 't' && target)
        step_on(model, try, 't', 0);
    else if (event == 'c' && target)
        final_word(model, try, 'S');
    else if (event == 'c') {
        if (is_active(t->state) || t->inferred) {
            if (t->state != 'F')
                set_state(model, try, 'F', false);
            else
                append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
        }
    } else if (event == 'r')
        final_word(model, try, 'R');
    else if (event == 'f')
        final_word(model, try, 'F');
    model_tick(model);
}

void model_health(struct model *model, int try, long seq, int events)
{
    const struct m_try *t = &model->world.tries[try];
    int limit = model->specs[t->rollout].health_events;

    if (model->world.last[t->device] == try && t->state != 'K' && seq > t->seq) {
        append(model, (struct m_entry){.kind = M_SEQ, .try = try, .a = seq});
        if (watched(model, t)) {
            append(model, (struct m_entry){.kind = M_HEALTH, .try = try, .a = t->health + events});
            if (t->health >= (limit > 0 ? limit : 1))
                set_state(model, try, 'U', false);
        }
    }
    model_tick(model);
}

static void reconcile(struct model *model, int rollout, int device, const struct m_facts *f)
{
    int try = model->world.newest[rollout][device];

    if (try < 0 || model->world.tries[try].state == 'K' || !f->seen)
        return;
    const struct m_try *t = &model->world.tries[try];
    bool on_it = runs_it(&model->specs[rollout], f);
    if (on_it && f->trial && before_boot(t->state))
        set_state(model, try, 't', false);
    else if (on_it && !f->trial &&
             (is_active(t->state) || t->state == 'y' || (is_failure(t->state) && t->inferred)))
        set_state(model, try, 'S', true);
    else if (!on_it && (t->state == 't' || (watched(model, t) && model->world.last[device] == try)))
        set_state(model, try, 'R', true);
}

/* ---- silence
 * ---------------------------------------------------------------------------------------- */

static bool open_at(const struct m_spec *spec, int offset_minutes, long when)
{
    long minute = (when + offset_minutes * 60L) / 60;
    int length = (spec->window_to - spec->window_from + 1439) % 1440 + 1;

    if (spec->window_days == 0)
        return true;
    for (int ago = 0; ago < length; ago++, minute--) {
        int weekday = (int)((minute / 1440 + 3) % 7);

        if (minute % 1440 == spec->window_from)
            return (spec->window_days >> weekday & 1) != 0;
    }
    return false;
}

static long opens(const struct m_spec *spec, int offset_minutes, long when)
{
    while (!open_at(spec, offset_minutes, when))
        when += 60 - when % 60;
    return when;
}

static long wish(const struct model *model, int rollout, const struct m_facts *f)
{
    long most = model->world.rollouts[rollout].started + model->specs[rollout].postpone_max;

    if (model->specs[rollout].postpone_max > 0 && f->postponed_until > most)
        return most;
    return f->postponed_until;
}

static long max3(long a, long b, long c)
{
    long most = a > b ? a : b;

    return most > c ? most : c;
}

long model_deadline(const struct model *model, int try)
{
    const struct m_try *t = &model->world.tries[try];
    const struct m_spec *spec = &model->specs[t->rollout];
    const struct m_rollout *r = &model->world.rollouts[t->rollout];
    const struct m_facts *f = &model->world.facts[t->device];
    long patience = t->state == 'o'   ? spec->offered
                    : t->state == 'd' ? spec->downloading
                    : t->state == 'i' ? spec->installing
                                      : spec->retry;
    long from = t->changed, end;

    if (t->state == 't')
        return t->changed + spec->trial;
    if (!before_boot(t->state) && t->state != 'y')
        return M_NEVER;
    if (r->state == 'h' || (t->state == 'y' && r->state == 'p'))
        return M_NEVER;
    if (t->state == 'y')
        from += spec->retry_wait;
    end = max3(from, r->resumed, wish(model, t->rollout, f)) + patience;
    if (!open_at(spec, f->offset_minutes, end))
        end = opens(spec, f->offset_minutes, end) + patience;
    return end;
}

void model_expire(struct model *model)
{
    model_tick(model);
    for (int d = 0; d < model->device_count; d++) {
        for (int r = 0; r < model->rollout_count; r++) {
            int try = model->world.newest[r][d];

            if (!model->world.facts[d].present || try < 0 ||
                model->now < model_deadline(model, try))
                continue;
            const struct m_try *t = &model->world.tries[try];
            if (t->state != 't' && not_wanted(model, t))
                set_state(model, try, 'K', true);
            else if (t->state == 'y')
                set_state(model, try, 'F', false);
            else
                set_state(model, try, 'L', true);
            model_tick(model);
        }
    }
}

/* ---- a poll
 * ------------------------------------------------------------------------------------------ */

static struct m_answer say(const char *action, const char *reason, int rollout)
{
    return (struct m_answer){action, reason, rollout, -1, 0};
}

static const char *sleeps(const struct model *model, int rollout, const struct m_facts *f)
{
    if (wish(model, rollout, f) > model->now)
        return "postponed";
    return open_at(&model->specs[rollout], f->offset_minutes, model->now) ? NULL : "window";
}

static struct m_answer ask_active(const struct model *model, int rollout, const struct m_try *t,
                                  const struct m_facts *f)
{
    char state = model->world.rollouts[rollout].state;
    const char *reason = unfit(&model->specs[rollout], f);

    if (runs_it(&model->specs[rollout], f))
        return say("none", "runs_target", rollout);
    if (t->state == 't')
        return say("none", "under_way", rollout);
    if (state == 'x')
        return say("cancel", "cancelled", rollout);
    if (reason != NULL && strcmp(reason, "not_seen") != 0)
        return say("cancel", reason, rollout);
    if (state == 'h')
        return say("hold", "halted", rollout);
    if (sleeps(model, rollout, f) != NULL)
        return say("hold", sleeps(model, rollout, f), rollout);
    return say("continue", "under_way", rollout);
}

static const char *spent(const struct model *model, const struct m_try *t)
{
    bool left = t != NULL && t->attempt <= model->specs[t->rollout].retries;

    if (t == NULL || strchr("yK", t->state) != NULL)
        return NULL;
    if (t->state == 'R')
        return "reverted";
    if (t->state == 'U')
        return "unhealthy";
    if (t->state == 'F')
        return "failed";
    if (left)
        return NULL;
    return t->state == 'L' ? "timed_out" : "left";
}

static const char *state_reason(char state)
{
    switch (state) {
    case 'd':
        return "draft";
    case 's':
        return "scheduled";
    case 'p':
        return "paused";
    case 'h':
        return "halted";
    case 'c':
        return "completed";
    case 'x':
        return "cancelled";
    default:
        return NULL;
    }
}

static int under_way(const struct model *model, int rollout)
{
    int total = 0;

    for (int s = 0; s <= model->world.rollouts[rollout].current; s++) {
        struct m_counts n = model_counts(model, rollout, s);

        total += sum(&n, "odity");
    }
    return total;
}

/* Everything else having said yes: is this the moment? */
static const char *not_now(const struct model *model, int rollout, const struct m_try *t,
                           const struct m_facts *f)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];
    const struct m_stage_spec *stage = &model->specs[rollout].stages[r->current];

    for (int s = 0; s <= r->current; s++) {
        if (broken(model, rollout, s) != 0)
            return "threshold";
    }
    if (t != NULL && t->state != 'K' && model->now < t->changed + model->specs[rollout].retry_wait)
        return "retry_wait";
    if (sleeps(model, rollout, f) != NULL)
        return sleeps(model, rollout, f);
    if (stage->in_flight_max > 0 && (t == NULL || t->state != 'y') &&
        under_way(model, rollout) >= stage->in_flight_max)
        return "in_flight";
    if (stage->rate > 0 && bucket_at(model, &model->world, rollout, model->now) < 1 - 1e-9)
        return "rate";
    return NULL;
}

static struct m_answer ask_new(const struct model *model, int rollout, int device,
                               const struct m_try *t, const struct m_facts *f)
{
    int stage;
    const char *planned = plan(model, rollout, device, f, &stage);
    const char *reason = spent(model, t);
    bool tried = t != NULL && t->state != 'K';
    struct m_answer answer = say("offer", "offered", rollout);

    if (tried)
        stage = t->stage;
    if (tried && runs_it(&model->specs[rollout], f) && !is_failure(t->state))
        return say("none", "runs_target", rollout);
    if (reason == NULL)
        reason = planned;
    if (reason == NULL)
        reason = state_reason(model->world.rollouts[rollout].state);
    if (reason == NULL && stage > model->world.rollouts[rollout].current)
        reason = "stage_not_reached";
    if (reason == NULL)
        reason = not_now(model, rollout, t, f);
    if (reason != NULL)
        return say("none", reason, rollout);
    answer.stage = stage;
    return answer;
}

static struct m_answer ask(const struct model *model, int rollout, int device,
                           const struct m_facts *f)
{
    int newest = model->world.newest[rollout][device];
    const struct m_try *t = newest >= 0 ? &model->world.tries[newest] : NULL;

    if (f->trial)
        return say("none", "in_trial", rollout);
    if (t != NULL && is_active(t->state))
        return ask_active(model, rollout, t, f);
    return ask_new(model, rollout, device, t, f);
}

/* Rollouts in the order of precedence; how many. */
static int rank(const struct model *model, int order[M_ROLLOUTS])
{
    int count = 0;

    for (int r = 0; r < model->rollout_count; r++) {
        int at = count++;

        for (; at > 0; at--) {
            const struct m_spec *a = &model->specs[r], *b = &model->specs[order[at - 1]];
            long started = model->world.rollouts[r].started;
            long other = model->world.rollouts[order[at - 1]].started;
            bool first = a->security != b->security ? a->security
                         : started != other         ? started > other
                                                    : a->id > b->id;
            if (!first)
                break;
            order[at] = order[at - 1];
        }
        order[at] = r;
    }
    return count;
}

static bool one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

static struct m_answer ask_in_order(const struct model *model, int device, const struct m_facts *f,
                                    int but, bool security_only)
{
    static const char *const soon[] = {"in_trial",  "rate",       "in_flight", "window",
                                       "postponed", "retry_wait", NULL};
    static const char *const dull[] = {
        "no_rollout", "not_accepted", "not_seen",      "product",  "hardware",
        "group",      "tags",         "running_range", "no_stage", NULL};
    struct m_answer best = say("none", "no_rollout", -1);
    int order[M_ROLLOUTS], count = rank(model, order);

    for (int i = 0; i < count; i++) {
        int r = order[i];

        if (r == but || (security_only && !model->specs[r].security))
            continue;
        char state = model->world.rollouts[r].state;
        if (strchr("dcx", state) != NULL)
            continue;
        struct m_answer answer = ask(model, r, device, f);
        bool has_it = strcmp(answer.reason, "runs_target") == 0 && strchr("rp", state) != NULL;
        if (strcmp(answer.action, "offer") == 0 || has_it || one_of(answer.reason, soon))
            return answer;
        if (best.rollout < 0 || (one_of(best.reason, dull) && !one_of(answer.reason, dull)))
            best = answer;
    }
    return best;
}

static struct m_answer decide(const struct model *model, int device, const struct m_facts *f)
{
    int active = -1;
    struct m_answer own, other;

    for (int r = 0; r < model->rollout_count; r++) {
        int newest = model->world.newest[r][device];

        if (newest >= 0 && is_active(model->world.tries[newest].state))
            active = r;
    }
    if (active < 0)
        return ask_in_order(model, device, f, M_ROLLOUTS, false);
    own = ask(model, active, device, f);
    if (strcmp(own.action, "none") == 0)
        return own;
    bool lost = strcmp(own.action, "cancel") == 0 || strcmp(own.reason, "halted") == 0;
    if (!lost && model->specs[active].security)
        return own;
    other = ask_in_order(model, device, f, active, !lost);
    other.supersedes = active;
    return strcmp(other.action, "offer") == 0 ? other : own;
}

struct m_answer model_poll(struct model *model, int device, const struct m_facts *facts)
{
    struct m_answer answer;

    append(model, (struct m_entry){.kind = M_FACTS, .device = device, .facts = *facts});
    for (int r = 0; r < model->rollout_count; r++)
        reconcile(model, r, device, facts);
    model_tick(model);
    answer = decide(model, device, facts);
    if (strcmp(answer.action, "offer") == 0) {
        if (answer.supersedes >= 0)
            set_state(model, model->world.newest[answer.supersedes][device], 'K', true);
        append(model, (struct m_entry){.kind = M_OFFER,
                                       .rollout = answer.rollout,
                                       .device = device,
                                       .a = answer.stage});
    }
    model_tick(model);
    return answer;
}
