#include "tests/support/support.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/audit.h"
#include "db/db.h"
#include "db/deployments.h"
#include "db/devices.h"
#include "db/events.h"
#include "db/groups.h"
#include "db/keys.h"
#include "db/rollouts.h"
#include "db/tokens.h"

struct store {
    char dir[64];
    char path[128];
    struct db *db;
};

static void open_store(struct store *store)
{
    strcpy(store->dir, "/tmp/otad-db-XXXXXX");
    assert_non_null(mkdtemp(store->dir));
    snprintf(store->path, sizeof(store->path), "%s/otad.db", store->dir);
    assert_int_equal(db_open(&store->db, store->path, DB_WRITER), DB_OK);
}

static void close_store(struct store *store)
{
    static const char *const names[] = {"", "-wal", "-shm", ".copy", ".copy-wal", ".copy-shm"};
    char path[160];

    db_close(store->db);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", store->path, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(store->dir), 0);
}

static void raw_sql(const char *path, const char *sql)
{
    sqlite3 *handle;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static int add_group(struct db *db, const char *name)
{
    struct db_group group = {.created_at = 1};

    snprintf(group.name, sizeof(group.name), "%s", name);
    return db_group_add(db, &group);
}

static int count_groups(struct db *db)
{
    struct db_group groups[DB_PAGE_MAX];
    struct db_page page = {.limit = DB_PAGE_MAX};

    return db_groups_list(db, &page, groups);
}

static struct db_device device_row(const char *name)
{
    struct db_device device = {.state = DB_DEVICE_ACCEPTED, .created_at = 5};

    snprintf(device.name, sizeof(device.name), "%s", name);
    strcpy(device.product, "p");
    strcpy(device.hardware, "h");
    memset(device.token_hash, 0xa5, sizeof(device.token_hash));
    return device;
}

static void migrates(void **state)
{
    struct store store;

    (void)state;
    open_store(&store);
    assert_int_equal(db_schema_version(store.db), db_schema_latest());
    assert_true(db_schema_latest() >= 1);
    assert_int_equal(add_group(store.db, "a"), DB_OK);
    db_close(store.db);
    assert_int_equal(db_open(&store.db, store.path, DB_WRITER), DB_OK);
    assert_int_equal(count_groups(store.db), 1);
    close_store(&store);
}

static void refuses_newer(void **state)
{
    struct store store;
    struct db *db;
    char sql[64];

    (void)state;
    open_store(&store);
    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", db_schema_latest() + 1);
    raw_sql(store.path, sql);
    assert_int_equal(db_open(&db, store.path, DB_WRITER), DB_E_NEWER);
    assert_null(db);
    assert_int_equal(db_open(&db, store.path, DB_READER), DB_E_NEWER);
    close_store(&store);
}

/* A step that fails half way must leave the schema as it was, version included. */
static void migration_is_whole(void **state)
{
    char dir[] = "/tmp/otad-db-XXXXXX";
    char path[64];
    char wal[80];
    struct db *db;
    sqlite3 *handle;
    sqlite3_stmt *stmt;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/otad.db", dir);
    /* A table that the last statements of the first version want to make. */
    raw_sql(path, "CREATE TABLE rollout_events (x)");
    assert_int_not_equal(db_open(&db, path, DB_WRITER), DB_OK);
    assert_null(db);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(handle, "SELECT count(*) FROM sqlite_schema", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 1);
    sqlite3_finalize(stmt);
    sqlite3_close(handle);
    raw_sql(path, "DROP TABLE rollout_events");
    assert_int_equal(db_open(&db, path, DB_WRITER), DB_OK);
    db_close(db);
    unlink(path);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    unlink(wal);
    assert_int_equal(rmdir(dir), 0);
}

static void refuses_foreign_file(void **state)
{
    char path[] = "/tmp/otad-db-XXXXXX";
    int fd = mkstemp(path);
    struct db *db;

    (void)state;
    assert_true(fd >= 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(write(fd, "not a database, ", 16), 16);
    close(fd);
    assert_int_equal(db_open(&db, path, DB_WRITER), DB_E_CORRUPT);
    unlink(path);
}

static void commits_and_rolls_back(void **state)
{
    struct store store;
    struct db *reader;

    (void)state;
    open_store(&store);
    assert_int_equal(db_open(&reader, store.path, DB_READER), DB_OK);
    assert_int_equal(db_begin(store.db), DB_OK);
    assert_int_equal(add_group(store.db, "a"), DB_OK);
    assert_int_equal(count_groups(reader), 0);
    assert_int_equal(db_commit(store.db), DB_OK);
    assert_int_equal(count_groups(reader), 1);
    assert_int_equal(db_begin(store.db), DB_OK);
    assert_int_equal(add_group(store.db, "b"), DB_OK);
    db_rollback(store.db);
    assert_int_equal(count_groups(store.db), 1);
    assert_int_not_equal(add_group(reader, "c"), DB_OK);
    db_close(reader);
    close_store(&store);
}

static void savepoints(void **state)
{
    struct store store;

    (void)state;
    open_store(&store);
    assert_int_equal(db_begin(store.db), DB_OK);
    assert_int_equal(db_savepoint(store.db), DB_OK);
    assert_int_equal(add_group(store.db, "a"), DB_OK);
    assert_int_equal(db_savepoint_release(store.db), DB_OK);
    assert_int_equal(db_savepoint(store.db), DB_OK);
    assert_int_equal(add_group(store.db, "b"), DB_OK);
    assert_int_equal(add_group(store.db, "a"), DB_E_EXISTS);
    db_savepoint_rollback(store.db);
    assert_int_equal(db_savepoint(store.db), DB_OK);
    assert_int_equal(add_group(store.db, "c"), DB_OK);
    assert_int_equal(db_savepoint_release(store.db), DB_OK);
    assert_int_equal(db_commit(store.db), DB_OK);
    assert_int_equal(count_groups(store.db), 2);
    close_store(&store);
}

/* The bound moves up a page at a time: each time all of a transaction is there, or none of it. */
static void full_is_told(void **state)
{
    struct store store;
    unsigned refused = 0;
    int error = DB_E_FULL;

    (void)state;
    open_store(&store);
    assert_int_equal(db_limit_pages(store.db, 1), DB_OK);
    for (int pages = 1; error != DB_OK && pages < 400; pages++) {
        error = db_limit_pages(store.db, pages);
        if (error == DB_OK)
            error = db_begin(store.db);
        for (int i = 0; i < 300 && error == DB_OK; i++) {
            char name[80];
            snprintf(name, sizeof(name), "a device with rather a long name %d", i);
            struct db_device device = device_row(name);
            error = db_device_add(store.db, &device);
        }
        if (error == DB_OK)
            error = db_commit(store.db);
        if (error != DB_OK) {
            assert_int_equal(error, DB_E_FULL);
            refused++;
            db_rollback(store.db);
            assert_false(db_in_transaction(store.db));
            assert_int_equal(db_devices_in_group(store.db, 1), 0);
        }
    }
    assert_int_equal(error, DB_OK);
    assert_true(refused > 1);
    close_store(&store);
}

static void bounds_values(void **state)
{
    struct store store;
    struct db_group group = {.created_at = 1};
    struct db_rollout rollout = {.stage_count = DB_STAGES_MAX + 1};

    (void)state;
    open_store(&store);
    memset(group.name, 'x', sizeof(group.name));
    group.name[DB_LABEL_MAX] = '\0';
    assert_int_equal(db_group_add(store.db, &group), DB_OK);
    assert_int_equal(
        db_group_find(store.db,
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                      "x",
                      &group),
        DB_E_LIMIT);
    assert_int_equal(db_rollout_add(store.db, &rollout), DB_E_LIMIT);
    close_store(&store);
}

static void keeps_references(void **state)
{
    struct store store;
    struct db_group group = {.name = "g", .created_at = 1};
    struct db_device device = device_row("d");

    (void)state;
    open_store(&store);
    assert_int_equal(db_group_add(store.db, &group), DB_OK);
    device.group_id = group.id;
    assert_int_equal(db_device_add(store.db, &device), DB_OK);
    assert_int_equal(db_device_add(store.db, &device), DB_E_EXISTS);
    assert_int_equal(db_group_delete(store.db, group.id), DB_E_IN_USE);
    assert_int_equal(db_device_set_group(store.db, device.id, 77), DB_E_IN_USE);
    assert_int_equal(db_device_set_group(store.db, 77, 0), DB_E_NOT_FOUND);
    assert_int_equal(db_device_set_group(store.db, device.id, 0), DB_OK);
    assert_int_equal(db_group_delete(store.db, group.id), DB_OK);
    assert_int_equal(db_group_delete(store.db, group.id), DB_E_NOT_FOUND);
    close_store(&store);
}

static void round_trips_devices(void **state)
{
    struct store store;
    struct db_device device = device_row("d-1");
    struct db_device read;

    (void)state;
    open_store(&store);
    assert_int_equal(db_device_add(store.db, &device), DB_OK);
    strcpy(device.version, "1.2.3+4");
    memset(device.hash, 0x5a, sizeof(device.hash));
    device.counter = UINT32_MAX;
    device.trial = true;
    device.last_seen = 4102444800;
    assert_int_equal(db_device_seen(store.db, &device), DB_OK);
    assert_int_equal(db_device_find(store.db, "d-1", &read), DB_OK);
    assert_int_equal(read.id, device.id);
    assert_string_equal(read.version, "1.2.3+4");
    assert_memory_equal(read.hash, device.hash, sizeof(read.hash));
    assert_memory_equal(read.token_hash, device.token_hash, sizeof(read.token_hash));
    assert_int_equal(read.counter, UINT32_MAX);
    assert_true(read.trial);
    assert_int_equal(read.last_seen, 4102444800);
    assert_int_equal(db_device_find(store.db, "d-2", &read), DB_E_NOT_FOUND);
    close_store(&store);
}

static void never_reuses_ids(void **state)
{
    struct store store;
    struct db_device first = device_row("a");
    struct db_device second = device_row("b");

    (void)state;
    open_store(&store);
    assert_int_equal(db_device_add(store.db, &first), DB_OK);
    assert_int_equal(db_device_delete(store.db, first.id), DB_OK);
    assert_int_equal(db_device_add(store.db, &second), DB_OK);
    assert_true(second.id > first.id);
    close_store(&store);
}

static void pages(void **state)
{
    struct store store;
    struct db_device rows[DB_PAGE_MAX];
    struct db_page page = {.limit = 7};
    int total = 0;
    int count;

    (void)state;
    open_store(&store);
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "d%d", i);
        struct db_device device = device_row(name);
        device.state = i % 2 ? DB_DEVICE_PENDING : DB_DEVICE_ACCEPTED;
        assert_int_equal(db_device_add(store.db, &device), DB_OK);
    }
    while ((count = db_devices_list(store.db, 0, 0, &page, rows)) > 0) {
        total += count;
        assert_true(rows[0].id > page.after);
        page.after = rows[count - 1].id;
    }
    assert_int_equal(total, 20);
    page = (struct db_page){.limit = DB_PAGE_MAX};
    assert_int_equal(db_devices_list(store.db, 0, DB_DEVICE_PENDING, &page, rows), 10);
    assert_int_equal(db_devices_pending(store.db), 10);
    close_store(&store);
}

