#include "server/ticker.h"

#include <stdlib.h>
#include <time.h>

#include "server/historian.h"

#define TICK_MS 200
#define CHECKPOINT_MS 100
/* A device that polls every five minutes costs one row a poll: written seldom and in the order of
 * rows, many of them share a page. */
#define FLUSH_SECONDS 60
#define FLUSH_MAX 512 /* devices in one job: reports wait for it */

struct ticker {
    struct app *app;
    struct db *keeper;
    pthread_t tick_thread;
    pthread_t checkpoint_thread;
    atomic_bool stopping;
    struct historian historian;
    struct fleet_ref flushing[FLUSH_MAX];
    size_t flushing_count;
};

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

static int run_tick(void *ctx, struct db *db)
{
    struct ticker *ticker = ctx;

    return steer_tick(&ticker->app->steer, db, app_now());
}

static int run_count(void *ctx, struct db *db)
{
    struct ticker *ticker = ctx;

    return steer_count(&ticker->app->steer, db, app_now());
}

static int run_flush(void *ctx, struct db *db)
{
    struct ticker *ticker = ctx;
    struct fleet *fleet = ticker->app->fleet;
    struct db_device row;
    int error = DB_OK;

    for (size_t i = 0; i < ticker->flushing_count && error == DB_OK; i++) {
        struct fleet_device *device = fleet_device(fleet, ticker->flushing[i]);
        if (device == NULL)
            continue;
        fleet_lock(fleet);
        fleet_to_row(fleet, device, &row);
        fleet_unlock(fleet);
        error = db_device_seen(db, &row);
    }
    return error;
}

static void flush(struct ticker *ticker)
{
    struct fleet *fleet = ticker->app->fleet;
    uint32_t cursor = 0;
    bool over = false;

    while (!over) {
        fleet_lock(fleet);
        ticker->flushing_count = fleet_take_dirty(fleet, &cursor, ticker->flushing, FLUSH_MAX);
        over = cursor == fleet_slots(fleet);
        fleet_unlock(fleet);
        if (ticker->flushing_count > 0 &&
            writer_call(ticker->app->writer, run_flush, ticker) != DB_OK)
            return; /* a full disk; the next poll marks the device again */
    }
}

static void *tick_main(void *ctx)
{
    struct ticker *ticker = ctx;
    struct app *app = ticker->app;
    uint64_t flush_at = app_now() + FLUSH_SECONDS;

    while (!atomic_load(&ticker->stopping)) {
        int error = DB_OK;

        pause_ms(TICK_MS);
        while (error == DB_OK && steer_due(app->fleet, app_now()))
            error = writer_call(app->writer, run_tick, ticker);
        while (error == DB_OK && steer_counting(app->fleet))
            error = writer_call(app->writer, run_count, ticker);
        if (app_now() >= flush_at) {
            flush(ticker);
            flush_at = app_now() + FLUSH_SECONDS;
        }
        historian_tick(&ticker->historian, app_now());
        if (error != DB_OK) {
            log_note(&app->log, LOG_ERROR, "tick_failed", "%s", db_error_name(error));
            pause_ms(1000);
        }
    }
    flush(ticker);
    return NULL;
}

static void *checkpoint_main(void *ctx)
{
    struct ticker *ticker = ctx;
    struct writer_stats stats;
    unsigned long long seen = 0;

    while (!atomic_load(&ticker->stopping)) {
        pause_ms(CHECKPOINT_MS);
        writer_read_stats(ticker->app->writer, &stats);
        if (stats.groups + stats.failed != seen && db_checkpoint(ticker->keeper) == DB_OK)
            seen = stats.groups + stats.failed;
    }
    return NULL;
}

struct ticker *ticker_start(struct app *app, struct db *keeper)
{
    struct ticker *ticker = calloc(1, sizeof(*ticker));

    if (ticker == NULL)
        return NULL;
    ticker->app = app;
    ticker->keeper = keeper;
    ticker->historian = (struct historian){.taker = &app->census, .writer = app->writer};
    if (pthread_create(&ticker->tick_thread, NULL, tick_main, ticker) != 0) {
        free(ticker);
        return NULL;
    }
    if (pthread_create(&ticker->checkpoint_thread, NULL, checkpoint_main, ticker) != 0) {
        atomic_store(&ticker->stopping, true);
        pthread_join(ticker->tick_thread, NULL);
        free(ticker);
        return NULL;
    }
    return ticker;
}

void ticker_stop(struct ticker *ticker)
{
    if (ticker == NULL)
        return;
    atomic_store(&ticker->stopping, true);
    pthread_join(ticker->tick_thread, NULL);
    pthread_join(ticker->checkpoint_thread, NULL);
    db_close(ticker->keeper);
    free(ticker);
}
