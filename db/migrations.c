#include "db/driver.h"

#include <stdio.h>

/*
 * The schema, a list of statements a version. A published list is never edited: a change is a new
 * one behind it.
 *
 * Ids are integers; names that the outside world gives are text with a UNIQUE index. Times are
 * seconds since 1970, hashes are blobs of 32 bytes. The tables of the hot path (devices,
 * deployments, events) carry no index that no query needs: each costs the group commit a good part
 * of its rate. Tokens are stored as SHA-256 and looked up in memory, dead ones (replaced, revoked,
 * of deleted devices) by key.
 */
static const char *const VERSION_1[] = {
    "CREATE TABLE api_tokens ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, role INTEGER NOT NULL, hash BLOB NOT NULL "
    "UNIQUE,"
    "  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL DEFAULT 0,"
    "  revoked_at INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE dead_tokens ("
    "  hash BLOB PRIMARY KEY, reason TEXT NOT NULL, died_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE groups ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL)",
    "CREATE TABLE enrolment_keys ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, product TEXT NOT NULL,"
    "  policy INTEGER NOT NULL, group_id INTEGER REFERENCES groups(id), hash BLOB NOT NULL UNIQUE,"
    "  created_at INTEGER NOT NULL)",
    "CREATE TABLE release_keys ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key_hash BLOB NOT NULL UNIQUE,"
    "  public_key TEXT NOT NULL, created_at INTEGER NOT NULL)",
    "CREATE TABLE firmware ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, product TEXT NOT NULL, hardware TEXT NOT NULL,"
    "  version TEXT NOT NULL, counter INTEGER NOT NULL, size INTEGER NOT NULL,"
    "  hash BLOB NOT NULL UNIQUE, sha256 BLOB NOT NULL, key_hash BLOB NOT NULL,"
    "  signature BLOB NOT NULL, created_at INTEGER NOT NULL,"
    "  UNIQUE (product, hardware, version))",
    "CREATE TABLE devices ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, token_hash BLOB NOT NULL,"
    "  product TEXT NOT NULL, hardware TEXT NOT NULL, group_id INTEGER REFERENCES groups(id),"
    "  state INTEGER NOT NULL, enrolment_key_id INTEGER, created_at INTEGER NOT NULL,"
    "  version TEXT, hash BLOB, counter INTEGER NOT NULL DEFAULT 0, trial INTEGER NOT NULL DEFAULT "
    "0,"
    "  last_seen INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX devices_by_group ON devices (group_id, id) WHERE group_id IS NOT NULL",
    "CREATE INDEX devices_pending ON devices (id) WHERE state = 2",
    "CREATE TABLE rollouts ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
    "  firmware_id INTEGER NOT NULL REFERENCES firmware(id), created_at INTEGER NOT NULL,"
    "  seed INTEGER NOT NULL, security INTEGER NOT NULL, version_min TEXT NOT NULL,"
    "  running_min TEXT NOT NULL, running_max TEXT NOT NULL, tags TEXT NOT NULL,"
    "  allow_downgrade INTEGER NOT NULL, window_days INTEGER NOT NULL,"
    "  window_from INTEGER NOT NULL, window_to INTEGER NOT NULL,"
    "  timeout_offered INTEGER NOT NULL, timeout_downloading INTEGER NOT NULL,"
    "  timeout_installing INTEGER NOT NULL, timeout_trial INTEGER NOT NULL,"
    "  timeout_retry INTEGER NOT NULL, retries INTEGER NOT NULL, retry_wait INTEGER NOT NULL,"
    "  health_seconds INTEGER NOT NULL, health_events INTEGER NOT NULL,"
    "  postpone_max INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, current INTEGER NOT NULL DEFAULT 0, round INTEGER NOT NULL DEFAULT "
    "0,"
    "  revision INTEGER NOT NULL DEFAULT 0, start_at INTEGER NOT NULL DEFAULT 0,"
    "  started_at INTEGER NOT NULL DEFAULT 0, resumed_at INTEGER NOT NULL DEFAULT 0,"
    "  ended_at INTEGER NOT NULL DEFAULT 0, halt_cause INTEGER NOT NULL DEFAULT 0,"
    "  halt_stage INTEGER NOT NULL DEFAULT 0, halt_failures INTEGER NOT NULL DEFAULT 0,"
    "  halt_successes INTEGER NOT NULL DEFAULT 0, halt_devices INTEGER NOT NULL DEFAULT 0,"
    "  halt_at INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX rollouts_by_firmware ON rollouts (firmware_id)",
    "CREATE TABLE rollout_groups ("
    "  rollout_id INTEGER NOT NULL REFERENCES rollouts(id), group_id INTEGER NOT NULL"
    "  REFERENCES groups(id), PRIMARY KEY (rollout_id, group_id)) WITHOUT ROWID",
    "CREATE TABLE stages ("
    "  rollout_id INTEGER NOT NULL REFERENCES rollouts(id), position INTEGER NOT NULL,"
    "  group_id INTEGER REFERENCES groups(id), share_bp INTEGER NOT NULL,"
    "  success_percent INTEGER NOT NULL, failure_percent INTEGER NOT NULL,"
    "  failure_count INTEGER NOT NULL, allowed_bp INTEGER NOT NULL, suspect_bp INTEGER NOT NULL,"
    "  error_bp INTEGER NOT NULL, soak_seconds INTEGER NOT NULL, offers_a_minute INTEGER NOT NULL,"
    "  in_flight_max INTEGER NOT NULL, by_hand INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0,"
    "  started_at INTEGER NOT NULL DEFAULT 0, met_at INTEGER NOT NULL DEFAULT 0,"
    "  done_at INTEGER NOT NULL DEFAULT 0, members INTEGER NOT NULL DEFAULT 0,"
    "  excluded INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (rollout_id, position)) WITHOUT ROWID",
    "CREATE TABLE deployments ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, rollout_id INTEGER NOT NULL REFERENCES rollouts(id),"
    "  device_id INTEGER NOT NULL REFERENCES devices(id) ON DELETE CASCADE,"
    "  seq INTEGER NOT NULL, offered_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, stage INTEGER NOT NULL, percent INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, round INTEGER NOT NULL, health INTEGER NOT NULL,"
    "  inferred INTEGER NOT NULL, superseded INTEGER NOT NULL, events INTEGER NOT NULL)",
    "CREATE INDEX deployments_by_rollout ON deployments (rollout_id, id)",
    "CREATE INDEX deployments_by_device ON deployments (device_id)",
    "CREATE TABLE events ("
    "  id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL REFERENCES devices(id) ON DELETE CASCADE,"
    "  deployment_id INTEGER, seq INTEGER NOT NULL, at INTEGER NOT NULL, event INTEGER NOT NULL,"
    "  percent INTEGER NOT NULL, reason TEXT NOT NULL, log TEXT NOT NULL)",
    "CREATE INDEX events_by_device ON events (device_id, id)",
    "CREATE TABLE rollout_events ("
    "  id INTEGER PRIMARY KEY, rollout_id INTEGER NOT NULL REFERENCES rollouts(id),"
    "  at INTEGER NOT NULL, event TEXT NOT NULL, stage INTEGER NOT NULL, detail TEXT NOT NULL,"
    "  actor TEXT NOT NULL)",
    "CREATE INDEX rollout_events_by_rollout ON rollout_events (rollout_id, id)",
    NULL,
};

