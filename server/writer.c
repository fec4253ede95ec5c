#include "server/writer.h"

#include <pthread.h>
#include <stdlib.h>

struct writer {
    struct db *db;
    struct writer_hooks hooks;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct writer_job *head;
    struct writer_job **tail;
    unsigned queued;
    bool stopping;
    int health;
    struct writer_stats stats;
};

/* Waits for jobs and takes a group of them; NULL when stopping and nothing is left. */
static struct writer_job *take_group(struct writer *w)
{
    struct writer_job *first;
    struct writer_job *last;
    unsigned count = 1;

    pthread_mutex_lock(&w->lock);
    while (w->head == NULL && !w->stopping)
        pthread_cond_wait(&w->wake, &w->lock);
    first = last = w->head;
    if (first != NULL) {
        while (last->next != NULL && count < WRITER_GROUP_MAX) {
            last = last->next;
            count++;
        }
        w->head = last->next;
        if (w->head == NULL)
            w->tail = &w->head;
        last->next = NULL;
        w->queued -= count;
    }
    pthread_mutex_unlock(&w->lock);
    return first;
}

/* One job inside the transaction. An error that ended the whole transaction is returned. */
static int run_job(struct writer *w, struct writer_job *job)
{
    int error = db_savepoint(w->db);

    w->hooks.job_begin(w->hooks.ctx);
    if (error == DB_OK)
        error = job->run(job, w->db);
    if (error == DB_OK)
        error = db_savepoint_release(w->db);
    job->error = error;
    if (error == DB_OK)
        return DB_OK;
    w->hooks.job_undo(w->hooks.ctx);
    db_savepoint_rollback(w->db);
    return db_in_transaction(w->db) ? DB_OK : error;
}

static int run_group(struct writer *w, struct writer_job *group)
{
    int error = db_begin(w->db);

    for (struct writer_job *job = group; job != NULL && error == DB_OK; job = job->next)
        error = run_job(w, job);
    if (error == DB_OK)
        error = db_commit(w->db);
    else
        db_rollback(w->db);
    if (error == DB_OK)
        w->hooks.group_commit(w->hooks.ctx);
    else
        w->hooks.group_undo(w->hooks.ctx);
    return error;
}

/* Before anybody is told, so that who was told sees it. */
static void note_group(struct writer *w, const struct writer_job *group, int error)
{
    unsigned long long count = 0;

    for (; group != NULL; group = group->next)
        count++;
    pthread_mutex_lock(&w->lock);
    w->health = error;
    w->stats.groups += error == DB_OK;
    w->stats.failed += error != DB_OK;
    w->stats.jobs += error == DB_OK ? count : 0;
    pthread_mutex_unlock(&w->lock);
}

static void tell_group(struct writer_job *group, int error)
{
    while (group != NULL) {
        struct writer_job *next = group->next; /* the job is the submitter's once it is told */

        group->done(group, error != DB_OK ? error : group->error);
        group = next;
    }
}

static void *writer_main(void *ctx)
{
    struct writer *w = ctx;
    struct writer_job *group;
    int error;

    while ((group = take_group(w)) != NULL) {
        for (struct writer_job *job = group; job != NULL; job = job->next)
            job->error = DB_OK;
        error = run_group(w, group);
        note_group(w, group, error);
        tell_group(group, error);
    }
    return NULL;
}

struct writer *writer_start(struct db *db, const struct writer_hooks *hooks)
{
    struct writer *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->db = db;
    w->hooks = *hooks;
    w->tail = &w->head;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
    }
    return w;
}

void writer_stop(struct writer *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    db_close(w->db);
    free(w);
}

bool writer_submit(struct writer *w, struct writer_job *job)
{
    bool taken;

    job->next = NULL;
    pthread_mutex_lock(&w->lock);
    taken = !w->stopping && w->queued < WRITER_QUEUE_MAX;
    if (taken) {
        *w->tail = job;
        w->tail = &job->next;
        w->queued++;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    return taken;
}

struct call {
    struct writer_job job; /* first, so that a job is its call */
    int (*run)(void *ctx, struct db *db);
    void *ctx;
    int error;
    bool over;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static int call_run(struct writer_job *job, struct db *db)
{
    struct call *call = (struct call *)job;

    return call->run(call->ctx, db);
}

static void call_done(struct writer_job *job, int error)
{
    struct call *call = (struct call *)job;

    pthread_mutex_lock(&call->lock);
    call->error = error;
    call->over = true;
    pthread_cond_signal(&call->wake);
    pthread_mutex_unlock(&call->lock);
}

int writer_call(struct writer *w, int (*run)(void *ctx, struct db *db), void *ctx)
{
    struct call call = {
        .job = {.run = call_run, .done = call_done}, .run = run, .ctx = ctx, .error = DB_E_BUSY};

    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.wake, NULL);
    if (writer_submit(w, &call.job)) {
        pthread_mutex_lock(&call.lock);
        while (!call.over)
            pthread_cond_wait(&call.wake, &call.lock);
        pthread_mutex_unlock(&call.lock);
    }
    pthread_cond_destroy(&call.wake);
    pthread_mutex_destroy(&call.lock);
    return call.error;
}

int writer_health(struct writer *w)
{
    int health;

    pthread_mutex_lock(&w->lock);
    health = w->health;
    pthread_mutex_unlock(&w->lock);
    return health;
}

void writer_read_stats(struct writer *w, struct writer_stats *stats)
{
    pthread_mutex_lock(&w->lock);
    *stats = w->stats;
    pthread_mutex_unlock(&w->lock);
}
