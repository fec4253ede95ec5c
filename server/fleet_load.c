#include <stdlib.h>

#include "db/deployments.h"
#include "db/groups.h"
#include "db/rollouts.h"
#include "server/deployment.h"
#include "server/fleet_inner.h"
#include "server/rollout_store.h"
#include "server/rollout_target.h"

struct load {
    struct fleet *fleet;
    struct db *db;
    uint32_t *slots_by_id; /* slot of a row's id plus 1; 0: none */
    size_t ids;
};

static int load_device(void *ctx, const struct db_device *row)
{
    struct load *load = ctx;

    return fleet_insert(load->fleet, row) != NULL ? DB_OK : DB_E_INTERNAL;
}

static bool is_ended(const struct rollout *r)
{
    return r->state == ROLLOUT_COMPLETED || r->state == ROLLOUT_CANCELLED;
}

/* An ended rollout's tries are not in memory; its numbers are still asked for. */
static int count_ended(struct db *db, struct rollout *r)
{
    int64_t by_state[DEPLOYMENT_STATE_COUNT];
    int error = DB_OK;

    for (int i = 0; i < r->stage_count && error == DB_OK; i++) {
        error = db_deployments_count(db, (int64_t)r->id, i, DEPLOYMENT_STATE_COUNT, by_state);
        for (int s = 0; s < DEPLOYMENT_STATE_COUNT; s++)
            r->stages[i].counts.by_state[s] = (uint32_t)by_state[s];
    }
    return error;
}

static int load_rollout(void *ctx, const struct db_rollout *row)
{
    struct load *load = ctx;
    struct fleet_rollout *rollout = malloc(sizeof(*rollout));
    struct db_firmware firmware;
    int error;

    if (rollout == NULL)
        return DB_E_INTERNAL;
    error = db_firmware_get(load->db, row->firmware_id, &firmware);
    if (error == DB_OK && !rollout_from_row(rollout, row, &firmware))
        error = DB_E_CORRUPT;
    if (error == DB_OK && is_ended(&rollout->r))
        error = count_ended(load->db, &rollout->r);
    else if (error == DB_OK)
        rollout_count_reset(&rollout->r);
    if (error == DB_OK && !fleet_append_rollout(load->fleet, rollout))
        error = DB_E_INTERNAL;
    if (error != DB_OK)
        free(rollout);
    return error;
}

static int load_try(void *ctx, const struct db_deployment *row)
{
    struct load *load = ctx;
    struct fleet *fleet = load->fleet;
    struct fleet_rollout *rollout = fleet_find_rollout(fleet, (uint64_t)row->rollout_id);
    struct fleet_device *device;
    struct fleet_try *try;

    if (rollout == NULL || row->device_id < 0 || (size_t)row->device_id >= load->ids ||
        load->slots_by_id[row->device_id] == 0)
        return DB_E_CORRUPT;
    device = fleet_slot(fleet, load->slots_by_id[row->device_id] - 1);
    try = malloc(sizeof(*try));
    if (try == NULL)
        return DB_E_INTERNAL;
    deployment_from_row(try, row);
    try->next = device->tries;
    device->tries = try;
    if (!is_ended(&rollout->r)) {
        rollout_count_deployment(&rollout->r, &try->d);
        fleet_count_skip(rollout, try, 1);
    }
    /* Whatever its deadline is, it is asked for soon. */
    if (deployment_active(&try->d) || try->d.state == DEPLOYMENT_RETRY)
        fleet_set_alarm(fleet, device, 1);
    return DB_OK;
}

static int load_newest(void *ctx, int64_t device_id, int64_t deployment_id)
{
    struct load *load = ctx;

    if (device_id < 0 || (size_t)device_id >= load->ids || load->slots_by_id[device_id] == 0)
        return DB_E_CORRUPT;
    fleet_slot(load->fleet, load->slots_by_id[device_id] - 1)->newest = (uint64_t)deployment_id;
    return DB_OK;
}

static int index_ids(struct load *load)
{
    struct fleet *fleet = load->fleet;

    load->ids = 1;
    for (uint32_t i = 0; i < fleet->slots; i++)
        if (fleet_slot(fleet, i)->id >= load->ids)
            load->ids = (size_t)fleet_slot(fleet, i)->id + 1;
    load->slots_by_id = calloc(load->ids, sizeof(*load->slots_by_id));
    if (load->slots_by_id == NULL)
        return DB_E_INTERNAL;
    for (uint32_t i = 0; i < fleet->slots; i++)
        load->slots_by_id[fleet_slot(fleet, i)->id] = i + 1;
    return DB_OK;
}

static void count_members(struct fleet *fleet, struct fleet_rollout *rollout)
{
    if (!fleet_counts_members(&rollout->r))
        return;
    for (uint32_t i = 0; i < fleet->slots; i++) {
        struct fleet_device *device = fleet_slot(fleet, i);
        struct rollout_device view = fleet_view(fleet, device, NULL);
        struct fleet_try *try = fleet_newest_try(device, rollout->r.id);

        rollout_place_add(&rollout->r,
                          rollout_place(&rollout->r, &view, try != NULL ? &try->d : NULL));
    }
    rollout->cursor = FLEET_NO_INDEX;
    rollout->r.counted = true;
}

static int load_zones(struct fleet *fleet, struct db *db)
{
    struct db_group *groups = calloc(DB_PAGE_MAX, sizeof(*groups));
    struct db_page page = {.limit = DB_PAGE_MAX};
    bool loaded = groups != NULL;
    int count = DB_PAGE_MAX;

    while (loaded && count == DB_PAGE_MAX) {
        count = db_groups_list(db, &page, groups);
        for (int i = 0; i < count && loaded; i++)
            if (groups[i].has_offset)
                loaded = fleet_set_zone(fleet, (uint32_t)groups[i].id, true, groups[i].utc_offset);
        page.after = count > 0 ? groups[count - 1].id : 0;
    }
    journal_commit(&fleet->journal);
    free(groups);
    return count < 0 ? count : loaded ? DB_OK : DB_E_INTERNAL;
}

int fleet_load(struct fleet *fleet, struct db *db)
{
    struct load load = {.fleet = fleet, .db = db};
    int64_t expected = db_devices_count(db);
    int error;

    /* Tables of the right size at once: growing with the devices would link each of them anew. */
    while (fleet->buckets < expected)
        if (!fleet_index_grow(fleet))
            return DB_E_INTERNAL;
    error = load_zones(fleet, db);
    if (error == DB_OK)
        error = db_devices_each(db, load_device, &load);
    if (error == DB_OK)
        error = db_rollouts_each(db, load_rollout, &load);
    if (error == DB_OK)
        error = index_ids(&load);
    if (error == DB_OK)
        error = db_deployments_each(db, ROLLOUT_COMPLETED, DEPLOYMENT_SUCCEEDED, load_try, &load);
    if (error == DB_OK)
        error = db_deployments_newest(db, load_newest, &load);
    free(load.slots_by_id);
    if (error != DB_OK)
        return error;
    fleet->last_deployment = (uint64_t)db_deployment_last_id(db);
    for (size_t i = 0; i < fleet->rollout_count; i++)
        count_members(fleet, fleet->rollouts[i]);
    fleet_refresh_live(fleet);
    return DB_OK;
}
