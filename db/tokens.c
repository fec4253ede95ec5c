#include "db/tokens.h"

#include "db/driver.h"

#define COLUMNS "id, name, role, hash, created_at, expires_at, revoked_at"

static void read_row(struct db_stmt *q, struct db_api_token *token)
{
    token->id = db_column_int(q, 0);
    db_column_text(q, 1, token->name, sizeof(token->name));
    token->role = (int)db_column_int(q, 2);
    db_column_blob(q, 3, token->hash, DB_HASH_LEN);
    token->created_at = db_column_int(q, 4);
    token->expires_at = db_column_int(q, 5);
    token->revoked_at = db_column_int(q, 6);
}

static int read_one(struct db_stmt *q, struct db_api_token *token)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, token);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_token_add(struct db *db, struct db_api_token *token)
{
    struct db_stmt *q = db_query(
        db, "INSERT INTO api_tokens (name, role, hash, created_at, expires_at) VALUES (?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, token->name, DB_LABEL_MAX);
    db_bind_int(q, 2, token->role);
    db_bind_blob(q, 3, token->hash, DB_HASH_LEN);
    db_bind_int(q, 4, token->created_at);
    db_bind_int(q, 5, token->expires_at);
    error = db_run(q);
    if (error == DB_OK)
        token->id = db_last_id(db);
    return error;
}

int db_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_api_token *token)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM api_tokens WHERE hash = ?");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    return read_one(q, token);
}

int db_token_get(struct db *db, int64_t id, struct db_api_token *token)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM api_tokens WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, token);
}

int db_tokens_list(struct db *db, const struct db_page *page, struct db_api_token *tokens)
{
    struct db_stmt *q =
        db_query(db, "SELECT " COLUMNS " FROM api_tokens WHERE id > ? ORDER BY id LIMIT ?");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &tokens[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_token_revoke(struct db *db, int64_t id, int64_t now)
{
    struct db_stmt *q =
        db_query(db, "UPDATE api_tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0");

    db_bind_int(q, 1, now);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

int64_t db_tokens_in_force(struct db *db, int role, int64_t now)
{
    struct db_stmt *q = db_query(db, "SELECT count(*) FROM api_tokens WHERE role = ?"
                                     " AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)");
    int64_t count = 0;
    int step;

    db_bind_int(q, 1, role);
    db_bind_int(q, 2, now);
    step = db_step(q);
    if (step == 1)
        count = db_column_int(q, 0);
    return db_finish(q, step) < 0 ? step : count;
}

int db_dead_token_add(struct db *db, const uint8_t hash[DB_HASH_LEN], const char *reason,
                      int64_t now)
{
    struct db_stmt *q =
        db_query(db, "INSERT OR REPLACE INTO dead_tokens (hash, reason, died_at) VALUES (?,?,?)");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    db_bind_text(q, 2, reason, DB_TOKEN_REASON_MAX);
    db_bind_int(q, 3, now);
    return db_run(q);
}

int db_dead_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN],
                       char reason[DB_TOKEN_REASON_MAX + 1])
{
    struct db_stmt *q = db_query(db, "SELECT reason FROM dead_tokens WHERE hash = ?");
    int step;

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    step = db_step(q);
    if (step == 1)
        db_column_text(q, 0, reason, DB_TOKEN_REASON_MAX + 1);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}
