#include "tests/support/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "db/groups.h"
#include "server/journal.h"
#include "server/writer.h"

struct fixture {
    char dir[64];
    char path[128];
    struct writer *writer;
    struct db *reader;
    struct journal journal;
    int counter; /* memory that jobs change */
    atomic_int commits;
    atomic_int undone_groups;
};

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

static void job_begin(void *ctx)
{
    journal_mark(&((struct fixture *)ctx)->journal);
}

static void job_undo(void *ctx)
{
    journal_undo_to_mark(&((struct fixture *)ctx)->journal);
}

static void group_commit(void *ctx)
{
    struct fixture *f = ctx;

    journal_commit(&f->journal);
    atomic_fetch_add(&f->commits, 1);
}

static void group_undo(void *ctx)
{
    struct fixture *f = ctx;

    journal_undo(&f->journal);
    atomic_fetch_add(&f->undone_groups, 1);
}

static void start(struct fixture *f)
{
    struct writer_hooks hooks = {.job_begin = job_begin,
                                 .job_undo = job_undo,
                                 .group_commit = group_commit,
                                 .group_undo = group_undo,
                                 .ctx = f};
    struct db *db;

    memset(f, 0, sizeof(*f));
    strcpy(f->dir, "/tmp/otad-writer-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/otad.db", f->dir);
    assert_int_equal(db_open(&db, f->path, DB_WRITER), DB_OK);
    f->writer = writer_start(db, &hooks);
    assert_non_null(f->writer);
    assert_int_equal(db_open(&f->reader, f->path, DB_READER), DB_OK);
}

static void finish(struct fixture *f)
{
    char path[160];

    writer_stop(f->writer);
    db_close(f->reader);
    snprintf(path, sizeof(path), "%s-wal", f->path);
    unlink(path);
    snprintf(path, sizeof(path), "%s-shm", f->path);
    unlink(path);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
}

static bool has_group(struct fixture *f, const char *name)
{
    struct db_group group;

    return db_group_find(f->reader, name, &group) == DB_OK;
}

struct job {
    struct writer_job job; /* first */
    struct fixture *f;
    char name[20];
    int fail; /* returned after the writes */
    int wait_ms;
    atomic_int told; /* 1 + -error once done */
    atomic_int *order;
    int place;
};

static int run(struct writer_job *writer_job, struct db *db)
{
    struct job *job = (struct job *)writer_job;
    struct db_group group = {.created_at = 1};
    int error;

    if (job->wait_ms > 0)
        sleep_ms(job->wait_ms);
    assert_true(journal_save(&job->f->journal, &job->f->counter, sizeof(job->f->counter)));
    job->f->counter++;
    memcpy(group.name, job->name, sizeof(job->name));
    error = db_group_add(db, &group);
    return error != DB_OK ? error : job->fail;
}

static void done(struct writer_job *writer_job, int error)
{
    struct job *job = (struct job *)writer_job;

    if (job->order != NULL)
        job->place = atomic_fetch_add(job->order, 1);
    atomic_store(&job->told, 1 - error);
}

static void submit(struct fixture *f, struct job *job, const char *name)
{
    job->f = f;
    job->job.run = run;
    job->job.done = done;
    snprintf(job->name, sizeof(job->name), "%s", name);
    assert_true(writer_submit(f->writer, &job->job));
}

static int wait_for(struct job *job)
{
    for (int i = 0; i < 5000 && atomic_load(&job->told) == 0; i++)
        sleep_ms(1);
    assert_int_not_equal(atomic_load(&job->told), 0);
    return 1 - atomic_load(&job->told);
}

static void acknowledges_after_commit(void **state)
{
    struct fixture f;
    struct job job = {.fail = DB_OK};

    (void)state;
    start(&f);
    submit(&f, &job, "a");
    assert_int_equal(wait_for(&job), DB_OK);
    assert_true(has_group(&f, "a"));
    assert_int_equal(f.counter, 1);
    finish(&f);
}

static void groups_commits(void **state)
{
    struct fixture f;
    struct job jobs[101] = {{.wait_ms = 100}};
    atomic_int order = 0;
    struct writer_stats stats;

    (void)state;
    start(&f);
    for (int i = 0; i < 101; i++) {
        char name[20];
        snprintf(name, sizeof(name), "g%d", i);
        jobs[i].order = &order;
        submit(&f, &jobs[i], name);
    }
    for (int i = 0; i < 101; i++) {
        assert_int_equal(wait_for(&jobs[i]), DB_OK);
        assert_int_equal(jobs[i].place, i);
    }
    writer_read_stats(f.writer, &stats);
    assert_int_equal(stats.jobs, 101);
    assert_true(stats.groups < 20);
    finish(&f);
}

