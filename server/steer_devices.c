/* Devices come, go and change; the rollouts' counts follow. */
#include "db/tokens.h"
#include "server/deployment.h"
#include "server/steer_inner.h"

int steer_add_device(const struct steer *steer, struct db *db, const struct db_device *row,
                     uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_device *device;
    struct steer_seats seats;
    int error = DB_OK;

    fleet_lock(fleet);
    if (!fleet_add_device(fleet, row)) {
        fleet_unlock(fleet);
        return DB_E_INTERNAL;
    }
    device = fleet_find_name(fleet, row->name);
    steer_take_seats(fleet, device, &seats);
    for (size_t i = 0; i < seats.count && error == DB_OK; i++) {
        struct fleet_rollout *rollout = seats.at[i].rollout;
        if (!fleet_touch_rollout(fleet, rollout))
            error = DB_E_INTERNAL;
        else
            rollout_place_add(&rollout->r, seats.at[i].place);
        seats.at[i].moved = seats.at[i].place.member;
    }
    fleet_unlock(fleet);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}

/* Out of all counts, as if it had never been. */
static int uncount(struct fleet *fleet, struct fleet_device *device, struct steer_seats *seats)
{
    steer_take_seats(fleet, device, seats);
    for (size_t i = 0; i < seats->count; i++) {
        if (!fleet_touch_rollout(fleet, seats->at[i].rollout))
            return DB_E_INTERNAL;
        rollout_place_remove(&seats->at[i].rollout->r, seats->at[i].place);
        seats->at[i].moved = true;
    }
    for (struct fleet_try *try = device->tries; try != NULL; try = try->next) {
        struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);
        if (try->superseded || rollout == NULL)
            continue;
        if (!fleet_touch_rollout(fleet, rollout))
            return DB_E_INTERNAL;
        rollout_uncount_deployment(&rollout->r, &try->d);
        fleet_count_skip(rollout, try, -1);
    }
    return DB_OK;
}

int steer_remove_device(const struct steer *steer, struct db *db, struct fleet_device *device,
                        uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct steer_seats seats;
    uint32_t id = device->id;
    int error;

    fleet_lock(fleet);
    error = uncount(fleet, device, &seats);
    if (error == DB_OK && !fleet_remove_device(fleet, device))
        error = DB_E_INTERNAL;
    fleet_unlock(fleet);
    if (error == DB_OK)
        error = db_device_delete(db, id);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}

int steer_set_token(const struct steer *steer, struct db *db, struct fleet_device *device,
                    const uint8_t hash[DB_HASH_LEN], uint64_t now)
{
    int error = db_dead_token_add(db, device->token_hash, "replaced", (int64_t)now);
    bool set;

    if (error == DB_OK)
        error = db_device_set_token(db, device->id, hash);
    if (error != DB_OK)
        return error;
    fleet_lock(steer->fleet);
    set = fleet_set_token(steer->fleet, device, hash);
    fleet_unlock(steer->fleet);
    return set ? DB_OK : DB_E_INTERNAL;
}

/* What about a device changes. */
struct device_change {
    uint32_t group;
    enum db_device_state state;
    const char *tags;
};

/* Seats before, the change, seats after. */
static int change_device(const struct steer *steer, struct db *db, struct fleet_device *device,
                         const struct device_change *change, uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct steer_seats seats;
    int error;

    fleet_lock(fleet);
    steer_take_seats(fleet, device, &seats);
    if (!fleet_touch_device(fleet, device) ||
        (change->tags != device->tags->text && !fleet_set_tags(fleet, device, change->tags))) {
        fleet_unlock(fleet);
        return DB_E_INTERNAL;
    }
    device->group = change->group;
    device->state = (uint8_t)change->state;
    error = steer_move_seats(fleet, device, &seats);
    fleet_unlock(fleet);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}

static struct device_change as_it_is(const struct fleet_device *device)
{
    return (struct device_change){.group = device->group,
                                  .state = (enum db_device_state)device->state,
                                  .tags = device->tags->text};
}

int steer_set_group(const struct steer *steer, struct db *db, struct fleet_device *device,
                    uint32_t group, uint64_t now)
{
    struct device_change change = as_it_is(device);
    int error = db_device_set_group(db, device->id, group);

    change.group = group;
    return error != DB_OK ? error : change_device(steer, db, device, &change, now);
}

int steer_set_state(const struct steer *steer, struct db *db, struct fleet_device *device,
                    enum db_device_state state, uint64_t now)
{
    struct device_change change = as_it_is(device);
    int error = db_device_set_state(db, device->id, state);

    change.state = state;
    return error != DB_OK ? error : change_device(steer, db, device, &change, now);
}

int steer_set_tags(const struct steer *steer, struct db *db, struct fleet_device *device,
                   const char *text, uint64_t now)
{
    struct device_change change = as_it_is(device);
    int error = db_device_set_tags(db, device->id, text);

    change.tags = text;
    return error != DB_OK ? error : change_device(steer, db, device, &change, now);
}
