#include "tests/unit/rollout/model_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the log, replayed ---- */

bool m_is_failure(char state)
{
    return strchr("FRLU", state) != NULL;
}

bool m_is_active(char state)
{
    return strchr("odit", state) != NULL;
}

bool m_before_boot(char state)
{
    return strchr("odi", state) != NULL;
}

/* The rate's bucket in devices, second by second, at today's rate. */
double m_bucket_at(const struct model *model, const struct m_world *world, int rollout, long now)
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
        r->bucket = m_bucket_at(model, world, e->rollout, e->t) - 1;
        r->bucket_at = e->t;
    }
}

static void replay_state(struct m_world *world, const struct m_entry *e)
{
    struct m_try *try = &world->tries[e->try];

    if (!(m_is_failure(try->state) && m_is_failure((char)e->a)))
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

void m_replay_all(struct model *model)
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

void m_append(struct model *model, struct m_entry entry)
{
    if (model->log_len == M_LOG || model->world.try_count == M_TRIES) {
        fprintf(stderr, "model: the log is full\n");
        abort();
    }
    entry.t = model->now;
    model->log[model->log_len++] = entry;
    m_replay_all(model);
}

void m_set_state(struct model *model, int try, char state, bool inferred)
{
    m_append(model, (struct m_entry){.kind = M_STATE, .try = try, .a = state, .b = inferred});
}
