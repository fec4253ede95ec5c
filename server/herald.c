#include "server/herald.h"

#include <stdlib.h>
#include <time.h>

#include "server/herald_inner.h"
#include "server/mqtt.h"

#define PASS_MS 100U   /* how often the ring is looked at */
#define EXPIRE_MS 500U /* how often for those whose time is over */

void herald_end_hold(struct herald *herald, struct hold *hold, enum hold_end end)
{
    reach_remove(&herald->set, &hold->reach);
    herald->counts.woken += end != HOLD_OVER;
    hold->end = end;
    hold->resume(hold);
}

/* With the lock: take one out, whatever it is. */
static void forget(struct herald *herald, struct reach *reach)
{
    if (reach->kind == REACH_WAIT) {
        herald_end_hold(herald, herald_hold_of(reach), HOLD_OVER);
    } else {
        reach_remove(&herald->set, reach);
        free(herald_online_of(reach));
    }
}

/* With the lock. */
static void end_expired(struct herald *herald)
{
    uint64_t now_ms = app_clock_ms();
    struct reach *at = herald->set.front;

    if (now_ms < herald->expire_ms)
        return;
    herald->expire_ms = now_ms + EXPIRE_MS;
    for (size_t i = reach_count(&herald->set); i > 0; i--) {
        struct reach *reach = at;
        at = at->next;
        if (reach->kind == REACH_WAIT && now_ms >= herald_hold_of(reach)->until_ms)
            herald_end_hold(herald, herald_hold_of(reach), HOLD_OVER);
    }
}

static void *herald_main(void *ctx)
{
    struct herald *herald = ctx;
    struct announcement found[FLEET_LIVE_MAX];
    struct timespec until;
    size_t count;

    pthread_mutex_lock(&herald->lock);
    while (!herald->stopping) {
        if (reach_count(&herald->set) == 0 && herald->app->mqtt == NULL) {
            pthread_cond_wait(&herald->wake, &herald->lock);
            continue;
        }
        herald_look(herald);
        end_expired(herald);
        count = herald_find_announcements(herald, found);
        if (count > 0) {
            pthread_mutex_unlock(&herald->lock);
            herald_announce(herald, found, count);
            pthread_mutex_lock(&herald->lock);
        }
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

/* With the lock: take all of a kind out. */
static void forget_all(struct herald *herald, enum reach_kind kind)
{
    struct reach *at = herald->set.front;

    for (size_t i = reach_count(&herald->set); i > 0; i--) {
        struct reach *reach = at;
        at = at->next;
        if (reach->kind == kind)
            forget(herald, reach);
    }
}

void herald_drain(struct herald *herald)
{
    if (herald == NULL)
        return;
    pthread_mutex_lock(&herald->lock);
    herald->draining = true;
    forget_all(herald, REACH_WAIT);
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
    forget_all(herald, REACH_ONLINE);
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
        herald_end_hold(herald, herald_hold_of(former), HOLD_OVER);
    hold->reach.kind = REACH_WAIT;
    reach_add(&herald->set, &hold->reach);
    herald->counts.held++;
    herald->left++; /* it was at the front before anything else could change */
    if (herald->draining)
        herald_end_hold(herald, hold, HOLD_OVER);
    else
        pthread_cond_signal(&herald->wake);
    pthread_mutex_unlock(&herald->lock);
}

/* With the lock: NULL when the device can't be reached so. */
static struct reach *find(struct herald *herald, struct fleet_ref device, enum reach_kind kind)
{
    struct reach *reach = reach_find(&herald->set, device.index, kind);

    return reach != NULL && reach->device.id == device.id ? reach : NULL;
}

void herald_check_now(struct herald *herald, struct fleet_ref device, bool *waited, bool *queued)
{
    struct fleet *fleet = herald->app->fleet;
    struct fleet_device *known;
    struct reach *reach;

    pthread_mutex_lock(&herald->lock);
    reach = find(herald, device, REACH_WAIT);
    *waited = reach != NULL;
    if (reach != NULL)
        herald_end_hold(herald, herald_hold_of(reach), HOLD_ASKED_TO);
    fleet_lock(fleet);
    known = fleet_device(fleet, device);
    *queued = known != NULL && herald->app->mqtt != NULL && herald_tell(herald, known);
    fleet_unlock(fleet);
    pthread_mutex_unlock(&herald->lock);
}

void herald_set_online(struct herald *herald, struct fleet_ref device, bool is_online)
{
    struct reach *reach;
    struct online *online;

    pthread_mutex_lock(&herald->lock);
    reach = reach_find(&herald->set, device.index, REACH_ONLINE);
    if (reach != NULL && (!is_online || reach->device.id != device.id)) {
        forget(herald, reach); /* gone, or of a device that had this place before */
        reach = NULL;
    }
    if (is_online && reach == NULL && (online = calloc(1, sizeof(*online))) != NULL) {
        online->reach.kind = REACH_ONLINE;
        online->reach.device = device;
        reach_add(&herald->set, &online->reach);
        herald->left++;
        pthread_cond_signal(&herald->wake);
    }
    pthread_mutex_unlock(&herald->lock);
}

void herald_all_offline(struct herald *herald)
{
    pthread_mutex_lock(&herald->lock);
    forget_all(herald, REACH_ONLINE);
    pthread_mutex_unlock(&herald->lock);
}

static bool can_reach(struct herald *herald, struct fleet_ref device, enum reach_kind kind)
{
    bool found;

    pthread_mutex_lock(&herald->lock);
    found = find(herald, device, kind) != NULL;
    pthread_mutex_unlock(&herald->lock);
    return found;
}

bool herald_is_waiting(struct herald *herald, struct fleet_ref device)
{
    return can_reach(herald, device, REACH_WAIT);
}

bool herald_is_online(struct herald *herald, struct fleet_ref device)
{
    return can_reach(herald, device, REACH_ONLINE);
}

void herald_count(struct herald *herald, struct herald_counts *counts)
{
    pthread_mutex_lock(&herald->lock);
    herald->counts.waiting = herald->set.counts[REACH_WAIT];
    herald->counts.online = herald->set.counts[REACH_ONLINE];
    *counts = herald->counts;
    pthread_mutex_unlock(&herald->lock);
}
