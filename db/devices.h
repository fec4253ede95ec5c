/*
 * Devices. The whole table is read once at start into the server's memory; afterwards rows are
 * written one by one (registration, changes) or in batches (what polls told: db_device_seen()).
 */
#ifndef OTAD_DB_DEVICES_H
#define OTAD_DB_DEVICES_H

#include "db/db.h"
#include "db/firmware.h"

#define DB_DEVICE_NAME_MAX 64 /* characters of a device id */
#define DB_TAGS_MAX 512       /* characters of a device's tags */

enum db_device_state {
    DB_DEVICE_ACCEPTED = 1,
    DB_DEVICE_PENDING = 2,  /* enrolled itself; an operator has yet to accept it */
    DB_DEVICE_REJECTED = 3, /* shut out by an operator */
};

struct db_device {
    int64_t id;
    char name[DB_DEVICE_NAME_MAX + 1];
    uint8_t token_hash[DB_HASH_LEN];
    char product[DB_NAME_MAX + 1];
    char hardware[DB_NAME_MAX + 1];
    int64_t group_id; /* 0: none */
    enum db_device_state state;
    int64_t enrolment_key_id; /* 0: registered by an operator */
    int64_t created_at;
    /* As the device told when it polled last. */
    char version[DB_VERSION_MAX + 1]; /* "" before the first poll */
    uint8_t hash[DB_HASH_LEN];
    uint32_t counter;
    bool trial;
    bool opted_out;
    int64_t postponed_until;    /* 0: not */
    bool has_offset;            /* it told its local time */
    int utc_offset;             /* minutes east of UTC */
    int64_t last_seen;          /* 0: never */
    char tags[DB_TAGS_MAX + 1]; /* as server/tags.h has them */
};

/* Adds `device`; its id is set. DB_E_EXISTS when the name is taken. */
int db_device_add(struct db *db, struct db_device *device);
int db_device_get(struct db *db, int64_t id, struct db_device *device);
int db_device_find(struct db *db, const char *name, struct db_device *device);
/* group_id 0 and state 0: any. At most page->limit rows, ascending by id; the count or an error. */
int db_devices_list(struct db *db, int64_t group_id, int state, const struct db_page *page,
                    struct db_device *devices);
/* Every device in order of id; `each` returns 0 to go on, anything else ends the walk with it. */
int db_devices_each(struct db *db, int (*each)(void *ctx, const struct db_device *device),
                    void *ctx);

/* How many devices there are, are in a group, wait to be accepted; negative: an error. */
int64_t db_devices_count(struct db *db);
int64_t db_devices_in_group(struct db *db, int64_t group_id);
int64_t db_devices_pending(struct db *db);

int db_device_set_token(struct db *db, int64_t id, const uint8_t hash[DB_HASH_LEN]);
int db_device_set_group(struct db *db, int64_t id, int64_t group_id);
int db_device_set_state(struct db *db, int64_t id, enum db_device_state state);
int db_device_set_tags(struct db *db, int64_t id, const char *tags);
/* Writes what polls tell, from `version` to `last_seen`. */
int db_device_seen(struct db *db, const struct db_device *device);
/* With its deployments and events. */
int db_device_delete(struct db *db, int64_t id);

#endif