static void history_goes_with_the_device(void **state)
{
    struct store store;
    struct db_device device = device_row("d");
    struct db_event event = {.at = 1, .event = 3, .reason = "flash", .log = "a|b"};
    struct db_event events[8];
    struct db_page page = {.limit = 8};
    char reason[DB_EVENT_REASON_MAX + 1];

    (void)state;
    open_store(&store);
    assert_int_equal(db_device_add(store.db, &device), DB_OK);
    event.device_id = device.id;
    event.deployment_id = 9;
    assert_int_equal(db_event_add(store.db, &event), DB_OK);
    event.reason[0] = '\0';
    event.event = 4;
    assert_int_equal(db_event_add(store.db, &event), DB_OK);
    assert_int_equal(db_events_list(store.db, device.id, &page, events), 2);
    assert_int_equal(events[0].event, 4);
    assert_string_equal(events[1].log, "a|b");
    assert_int_equal(db_event_last_reason(store.db, device.id, 9, reason), DB_OK);
    assert_string_equal(reason, "flash");
    assert_int_equal(db_event_last_reason(store.db, device.id, 8, reason), DB_E_NOT_FOUND);
    assert_int_equal(db_device_delete(store.db, device.id), DB_OK);
    assert_int_equal(db_events_list(store.db, device.id, &page, events), 0);
    close_store(&store);
}

