#include "db/driver.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENTS_MAX 256 /* prepared texts a connection; a power of two */

struct db_stmt {
    const char *sql; /* the key: the address of a string constant */
    sqlite3_stmt *handle;
    struct db *db;
    int error;
};

struct db {
    sqlite3 *handle;
    struct db_stmt statements[STATEMENTS_MAX];
    struct db_stmt broken; /* handed out when preparing failed */
};

static int error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return DB_OK;
    case SQLITE_FULL:
        return DB_E_FULL;
    case SQLITE_IOERR:
        return code == SQLITE_IOERR_NOMEM ? DB_E_INTERNAL : DB_E_IO;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return DB_E_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return DB_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return DB_E_CORRUPT;
    case SQLITE_TOOBIG:
        return DB_E_LIMIT;
    case SQLITE_CONSTRAINT:
        if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
            return DB_E_IN_USE;
        if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
            return DB_E_EXISTS;
        return DB_E_INTERNAL;
    default:
        return DB_E_INTERNAL;
    }
}

/* A quota and a bound on file sizes surface as I/O errors, and SQLite does not keep the system's
 * errno for a failed commit: the callers clear it before, so that it is the failed write's here. */
static int error_now(int code)
{
    int error = error_of(code);

    if (error == DB_E_IO && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        return DB_E_FULL;
    return error;
}

int db_exec(struct db *db, const char *sql)
{
    errno = 0;
    return error_now(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

static int configure(struct db *db, enum db_mode mode)
{
    int error;

    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    error =
        db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA cache_size=-8192; PRAGMA trusted_schema=OFF;"
                    "PRAGMA temp_store=MEMORY;");
    if (error != DB_OK || mode == DB_READER)
        return error;
    /* The writer checkpoints in a thread of its own time: a checkpoint inside COMMIT is what makes
     * the slowest acknowledgements. The bound here is only the fallback. */
    return db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "PRAGMA wal_autocheckpoint=20000; PRAGMA journal_size_limit=67108864;");
}

static int open_handle(struct db *db, const char *path, enum db_mode mode)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code;

    if (mode == DB_READER)
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE | (mode == DB_WRITER ? SQLITE_OPEN_CREATE : 0);
    code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code != SQLITE_OK)
        return error_now(code);
    return configure(db, mode);
}

int db_open(struct db **out, const char *path, enum db_mode mode)
{
    struct db *db = calloc(1, sizeof(*db));
    int error;

    *out = NULL;
    if (db == NULL)
        return DB_E_INTERNAL;
    error = open_handle(db, path, mode);
    if (error == DB_OK && mode == DB_WRITER)
        error = db_migrate(db);
    if (error == DB_OK && mode != DB_WRITER && db_schema_version(db) != db_schema_latest())
        error = db_schema_version(db) > db_schema_latest() ? DB_E_NEWER : DB_E_CORRUPT;
    if (error != DB_OK) {
        db_close(db);
        return error;
    }
    *out = db;
    return DB_OK;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        sqlite3_finalize(db->statements[i].handle);
    sqlite3_close(db->handle);
    free(db);
}

/* ---- statements ---- */

static struct db_stmt *broken(struct db *db, int error)
{
    db->broken = (struct db_stmt){.db = db, .error = error};
    return &db->broken;
}

static struct db_stmt *slot_of(struct db *db, const char *sql)
{
    size_t at = ((uintptr_t)sql >> 3) * 0x9e3779b1U;

    for (size_t i = 0; i < STATEMENTS_MAX; i++) {
        struct db_stmt *stmt = &db->statements[(at + i) & (STATEMENTS_MAX - 1)];
        if (stmt->sql == sql || stmt->sql == NULL)
            return stmt;
    }
    return NULL;
}

struct db_stmt *db_query(struct db *db, const char *sql)
{
    struct db_stmt *stmt = slot_of(db, sql);
    int code;

    if (stmt == NULL)
        return broken(db, DB_E_INTERNAL);
    if (stmt->sql == NULL) {
        code =
            sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
        if (code != SQLITE_OK)
            return broken(db, error_now(code));
        stmt->sql = sql;
        stmt->db = db;
    }
    assert(!sqlite3_stmt_busy(stmt->handle));
    stmt->error = DB_OK;
    return stmt;
}

static void note(struct db_stmt *stmt, int code)
{
    if (stmt->error == DB_OK)
        stmt->error = error_of(code);
}

void db_bind_int(struct db_stmt *stmt, int index, int64_t value)
{
    if (stmt->error == DB_OK)
        note(stmt, sqlite3_bind_int64(stmt->handle, index, value));
}

void db_bind_null(struct db_stmt *stmt, int index)
{
    if (stmt->error == DB_OK)
        note(stmt, sqlite3_bind_null(stmt->handle, index));
}

void db_bind_id(struct db_stmt *stmt, int index, int64_t id)
{
    if (id == 0)
        db_bind_null(stmt, index);
    else
        db_bind_int(stmt, index, id);
}

