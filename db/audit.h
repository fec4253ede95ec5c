/* The audit log: what operators changed. Rows are added and read, never changed nor deleted; the
 * database refuses both. */
#ifndef OTAD_DB_AUDIT_H
#define OTAD_DB_AUDIT_H

#include "db/db.h"
#include "db/devices.h"
#include "db/tokens.h"

#define DB_AUDIT_WORD_MAX 48     /* characters of an action, a kind and a role */
#define DB_AUDIT_PEER_MAX 47     /* characters of an address */
#define DB_AUDIT_DETAIL_MAX 1024 /* characters of what was sent */

struct db_audit {
    int64_t id;
    int64_t at;
    char actor[DB_LABEL_MAX + 1];     /* the name of the token or user */
    char kind[DB_AUDIT_WORD_MAX + 1]; /* token, user, program */
    int64_t actor_id;                 /* 0: none */
    char role[DB_AUDIT_WORD_MAX + 1];
    char peer[DB_AUDIT_PEER_MAX + 1];
    char action[DB_AUDIT_WORD_MAX + 1];
    char subject[DB_DEVICE_NAME_MAX + 1]; /* id of what was changed */
    char detail[DB_AUDIT_DETAIL_MAX + 1];
};

int db_audit_add(struct db *db, const struct db_audit *entry);
/* Newest first: ids below page->after (0: from the newest). Empty actor or action: any. The count
 * or an error. */
int db_audit_list(struct db *db, const char *actor, const char *action, const struct db_page *page,
                  struct db_audit *entries);

#endif