static void backs_up(void **state)
{
    struct store store;
    struct db *copy;
    char path[160];

    (void)state;
    open_store(&store);
    assert_int_equal(add_group(store.db, "a"), DB_OK);
    snprintf(path, sizeof(path), "%s.copy", store.path);
    assert_int_equal(db_backup(store.db, path), DB_OK);
    assert_int_equal(db_backup(store.db, path), DB_E_EXISTS);
    assert_int_equal(add_group(store.db, "b"), DB_OK);
    assert_int_equal(db_open(&copy, path, DB_WRITER), DB_OK);
    assert_int_equal(count_groups(copy), 1);
    db_close(copy);
    assert_int_equal(db_backup(store.db, "/nonexistent/x"), DB_E_IO);
    close_store(&store);
}

static void tokens_live_and_die(void **state)
{
    struct store store;
    struct db_api_token token = {.name = "t", .role = 3, .created_at = 10};
    struct db_api_token found;
    char reason[DB_TOKEN_REASON_MAX + 1];
    uint8_t hash[DB_HASH_LEN] = {1};

    (void)state;
    open_store(&store);
    memset(token.hash, 7, sizeof(token.hash));
    assert_int_equal(db_token_add(store.db, &token), DB_OK);
    assert_int_equal(db_token_find(store.db, token.hash, &found), DB_OK);
    assert_string_equal(found.name, "t");
    assert_int_equal(db_token_find(store.db, hash, &found), DB_E_NOT_FOUND);
    assert_int_equal(db_tokens_in_force(store.db, 3, 11), 1);
    assert_int_equal(db_token_revoke(store.db, token.id, 12), DB_OK);
    assert_int_equal(db_token_revoke(store.db, token.id, 13), DB_E_NOT_FOUND);
    assert_int_equal(db_tokens_in_force(store.db, 3, 11), 0);
    assert_int_equal(db_dead_token_find(store.db, hash, reason), DB_E_NOT_FOUND);
    assert_int_equal(db_dead_token_add(store.db, hash, "replaced", 1), DB_OK);
    assert_int_equal(db_dead_token_find(store.db, hash, reason), DB_OK);
    assert_string_equal(reason, "replaced");
    close_store(&store);
}

