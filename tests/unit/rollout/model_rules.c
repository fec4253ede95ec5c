#include "tests/unit/rollout/model_inner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNTER_JUMP 16 /* a security counter may rise by so much in one update */

/* ---- who is meant ---- */

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
    m_replay_all(model);
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

static bool in_range(const struct m_spec *spec, int version)
{
    return !(spec->running_min >= 0 && version < spec->running_min) &&
           !(spec->running_max >= 0 && version > spec->running_max);
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
    return in_range(spec, f->version) ? NULL : "running_range";
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

const char *m_unfit(const struct m_spec *spec, const struct m_facts *f)
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
    if (spec->counter > f->counter + COUNTER_JUMP)
        return "counter_jump";
    if (lower && !spec->allow_downgrade)
        return "downgrade";
    if (lower && spec->counter != f->counter)
        return "downgrade_counter";
    if (f->version < spec->version_min)
        return "stepping_stone";
    return NULL;
}

bool m_runs_it(const struct m_spec *spec, const struct m_facts *f)
{
    return f->seen && f->image == spec->image;
}

/* NULL: nothing about the device is in the way. *stage is -1 for one that no stage takes. */
const char *m_plan(const struct model *model, int rollout, int device, const struct m_facts *f,
                   int *stage)
{
    const struct m_spec *spec = &model->specs[rollout];

    *stage = -1;
    if (not_meant(spec, f) != NULL)
        return not_meant(spec, f);
    *stage = stage_of(model, rollout, device, f);
    if (*stage < 0)
        return "no_stage";
    return m_runs_it(spec, f) ? "runs_target" : m_unfit(spec, f);
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

/* ---- counting, device by device ---- */

/* Some rollout's try may yet take the device into the range. */
static bool may_come(const struct model *model, const struct m_spec *spec, int device)
{
    bool may = false;

    for (int r = 0; r < model->rollout_count; r++) {
        int newest = model->world.newest[r][device];

        may = may || (newest >= 0 && m_is_active(model->world.tries[newest].state) &&
                      in_range(spec, model->specs[r].version));
    }
    return may;
}

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
            counts->round_failures += m_is_failure(try->state);
            counts->round_successes += try->state == 'S';
        }
        return;
    }
    const char *reason = m_plan(model, rollout, device, &world->facts[device], &planned);
    if (reason != NULL && strcmp(reason, "running_range") == 0 &&
        may_come(model, &model->specs[rollout], device))
        planned = stage_of(model, rollout, device, &world->facts[device]);
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

int m_sum(const struct m_counts *counts, const char *states)
{
    int total = 0;

    for (; *states != '\0'; states++)
        total += counts->by_state[(int)*states];
    return total;
}

/* ---- stopping and going on ---- */

/* c(ount) s(equential) p(ercent), 0 for none. */
char m_broken(const struct model *model, int rollout, int stage)
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
    return members == 0 && model->specs[rollout].version >= model->specs[rollout].running_min;
}

static bool success(const struct model *model, int rollout)
{
    const struct m_rollout *r = &model->world.rollouts[rollout];
    struct m_counts n = model_counts(model, rollout, r->current);

    if (r->stages[r->current].accepted)
        return true;
    return all_counted(model, rollout) && !nobody(model, rollout) &&
           100 * m_sum(&n, "S") >=
               model->specs[rollout].stages[r->current].success * (n.members - n.excluded);
}

static bool fell_short(const struct model *model, int rollout)
{
    struct m_counts n = model_counts(model, rollout, model->world.rollouts[rollout].current);

    return all_counted(model, rollout) && !success(model, rollout) && n.members > n.excluded &&
           m_sum(&n, "SFRLU") == n.members - n.excluded;
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
        char rule = m_broken(model, rollout, s);

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
        m_append(model, (struct m_entry){.kind = M_CLOCK});
    for (int r = 0; r < model->rollout_count; r++) {
        while (next_entry(model, r, &entry)) {
            m_append(model, entry);
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
    } else if (order->command == 'h') {
        kind = M_HALT;
        refusal = r->state == 'r' || r->state == 'p' ? NULL : "state";
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
        m_append(model, (struct m_entry){.kind = kind,
                                         .rollout = rollout,
                                         .a = kind == M_HALT ? 'o' : order->start_at,
                                         .b = r->current});
        if (kind == M_START && model->count_at_once)
            model_count(model, rollout, model->device_count);
    }
    model_tick(model);
    return refusal != NULL ? refusal : "allowed";
}

void model_count(struct model *model, int rollout, int devices)
{
    int cursor = model->world.rollouts[rollout].cursor + devices;

    m_append(model,
             (struct m_entry){.kind = M_COUNTED,
                              .rollout = rollout,
                              .a = cursor < model->device_count ? cursor : model->device_count});
}

void model_restart(struct model *model)
{
    m_append(model, (struct m_entry){.kind = M_RESTART});
    model_tick(model);
}

void model_facts(struct model *model, int device, const struct m_facts *facts)
{
    m_append(model, (struct m_entry){.kind = M_FACTS, .device = device, .facts = *facts});
    model_tick(model);
}
