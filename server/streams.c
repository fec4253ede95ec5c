#include "server/streams.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING 256U /* events, a power of two */
#define LOOK_MS 500
#define STILL_HERE_MS 15000U
#define TEXT_MAX 96 /* bytes of one event */
#define BLOCK 1024U /* bytes: the library's buffer of a stream */

enum event_kind { EVENT_ROLLOUT, EVENT_FLEET };

struct event {
    enum event_kind kind;
    uint64_t rollout;
};

struct stream {
    struct stream *next;
    struct streams *streams;
    struct request *rq; /* to wake its connection, while it is suspended */
    uint64_t at;        /* the next event in the ring */
    uint64_t ends_ms;
    uint64_t said_ms;
    bool suspended;
    bool greeted;
    char text[TEXT_MAX]; /* what is being sent */
    size_t len;
    size_t sent;
};

struct streams {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below; the library's own lock is taken within */
    pthread_cond_t wanted;
    bool draining;
    bool stopping;
    struct stream *list;
    unsigned count;
    struct event ring[RING];
    uint64_t next; /* the number of the next event */

    /* Of the thread alone: what it saw last. */
    uint64_t *rollouts; /* digests by position; rollouts are never deleted */
    size_t rollout_count;
    uint64_t fleet;
    struct census census;
};

/* ---- what has changed ---- */

static uint64_t mix(uint64_t digest, uint64_t value)
{
    return (digest ^ value) * 1099511628211ULL; /* FNV-1a, a word at a time */
}

static uint64_t digest_rollout(const struct rollout *r)
{
    uint64_t digest = mix(mix(mix(14695981039346656037ULL, r->revision), r->state), r->current);

    digest = mix(digest, r->counted);
    for (int i = 0; i < r->stage_count; i++) {
        const struct rollout_stage *stage = &r->stages[i];

        digest = mix(mix(digest, stage->state), stage->met_at);
        digest = mix(mix(digest, stage->counts.members), stage->counts.excluded);
        for (int j = 0; j < DEPLOYMENT_STATE_COUNT; j++)
            digest = mix(digest, stage->counts.by_state[j]);
    }
    return digest;
}

static uint64_t digest_fleet(const struct census *census)
{
    uint64_t digest = mix(mix(14695981039346656037ULL, census->devices), census->online);

    digest = mix(mix(mix(digest, census->stale), census->never), census->updating);
    digest = mix(mix(mix(digest, census->failing), census->pending), census->rejected);
    for (size_t i = 0; i < census->row_count; i++) {
        digest = mix(digest, census->rows[i].devices);
        for (const char *at = census->rows[i].text; *at != '\0'; at++)
            digest = mix(digest, (unsigned char)*at);
    }
    return digest;
}

static void push(struct streams *streams, struct event event)
{
    pthread_mutex_lock(&streams->lock);
    streams->ring[streams->next++ & (RING - 1)] = event;
    pthread_mutex_unlock(&streams->lock);
}

static bool grow(struct streams *streams, size_t count)
{
    uint64_t *grown;

    if (count <= streams->rollout_count)
        return true;
    grown = realloc(streams->rollouts, count * sizeof(*grown));
    if (grown == NULL)
        return false;
    memset(grown + streams->rollout_count, 0, (count - streams->rollout_count) * sizeof(*grown));
    streams->rollouts = grown;
    streams->rollout_count = count;
    return true;
}

/* One rollout at a time, so that the fleet's lock is held for microseconds. */
static void look_at_rollouts(struct streams *streams)
{
    struct fleet *fleet = streams->app->fleet;

    for (size_t i = 0; grow(streams, i + 1); i++) {
        struct fleet_rollout *rollout;
        uint64_t digest = 0;
        uint64_t id = 0;

        fleet_lock(fleet);
        rollout = fleet_rollout_at(fleet, i);
        if (rollout != NULL) {
            id = rollout->r.id;
            digest = digest_rollout(&rollout->r);
        }
        fleet_unlock(fleet);
        if (rollout == NULL)
            return;
        if (streams->rollouts[i] != digest)
            push(streams, (struct event){EVENT_ROLLOUT, id});
        streams->rollouts[i] = digest;
    }
}

static void look_at_fleet(struct streams *streams)
{
    uint64_t digest;

    census_read(&streams->app->census, &streams->census);
    digest = digest_fleet(&streams->census);
    if (digest != streams->fleet)
        push(streams, (struct event){EVENT_FLEET, 0});
    streams->fleet = digest;
}

/* ---- streams ---- */

static bool has_news(const struct stream *stream, uint64_t now)
{
    const struct streams *streams = stream->streams;

    return streams->draining || !stream->greeted || stream->at != streams->next ||
           now >= stream->ends_ms || now - stream->said_ms >= STILL_HERE_MS;
}

static void wake(struct streams *streams)
{
    uint64_t now = app_clock_ms();

    for (struct stream *stream = streams->list; stream != NULL; stream = stream->next) {
        if (!stream->suspended || !has_news(stream, now))
            continue;
        stream->suspended = false;
        stream->rq->resume(stream->rq);
    }
}