/* People who sign in, their sessions (SHA-256 of the cookie), and how many devices ran what. */
static const char *const VERSION_2[] = {
    "CREATE TABLE users ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL,"
    "  password TEXT NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL)",
    "CREATE TABLE sessions ("
    "  hash BLOB PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE,"
    "  token_id INTEGER REFERENCES api_tokens(id) ON DELETE CASCADE, created_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX sessions_by_user ON sessions (user_id)",
    "CREATE TABLE fleet_history ("
    "  at INTEGER NOT NULL, product TEXT NOT NULL, version TEXT NOT NULL, devices INTEGER NOT NULL,"
    "  PRIMARY KEY (at, product, version)) WITHOUT ROWID",
    NULL,
};

/* Tags, wishes and local time of devices; what a release demands; a halt by hand; the audit log. */
static const char *const VERSION_3[] = {
    "ALTER TABLE devices ADD COLUMN tags TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE devices ADD COLUMN opted_out INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE devices ADD COLUMN postponed_until INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE devices ADD COLUMN utc_offset INTEGER", /* minutes; NULL: its group's */
    "ALTER TABLE groups ADD COLUMN utc_offset INTEGER",
    "ALTER TABLE firmware ADD COLUMN security INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE firmware ADD COLUMN version_min TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE rollouts ADD COLUMN halt_note TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE audit ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,"
    "  kind TEXT NOT NULL, actor_id INTEGER NOT NULL, role TEXT NOT NULL, peer TEXT NOT NULL,"
    "  action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    NULL,
};

