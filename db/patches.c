#include "db/patches.h"

#include "db/driver.h"

int db_patch_put(struct db *db, const struct db_patch *patch)
{
    struct db_stmt *q = db_query(db, "INSERT OR REPLACE INTO patches"
                                     " (base, image, sha256, size, made_at) VALUES (?,?,?,?,?)");

    db_bind_blob(q, 1, patch->base, DB_HASH_LEN);
    db_bind_blob(q, 2, patch->image, DB_HASH_LEN);
    db_bind_blob(q, 3, patch->sha256, DB_HASH_LEN);
    db_bind_int(q, 4, patch->size);
    db_bind_int(q, 5, patch->made_at);
    return db_run(q);
}

int db_patches_each(struct db *db, int (*each)(void *ctx, const struct db_patch *patch), void *ctx)
{
    struct db_stmt *q = db_query(db, "SELECT base, image, sha256, size, made_at FROM patches");
    struct db_patch patch;
    int step;

    while ((step = db_step(q)) == 1) {
        db_column_blob(q, 0, patch.base, DB_HASH_LEN);
        db_column_blob(q, 1, patch.image, DB_HASH_LEN);
        db_column_blob(q, 2, patch.sha256, DB_HASH_LEN);
        patch.size = (uint32_t)db_column_int(q, 3);
        patch.made_at = db_column_int(q, 4);
        step = each(ctx, &patch);
        if (step != DB_OK)
            break;
    }
    return db_finish(q, step);
}

int db_patches_delete(struct db *db, const uint8_t image[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(db, "DELETE FROM patches WHERE base = ?1 OR image = ?1");

    db_bind_blob(q, 1, image, DB_HASH_LEN);
    return db_run(q);
}

int db_patch_has_file(struct db *db, const uint8_t sha256[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(db, "SELECT 1 FROM patches WHERE sha256 = ? AND size > 0 LIMIT 1");

    db_bind_blob(q, 1, sha256, DB_HASH_LEN);
    return db_finish(q, db_step(q));
}

int db_patch_saving_add(struct db *db, int64_t rollout_id, int64_t bytes)
{
    struct db_stmt *q = db_query(db, "INSERT INTO patch_savings (rollout_id, devices, bytes)"
                                     " VALUES (?1, 1, ?2) ON CONFLICT (rollout_id) DO UPDATE SET"
                                     " devices = devices + 1, bytes = bytes + ?2");

    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, bytes);
    return db_run(q);
}

int db_patch_saving_get(struct db *db, int64_t rollout_id, int64_t *devices, int64_t *bytes)
{
    struct db_stmt *q =
        db_query(db, "SELECT devices, bytes FROM patch_savings WHERE rollout_id = ?");
    int step;

    *devices = 0;
    *bytes = 0;
    db_bind_int(q, 1, rollout_id);
    step = db_step(q);
    if (step == 1) {
        *devices = db_column_int(q, 0);
        *bytes = db_column_int(q, 1);
    }
    return db_finish(q, step < 0 ? step : DB_OK);
}
