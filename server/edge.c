#include "server/edge.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/listener.h"
#include "server/request.h"
#include "server/tls.h"

#define MEMORY_LIMIT 3072U /* bytes of the library's buffers a connection: headers in and out */
#define WATCH_MS 500       /* how often deadlines are looked at */
#define LOOPS_MAX 64

struct loop {
    struct edge *edge;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool running;
    int epoll_fd;
    int wake_fd;
    _Atomic(struct connection *) resumed; /* by other threads, for this one to go on with */
    atomic_bool quiesced;                 /* takes no new connections any more */
};

struct connection {
    struct connection *next;
    struct connection *previous;
    struct loop *loop;
    struct MHD_Connection *mhd;
    struct connection *next_resumed;
    int fd;
    atomic_ullong deadline_ms; /* 0: none */
    bool busy;                 /* a request is under way */
    struct request *request;   /* NULL: none is, or it is held */
    struct hold hold;          /* when it is, and how it was */
};

struct edge {
    struct app *app;
    uint16_t port;
    int listen_fd;
    bool tls;
    struct tls_files *files;
    struct loop loops[LOOPS_MAX];
    size_t loop_count;
    atomic_bool draining;
    atomic_bool stopping;
    atomic_int under_way;
    pthread_t watch;
    bool watching;
    pthread_mutex_t lock; /* guards the list of connections */
    struct connection *connections;
};

static void set_deadline(struct connection *c, uint64_t seconds)
{
    atomic_store(&c->deadline_ms, app_clock_ms() + seconds * 1000);
}

/* ---- connections ---- */

static void link_connection(struct edge *edge, struct connection *c)
{
    pthread_mutex_lock(&edge->lock);
    c->next = edge->connections;
    if (c->next != NULL)
        c->next->previous = c;
    edge->connections = c;
    pthread_mutex_unlock(&edge->lock);
}

static void unlink_connection(struct edge *edge, struct connection *c)
{
    pthread_mutex_lock(&edge->lock);
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        edge->connections = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    pthread_mutex_unlock(&edge->lock);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct loop *loop = ctx;
    struct connection *c = *socket_context;
    const union MHD_ConnectionInfo *info;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = calloc(1, sizeof(*c));
        if (c == NULL || info == NULL) {
            free(c);
            return;
        }
        c->loop = loop;
        c->mhd = mhd;
        c->fd = info->connect_fd;
        set_deadline(c, EDGE_IDLE_SECONDS);
        if (loop->edge->tls)
            tls_enable_tickets(mhd, loop->edge->files);
        link_connection(loop->edge, c);
        *socket_context = c;
        return;
    }
    /* Unlinked before the library closes the socket, so that the watch never shuts down a number
     * that is somebody else's by now. */
    if (c != NULL) {
        unlink_connection(loop->edge, c);
        free(c);
        *socket_context = NULL;
    }
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct loop *loop = ctx;
    struct connection *c = *con_cls;

    (void)mhd;
    if (c == NULL)
        return;
    if (c->request != NULL) {
        request_end(c->request, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        free(c->request);
        c->request = NULL;
    }
    c->busy = false;
    atomic_fetch_sub(&loop->edge->under_way, 1);
    set_deadline(c, EDGE_IDLE_SECONDS);
    *con_cls = NULL;
}

static void *watch_main(void *ctx)
{
    struct edge *edge = ctx;
    const struct timespec pause = {.tv_nsec = WATCH_MS * 1000000L};

    while (!atomic_load(&edge->stopping)) {
        uint64_t now = app_clock_ms();

        pthread_mutex_lock(&edge->lock);
        for (struct connection *c = edge->connections; c != NULL; c = c->next) {
            uint64_t deadline = atomic_load(&c->deadline_ms);
            if (deadline != 0 && deadline <= now)
                shutdown(c->fd, SHUT_RDWR); /* the library sees the end and cleans up */
        }
        pthread_mutex_unlock(&edge->lock);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- requests ---- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));

    (void)written; /* it fails when the loop has yet to see many wakes: one is enough */
}

