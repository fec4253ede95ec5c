#include "db/deployments.h"

#include "db/driver.h"

#define COLUMNS                                                                                    \
    "d.id, d.rollout_id, d.device_id, d.seq, d.offered_at, d.changed_at, d.state, d.stage,"        \
    " d.percent, d.attempt, d.round, d.health, d.inferred, d.superseded, d.events"
#define COLUMN_COUNT 15

static void read_row(struct db_stmt *q, struct db_deployment *d)
{
    d->id = db_column_int(q, 0);
    d->rollout_id = db_column_int(q, 1);
    d->device_id = db_column_int(q, 2);
    d->seq = db_column_int(q, 3);
    d->offered_at = db_column_int(q, 4);
    d->changed_at = db_column_int(q, 5);
    d->state = (int)db_column_int(q, 6);
    d->stage = (int)db_column_int(q, 7);
    d->percent = (int)db_column_int(q, 8);
    d->attempt = (int)db_column_int(q, 9);
    d->round = (int)db_column_int(q, 10);
    d->health = (int)db_column_int(q, 11);
    d->inferred = db_column_int(q, 12) != 0;
    d->superseded = db_column_int(q, 13) != 0;
    d->events = (int)db_column_int(q, 14);
}

int64_t db_deployment_last_id(struct db *db)
{
    return db_scalar(db, "SELECT seq FROM sqlite_sequence WHERE name = 'deployments'", 0);
}

int db_deployment_add(struct db *db, const struct db_deployment *d)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO deployments (id, rollout_id, device_id, seq, offered_at,"
                     " changed_at, state, stage, percent, attempt, round, health, inferred,"
                     " superseded, events) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

    db_bind_int(q, 1, d->id);
    db_bind_int(q, 2, d->rollout_id);
    db_bind_int(q, 3, d->device_id);
    db_bind_int(q, 4, d->seq);
    db_bind_int(q, 5, d->offered_at);
    db_bind_int(q, 6, d->changed_at);
    db_bind_int(q, 7, d->state);
    db_bind_int(q, 8, d->stage);
    db_bind_int(q, 9, d->percent);
    db_bind_int(q, 10, d->attempt);
    db_bind_int(q, 11, d->round);
    db_bind_int(q, 12, d->health);
    db_bind_int(q, 13, d->inferred);
    db_bind_int(q, 14, d->superseded);
    db_bind_int(q, 15, d->events);
    return db_run(q);
}

int db_deployment_update(struct db *db, const struct db_deployment *d)
{
    struct db_stmt *q =
        db_query(db, "UPDATE deployments SET seq = ?, changed_at = ?, state = ?, stage = ?,"
                     " percent = ?, round = ?, health = ?, inferred = ?, superseded = ?,"
                     " events = ? WHERE id = ?");

    db_bind_int(q, 1, d->seq);
    db_bind_int(q, 2, d->changed_at);
    db_bind_int(q, 3, d->state);
    db_bind_int(q, 4, d->stage);
    db_bind_int(q, 5, d->percent);
    db_bind_int(q, 6, d->round);
    db_bind_int(q, 7, d->health);
    db_bind_int(q, 8, d->inferred);
    db_bind_int(q, 9, d->superseded);
    db_bind_int(q, 10, d->events);
    db_bind_int(q, 11, d->id);
    return db_run_one(q);
}

static int read_one(struct db_stmt *q, struct db_deployment *d)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, d);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_deployment_get(struct db *db, int64_t id, struct db_deployment *d)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM deployments d WHERE d.id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, d);
}

int db_deployment_of_device(struct db *db, int64_t device_id, struct db_deployment *d)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM deployments d WHERE d.device_id = ?"
                                     " ORDER BY d.id DESC LIMIT 1");

    db_bind_int(q, 1, device_id);
    return read_one(q, d);
}

int db_deployments_each(struct db *db, int ended_from, int final_from,
                        int (*each)(void *ctx, const struct db_deployment *deployment), void *ctx)
{
    struct db_stmt *q =
        db_query(db, "SELECT " COLUMNS " FROM deployments d JOIN rollouts r ON r.id = d.rollout_id"
                     " WHERE d.superseded = 0 AND (r.state < ? OR d.state < ?) ORDER BY d.id");
    struct db_deployment deployment;
    int stop = 0;
    int step = 0;

    db_bind_int(q, 1, ended_from);
    db_bind_int(q, 2, final_from);
    while (stop == 0 && (step = db_step(q)) == 1) {
        read_row(q, &deployment);
        stop = each(ctx, &deployment);
    }
    return db_finish(q, stop != 0 ? stop : step);
}

int db_deployments_newest(struct db *db,
                          int (*each)(void *ctx, int64_t device_id, int64_t deployment_id),
                          void *ctx)
{
    struct db_stmt *q =
        db_query(db, "SELECT device_id, max(id) FROM deployments GROUP BY device_id");
    int stop = 0;
    int step = 0;

    while (stop == 0 && (step = db_step(q)) == 1)
        stop = each(ctx, db_column_int(q, 0), db_column_int(q, 1));
    return db_finish(q, stop != 0 ? stop : step);
}

int db_deployment_of_image(struct db *db, int64_t device_id, const uint8_t hash[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(
        db,
        "SELECT 1 FROM deployments d JOIN rollouts r ON r.id = d.rollout_id"
        " JOIN firmware f ON f.id = r.firmware_id WHERE d.device_id = ? AND f.hash = ? LIMIT 1");

    db_bind_int(q, 1, device_id);
    db_bind_blob(q, 2, hash, DB_HASH_LEN);
    return db_finish(q, db_step(q));
}

int db_deployments_count(struct db *db, int64_t rollout_id, int stage, int states,
                         int64_t *by_state)
{
    struct db_stmt *q =
        db_query(db, "SELECT state, count(*) FROM deployments WHERE rollout_id = ? AND stage = ?"
                     " AND superseded = 0 GROUP BY state");
    int step;

    for (int i = 0; i < states; i++)
        by_state[i] = 0;
    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, stage);
    while ((step = db_step(q)) == 1) {
        int64_t state = db_column_int(q, 0);
        if (state >= 0 && state < states)
            by_state[state] = db_column_int(q, 1);
    }
    return db_finish(q, step);
}

int db_rollout_devices_list(struct db *db, int64_t rollout_id, int state,
                            const struct db_page *page, struct db_rollout_device *devices)
{
    struct db_stmt *q = db_query(
        db, "SELECT " COLUMNS ", v.name, coalesce((SELECT e.reason FROM events e WHERE"
            " e.device_id = d.device_id AND e.deployment_id = d.id AND e.reason <> ''"
            " ORDER BY e.id DESC LIMIT 1), '')"
            " FROM deployments d JOIN devices v ON v.id = d.device_id WHERE d.rollout_id = ?1"
            " AND d.id > ?2 AND d.superseded = 0 AND (?3 = 0 OR d.state = ?3)"
            " ORDER BY d.id LIMIT ?4");
    int count = 0;
    int step;

    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, page->after);
    db_bind_int(q, 3, state);
    db_bind_int(q, 4, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit) {
        struct db_rollout_device *device = &devices[count++];
        read_row(q, &device->deployment);
        db_column_text(q, COLUMN_COUNT, device->device, sizeof(device->device));
        db_column_text(q, COLUMN_COUNT + 1, device->reason, sizeof(device->reason));
    }
    return db_finish(q, step < 0 ? step : count);
}
