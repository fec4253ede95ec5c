#include "db/audit.h"

#include "db/driver.h"

int db_audit_add(struct db *db, const struct db_audit *entry)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO audit (at, actor, kind, actor_id, role, peer, action, subject,"
                     " detail) VALUES (?,?,?,?,?,?,?,?,?)");

    db_bind_int(q, 1, entry->at);
    db_bind_text(q, 2, entry->actor, DB_LABEL_MAX);
    db_bind_text(q, 3, entry->kind, DB_AUDIT_WORD_MAX);
    db_bind_int(q, 4, entry->actor_id);
    db_bind_text(q, 5, entry->role, DB_AUDIT_WORD_MAX);
    db_bind_text(q, 6, entry->peer, DB_AUDIT_PEER_MAX);
    db_bind_text(q, 7, entry->action, DB_AUDIT_WORD_MAX);
    db_bind_text(q, 8, entry->subject, DB_DEVICE_NAME_MAX);
    db_bind_text(q, 9, entry->detail, DB_AUDIT_DETAIL_MAX);
    return db_run(q);
}

static void read_row(struct db_stmt *q, struct db_audit *entry)
{
    entry->id = db_column_int(q, 0);
    entry->at = db_column_int(q, 1);
    db_column_text(q, 2, entry->actor, sizeof(entry->actor));
    db_column_text(q, 3, entry->kind, sizeof(entry->kind));
    entry->actor_id = db_column_int(q, 4);
    db_column_text(q, 5, entry->role, sizeof(entry->role));
    db_column_text(q, 6, entry->peer, sizeof(entry->peer));
    db_column_text(q, 7, entry->action, sizeof(entry->action));
    db_column_text(q, 8, entry->subject, sizeof(entry->subject));
    db_column_text(q, 9, entry->detail, sizeof(entry->detail));
}

int db_audit_list(struct db *db, const char *actor, const char *action, const struct db_page *page,
                  struct db_audit *entries)
{
    struct db_stmt *q = db_query(
        db, "SELECT id, at, actor, kind, actor_id, role, peer, action, subject, detail FROM audit"
            " WHERE (?1 = 0 OR id < ?1) AND (?3 = '' OR actor = ?3) AND (?4 = '' OR action = ?4)"
            " ORDER BY id DESC LIMIT ?2");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_int(q, 2, page->limit);
    db_bind_text(q, 3, actor, DB_LABEL_MAX);
    db_bind_text(q, 4, action, DB_AUDIT_WORD_MAX);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &entries[count++]);
    return db_finish(q, step < 0 ? step : count);
}
