#include "server/herald.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/app.h"

#define PASS_MS 100U      /* how often the ring is looked at */
#define EXPIRE_MS 500U    /* how often for those whose time is over */
#define PASS_MAX 4096U    /* entries looked at in one pass, */
#define CHUNK_MAX 128U    /* of them without giving the fleet's lock back */
#define SETTLE_SECONDS 1U /* when a rollout has no room, look again then */

/* What a rollout may still offer in this pass. */
struct room {
    const struct fleet_rollout *rollout;
    uint32_t left;
};

struct herald {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool draining;
    bool stopping;
    struct reach_set set;
    struct herald_counts counts;
    uint64_t swept_txn; /* commits up to here are looked at */
    uint64_t look_at;   /* seconds: when there may be more without a commit */
    size_t left;        /* entries still to be looked at */
    uint64_t expire_ms;
    struct room rooms[FLEET_LIVE_MAX];
    size_t room_count;
};

static uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- one entry; with the lock ---- */

static void end_hold(struct herald *herald, struct hold *hold, enum hold_end end)
{
    reach_remove(&herald->set, &hold->reach);
    herald->counts.woken += end != HOLD_OVER;
    hold->end = end;
    hold->resume(hold);
}

/* Take one offer out of what the rollout may make. */
static bool take_room(struct herald *herald, const struct fleet_rollout *rollout, uint64_t now)
{
    struct room *room = herald->rooms;

    while (room < herald->rooms + herald->room_count && room->rollout != rollout)
        room++;
    if (room == herald->rooms + herald->room_count) {
        if (herald->room_count == FLEET_LIVE_MAX)
            return false;
        *room = (struct room){rollout, rollout_room(&rollout->r, now)};
        herald->room_count++;
    }
    if (room->left == 0)
        return false;
    room->left -= room->left != UINT32_MAX;
    return true;
}

static void look_again_at(struct herald *herald, uint64_t seconds)
{
    if (seconds < herald->look_at)
        herald->look_at = seconds;
}

/* False: nothing can be said before the next commit is on the disk. */
static bool look_at_hold(struct herald *herald, struct hold *hold, uint64_t now)
{
    struct fleet *fleet = herald->app->fleet;
    struct fleet_device *device = fleet_device(fleet, hold->reach.device);
    struct fleet_rollout *rollout;
    struct steer_answer answer;
    enum steer_sight sight = STEER_NEWS;

    if (device != NULL && device->state == DB_DEVICE_ACCEPTED &&
        memcmp(device->token_hash, hold->token, HOLD_TOKEN_LEN) == 0)
        sight = steer_look(fleet, device, &hold->facts, now, &answer, &rollout);
    switch (sight) {
    case STEER_UNSETTLED:
        return false;
    case STEER_NEWS:
        end_hold(herald, hold, HOLD_NEWS);
        break;
    case STEER_OFFERS:
        if (take_room(herald, rollout, now))
            end_hold(herald, hold, HOLD_NEWS);
        else
            look_again_at(herald, now + SETTLE_SECONDS);
        break;
    case STEER_ANSWERED:
        if (answer.action != hold->known)
            end_hold(herald, hold, HOLD_NEWS);
        else if (answer.not_before > now)
            look_again_at(herald, answer.not_before);
        break;
    }
    return true;
}

/* ---- passes; with the lock ---- */

static void end_expired(struct herald *herald)
{
    uint64_t now_ms = clock_ms();
    struct reach *at = herald->set.front;

    if (now_ms < herald->expire_ms)
        return;
    herald->expire_ms = now_ms + EXPIRE_MS;
    for (size_t i = reach_count(&herald->set); i > 0; i--) {
        struct hold *hold = (struct hold *)(void *)at;
        at = at->next;
        if (now_ms >= hold->until_ms)
            end_hold(herald, hold, HOLD_OVER);
    }
}

/* False: not settled. */
static bool look_at_chunk(struct herald *herald, size_t count, uint64_t now)
{
    bool settled = true;

    fleet_lock(herald->app->fleet);
    for (; count > 0 && settled && herald->left > 0; count--) {
        struct reach *reach = reach_turn(&herald->set);
        if (reach == NULL) {
            herald->left = 0;
            break;
        }
        settled = look_at_hold(herald, (struct hold *)(void *)reach, now);
        herald->left--;
    }
    fleet_unlock(herald->app->fleet);
    return settled;
}