void db_bind_text(struct db_stmt *stmt, int index, const char *text, size_t max)
{
    size_t len = text != NULL ? strlen(text) : 0;

    if (stmt->error != DB_OK)
        return;
    if (len > max)
        stmt->error = DB_E_LIMIT;
    else if (text == NULL)
        db_bind_null(stmt, index);
    else
        note(stmt, sqlite3_bind_text(stmt->handle, index, text, (int)len, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_stmt *stmt, int index, const void *bytes, size_t len)
{
    if (stmt->error == DB_OK)
        note(stmt, sqlite3_bind_blob64(stmt->handle, index, bytes, len, SQLITE_TRANSIENT));
}

int db_step(struct db_stmt *stmt)
{
    int code;

    if (stmt->error != DB_OK)
        return stmt->error;
    errno = 0;
    code = sqlite3_step(stmt->handle);
    if (code == SQLITE_ROW)
        return 1;
    stmt->error = error_now(code);
    return stmt->error;
}

int db_finish(struct db_stmt *stmt, int error)
{
    if (stmt->handle != NULL) {
        sqlite3_reset(stmt->handle);
        sqlite3_clear_bindings(stmt->handle);
    }
    return error;
}

int db_run(struct db_stmt *stmt)
{
    int error = db_step(stmt);

    return db_finish(stmt, error > 0 ? DB_OK : error);
}

int db_run_one(struct db_stmt *stmt)
{
    int error = db_run(stmt);

    if (error == DB_OK && sqlite3_changes(stmt->db->handle) != 1)
        return DB_E_NOT_FOUND;
    return error;
}

int64_t db_column_int(struct db_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

bool db_column_is_null(struct db_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

void db_column_text(struct db_stmt *stmt, int column, char *buf, size_t cap)
{
    size_t len = db_column_bytes(stmt, column, buf, cap - 1);

    buf[len] = '\0';
}

size_t db_column_bytes(struct db_stmt *stmt, int column, void *buf, size_t cap)
{
    const void *bytes = sqlite3_column_blob(stmt->handle, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt->handle, column);

    if (bytes == NULL)
        return 0;
    if (len > cap)
        len = cap;
    memcpy(buf, bytes, len);
    return len;
}

void db_column_blob(struct db_stmt *stmt, int column, void *buf, size_t len)
{
    memset(buf, 0, len);
    if ((size_t)sqlite3_column_bytes(stmt->handle, column) == len)
        db_column_bytes(stmt, column, buf, len);
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_scalar(struct db *db, const char *sql, int64_t fallback)
{
    sqlite3_stmt *handle = NULL;
    int64_t value = fallback;

    if (sqlite3_prepare_v2(db->handle, sql, -1, &handle, NULL) != SQLITE_OK)
        return fallback;
    if (sqlite3_step(handle) == SQLITE_ROW)
        value = sqlite3_column_int64(handle, 0);
    sqlite3_finalize(handle);
    return value;
}

/* ---- transactions ---- */

int db_begin(struct db *db)
{
    return db_run(db_query(db, "BEGIN IMMEDIATE"));
}

/* A commit whose sync failed may stand whole in the log, and a start after a kill would take it for
 * good. A change that changes nothing, in its place, ends that; should its own sync fail as well,
 * it is what such a start finds. */
static void withdraw_commit(struct db *db)
{
    int version = db_schema_version(db);
    char sql[64];

    if (version < 0)
        return;
    snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE; PRAGMA user_version=%d; COMMIT", version);
    if (db_exec(db, sql) != DB_OK)
        db_rollback(db);
}

int db_commit(struct db *db)
{
    int error = db_run(db_query(db, "COMMIT"));
    bool is_written = error != DB_OK && sqlite3_extended_errcode(db->handle) == SQLITE_IOERR_FSYNC;

    if (error != DB_OK)
        db_rollback(db);
    if (is_written)
        withdraw_commit(db);
    return error;
}

bool db_in_transaction(struct db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

void db_rollback(struct db *db)
{
    /* Some errors (a full disk, an I/O error) have rolled back already. */
    if (db_in_transaction(db))
        db_run(db_query(db, "ROLLBACK"));
}

int db_savepoint(struct db *db)
{
    return db_run(db_query(db, "SAVEPOINT job"));
}

int db_savepoint_release(struct db *db)
{
    return db_run(db_query(db, "RELEASE job"));
}

void db_savepoint_rollback(struct db *db)
{
    if (!db_in_transaction(db))
        return;
    db_run(db_query(db, "ROLLBACK TO job"));
    db_run(db_query(db, "RELEASE job"));
}

int db_checkpoint(struct db *db)
{
    errno = 0;
    return error_now(
        sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

int db_limit_pages(struct db *db, int64_t pages)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%lld",
             (long long)(pages > 0 ? pages : 1073741823));
    return db_exec(db, sql);
}

static int copy_all(struct db *db, sqlite3 *target)
{
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", db->handle, "main");
    int code;

    if (backup == NULL)
        return error_of(sqlite3_errcode(target));
    do {
        code = sqlite3_backup_step(backup, -1);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
            sqlite3_sleep(50);
    } while (code == SQLITE_BUSY || code == SQLITE_LOCKED);
    code = sqlite3_backup_finish(backup);
    return error_of(code);
}

int db_backup(struct db *db, const char *path)
{
    sqlite3 *target = NULL;
    int error;

    if (access(path, F_OK) == 0)
        return DB_E_EXISTS;
    error =
        error_of(sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL));
    if (error == DB_OK)
        error = copy_all(db, target);
    if (sqlite3_close(target) != SQLITE_OK && error == DB_OK)
        error = DB_E_IO;
    if (error != DB_OK)
        unlink(path);
    return error;
}

const char *db_error_text(struct db *db)
{
    return db != NULL ? sqlite3_errmsg(db->handle) : "no database";
}
