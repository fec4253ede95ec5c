#include "db/history.h"

#include "db/driver.h"

int db_history_add(struct db *db, const struct db_sample *sample)
{
    struct db_stmt *q = db_query(db, "INSERT OR REPLACE INTO fleet_history (at, product, version,"
                                     " devices) VALUES (?,?,?,?)");

    db_bind_int(q, 1, sample->at);
    db_bind_text(q, 2, sample->product, DB_NAME_MAX);
    db_bind_text(q, 3, sample->version, DB_VERSION_MAX);
    db_bind_int(q, 4, sample->devices);
    return db_run(q);
}

int db_history_list(struct db *db, int64_t from, int64_t step, int max, struct db_sample *samples)
{
    struct db_stmt *q = db_query(
        db, "SELECT at, product, version, devices FROM fleet_history"
            " WHERE at IN (SELECT max(at) FROM fleet_history WHERE at >= ? GROUP BY at / ?)"
            " ORDER BY at, product, devices DESC LIMIT ?");
    int count = 0;
    int step_result;

    db_bind_int(q, 1, from);
    db_bind_int(q, 2, step);
    db_bind_int(q, 3, max);
    while ((step_result = db_step(q)) == 1 && count < max) {
        struct db_sample *sample = &samples[count++];

        sample->at = db_column_int(q, 0);
        db_column_text(q, 1, sample->product, sizeof(sample->product));
        db_column_text(q, 2, sample->version, sizeof(sample->version));
        sample->devices = db_column_int(q, 3);
    }
    return db_finish(q, step_result < 0 ? step_result : count);
}

int db_history_thin(struct db *db, int64_t oldest, int64_t hourly_before)
{
    struct db_stmt *q =
        db_query(db, "DELETE FROM fleet_history WHERE at < ? OR (at < ? AND at % 3600 != 0)");

    db_bind_int(q, 1, oldest);
    db_bind_int(q, 2, hourly_before);
    return db_run(q);
}
