/*
 * The seam between the typed queries and a database engine: prepared statements and their values.
 *
 * Only files of db/ include this. SQL texts are string constants and are prepared once a
 * connection: db_query() finds the statement by the address of its text. Parameters are numbered
 * from 1, columns from 0. A failed bind is sticky and told by db_step() or db_run(), so that a
 * query reads straight through. Every db_query() is ended by db_run() or db_finish() before the
 * same text is used again.
 */
#ifndef OTAD_DB_DRIVER_H
#define OTAD_DB_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"

struct db_stmt;

struct db_stmt *db_query(struct db *db, const char *sql);

void db_bind_int(struct db_stmt *stmt, int index, int64_t value);
/* Text of at most `max` bytes; NULL binds NULL. Over the bound: DB_E_LIMIT. */
void db_bind_text(struct db_stmt *stmt, int index, const char *text, size_t max);
void db_bind_blob(struct db_stmt *stmt, int index, const void *bytes, size_t len);
void db_bind_null(struct db_stmt *stmt, int index);
/* An id, where 0 stands for NULL. */
void db_bind_id(struct db_stmt *stmt, int index, int64_t id);

/* 1: a row is there; 0: no more rows; negative: an error. */
int db_step(struct db_stmt *stmt);
/* Ends a query that was stepped: `error` (the last db_step()) is passed through. */
int db_finish(struct db_stmt *stmt, int error);
/* Run a statement that gives no rows, and end it. */
int db_run(struct db_stmt *stmt);
/* The same, for one that must change exactly one row: else DB_E_NOT_FOUND. */
int db_run_one(struct db_stmt *stmt);

int64_t db_column_int(struct db_stmt *stmt, int column);
bool db_column_is_null(struct db_stmt *stmt, int column);
/* Copies into the caller's buffer, cut to its size, with a NUL. */
void db_column_text(struct db_stmt *stmt, int column, char *buf, size_t cap);
/* Copies exactly `len` bytes; a value of another length gives zeros. */
void db_column_blob(struct db_stmt *stmt, int column, void *buf, size_t len);
/* Copies at most `cap` bytes; the count. */
size_t db_column_bytes(struct db_stmt *stmt, int column, void *buf, size_t cap);

/* The id of the row inserted last on this connection. */
int64_t db_last_id(struct db *db);

/* Run SQL without parameters or rows; several statements may stand in it. */
int db_exec(struct db *db, const char *sql);
/* The one integer that `sql` yields, or `fallback`. */
int64_t db_scalar(struct db *db, const char *sql, int64_t fallback);

/* Bring the schema to the latest version, each step in its own transaction (migrations.c). */
int db_migrate(struct db *db);

#endif
