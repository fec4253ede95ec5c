#include "db/users.h"

#include "db/driver.h"

#define COLUMNS "id, name, role, password, created_at, changed_at"

static void read_row(struct db_stmt *q, struct db_user *user)
{
    user->id = db_column_int(q, 0);
    db_column_text(q, 1, user->name, sizeof(user->name));
    user->role = (int)db_column_int(q, 2);
    db_column_text(q, 3, user->password, sizeof(user->password));
    user->created_at = db_column_int(q, 4);
    user->changed_at = db_column_int(q, 5);
}

static int read_one(struct db_stmt *q, struct db_user *user)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, user);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_user_add(struct db *db, struct db_user *user)
{
    struct db_stmt *q = db_query(db, "INSERT INTO users (name, role, password, created_at,"
                                     " changed_at) VALUES (?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, user->name, DB_LABEL_MAX);
    db_bind_int(q, 2, user->role);
    db_bind_text(q, 3, user->password, DB_PASSWORD_MAX);
    db_bind_int(q, 4, user->created_at);
    db_bind_int(q, 5, user->changed_at);
    error = db_run(q);
    if (error == DB_OK)
        user->id = db_last_id(db);
    return error;
}

int db_user_get(struct db *db, int64_t id, struct db_user *user)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM users WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, user);
}

int db_user_find(struct db *db, const char *name, struct db_user *user)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM users WHERE name = ?");

    db_bind_text(q, 1, name, DB_LABEL_MAX);
    return read_one(q, user);
}

int db_users_list(struct db *db, const struct db_page *page, struct db_user *users)
{
    struct db_stmt *q =
        db_query(db, "SELECT " COLUMNS " FROM users WHERE id > ? ORDER BY id LIMIT ?");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &users[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_user_update(struct db *db, const struct db_user *user)
{
    struct db_stmt *q =
        db_query(db, "UPDATE users SET role = ?, password = ?, changed_at = ? WHERE id = ?");

    db_bind_int(q, 1, user->role);
    db_bind_text(q, 2, user->password, DB_PASSWORD_MAX);
    db_bind_int(q, 3, user->changed_at);
    db_bind_int(q, 4, user->id);
    return db_run_one(q);
}

int db_user_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM users WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}

/* ---- sessions ---- */

static int drop_expired(struct db *db, int64_t now)
{
    struct db_stmt *q = db_query(db, "DELETE FROM sessions WHERE expires_at <= ?");

    db_bind_int(q, 1, now);
    return db_run(q);
}

static int drop_oldest(struct db *db, const struct db_session *session, int keep)
{
    struct db_stmt *q = db_query(db, "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions"
                                     " WHERE user_id IS ? AND token_id IS ?"
                                     " ORDER BY created_at DESC, hash LIMIT -1 OFFSET ?)");

    db_bind_id(q, 1, session->user_id);
    db_bind_id(q, 2, session->token_id);
    db_bind_int(q, 3, keep - 1);
    return db_run(q);
}

int db_session_add(struct db *db, const struct db_session *session, int keep)
{
    struct db_stmt *q;
    int error = drop_expired(db, session->created_at);

    if (error == DB_OK)
        error = drop_oldest(db, session, keep);
    if (error != DB_OK)
        return error;
    q = db_query(db, "INSERT INTO sessions (hash, user_id, token_id, created_at, expires_at)"
                     " VALUES (?,?,?,?,?)");
    db_bind_blob(q, 1, session->hash, DB_HASH_LEN);
    db_bind_id(q, 2, session->user_id);
    db_bind_id(q, 3, session->token_id);
    db_bind_int(q, 4, session->created_at);
    db_bind_int(q, 5, session->expires_at);
    return db_run(q);
}

int db_session_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_session *session)
{
    struct db_stmt *q = db_query(db, "SELECT hash, user_id, token_id, created_at, expires_at"
                                     " FROM sessions WHERE hash = ?");
    int step;

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    step = db_step(q);
    if (step == 1) {
        db_column_blob(q, 0, session->hash, DB_HASH_LEN);
        session->user_id = db_column_int(q, 1);
        session->token_id = db_column_int(q, 2);
        session->created_at = db_column_int(q, 3);
        session->expires_at = db_column_int(q, 4);
    }
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_session_delete(struct db *db, const uint8_t hash[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(db, "DELETE FROM sessions WHERE hash = ?");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    return db_run(q);
}

int db_sessions_end(struct db *db, int64_t user_id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM sessions WHERE user_id = ?");

    db_bind_int(q, 1, user_id);
    return db_run(q);
}
