/* The history of devices: one row for each report that told something new, and each step of ours.
 */
#ifndef OTAD_DB_EVENTS_H
#define OTAD_DB_EVENTS_H

#include "db/db.h"

#define DB_EVENT_REASON_MAX 32 /* characters */
#define DB_EVENT_LOG_MAX 1024  /* characters */

struct db_event {
    int64_t id;
    int64_t device_id;
    int64_t deployment_id; /* 0: about the device itself */
    int64_t seq;           /* of the report; 0: the server's own */
    int64_t at;
    int event; /* the server's numbering */
    int percent;
    char reason[DB_EVENT_REASON_MAX + 1];
    char log[DB_EVENT_LOG_MAX + 1];
};

int db_event_add(struct db *db, const struct db_event *event);
/* Newest first: ids below page->after (0: from the newest). The count or an error. */
int db_events_list(struct db *db, int64_t device_id, const struct db_page *page,
                   struct db_event *events);

/* The reason of a deployment's last event that had one. DB_E_NOT_FOUND when none had. */
int db_event_last_reason(struct db *db, int64_t device_id, int64_t deployment_id,
                         char reason[DB_EVENT_REASON_MAX + 1]);

#endif
