/* Rollouts in memory, and which of them are live. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/fleet_inner.h"

bool fleet_touch_rollout(struct fleet *fleet, struct fleet_rollout *rollout)
{
    if (rollout->saved == fleet->job)
        return true;
    if (!journal_save(&fleet->journal, rollout, offsetof(struct fleet_rollout, saved)))
        return false;
    rollout->saved = fleet->job;
    return true;
}

struct fleet_rollout *fleet_find_rollout(struct fleet *fleet, uint64_t id)
{
    size_t position = fleet_rollout_after(fleet, id);

    if (position == 0 || fleet->rollouts[position - 1]->r.id != id)
        return NULL;
    return fleet->rollouts[position - 1];
}

struct fleet_rollout *fleet_rollout_at(struct fleet *fleet, size_t position)
{
    return position < fleet->rollout_count ? fleet->rollouts[position] : NULL;
}

size_t fleet_rollout_after(struct fleet *fleet, uint64_t id)
{
    size_t low = 0;
    size_t high = fleet->rollout_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fleet->rollouts[middle]->r.id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void fleet_halt_reason(const struct fleet_rollout *rollout, char *buf, size_t cap)
{
    if (rollout->r.state == ROLLOUT_HALTED && rollout->r.halt.cause == ROLLOUT_HALT_OPERATOR &&
        rollout->halt_note[0] != '\0')
        snprintf(buf, cap, "%s", rollout->halt_note);
    else if (rollout->r.state == ROLLOUT_HALTED)
        rollout_halt_sentence(&rollout->r, buf, cap);
    else
        buf[0] = '\0';
}

uint64_t fleet_next_rollout(struct fleet *fleet)
{
    uint64_t id = 1;

    fleet_lock(fleet);
    if (fleet->rollout_count > 0)
        id = fleet->rollouts[fleet->rollout_count - 1]->r.id + 1;
    fleet_unlock(fleet);
    return id;
}

struct fleet_rollout *const *fleet_live(struct fleet *fleet, size_t *count)
{
    *count = fleet->live_count;
    return fleet->live;
}

bool fleet_counts_members(const struct rollout *r)
{
    return r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_PAUSED || r->state == ROLLOUT_HALTED;
}

bool fleet_is_live(const struct rollout *r)
{
    return r->state == ROLLOUT_SCHEDULED || fleet_counts_members(r);
}

void fleet_refresh_live(struct fleet *fleet)
{
    fleet->live_count = 0;
    for (size_t i = 0; i < fleet->rollout_count && fleet->live_count < FLEET_LIVE_MAX; i++)
        if (fleet_is_live(&fleet->rollouts[i]->r))
            fleet->live[fleet->live_count++] = fleet->rollouts[i];
}

static void undo_rollout(void *ctx, void *arg)
{
    struct fleet *fleet = ctx;

    /* The newest is the last: ids only rise. */
    fleet->rollout_count--;
    free(arg);
}

bool fleet_add_rollout(struct fleet *fleet, struct fleet_rollout *rollout)
{
    if (!fleet_append_rollout(fleet, rollout))
        return false;
    if (journal_call(&fleet->journal, undo_rollout, NULL, fleet, rollout))
        return true;
    fleet->rollout_count--;
    return false;
}
