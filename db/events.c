#include "db/events.h"

#include "db/driver.h"

int db_event_add(struct db *db, const struct db_event *event)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO events (device_id, deployment_id, seq, at, event, percent,"
                     " reason, log) VALUES (?,?,?,?,?,?,?,?)");

    db_bind_int(q, 1, event->device_id);
    db_bind_id(q, 2, event->deployment_id);
    db_bind_int(q, 3, event->seq);
    db_bind_int(q, 4, event->at);
    db_bind_int(q, 5, event->event);
    db_bind_int(q, 6, event->percent);
    db_bind_text(q, 7, event->reason, DB_EVENT_REASON_MAX);
    db_bind_text(q, 8, event->log, DB_EVENT_LOG_MAX);
    return db_run(q);
}

int db_events_list(struct db *db, int64_t device_id, const struct db_page *page,
                   struct db_event *events)
{
    struct db_stmt *q = db_query(
        db, "SELECT id, device_id, deployment_id, seq, at, event, percent, reason, log FROM events"
            " WHERE device_id = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3");
    int count = 0;
    int step;

    db_bind_int(q, 1, device_id);
    db_bind_int(q, 2, page->after);
    db_bind_int(q, 3, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit) {
        struct db_event *event = &events[count++];
        event->id = db_column_int(q, 0);
        event->device_id = db_column_int(q, 1);
        event->deployment_id = db_column_int(q, 2);
        event->seq = db_column_int(q, 3);
        event->at = db_column_int(q, 4);
        event->event = (int)db_column_int(q, 5);
        event->percent = (int)db_column_int(q, 6);
        db_column_text(q, 7, event->reason, sizeof(event->reason));
        db_column_text(q, 8, event->log, sizeof(event->log));
    }
    return db_finish(q, step < 0 ? step : count);
}

int db_event_last_reason(struct db *db, int64_t device_id, int64_t deployment_id,
                         char reason[DB_EVENT_REASON_MAX + 1])
{
    struct db_stmt *q = db_query(
        db, "SELECT reason FROM events WHERE device_id = ? AND deployment_id = ? AND reason <> ''"
            " ORDER BY id DESC LIMIT 1");
    int step;

    db_bind_int(q, 1, device_id);
    db_bind_int(q, 2, deployment_id);
    step = db_step(q);
    if (step == 1)
        db_column_text(q, 0, reason, DB_EVENT_REASON_MAX + 1);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}