/* One job of a group fails after it wrote: it alone is taken back, in the database and in memory.
 */
static void failed_job_is_alone(void **state)
{
    struct fixture f;
    struct job jobs[4] = {{.wait_ms = 100}};

    (void)state;
    start(&f);
    jobs[2].fail = DB_E_LIMIT;
    for (int i = 0; i < 4; i++) {
        char name[20];
        snprintf(name, sizeof(name), "j%d", i);
        submit(&f, &jobs[i], name);
    }
    assert_int_equal(wait_for(&jobs[2]), DB_E_LIMIT);
    assert_int_equal(wait_for(&jobs[3]), DB_OK);
    assert_true(has_group(&f, "j1"));
    assert_false(has_group(&f, "j2"));
    assert_true(has_group(&f, "j3"));
    assert_int_equal(f.counter, 3);
    finish(&f);
}

static int set_limit(void *ctx, struct db *db)
{
    return db_limit_pages(db, *(int64_t *)ctx);
}

static int count_calls(void *ctx, struct db *db)
{
    (void)db;
    ++*(int *)ctx;
    return DB_E_NOT_FOUND;
}

/* Whether there is room for one more, in a group of its own. */
static bool one_more(struct fixture *f)
{
    struct job job = {.fail = DB_OK};
    char name[20];
    int error;

    snprintf(name, sizeof(name), "more-%d", f->counter);
    submit(f, &job, name);
    error = wait_for(&job);
    assert_true(error == DB_OK || error == DB_E_FULL);
    return error == DB_OK;
}

/* No room for the commit: all of the group are told, and memory is as before. */
static void full_group_is_taken_back(void **state)
{
    static char names[400][20];
    struct fixture f;
    struct job *jobs = calloc(400, sizeof(*jobs));
    int64_t pages = 1;
    int full = 0;

    (void)state;
    start(&f);
    writer_call(f.writer, set_limit, &pages);
    for (int i = 0; i < 400; i++) {
        snprintf(names[i], sizeof(names[i]), "full-%d", i);
        submit(&f, &jobs[i], names[i]);
    }
    for (int i = 0; i < 400; i++)
        full += wait_for(&jobs[i]) == DB_E_FULL;
    assert_true(full > 0);
    assert_int_equal(f.counter, 400 - full);
    for (int i = 0; i < 400; i++)
        assert_int_equal(has_group(&f, names[i]), wait_for(&jobs[i]) == DB_OK);
    /* A small group that came last may have found room in a page where a large one did not. */
    while (one_more(&f))
        continue;
    assert_int_equal(writer_health(f.writer), DB_E_FULL);
    pages = 0;
    assert_int_equal(writer_call(f.writer, set_limit, &pages), DB_OK);
    assert_int_equal(writer_health(f.writer), DB_OK);
    finish(&f);
    free(jobs);
}

static void stop_finishes_the_queue(void **state)
{
    struct fixture f;
    struct job jobs[10] = {{.wait_ms = 50}};
    struct job late = {.fail = 0};

    (void)state;
    start(&f);
    for (int i = 0; i < 10; i++) {
        char name[20];
        snprintf(name, sizeof(name), "s%d", i);
        submit(&f, &jobs[i], name);
    }
    writer_stop(f.writer);
    for (int i = 0; i < 10; i++)
        assert_int_equal(wait_for(&jobs[i]), DB_OK);
    assert_true(has_group(&f, "s9"));
    (void)late;
    f.writer = NULL;
    finish(&f);
}

static void call_waits(void **state)
{
    struct fixture f;
    int calls = 0;

    (void)state;
    start(&f);
    assert_int_equal(writer_call(f.writer, count_calls, &calls), DB_E_NOT_FOUND);
    assert_int_equal(calls, 1);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a job is acknowledged when its rows are committed", acknowledges_after_commit)},
        {TEST("jobs that wait share a commit, and are told in order", groups_commits)},
        {TEST("a job that fails is taken back alone", failed_job_is_alone)},
        {TEST("a group that finds no room is taken back whole, and it recovers",
              full_group_is_taken_back)},
        {TEST("stopping finishes what is queued", stop_finishes_the_queue)},
        {TEST("a call waits for its result", call_waits)},
    };

    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