static void pass(struct herald *herald)
{
    struct fleet *fleet = herald->app->fleet;
    uint64_t now = app_now();
    uint64_t durable;

    fleet_lock(fleet);
    durable = fleet_durable(fleet);
    fleet_unlock(fleet);
    if (durable != herald->swept_txn || now >= herald->look_at) {
        herald->swept_txn = durable;
        herald->look_at = UINT64_MAX;
        herald->left = reach_count(&herald->set);
    }
    herald->room_count = 0;
    for (size_t i = 0; i < PASS_MAX / CHUNK_MAX && herald->left > 0; i++) {
        if (!look_at_chunk(herald, CHUNK_MAX, now)) {
            herald->swept_txn = 0; /* begin again */
            break;
        }
    }
    end_expired(herald);
}

static void *herald_main(void *ctx)
{
    struct herald *herald = ctx;
    struct timespec until;

    pthread_mutex_lock(&herald->lock);
    while (!herald->stopping) {
        if (reach_count(&herald->set) == 0) {
            pthread_cond_wait(&herald->wake, &herald->lock);
            continue;
        }
        pass(herald);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PASS_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        while (!herald->stopping &&
               pthread_cond_timedwait(&herald->wake, &herald->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&herald->lock);
    return NULL;
}

/* ---- life ---- */

struct herald *herald_start(struct app *app)
{
    struct herald *herald = calloc(1, sizeof(*herald));
    pthread_condattr_t attributes;

    if (herald == NULL)
        return NULL;
    herald->app = app;
    herald->look_at = UINT64_MAX;
    pthread_mutex_init(&herald->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&herald->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (reach_init(&herald->set) && pthread_create(&herald->thread, NULL, herald_main, herald) == 0)
        return herald;
    reach_free(&herald->set);
    pthread_cond_destroy(&herald->wake);
    pthread_mutex_destroy(&herald->lock);
    free(herald);
    return NULL;
}

void herald_drain(struct herald *herald)
{
    if (herald == NULL)
        return;
    pthread_mutex_lock(&herald->lock);
    herald->draining = true;
    while (herald->set.front != NULL)
        end_hold(herald, (struct hold *)(void *)herald->set.front, HOLD_OVER);
    pthread_mutex_unlock(&herald->lock);
}

void herald_stop(struct herald *herald)
{
    if (herald == NULL)
        return;
    pthread_mutex_lock(&herald->lock);
    herald->stopping = true;
    pthread_cond_broadcast(&herald->wake);
    pthread_mutex_unlock(&herald->lock);
    pthread_join(herald->thread, NULL);
    reach_free(&herald->set);
    pthread_cond_destroy(&herald->wake);
    pthread_mutex_destroy(&herald->lock);
    free(herald);
}

/* ---- for requests ---- */

bool herald_has_room(struct herald *herald)
{
    bool room;

    pthread_mutex_lock(&herald->lock);
    room = !herald->draining && herald->set.counts[REACH_WAIT] < herald->app->config.waiting_max;
    pthread_mutex_unlock(&herald->lock);
    return room;
}

void herald_hold(struct herald *herald, struct hold *hold)
{
    struct reach *former;

    pthread_mutex_lock(&herald->lock);
    former = reach_find(&herald->set, hold->reach.device.index, REACH_WAIT);
    if (former != NULL)
        end_hold(herald, (struct hold *)(void *)former, HOLD_OVER);
    hold->reach.kind = REACH_WAIT;
    reach_add(&herald->set, &hold->reach);
    herald->counts.held++;
    herald->left++; /* it was at the front before anything else could change */
    if (herald->draining)
        end_hold(herald, hold, HOLD_OVER);
    else
        pthread_cond_signal(&herald->wake);
    pthread_mutex_unlock(&herald->lock);
}

static struct hold *find_hold(struct herald *herald, struct fleet_ref device)
{
    struct reach *reach = reach_find(&herald->set, device.index, REACH_WAIT);

    return reach != NULL && reach->device.id == device.id ? (struct hold *)(void *)reach : NULL;
}

bool herald_check_now(struct herald *herald, struct fleet_ref device)
{
    struct hold *hold;

    pthread_mutex_lock(&herald->lock);
    hold = find_hold(herald, device);
    if (hold != NULL)
        end_hold(herald, hold, HOLD_ASKED_TO);
    pthread_mutex_unlock(&herald->lock);
    return hold != NULL;
}

bool herald_is_waiting(struct herald *herald, struct fleet_ref device)
{
    bool waiting;

    pthread_mutex_lock(&herald->lock);
    waiting = find_hold(herald, device) != NULL;
    pthread_mutex_unlock(&herald->lock);
    return waiting;
}

void herald_count(struct herald *herald, struct herald_counts *counts)
{
    pthread_mutex_lock(&herald->lock);
    herald->counts.waiting = herald->set.counts[REACH_WAIT];
    *counts = herald->counts;
    pthread_mutex_unlock(&herald->lock);
}
