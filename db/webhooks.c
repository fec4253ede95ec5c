#include "db/webhooks.h"

#include "db/driver.h"

#define COLUMNS                                                                                    \
    "id, name, url, events, enabled, salt, created_at, queued, delivered, dropped, failures,"      \
    " next_at, last_at, last_status, last_error"
/* Whether a row wants the event ?1. */
#define WANTS                                                                                      \
    "enabled AND ((events = '' AND substr(?1, 1, 8) = 'rollout.')"                                 \
    " OR instr(events, ',' || ?1 || ',') > 0)"

static void read_row(struct db_stmt *q, struct db_webhook *hook)
{
    hook->id = db_column_int(q, 0);
    db_column_text(q, 1, hook->name, sizeof(hook->name));
    db_column_text(q, 2, hook->url, sizeof(hook->url));
    db_column_text(q, 3, hook->events, sizeof(hook->events));
    hook->enabled = db_column_int(q, 4) != 0;
    db_column_blob(q, 5, hook->salt, DB_WEBHOOK_SALT_LEN);
    hook->created_at = db_column_int(q, 6);
    hook->queued = db_column_int(q, 7);
    hook->delivered = db_column_int(q, 8);
    hook->dropped = db_column_int(q, 9);
    hook->failures = (int)db_column_int(q, 10);
    hook->next_at = db_column_int(q, 11);
    hook->last_at = db_column_int(q, 12);
    hook->last_status = (int)db_column_int(q, 13);
    db_column_text(q, 14, hook->last_error, sizeof(hook->last_error));
}

int db_webhook_add(struct db *db, struct db_webhook *hook)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO webhooks (name, url, events, enabled, salt, created_at)"
                     " VALUES (?,?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, hook->name, DB_LABEL_MAX);
    db_bind_text(q, 2, hook->url, DB_WEBHOOK_URL_MAX);
    db_bind_text(q, 3, hook->events, DB_WEBHOOK_EVENTS_MAX);
    db_bind_int(q, 4, hook->enabled);
    db_bind_blob(q, 5, hook->salt, DB_WEBHOOK_SALT_LEN);
    db_bind_int(q, 6, hook->created_at);
    error = db_run(q);
    if (error == DB_OK)
        hook->id = db_last_id(db);
    return error;
}

int db_webhook_get(struct db *db, int64_t id, struct db_webhook *hook)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM webhooks WHERE id = ?");
    int step;

    db_bind_int(q, 1, id);
    step = db_step(q);
    if (step == 1)
        read_row(q, hook);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int64_t db_webhooks_count(struct db *db)
{
    return db_scalar(db, "SELECT count(*) FROM webhooks", -1);
}

