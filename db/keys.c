#include "db/keys.h"

#include "db/driver.h"

#define RELEASE_COLUMNS "id, name, key_hash, public_key, created_at"
#define ENROLMENT_COLUMNS "id, name, product, policy, group_id, hash, created_at"

static void read_release(struct db_stmt *q, struct db_release_key *key)
{
    key->id = db_column_int(q, 0);
    db_column_text(q, 1, key->name, sizeof(key->name));
    db_column_blob(q, 2, key->key_hash, DB_HASH_LEN);
    db_column_text(q, 3, key->public_key, sizeof(key->public_key));
    key->created_at = db_column_int(q, 4);
}

static int read_one_release(struct db_stmt *q, struct db_release_key *key)
{
    int step = db_step(q);

    if (step == 1)
        read_release(q, key);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_release_key_add(struct db *db, struct db_release_key *key)
{
    struct db_stmt *q = db_query(
        db, "INSERT INTO release_keys (name, key_hash, public_key, created_at) VALUES (?,?,?,?)");
    int error;

    db_bind_text(q, 1, key->name, DB_LABEL_MAX);
    db_bind_blob(q, 2, key->key_hash, DB_HASH_LEN);
    db_bind_text(q, 3, key->public_key, DB_PEM_MAX);
    db_bind_int(q, 4, key->created_at);
    error = db_run(q);
    if (error == DB_OK)
        key->id = db_last_id(db);
    return error;
}

int db_release_key_get(struct db *db, int64_t id, struct db_release_key *key)
{
    struct db_stmt *q = db_query(db, "SELECT " RELEASE_COLUMNS " FROM release_keys WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one_release(q, key);
}

int db_release_key_find(struct db *db, const uint8_t key_hash[DB_HASH_LEN],
                        struct db_release_key *key)
{
    struct db_stmt *q =
        db_query(db, "SELECT " RELEASE_COLUMNS " FROM release_keys WHERE key_hash = ?");

    db_bind_blob(q, 1, key_hash, DB_HASH_LEN);
    return read_one_release(q, key);
}

int db_release_keys_list(struct db *db, const struct db_page *page, struct db_release_key *keys)
{
    struct db_stmt *q = db_query(db, "SELECT " RELEASE_COLUMNS
                                     " FROM release_keys WHERE id > ? ORDER BY id LIMIT ?");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_release(q, &keys[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_release_key_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM release_keys WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}

static void read_enrolment(struct db_stmt *q, struct db_enrolment_key *key)
{
    key->id = db_column_int(q, 0);
    db_column_text(q, 1, key->name, sizeof(key->name));
    db_column_text(q, 2, key->product, sizeof(key->product));
    key->policy = (enum db_enrolment_policy)db_column_int(q, 3);
    key->group_id = db_column_int(q, 4);
    db_column_blob(q, 5, key->hash, DB_HASH_LEN);
    key->created_at = db_column_int(q, 6);
}

static int read_one_enrolment(struct db_stmt *q, struct db_enrolment_key *key)
{
    int step = db_step(q);

    if (step == 1)
        read_enrolment(q, key);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_enrolment_key_add(struct db *db, struct db_enrolment_key *key)
{
    struct db_stmt *q = db_query(
        db, "INSERT INTO enrolment_keys (name, product, policy, group_id, hash, created_at)"
            " VALUES (?,?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, key->name, DB_LABEL_MAX);
    db_bind_text(q, 2, key->product, DB_NAME_MAX);
    db_bind_int(q, 3, key->policy);
    db_bind_id(q, 4, key->group_id);
    db_bind_blob(q, 5, key->hash, DB_HASH_LEN);
    db_bind_int(q, 6, key->created_at);
    error = db_run(q);
    if (error == DB_OK)
        key->id = db_last_id(db);
    return error;
}

int db_enrolment_key_get(struct db *db, int64_t id, struct db_enrolment_key *key)
{
    struct db_stmt *q =
        db_query(db, "SELECT " ENROLMENT_COLUMNS " FROM enrolment_keys WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one_enrolment(q, key);
}

int db_enrolment_key_find(struct db *db, const uint8_t hash[DB_HASH_LEN],
                          struct db_enrolment_key *key)
{
    struct db_stmt *q =
        db_query(db, "SELECT " ENROLMENT_COLUMNS " FROM enrolment_keys WHERE hash = ?");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    return read_one_enrolment(q, key);
}

int db_enrolment_keys_list(struct db *db, const struct db_page *page, struct db_enrolment_key *keys)
{
    struct db_stmt *q = db_query(db, "SELECT " ENROLMENT_COLUMNS
                                     " FROM enrolment_keys WHERE id > ? ORDER BY id LIMIT ?");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_enrolment(q, &keys[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_enrolment_key_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM enrolment_keys WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}