/* In the external mode the library does not wake the loop by itself, and its lock is fought over if
 * a group of answers is resumed here while the loop already serves the first of them. So the loop
 * resumes them; only the first of many wakes it. */
static void resume(struct connection *c)
{
    struct loop *loop = c->loop;
    struct connection *first;

    if (loop->wake_fd < 0) { /* a thread of the library's, which it wakes */
        MHD_resume_connection(c->mhd);
        return;
    }
    first = atomic_load(&loop->resumed);
    do
        c->next_resumed = first;
    while (!atomic_compare_exchange_weak(&loop->resumed, &first, c));
    if (first == NULL) /* `c` is the loop's by now */
        wake(loop);
}

static void resume_request(struct request *rq)
{
    resume(rq->connection);
}

static void resume_hold(struct hold *hold)
{
    resume((struct connection *)(void *)((char *)hold - offsetof(struct connection, hold)));
}

/* On the loop's own thread. */
static void take_resumed(struct loop *loop)
{
    struct connection *c = atomic_exchange(&loop->resumed, NULL);

    while (c != NULL) {
        struct connection *next = c->next_resumed;

        MHD_resume_connection(c->mhd);
        c = next;
    }
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result queue(struct connection *c)
{
    struct request *rq = c->request;
    size_t len = rq->answer.blob != NULL ? rq->answer.blob_len : rq->answer.len;

    set_deadline(c, EDGE_ANSWER_SECONDS + rq->answer.seconds + len / EDGE_ANSWER_RATE);
    return request_queue(rq) ? MHD_YES : MHD_NO;
}

/* `held`: how the same request was held before. */
static bool make_request(struct connection *c, struct MHD_Connection *mhd, const char *url,
                         const char *method, const char *version, const struct hold *held)
{
    struct request *rq = calloc(1, sizeof(*rq));

    if (rq == NULL)
        return false;
    c->request = rq;
    rq->connection = c;
    rq->resume = resume_request;
    request_begin(rq, c->loop->edge->app, mhd, method, url, version, held);
    return true;
}

static enum MHD_Result begin(struct loop *loop, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, void **con_cls)
{
    struct connection *c = connection_of(mhd);
    struct request *rq;

    if (c == NULL || c->busy || !make_request(c, mhd, url, method, version, NULL))
        return MHD_NO;
    rq = c->request;
    c->busy = true;
    atomic_fetch_add(&loop->edge->under_way, 1);
    *con_cls = c;
    set_deadline(c, EDGE_BODY_SECONDS + rq->body_len / EDGE_BODY_RATE);
    if (request_refuses_body(rq)) {
        rq->phase = REQUEST_READY;
        return queue(c);
    }
    return MHD_YES;
}

/* The peer of a suspended connection may have gone; nobody has looked. */
static bool is_gone(const struct connection *c)
{
    char byte;
    ssize_t len = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return len == 0 || (len < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static enum MHD_Result hold(struct connection *c)
{
    struct request *rq = c->request;
    struct MHD_Connection *mhd = rq->mhd;

    c->hold = rq->hold;
    c->hold.resume = resume_hold;
    request_drop(rq);
    free(rq);
    c->request = NULL;
    MHD_suspend_connection(mhd); /* before the herald can resume it */
    herald_hold(c->loop->edge->app->herald, &c->hold);
    return MHD_YES;
}

/* As far as the request can go now. */
static enum MHD_Result go_on(struct connection *c)
{
    struct request *rq = c->request;

    if (rq->phase == REQUEST_WORK)
        request_after_work(rq); /* resumed */
    else
        request_work(rq);
    if (rq->phase != REQUEST_WORK && rq->phase != REQUEST_HELD)
        return queue(c);
    atomic_store(&c->deadline_ms, 0);
    if (rq->phase == REQUEST_HELD)
        return hold(c);
    MHD_suspend_connection(rq->mhd); /* before the writer can resume it */
    request_submit(rq);
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **con_cls)
{
    struct connection *c = *con_cls;

    if (c == NULL)
        return begin(ctx, mhd, url, method, version, con_cls);
    if (c->request == NULL && (is_gone(c) || !make_request(c, mhd, url, method, version, &c->hold)))
        return MHD_NO;
    if (*upload_data_size > 0) {
        size_t len = *upload_data_size;
        *upload_data_size = 0;
        return request_take(c->request, upload_data, len) ? MHD_YES : MHD_NO;
    }
    return go_on(c);
}

/* Paths and queries are decoded by us: the library's way would end a string at %00. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx;
    (void)mhd;
    return strlen(text);
}

/* ---- loops ---- */

static void stop_listening(struct loop *loop)
{
    int fd = MHD_quiesce_daemon(loop->daemon);

    if (fd >= 0)
        close(fd);
    atomic_store(&loop->quiesced, true);
}

static void *loop_main(void *ctx)
{
    struct loop *loop = ctx;
    struct epoll_event events[2];
    uint64_t drop;
    ssize_t dropped = 0;

    while (!atomic_load(&loop->edge->stopping)) {
        MHD_UNSIGNED_LONG_LONG wait_ms;
        int timeout = 1000;
        int count;

        if (MHD_get_timeout(loop->daemon, &wait_ms) == MHD_YES && wait_ms < 1000)
            timeout = (int)wait_ms;
        count = epoll_wait(loop->epoll_fd, events, 2, timeout);
        if (count < 0 && errno != EINTR)
            break;
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == loop->wake_fd)
                dropped = read(loop->wake_fd, &drop, sizeof(drop));
        take_resumed(loop); /* what is resumed from here on wakes it anew */
        if (atomic_load(&loop->edge->draining) && !atomic_load(&loop->quiesced))
            stop_listening(loop);
        MHD_run(loop->daemon);
    }
    (void)dropped; /* how many wakes it stood for does not matter */
    return NULL;
}

static bool watch_fd(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

__attribute__((format(printf, 2, 0))) static void on_library_log(void *ctx, const char *format,
                                                                 va_list args)
{
    struct edge *edge = ctx;
    char text[256];

    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_note(&edge->app->log, LOG_DEBUG, "http_library", "%s", text);
}

static struct MHD_Daemon *start_daemon(struct loop *loop, unsigned flags, int listen_fd,
                                       unsigned connections, unsigned pool,
                                       const struct MHD_OptionItem *more)
{
    return MHD_start_daemon(
        flags | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, loop,
        MHD_OPTION_EXTERNAL_LOGGER, on_library_log, loop->edge, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT, MHD_OPTION_CONNECTION_LIMIT,
        connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)EDGE_INACTIVE_SECONDS,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, loop, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_POOL_SIZE, pool, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
}

static bool start_plain_loop(struct loop *loop, int listen_fd, unsigned connections)
{
    static const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    const union MHD_DaemonInfo *info;

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->daemon = start_daemon(loop, MHD_USE_EPOLL, listen_fd, connections, 0, none);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 || loop->daemon == NULL)
        return false;
    info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || !watch_fd(loop->epoll_fd, info->epoll_fd) ||
        !watch_fd(loop->epoll_fd, loop->wake_fd))
        return false;
    loop->running = pthread_create(&loop->thread, NULL, loop_main, loop) == 0;
    return loop->running;
}

static bool start_plain(struct edge *edge)
{
    unsigned threads = edge->app->config.threads;

    for (unsigned i = 0; i < threads; i++) {
        struct loop *loop = &edge->loops[edge->loop_count++];
        /* Each daemon closes its own copy of the listening socket. */
        int fd = i == 0 ? edge->listen_fd : dup(edge->listen_fd);

        *loop = (struct loop){.edge = edge, .epoll_fd = -1, .wake_fd = -1};
        if (fd < 0 || !start_plain_loop(loop, fd, edge->app->config.connections_max / threads + 1))
            return false;
    }
    return true;
}

static bool start_tls(struct edge *edge)
{
    struct loop *loop = &edge->loops[edge->loop_count++];
    const struct config *config = &edge->app->config;
    struct MHD_OptionItem more[TLS_OPTIONS];

    *loop = (struct loop){.edge = edge, .epoll_fd = -1, .wake_fd = -1};
    tls_options(edge->files, more);
    loop->daemon =
        start_daemon(loop, MHD_USE_TLS | MHD_USE_POLL_INTERNAL_THREAD, edge->listen_fd,
                     config->connections_max, config->threads > 1 ? config->threads : 0, more);
    return loop->daemon != NULL;
}

/* ---- life ---- */

struct edge *edge_start(struct app *app, char *error, size_t cap)
{
    struct edge *edge = calloc(1, sizeof(*edge));

    if (edge == NULL) {
        snprintf(error, cap, "out of memory");
        return NULL;
    }
    edge->app = app;
    edge->listen_fd = -1;
    edge->tls = app->config.tls_cert != NULL;
    pthread_mutex_init(&edge->lock, NULL);
    if (edge->tls && (edge->files = tls_load(app->config.tls_cert, app->config.tls_key,
                                             app->config.tls_client_ca, error, cap)) == NULL) {
        edge_stop(edge);
        return NULL;
    }
    edge->listen_fd = listener_open(app->config.host, app->config.port, &edge->port, error, cap);
    if (edge->listen_fd < 0) {
        edge_stop(edge);
        return NULL;
    }
    edge->watching = pthread_create(&edge->watch, NULL, watch_main, edge) == 0;
    if (!edge->watching || !(edge->tls ? start_tls(edge) : start_plain(edge))) {
        snprintf(error, cap, "the HTTP server cannot be started%s",
                 edge->tls ? "; are certificate and key a pair?" : "");
        edge_stop(edge);
        return NULL;
    }
    return edge;
}

uint16_t edge_port(const struct edge *edge)
{
    return edge->port;
}

/* A request is under way, or a new one may still come. */
static bool is_busy(struct edge *edge)
{
    bool busy = atomic_load(&edge->under_way) > 0;

    for (size_t i = 0; i < edge->loop_count; i++)
        busy = busy || !atomic_load(&edge->loops[i].quiesced);
    return busy;
}

void edge_drain(struct edge *edge, unsigned seconds)
{
    const struct timespec pause = {.tv_nsec = 20000000L};

    atomic_store(&edge->draining, true);
    for (size_t i = 0; i < edge->loop_count; i++) {
        if (edge->loops[i].running)
            wake(&edge->loops[i]); /* its own thread does it: no other may touch its socket */
        else
            stop_listening(&edge->loops[i]);
    }
    edge->listen_fd = -1;
    for (unsigned i = 0; i < seconds * 50 && is_busy(edge); i++)
        nanosleep(&pause, NULL);
}

void edge_stop(struct edge *edge)
{
    if (edge == NULL)
        return;
    atomic_store(&edge->stopping, true);
    for (size_t i = 0; i < edge->loop_count; i++)
        if (edge->loops[i].running)
            pthread_join(edge->loops[i].thread, NULL);
    for (size_t i = 0; i < edge->loop_count; i++) {
        struct loop *loop = &edge->loops[i];
        take_resumed(loop); /* the library stops only when none is suspended */
        if (loop->daemon != NULL)
            MHD_stop_daemon(loop->daemon);
        if (loop->epoll_fd >= 0)
            close(loop->epoll_fd);
        if (loop->wake_fd >= 0)
            close(loop->wake_fd);
    }
    if (edge->watching)
        pthread_join(edge->watch, NULL);
    if (edge->listen_fd >= 0 && edge->loop_count == 0)
        close(edge->listen_fd);
    tls_free(edge->files);
    pthread_mutex_destroy(&edge->lock);
    free(edge);
}
