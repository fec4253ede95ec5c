/*
 * The one thread that writes: jobs queue up, a group of them becomes one transaction, and each is
 * acknowledged after its commit. Ten waiting reports cost one fsync.
 *
 *     request threads --submit--> [queue] --> run, run, run, COMMIT --> done, done, done
 *
 * A job's run() decides on the memory view and writes rows; it is the only code that changes
 * either. If it returns an error, its own writes are undone (a savepoint; the hooks for memory) and
 * the others go on. If the commit fails, all of the group are undone and told that error. done() is
 * called on the writer thread, once for each job that was taken, whatever happened; the job is the
 * submitter's again from then on.
 */
#ifndef OTAD_WRITER_H
#define OTAD_WRITER_H

#include <stdbool.h>

#include "db/db.h"

#define WRITER_GROUP_MAX 1024  /* jobs in one transaction */
#define WRITER_QUEUE_MAX 65536 /* jobs waiting; beyond it submitting is refused */

struct writer;

struct writer_job {
    /* DB_OK, or a negative error: everything this job did is then undone. */
    int (*run)(struct writer_job *job, struct db *db);
    void (*done)(struct writer_job *job, int error);
    struct writer_job *next; /* the writer's */
    int error;               /* the writer's */
};

/* What keeps the memory view in step with the transaction. Called on the writer thread. */
struct writer_hooks {
    void (*job_begin)(void *ctx);
    void (*job_undo)(void *ctx);
    void (*group_commit)(void *ctx);
    void (*group_undo)(void *ctx);
    void *ctx;
};

/* Takes `db` over (a DB_WRITER connection). NULL when the thread cannot be started. */
struct writer *writer_start(struct db *db, const struct writer_hooks *hooks);
/* Finish what is queued, then end the thread and close the database. */
void writer_stop(struct writer *writer);

/* False when the queue is full or the writer is stopping: the job was not taken. */
bool writer_submit(struct writer *writer, struct writer_job *job);
/* Submit and wait. DB_E_BUSY when it was not taken. Not from the writer thread. */
int writer_call(struct writer *writer, int (*run)(void *ctx, struct db *db), void *ctx);

/* The error of the last commit, DB_OK when it went well: what /readyz tells. */
int writer_health(struct writer *writer);

struct writer_stats {
    unsigned long long jobs;   /* acknowledged */
    unsigned long long groups; /* committed */
    unsigned long long failed; /* groups that could not be committed */
};
void writer_read_stats(struct writer *writer, struct writer_stats *stats);

#endif