static void *look_main(void *ctx)
{
    struct streams *streams = ctx;
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

    pthread_mutex_lock(&streams->lock);
    while (!streams->stopping) {
        if (streams->count == 0) {
            pthread_cond_wait(&streams->wanted, &streams->lock);
            continue;
        }
        pthread_mutex_unlock(&streams->lock);
        look_at_rollouts(streams);
        look_at_fleet(streams);
        pthread_mutex_lock(&streams->lock);
        wake(streams);
        pthread_mutex_unlock(&streams->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&streams->lock);
    }
    pthread_mutex_unlock(&streams->lock);
    return NULL;
}

/* The next text of a stream. False: nothing to say now. */
static bool write_text(struct stream *stream, uint64_t now)
{
    struct streams *streams = stream->streams;
    int len;

    if (!stream->greeted || streams->next - stream->at > RING) {
        stream->greeted = true;
        stream->at = streams->next;
        len = snprintf(stream->text, TEXT_MAX, "retry: 2000\nevent: hello\ndata: {}\n\n");
    } else if (stream->at != streams->next) {
        const struct event *event = &streams->ring[stream->at++ & (RING - 1)];
        if (event->kind == EVENT_ROLLOUT)
            len = snprintf(stream->text, TEXT_MAX, "event: rollout\ndata: {\"id\":%llu}\n\n",
                           (unsigned long long)event->rollout);
        else
            len = snprintf(stream->text, TEXT_MAX, "event: fleet\ndata: {}\n\n");
    } else if (now - stream->said_ms >= STILL_HERE_MS) {
        len = snprintf(stream->text, TEXT_MAX, ": still here\n\n");
    } else {
        return false;
    }
    stream->len = (size_t)len;
    stream->sent = 0;
    stream->said_ms = now;
    return true;
}

/* Called by the library for what comes next. Nothing: the connection sleeps until wake(). */
static ssize_t read_stream(void *ctx, uint64_t position, char *buf, size_t max)
{
    struct stream *stream = ctx;
    struct streams *streams = stream->streams;
    uint64_t now = app_clock_ms();
    ssize_t count = 0;

    (void)position;
    pthread_mutex_lock(&streams->lock);
    if (stream->sent == stream->len && (streams->draining || now >= stream->ends_ms)) {
        count = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (stream->sent < stream->len || write_text(stream, now)) {
        size_t left = stream->len - stream->sent;
        count = (ssize_t)(left < max ? left : max);
        memcpy(buf, stream->text + stream->sent, (size_t)count);
        stream->sent += (size_t)count;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->rq->mhd);
    }
    pthread_mutex_unlock(&streams->lock);
    return count;
}

struct stream *stream_open(struct streams *streams, struct request *rq)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    uint64_t now = app_clock_ms();

    if (stream == NULL)
        return NULL;
    stream->streams = streams;
    stream->rq = rq;
    stream->said_ms = now;
    stream->ends_ms = now + STREAM_SECONDS * 1000;
    pthread_mutex_lock(&streams->lock);
    if (streams->draining || streams->count == STREAMS_MAX) {
        pthread_mutex_unlock(&streams->lock);
        free(stream);
        return NULL;
    }
    stream->next = streams->list;
    streams->list = stream;
    streams->count++;
    pthread_cond_signal(&streams->wanted);
    pthread_mutex_unlock(&streams->lock);
    return stream;
}

void stream_close(struct stream *stream)
{
    struct streams *streams;

    if (stream == NULL)
        return;
    streams = stream->streams;
    pthread_mutex_lock(&streams->lock);
    for (struct stream **at = &streams->list; *at != NULL; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            streams->count--;
            break;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    free(stream);
}

static void close_by_library(void *ctx)
{
    stream_close(ctx);
}

struct MHD_Response *stream_response(struct stream *stream)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, close_by_library);

    if (response == NULL)
        stream_close(stream);
    return response;
}

/* ---- life ---- */

struct streams *streams_start(struct app *app)
{
    struct streams *streams = calloc(1, sizeof(*streams));

    if (streams == NULL)
        return NULL;
    streams->app = app;
    pthread_mutex_init(&streams->lock, NULL);
    pthread_cond_init(&streams->wanted, NULL);
    if (pthread_create(&streams->thread, NULL, look_main, streams) != 0) {
        free(streams);
        return NULL;
    }
    return streams;
}

void streams_drain(struct streams *streams)
{
    if (streams == NULL)
        return;
    pthread_mutex_lock(&streams->lock);
    streams->draining = true;
    wake(streams);
    pthread_mutex_unlock(&streams->lock);
}

void streams_stop(struct streams *streams)
{
    if (streams == NULL)
        return;
    pthread_mutex_lock(&streams->lock);
    streams->stopping = true;
    pthread_cond_signal(&streams->wanted);
    pthread_mutex_unlock(&streams->lock);
    pthread_join(streams->thread, NULL);
    pthread_cond_destroy(&streams->wanted);
    pthread_mutex_destroy(&streams->lock);
    free(streams->rollouts);
    free(streams);
}