/* Patches from one image to another, and what they saved. */
static const char *const VERSION_4[] = {
    "CREATE TABLE patches ("
    "  base BLOB NOT NULL, image BLOB NOT NULL, sha256 BLOB NOT NULL, size INTEGER NOT NULL,"
    "  made_at INTEGER NOT NULL, PRIMARY KEY (base, image)) WITHOUT ROWID",
    "CREATE TABLE patch_savings ("
    "  rollout_id INTEGER PRIMARY KEY REFERENCES rollouts(id), devices INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL)",
    NULL,
};

/* Webhooks, and what is still to be told to them. The secret is made of the salt by a key that is
 * not in the database. */
static const char *const VERSION_5[] = {
    "CREATE TABLE webhooks ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL,"
    "  events TEXT NOT NULL, enabled INTEGER NOT NULL, salt BLOB NOT NULL,"
    "  created_at INTEGER NOT NULL, queued INTEGER NOT NULL DEFAULT 0,"
    "  delivered INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,"
    "  failures INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,"
    "  last_at INTEGER NOT NULL DEFAULT 0, last_status INTEGER NOT NULL DEFAULT 0,"
    "  last_error TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE webhook_outbox ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, webhook_id INTEGER NOT NULL"
    "  REFERENCES webhooks(id) ON DELETE CASCADE, at INTEGER NOT NULL, event TEXT NOT NULL,"
    "  body TEXT NOT NULL)",
    "CREATE INDEX webhook_outbox_by_hook ON webhook_outbox (webhook_id, id)",
    NULL,
};

static const char *const *const MIGRATIONS[] = {VERSION_1, VERSION_2, VERSION_3, VERSION_4,
                                                VERSION_5};

#define LATEST ((int)(sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0])))

int db_schema_latest(void)
{
    return LATEST;
}

int db_schema_version(struct db *db)
{
    return (int)db_scalar(db, "PRAGMA user_version", -1);
}

static int apply(struct db *db, int version)
{
    char mark[48];
    int error = db_begin(db);

    snprintf(mark, sizeof(mark), "PRAGMA user_version=%d", version + 1);
    for (const char *const *sql = MIGRATIONS[version]; *sql != NULL && error == DB_OK; sql++)
        error = db_exec(db, *sql);
    if (error == DB_OK)
        error = db_exec(db, mark);
    if (error != DB_OK) {
        db_rollback(db);
        return error;
    }
    return db_commit(db);
}

int db_migrate(struct db *db)
{
    int version = db_schema_version(db);
    int error = DB_OK;

    if (version < 0)
        return DB_E_CORRUPT;
    if (version > LATEST)
        return DB_E_NEWER;
    while (error == DB_OK && version < LATEST)
        error = apply(db, version++);
    return error;
}