static int read_all(struct db_stmt *q, struct db_webhook *hooks, int max)
{
    int count = 0;
    int step;

    while ((step = db_step(q)) == 1 && count < max)
        read_row(q, &hooks[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_webhooks_list(struct db *db, const struct db_page *page, struct db_webhook *hooks)
{
    struct db_stmt *q =
        db_query(db, "SELECT " COLUMNS " FROM webhooks WHERE id > ? ORDER BY id LIMIT ?");

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    return read_all(q, hooks, page->limit);
}

int db_webhook_update(struct db *db, const struct db_webhook *hook)
{
    struct db_stmt *q =
        db_query(db, "UPDATE webhooks SET url = ?, events = ?, enabled = ?, salt = ?, failures = 0,"
                     " next_at = 0 WHERE id = ?");

    db_bind_text(q, 1, hook->url, DB_WEBHOOK_URL_MAX);
    db_bind_text(q, 2, hook->events, DB_WEBHOOK_EVENTS_MAX);
    db_bind_int(q, 3, hook->enabled);
    db_bind_blob(q, 4, hook->salt, DB_WEBHOOK_SALT_LEN);
    db_bind_int(q, 5, hook->id);
    return db_run_one(q);
}

int db_webhook_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM webhooks WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}

int db_webhooks_want(struct db *db, const char *event)
{
    struct db_stmt *q = db_query(db, "SELECT 1 FROM webhooks WHERE " WANTS " LIMIT 1");
    int step;

    db_bind_text(q, 1, event, DB_WEBHOOK_EVENT_MAX);
    step = db_step(q);
    return db_finish(q, step);
}

int db_webhooks_tell(struct db *db, int64_t hook_id, const char *event, const char *body,
                     int64_t now)
{
    struct db_stmt *q = db_query(db, "INSERT INTO webhook_outbox (webhook_id, at, event, body)"
                                     " SELECT id, ?2, ?1, ?3 FROM webhooks WHERE queued < ?5 AND"
                                     " CASE WHEN ?4 <> 0 THEN id = ?4 ELSE " WANTS " END");
    int error;

    db_bind_text(q, 1, event, DB_WEBHOOK_EVENT_MAX);
    db_bind_int(q, 2, now);
    db_bind_text(q, 3, body, DB_WEBHOOK_BODY_MAX);
    db_bind_int(q, 4, hook_id);
    db_bind_int(q, 5, DB_WEBHOOK_QUEUE_MAX);
    error = db_run(q);
    if (error != DB_OK)
        return error;
    q = db_query(db, "UPDATE webhooks SET queued = queued + (queued < ?3),"
                     " dropped = dropped + (queued >= ?3)"
                     " WHERE CASE WHEN ?2 <> 0 THEN id = ?2 ELSE " WANTS " END");
    db_bind_text(q, 1, event, DB_WEBHOOK_EVENT_MAX);
    db_bind_int(q, 2, hook_id);
    db_bind_int(q, 3, DB_WEBHOOK_QUEUE_MAX);
    return db_run(q);
}

int db_webhooks_due(struct db *db, int64_t now, struct db_webhook *hooks, int max)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM webhooks WHERE enabled AND queued > 0"
                                     " AND next_at <= ? ORDER BY next_at LIMIT ?");

    db_bind_int(q, 1, now);
    db_bind_int(q, 2, max);
    return read_all(q, hooks, max);
}

int db_webhook_next(struct db *db, int64_t hook_id, struct db_webhook_message *message)
{
    struct db_stmt *q = db_query(db, "SELECT id, at, event, body FROM webhook_outbox"
                                     " WHERE webhook_id = ? ORDER BY id LIMIT 1");
    int step;

    db_bind_int(q, 1, hook_id);
    step = db_step(q);
    if (step == 1) {
        message->id = db_column_int(q, 0);
        message->at = db_column_int(q, 1);
        db_column_text(q, 2, message->event, sizeof(message->event));
        db_column_text(q, 3, message->body, sizeof(message->body));
    }
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

static int delete_message(struct db *db, int64_t message_id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM webhook_outbox WHERE id = ?");

    db_bind_int(q, 1, message_id);
    return db_run_one(q);
}

int db_webhook_tried(struct db *db, const struct db_webhook *hook, int64_t message_id, bool done,
                     bool delivered)
{
    struct db_stmt *q;
    int error = done ? delete_message(db, message_id) : DB_OK;

    if (error != DB_OK)
        return error;
    q = db_query(db, "UPDATE webhooks SET failures = ?, next_at = ?, last_at = ?, last_status = ?,"
                     " last_error = ?, queued = queued - ?, delivered = delivered + ?,"
                     " dropped = dropped + ? WHERE id = ? AND (? OR url = ?)");
    db_bind_int(q, 1, hook->failures);
    db_bind_int(q, 2, hook->next_at);
    db_bind_int(q, 3, hook->last_at);
    db_bind_int(q, 4, hook->last_status);
    db_bind_text(q, 5, hook->last_error, DB_WEBHOOK_ERROR_MAX);
    db_bind_int(q, 6, done);
    db_bind_int(q, 7, delivered);
    db_bind_int(q, 8, done && !delivered);
    db_bind_int(q, 9, hook->id);
    db_bind_int(q, 10, done);
    db_bind_text(q, 11, hook->url, DB_WEBHOOK_URL_MAX);
    return db_run_one(q);
}
