#include "server/steer_explain.h"

#include <string.h>

#include "server/steer_inner.h"

#define PLAN_A_LOCK 512U /* devices that are looked at before others may have the lock */

static void fill(struct steer_explained *out, const struct fleet_rollout *rollout,
                 const struct rollout_device *device, const struct fleet_try *try,
                 const struct rollout_decision *decision)
{
    struct rollout_plan plan = rollout_plan_device(&rollout->r, device);

    *out = (struct steer_explained){.rollout = rollout->r.id,
                                    .version = rollout->r.release.version,
                                    .state = rollout->r.state,
                                    .member = plan.member,
                                    .stage = plan.stage,
                                    .action = decision->action,
                                    .reason = decision->reason,
                                    .not_before = decision->not_before};
    memcpy(out->name, rollout->name, sizeof(out->name));
    if (try != NULL && try->d.state != DEPLOYMENT_SKIPPED) {
        out->member = true;
        out->stage = try->d.stage;
    }
    fleet_halt_reason(rollout, out->halt, sizeof(out->halt));
}

/* The rollout somebody asks for stands among the others, so that their precedence is told. */
static size_t add_asked(const struct fleet_device *device, struct fleet_rollout *asked,
                        struct steer_candidates *all, struct rollout_candidate *at)
{
    struct fleet_try *try = fleet_newest_try(device, asked->r.id);

    for (size_t i = 0; i < all->count; i++)
        if (all->rollouts[i] == asked)
            return i;
    at[all->count] = (struct rollout_candidate){&asked->r, try != NULL ? &try->d : NULL};
    return all->count;
}

static void fill_whole(struct steer_explanation *out, const struct steer_candidates *all,
                       const struct rollout_device *view, const struct rollout_decision *decision)
{
    size_t which = decision->candidate;

    out->whole = (struct steer_explained){.action = decision->action, .reason = decision->reason};
    if (which != ROLLOUT_NO_CANDIDATE)
        fill(&out->whole, all->rollouts[which], view, all->tries[which], decision);
    if (!view->accepted)
        out->whole.reason = ROLLOUT_REASON_NOT_ACCEPTED;
}

void steer_explain(struct fleet *fleet, const struct fleet_device *device,
                   struct fleet_rollout *asked, uint64_t now, struct steer_explanation *out)
{
    struct rollout_device view = fleet_view(fleet, device, NULL);
    struct rollout_candidate at[STEER_EXPLAINED_MAX];
    struct steer_candidates all;
    struct rollout_decision decision;

    steer_gather(fleet, device, &all);
    memcpy(at, all.at, sizeof(all.at));
    decision = rollout_decide(all.at, all.count, &view, now);
    fill_whole(out, &all, &view, &decision);
    out->count = all.count;
    for (size_t i = 0; i < all.count; i++) {
        decision = rollout_explain(at, all.count, i, &view, now);
        fill(&out->each[i], all.rollouts[i], &view, all.tries[i], &decision);
    }
    if (asked == NULL)
        return;
    size_t which = add_asked(device, asked, &all, at);
    if (which < all.count)
        return;
    decision = rollout_explain(at, all.count + 1, which, &view, now);
    fill(&out->each[out->count++], asked, &view, fleet_newest_try(device, asked->r.id), &decision);
}

/* ---- the dry run ---- */

static void count(struct steer_tally *tally, const char *name)
{
    tally->devices++;
    if (tally->sample_count < STEER_SAMPLES_MAX)
        memcpy(tally->samples[tally->sample_count++], name, strlen(name) + 1);
}

static void plan_device(struct fleet *fleet, const struct rollout *rollout,
                        const struct fleet_device *device, struct steer_plan *plan)
{
    struct rollout_device view = fleet_view(fleet, device, NULL);
    struct rollout_plan place = rollout_plan_device(rollout, &view);

    plan->devices++;
    if (place.reason == ROLLOUT_REASON_NONE) {
        count(&plan->stages[place.stage], device->name);
        return;
    }
    count(&plan->others[place.reason], device->name);
    if (place.member && !rollout_reason_excludes(place.reason))
        plan->later[place.reason]++;
}

void steer_make_plan(struct fleet *fleet, const struct rollout *rollout, struct steer_plan *plan)
{
    uint32_t end = 1;

    memset(plan, 0, sizeof(*plan));
    for (uint32_t at = 0; at < end;) {
        fleet_lock(fleet);
        end = fleet_slots(fleet);
        for (uint32_t i = 0; i < PLAN_A_LOCK && at < end; i++, at++) {
            const struct fleet_device *device = fleet_at(fleet, at);
            if (device != NULL)
                plan_device(fleet, rollout, device, plan);
        }
        fleet_unlock(fleet);
    }
}
