#include "db/devices.h"

#include "db/driver.h"

#define COLUMNS                                                                                    \
    "id, name, token_hash, product, hardware, group_id, state, enrolment_key_id, created_at,"      \
    " version, hash, counter, trial, last_seen, tags, opted_out, postponed_until, utc_offset"

static void read_row(struct db_stmt *q, struct db_device *device)
{
    device->id = db_column_int(q, 0);
    db_column_text(q, 1, device->name, sizeof(device->name));
    db_column_blob(q, 2, device->token_hash, DB_HASH_LEN);
    db_column_text(q, 3, device->product, sizeof(device->product));
    db_column_text(q, 4, device->hardware, sizeof(device->hardware));
    device->group_id = db_column_int(q, 5);
    device->state = (enum db_device_state)db_column_int(q, 6);
    device->enrolment_key_id = db_column_int(q, 7);
    device->created_at = db_column_int(q, 8);
    db_column_text(q, 9, device->version, sizeof(device->version));
    db_column_blob(q, 10, device->hash, DB_HASH_LEN);
    device->counter = (uint32_t)db_column_int(q, 11);
    device->trial = db_column_int(q, 12) != 0;
    device->last_seen = db_column_int(q, 13);
    db_column_text(q, 14, device->tags, sizeof(device->tags));
    device->opted_out = db_column_int(q, 15) != 0;
    device->postponed_until = db_column_int(q, 16);
    device->has_offset = !db_column_is_null(q, 17);
    device->utc_offset = (int)db_column_int(q, 17);
}

static int read_one(struct db_stmt *q, struct db_device *device)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, device);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_device_add(struct db *db, struct db_device *device)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO devices (name, token_hash, product, hardware, group_id, state,"
                     " enrolment_key_id, created_at, tags) VALUES (?,?,?,?,?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, device->name, DB_DEVICE_NAME_MAX);
    db_bind_blob(q, 2, device->token_hash, DB_HASH_LEN);
    db_bind_text(q, 3, device->product, DB_NAME_MAX);
    db_bind_text(q, 4, device->hardware, DB_NAME_MAX);
    db_bind_id(q, 5, device->group_id);
    db_bind_int(q, 6, device->state);
    db_bind_id(q, 7, device->enrolment_key_id);
    db_bind_int(q, 8, device->created_at);
    db_bind_text(q, 9, device->tags, DB_TAGS_MAX);
    error = db_run(q);
    if (error == DB_OK)
        device->id = db_last_id(db);
    return error;
}

int db_device_get(struct db *db, int64_t id, struct db_device *device)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM devices WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, device);
}

int db_device_find(struct db *db, const char *name, struct db_device *device)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM devices WHERE name = ?");

    db_bind_text(q, 1, name, DB_DEVICE_NAME_MAX);
    return read_one(q, device);
}

static struct db_stmt *list_query(struct db *db, int64_t group_id)
{
    if (group_id != 0)
        return db_query(db, "SELECT " COLUMNS " FROM devices WHERE id > ?1 AND group_id = ?4"
                            " AND (?2 = 0 OR state = ?2) ORDER BY id LIMIT ?3");
    return db_query(db, "SELECT " COLUMNS " FROM devices WHERE id > ?1 AND (?2 = 0 OR state = ?2)"
                        " ORDER BY id LIMIT ?3");
}

int db_devices_list(struct db *db, int64_t group_id, int state, const struct db_page *page,
                    struct db_device *devices)
{
    struct db_stmt *q = list_query(db, group_id);
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, state);
    db_bind_int(q, 3, page->limit);
    if (group_id != 0)
        db_bind_int(q, 4, group_id);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &devices[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_devices_each(struct db *db, int (*each)(void *ctx, const struct db_device *device),
                    void *ctx)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM devices ORDER BY id");
    struct db_device device;
    int stop = 0;
    int step;

    while (stop == 0 && (step = db_step(q)) == 1) {
        read_row(q, &device);
        stop = each(ctx, &device);
    }
    return db_finish(q, stop != 0 ? stop : step);
}

static int64_t count_of(struct db_stmt *q)
{
    int64_t count = 0;
    int step = db_step(q);

    if (step == 1)
        count = db_column_int(q, 0);
    return db_finish(q, step) < 0 ? step : count;
}

int64_t db_devices_count(struct db *db)
{
    return count_of(db_query(db, "SELECT count(*) FROM devices"));
}

int64_t db_devices_in_group(struct db *db, int64_t group_id)
{
    struct db_stmt *q = db_query(db, "SELECT count(*) FROM devices WHERE group_id = ?");

    db_bind_int(q, 1, group_id);
    return count_of(q);
}

int64_t db_devices_pending(struct db *db)
{
    /* 2 is DB_DEVICE_PENDING; as a constant, so that the partial index serves it. */
    return count_of(db_query(db, "SELECT count(*) FROM devices WHERE state = 2"));
}

int db_device_set_token(struct db *db, int64_t id, const uint8_t hash[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(db, "UPDATE devices SET token_hash = ? WHERE id = ?");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int db_device_set_group(struct db *db, int64_t id, int64_t group_id)
{
    struct db_stmt *q = db_query(db, "UPDATE devices SET group_id = ? WHERE id = ?");

    db_bind_id(q, 1, group_id);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int db_device_set_state(struct db *db, int64_t id, enum db_device_state state)
{
    struct db_stmt *q = db_query(db, "UPDATE devices SET state = ? WHERE id = ?");

    db_bind_int(q, 1, state);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int db_device_set_tags(struct db *db, int64_t id, const char *tags)
{
    struct db_stmt *q = db_query(db, "UPDATE devices SET tags = ? WHERE id = ?");

    db_bind_text(q, 1, tags, DB_TAGS_MAX);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int db_device_seen(struct db *db, const struct db_device *device)
{
    struct db_stmt *q =
        db_query(db, "UPDATE devices SET version = ?, hash = ?, counter = ?, trial = ?,"
                     " last_seen = ?, opted_out = ?, postponed_until = ?, utc_offset = ?"
                     " WHERE id = ?");

    db_bind_text(q, 1, device->version, DB_VERSION_MAX);
    db_bind_blob(q, 2, device->hash, DB_HASH_LEN);
    db_bind_int(q, 3, device->counter);
    db_bind_int(q, 4, device->trial);
    db_bind_int(q, 5, device->last_seen);
    db_bind_int(q, 6, device->opted_out);
    db_bind_int(q, 7, device->postponed_until);
    if (device->has_offset)
        db_bind_int(q, 8, device->utc_offset);
    else
        db_bind_null(q, 8);
    db_bind_int(q, 9, device->id);
    return db_run_one(q);
}

int db_device_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM devices WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}
