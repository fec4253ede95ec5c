#include "db/groups.h"

#include "db/driver.h"

static void read_row(struct db_stmt *q, struct db_group *group)
{
    group->id = db_column_int(q, 0);
    db_column_text(q, 1, group->name, sizeof(group->name));
    group->created_at = db_column_int(q, 2);
    group->has_offset = !db_column_is_null(q, 3);
    group->utc_offset = (int)db_column_int(q, 3);
}

static int read_one(struct db_stmt *q, struct db_group *group)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, group);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_group_add(struct db *db, struct db_group *group)
{
    struct db_stmt *q = db_query(db, "INSERT INTO groups (name, created_at, utc_offset)"
                                     " VALUES (?,?,?)");
    int error;

    db_bind_text(q, 1, group->name, DB_LABEL_MAX);
    db_bind_int(q, 2, group->created_at);
    if (group->has_offset)
        db_bind_int(q, 3, group->utc_offset);
    else
        db_bind_null(q, 3);
    error = db_run(q);
    if (error == DB_OK)
        group->id = db_last_id(db);
    return error;
}

int db_group_get(struct db *db, int64_t id, struct db_group *group)
{
    struct db_stmt *q =
        db_query(db, "SELECT id, name, created_at, utc_offset FROM groups WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, group);
}

int db_group_find(struct db *db, const char *name, struct db_group *group)
{
    struct db_stmt *q =
        db_query(db, "SELECT id, name, created_at, utc_offset FROM groups WHERE name = ?");

    db_bind_text(q, 1, name, DB_LABEL_MAX);
    return read_one(q, group);
}

int db_group_set_offset(struct db *db, int64_t id, bool has_offset, int utc_offset)
{
    struct db_stmt *q = db_query(db, "UPDATE groups SET utc_offset = ? WHERE id = ?");

    if (has_offset)
        db_bind_int(q, 1, utc_offset);
    else
        db_bind_null(q, 1);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int db_groups_list(struct db *db, const struct db_page *page, struct db_group *groups)
{
    struct db_stmt *q = db_query(
        db, "SELECT id, name, created_at, utc_offset FROM groups WHERE id > ? ORDER BY id LIMIT ?");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &groups[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_group_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM groups WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}
