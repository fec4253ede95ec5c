/* Tries: the deployments of devices that are needed to decide. */
#include <stdlib.h>

#include "server/fleet_inner.h"

bool fleet_touch_try(struct fleet *fleet, struct fleet_try *try)
{
    if (!journal_save(&fleet->journal, try, sizeof(*try)))
        return false;
    try->txn = fleet->txn;
    return true;
}

struct fleet_try *fleet_newest_try(const struct fleet_device *device, uint64_t rollout_id)
{
    for (struct fleet_try *try = device->tries; try != NULL; try = try->next)
        if (try->d.rollout_id == rollout_id)
            return try;
    return NULL;
}

static void free_try(void *ctx, void *arg)
{
    (void)ctx;
    free(arg);
}

struct fleet_try *fleet_add_try(struct fleet *fleet, struct fleet_device *device)
{
    struct fleet_try *try = calloc(1, sizeof(*try));

    if (try == NULL)
        return NULL;
    /* The device's own bytes first: undone in reverse, its list is whole before the try goes. */
    if (!journal_call(&fleet->journal, free_try, NULL, fleet, try)) {
        free(try);
        return NULL;
    }
    if (!fleet_touch_device(fleet, device))
        return NULL;
    try->txn = fleet->txn;
    try->next = device->tries;
    device->tries = try;
    return try;
}

static bool is_needed(struct fleet *fleet, const struct fleet_try *try)
{
    struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);

    if (try->superseded || rollout == NULL)
        return false;
    return fleet_is_live(&rollout->r) || deployment_active(&try->d) ||
           try->d.state == DEPLOYMENT_RETRY;
}

void fleet_prune_tries(struct fleet *fleet, struct fleet_device *device)
{
    struct fleet_try *previous = NULL;
    struct fleet_try *try = device->tries;

    while (try != NULL) {
        struct fleet_try *next = try->next;

        if (is_needed(fleet, try)) {
            previous = try;
        } else if (fleet_touch_device(fleet, device) &&
                   (previous == NULL || fleet_touch_try(fleet, previous)) &&
                   journal_call(&fleet->journal, NULL, free_try, fleet, try)) {
            if (previous != NULL)
                previous->next = next;
            else
                device->tries = next;
        }
        try = next;
    }
}

void fleet_count_skip(struct fleet_rollout *rollout, const struct fleet_try *try, int delta)
{
    uint32_t *count = &rollout->r.stages[try->d.stage].counts.by_state[DEPLOYMENT_SKIPPED];

    if (try->d.state == DEPLOYMENT_SKIPPED && !try->superseded)
        *count = (uint32_t)((int64_t)*count + delta);
}

uint64_t fleet_next_deployment(struct fleet *fleet)
{
    return ++fleet->last_deployment;
}

/* A device that lies could drive the numbers to their end: one step is bounded. */
#define NUMBERS_LOST_MAX 1000000U

bool fleet_heard_of_deployment(struct fleet *fleet, uint64_t id)
{
    if (id <= fleet->last_deployment || id - fleet->last_deployment > NUMBERS_LOST_MAX)
        return false;
    fleet->last_deployment = id;
    return true;
}
