#include <string.h>

#include "server/herald_inner.h"
#include "server/mqtt.h"

#define PASS_MAX 4096U         /* entries looked at in one pass, */
#define CHUNK_MAX 128U         /* of them without giving the fleet's lock back */
#define SETTLE_SECONDS 1U      /* when a rollout has no room, look again then */
#define ANSWER_SECONDS 10U     /* for a device that was told to poll */
#define TELL_AGAIN_SECONDS 60U /* when it did not, and an offer still waits */

/* ---- room; with both locks ---- */

/* Devices that were told of this rollout and have yet to poll: they will take its offers. */
static uint32_t count_told(struct herald *herald, const struct fleet_rollout *rollout, uint64_t now)
{
    uint32_t count = 0;

    for (size_t i = 0; i < TOLD_MAX && i < herald->told_count; i++) {
        const struct told *told = &herald->told[i];
        struct fleet_device *device;

        if (told->rollout != rollout || now - told->at > ANSWER_SECONDS)
            continue;
        device = fleet_device(herald->app->fleet, told->device);
        count += device != NULL && device->last_seen < told->at;
    }
    return count;
}

static struct room *find_room(struct herald *herald, const struct fleet_rollout *rollout,
                              uint64_t now)
{
    struct room *room = herald->rooms;
    uint32_t told;

    for (; room < herald->rooms + herald->room_count; room++)
        if (room->rollout == rollout)
            return room;
    *room = (struct room){rollout, rollout_room(&rollout->r, now)};
    if (room->left != UINT32_MAX) {
        told = count_told(herald, rollout, now);
        room->left = room->left > told ? room->left - told : 0;
    }
    herald->room_count++;
    return room;
}

/* Take one offer out of what the rollout may make. */
static bool take_room(struct herald *herald, const struct fleet_rollout *rollout, uint64_t now)
{
    struct room *room = find_room(herald, rollout, now);

    if (room->left == 0)
        return false;
    room->left -= room->left != UINT32_MAX;
    return true;
}

/* ---- one entry; with both locks ---- */

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
        herald_end_hold(herald, hold, HOLD_NEWS);
        break;
    case STEER_OFFERS:
        if (take_room(herald, rollout, now))
            herald_end_hold(herald, hold, HOLD_NEWS);
        else
            look_again_at(herald, now + SETTLE_SECONDS);
        break;
    case STEER_ANSWERED:
        if (answer.action != hold->known)
            herald_end_hold(herald, hold, HOLD_NEWS);
        else if (answer.not_before > now)
            look_again_at(herald, answer.not_before);
        break;
    }
    return true;
}

bool herald_tell(struct herald *herald, const struct fleet_device *device)
{
    if (!mqtt_put(herald->app->mqtt, MQTT_NOTIFY, fleet_product(herald->app->fleet, device),
                  device->name, MQTT_NOTIFY_PAYLOAD))
        return false;
    herald->counts.told++;
    return true;
}

/* An offer waits for a device that listens. */
static void tell_of_offer(struct herald *herald, struct online *online,
                          const struct fleet_device *device, const struct fleet_rollout *rollout,
                          uint64_t now)
{
    uint64_t again_at = online->told_at + TELL_AGAIN_SECONDS;

    if (online->told_at != 0 && now < again_at && device->last_seen < online->told_at) {
        look_again_at(herald, again_at); /* it was told, and has not come yet */
        return;
    }
    if (mqtt_room(herald->app->mqtt) == 0 || !take_room(herald, rollout, now) ||
        !herald_tell(herald, device)) {
        look_again_at(herald, now + SETTLE_SECONDS);
        return;
    }
    online->told_at = now;
    herald->told[herald->told_count++ % TOLD_MAX] =
        (struct told){online->reach.device, rollout, now};
}

/* A device on hold may go on, or one with an offer must not: it polls too rarely to find out soon.
 */
static bool is_change(enum ota_action from, enum ota_action to)
{
    return to != from && (from == OTA_ACTION_HOLD || to == OTA_ACTION_CANCEL);
}

static bool look_at_online(struct herald *herald, struct online *online, uint64_t now)
{
    struct fleet *fleet = herald->app->fleet;
    struct fleet_device *device = fleet_device(fleet, online->reach.device);
    struct fleet_rollout *rollout;
    struct steer_answer answer;

    if (device == NULL || device->state != DB_DEVICE_ACCEPTED)
        return true;
    switch (steer_look(fleet, device, NULL, now, &answer, &rollout)) {
    case STEER_UNSETTLED:
        return false;
    case STEER_NEWS: /* it knows */
        break;
    case STEER_OFFERS:
        tell_of_offer(herald, online, device, rollout, now);
        break;
    case STEER_ANSWERED:
        if (is_change((enum ota_action)online->action, answer.action) &&
            !herald_tell(herald, device))
            break;
        online->action = (uint8_t)answer.action;
        if (answer.not_before > now)
            look_again_at(herald, answer.not_before);
        break;
    }
    return true;
}

/* ---- passes; with the lock ---- */

/* False: not settled. */
static bool look_at_chunk(struct herald *herald, uint64_t now)
{
    bool settled = true;

    fleet_lock(herald->app->fleet);
    for (size_t i = 0; i < CHUNK_MAX && settled && herald->left > 0; i++) {
        struct reach *reach = reach_turn(&herald->set);

        if (reach == NULL) {
            herald->left = 0;
            break;
        }
        settled = reach->kind == REACH_WAIT ? look_at_hold(herald, herald_hold_of(reach), now)
                                            : look_at_online(herald, herald_online_of(reach), now);
        herald->left--;
    }
    fleet_unlock(herald->app->fleet);
    return settled;
}

void herald_look(struct herald *herald)
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
        if (!look_at_chunk(herald, now)) {
            herald->swept_txn = 0; /* begin again */
            break;
        }
    }
}
