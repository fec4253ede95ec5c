/*
 * The store: one database, opened by one writer and any number of readers.
 *
 *     server/  ->  db/devices.h, db/firmware.h, ...   typed queries, the only SQL
 *                      |
 *                  db/driver.h                        prepared statements, values, errors
 *                      |
 *                  db/driver_sqlite.c                 SQLite; another engine would stand beside it
 *
 * A struct db is one connection and belongs to one thread at a time. Exactly one connection is
 * opened with DB_WRITER; it migrates the schema. What db_commit() has acknowledged is on the disk
 * (WAL, synchronous=FULL) and survives a kill and a power cut; what it refused has not happened.
 */
#ifndef OTAD_DB_DB_H
#define OTAD_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum db_error {
    DB_OK = 0,
    DB_E_NOT_FOUND = -1, /* no such row */
    DB_E_EXISTS = -2,    /* a row with this key is there already */
    DB_E_IN_USE = -3,    /* other rows refer to it, or the row it refers to is not there */
    DB_E_LIMIT = -4,     /* a value over its bound; nothing was sent to the database */
    DB_E_FULL = -5,      /* the disk or the database is full */
    DB_E_IO = -6,        /* reading or writing the file failed */
    DB_E_BUSY = -7,      /* another process holds the lock longer than the busy timeout */
    DB_E_CORRUPT = -8,   /* the file is no database, or damaged */
    DB_E_NEWER = -9,     /* the schema was written by a newer otad */
    DB_E_INTERNAL = -10, /* any other failure: db_error_text() tells */
};

enum db_mode {
    DB_WRITER, /* reads, writes, migrates; creates the file */
    DB_READER, /* reads what is committed */
    DB_KEEPER, /* for checkpoints, and small writes of another process; does not migrate */
};

#define DB_BUSY_MS 5000 /* how long a lock of another process is waited for */
#define DB_PAGE_MAX 500 /* rows: the longest page a list query gives */

struct db;

/* Open `path`. On failure *db is NULL and, for DB_WRITER, the schema is as it was. */
int db_open(struct db **db, const char *path, enum db_mode mode);
void db_close(struct db *db);

/* The schema version this build writes, and the one the file has. */
int db_schema_latest(void);
int db_schema_version(struct db *db);

/* Transactions of the writer. After an error of db_commit() the transaction is rolled back, and
 * does not come back with a restart either. */
int db_begin(struct db *db);
int db_commit(struct db *db);
void db_rollback(struct db *db);
/* False once an error (a full disk) has rolled the whole transaction back by itself. */
bool db_in_transaction(struct db *db);
/* A savepoint inside a transaction: one level. */
int db_savepoint(struct db *db);
int db_savepoint_release(struct db *db);
void db_savepoint_rollback(struct db *db);

/* Move committed pages from the log into the file, without waiting for readers. */
int db_checkpoint(struct db *db);
/* A consistent copy while others work. `path` must not exist. */
int db_backup(struct db *db, const char *path);
/* Bound the file to `pages` pages, for tests of a full disk; 0 lifts the bound. */
int db_limit_pages(struct db *db, int64_t pages);

/* The stable word for an error, and the engine's last message on this connection (never NULL). */
const char *db_error_name(int error);
const char *db_error_text(struct db *db);

/* The page of a list query: rows with an id beyond `after`, at most `limit` of them. */
struct db_page {
    int64_t after; /* the last id of the previous page; 0 for the first */
    int limit;     /* 1 to DB_PAGE_MAX */
};

#endif
