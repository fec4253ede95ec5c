#include "tests/unit/rollout/model_inner.h"

#include <string.h>

/* ---- what a device says ---- */

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
    const char *reason = m_unfit(&model->specs[try->rollout], &model->world.facts[try->device]);

    return model->world.rollouts[try->rollout].state == 'x' ||
           (reason != NULL && strcmp(reason, "not_seen") != 0);
}

static void give_up(struct model *model, int try)
{
    const struct m_try *t = &model->world.tries[try];
    bool again = t->attempt <= model->specs[t->rollout].retries &&
                 strchr("rph", model->world.rollouts[t->rollout].state) != NULL;
    char state = 'F';

    if (m_before_boot(t->state) && not_wanted(model, t))
        state = 'K';
    else if (m_before_boot(t->state) && again)
        state = 'y';
    if (t->state != state)
        m_set_state(model, try, state, false);
    else
        m_append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
}

static void step_on(struct model *model, int try, char to, int percent)
{
    static const char order[] = "odit";
    const struct m_try *t = &model->world.tries[try];

    if (!m_is_active(t->state) || strchr(order, to) < strchr(order, t->state))
        return;
    if (percent > 100)
        percent = 100;
    if (to == 'd' && percent > t->percent)
        m_append(model, (struct m_entry){.kind = M_PERCENT, .try = try, .a = percent});
    if (t->state != to)
        m_set_state(model, try, to, false);
}

static void final_word(struct model *model, int try, char state)
{
    const struct m_try *t = &model->world.tries[try];

    if (!m_is_active(t->state) && !t->inferred)
        return;
    if (state == 'F')
        give_up(model, try);
    else if (t->state != state)
        m_set_state(model, try, state, false);
    else
        m_append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
}

void model_report(struct model *model, int try, long seq, char event, int percent, int image)
{
    const struct m_try *t = &model->world.tries[try];
    bool target = image == model->specs[t->rollout].image;

    if (model->world.last[t->device] != try || t->state == 'K' || seq <= t->seq) {
        model_tick(model);
        return;
    }
    m_append(model, (struct m_entry){.kind = M_SEQ, .try = try, .a = seq});
    if (event == 'd' || event == 'i')
        step_on(model, try, event, percent);
    else if (event == 't' && target)
        step_on(model, try, 't', 0);
    else if (event == 'c' && target)
        final_word(model, try, 'S');
    else if (event == 'c') {
        if (m_is_active(t->state) || t->inferred) {
            if (t->state != 'F')
                m_set_state(model, try, 'F', false);
            else
                m_append(model, (struct m_entry){.kind = M_CONFIRMED_LATER, .try = try});
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
        m_append(model, (struct m_entry){.kind = M_SEQ, .try = try, .a = seq});
        if (watched(model, t)) {
            m_append(model,
                     (struct m_entry){.kind = M_HEALTH, .try = try, .a = t->health + events});
            if (t->health >= (limit > 0 ? limit : 1))
                m_set_state(model, try, 'U', false);
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
    bool on_it = m_runs_it(&model->specs[rollout], f);
    if (on_it && f->trial && m_before_boot(t->state))
        m_set_state(model, try, 't', false);
    else if (on_it && !f->trial &&
             (m_is_active(t->state) || t->state == 'y' || (m_is_failure(t->state) && t->inferred)))
        m_set_state(model, try, 'S', true);
    else if (!on_it && (t->state == 't' || (watched(model, t) && model->world.last[device] == try)))
        m_set_state(model, try, 'R', true);
}

/* ---- silence ---- */

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
    if (!m_before_boot(t->state) && t->state != 'y')
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
                m_set_state(model, try, 'K', true);
            else if (t->state == 'y')
                m_set_state(model, try, 'F', false);
            else
                m_set_state(model, try, 'L', true);
            model_tick(model);
        }
    }
}

/* ---- a poll ---- */

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
    const char *reason = m_unfit(&model->specs[rollout], f);

    if (m_runs_it(&model->specs[rollout], f))
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

        total += m_sum(&n, "odity");
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
        if (m_broken(model, rollout, s) != 0)
            return "threshold";
    }
    if (t != NULL && t->state != 'K' && model->now < t->changed + model->specs[rollout].retry_wait)
        return "retry_wait";
    if (sleeps(model, rollout, f) != NULL)
        return sleeps(model, rollout, f);
    if (stage->in_flight_max > 0 && (t == NULL || t->state != 'y') &&
        under_way(model, rollout) >= stage->in_flight_max)
        return "in_flight";
    if (stage->rate > 0 && m_bucket_at(model, &model->world, rollout, model->now) < 1 - 1e-9)
        return "rate";
    return NULL;
}

static struct m_answer ask_new(const struct model *model, int rollout, int device,
                               const struct m_try *t, const struct m_facts *f)
{
    int stage;
    const char *planned = m_plan(model, rollout, device, f, &stage);
    const char *reason = spent(model, t);
    bool tried = t != NULL && t->state != 'K';
    struct m_answer answer = say("offer", "offered", rollout);

    if (tried)
        stage = t->stage;
    if (tried && m_runs_it(&model->specs[rollout], f) && !m_is_failure(t->state))
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
    if (t != NULL && m_is_active(t->state))
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

        if (newest >= 0 && m_is_active(model->world.tries[newest].state))
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

    m_append(model, (struct m_entry){.kind = M_FACTS, .device = device, .facts = *facts});
    for (int r = 0; r < model->rollout_count; r++)
        reconcile(model, r, device, facts);
    model_tick(model);
    answer = decide(model, device, facts);
    if (strcmp(answer.action, "offer") == 0) {
        if (answer.supersedes >= 0)
            m_set_state(model, model->world.newest[answer.supersedes][device], 'K', true);
        m_append(model, (struct m_entry){.kind = M_OFFER,
                                         .rollout = answer.rollout,
                                         .device = device,
                                         .a = answer.stage});
    }
    model_tick(model);
    return answer;
}