static void expect_refused(const char *path, const char *sql)
{
    sqlite3 *handle;
    char *why = NULL;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(handle, sql, NULL, NULL, &why), SQLITE_OK);
    assert_non_null(strstr(why, "append-only"));
    sqlite3_free(why);
    sqlite3_close(handle);
}

static void audit_only_grows(void **state)
{
    const struct db_audit entry = {.at = 5,
                                   .actor = "ci",
                                   .kind = "token",
                                   .actor_id = 7,
                                   .role = "operator",
                                   .peer = "192.0.2.1",
                                   .action = "rollouts.start",
                                   .subject = "3",
                                   .detail = "{}"};
    struct db_page page = {.limit = 10};
    struct db_audit read[10];
    struct store store;

    (void)state;
    open_store(&store);
    assert_int_equal(db_audit_add(store.db, &entry), DB_OK);
    assert_int_equal(db_audit_add(store.db, &entry), DB_OK);
    expect_refused(store.path, "DELETE FROM audit WHERE id = 1");
    expect_refused(store.path, "UPDATE audit SET actor = 'nobody'");
    assert_int_equal(db_audit_list(store.db, "", "", &page, read), 2);
    assert_int_equal(db_audit_list(store.db, "ci", "rollouts.start", &page, read), 2);
    assert_int_equal(read[0].id, 2);
    assert_string_equal(read[0].peer, "192.0.2.1");
    assert_int_equal(read[0].actor_id, 7);
    assert_int_equal(db_audit_list(store.db, "co", "", &page, read), 0);
    page.after = 2;
    assert_int_equal(db_audit_list(store.db, "", "", &page, read), 1);
    close_store(&store);
}

static void names_each_error(void **state)
{
    (void)state;
    for (int error = DB_E_INTERNAL; error <= DB_OK; error++)
        assert_string_not_equal(db_error_name(error), "unknown");
    assert_string_equal(db_error_name(-99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("an empty file is brought to the latest schema, and opened again keeps its rows",
              migrates)},
        {TEST("a file of a newer schema is refused", refuses_newer)},
        {TEST("a migration that fails half way leaves nothing behind", migration_is_whole)},
        {TEST("a file that is no database is refused", refuses_foreign_file)},
        {TEST("readers see what is committed, and cannot write", commits_and_rolls_back)},
        {TEST("a savepoint takes back its own writes and no others", savepoints)},
        {TEST("a full database is told as full, with nothing half-written", full_is_told)},
        {TEST("values over their bound do not reach the database", bounds_values)},
        {TEST("rows that others refer to stay", keeps_references)},
        {TEST("a device comes back as it was stored", round_trips_devices)},
        {TEST("ids are never used again", never_reuses_ids)},
        {TEST("lists come in pages and filtered", pages)},
        {TEST("a device's history is read newest first, and goes with it",
              history_goes_with_the_device)},
        {TEST("a backup holds what was committed, and overwrites nothing", backs_up)},
        {TEST("tokens are found until they are revoked, dead ones by their reason",
              tokens_live_and_die)},
        {TEST("the audit log takes entries, and gives none back", audit_only_grows)},
        {TEST("each error has a word", names_each_error)},
    };

    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
