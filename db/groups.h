/* Groups of devices: static, and a device is in one at most. */
#ifndef OTAD_DB_GROUPS_H
#define OTAD_DB_GROUPS_H

#include "db/db.h"
#include "db/tokens.h"

struct db_group {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    int64_t created_at;
    bool has_offset;
    int utc_offset; /* minutes east of UTC, of its devices that do not tell their own */
};

int db_group_add(struct db *db, struct db_group *group);
int db_group_get(struct db *db, int64_t id, struct db_group *group);
int db_group_find(struct db *db, const char *name, struct db_group *group);
int db_group_set_offset(struct db *db, int64_t id, bool has_offset, int utc_offset);
/* At most page->limit rows, ascending by id; the count or an error. */
int db_groups_list(struct db *db, const struct db_page *page, struct db_group *groups);
/* DB_E_IN_USE while a device, an enrolment key or a rollout refers to it. */
int db_group_delete(struct db *db, int64_t id);

#endif
