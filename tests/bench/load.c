/*
 * bench-load: devices, as many as wanted, on one thread.
 *
 *   bench-load --port N --kind poll|nonce|report --devices FIRST:COUNT [--pool N] [--list FILE]
 *       [--seq N] [--close] --seconds S (--connections N [--spin] | --rate R [--drain S])
 *
 * With --connections each connection asks again as soon as it has its answer: how much can be
 * served. With --spin it never sleeps, for a client with a core of its own: on loopback a server
 * pays for waking its client. With --rate requests start at fixed times whatever becomes of those
 * before, and latency counts from the time that was due: how long a fleet waits. Connections that
 * are bound to one request each come from 64 loopback addresses, so that ports do not run out. One
 * line of JSON tells what came of it. bench-load speaks to 127.0.0.1 alone.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load_plan.h"
#include "tests/bench/load_stats.h"

#define HEAD_MAX 1536 /* bytes of an answer's headers */
#define SOURCES 64U   /* loopback addresses to come from */
#define EVENTS 256

struct options {
    struct load_plan_options plan;
    uint16_t port;
    unsigned connections;
    double rate;
    double seconds;
    double drain;
    bool spin;
};

struct connection {
    int fd;
    bool waiting; /* for an answer */
    bool reused;  /* has had an answer before */
    uint64_t due; /* microseconds */
    char *buf;    /* the request, when it was made for this connection */
    const char *out;
    size_t out_len;
    size_t out_at;
    char in[HEAD_MAX + 1];
    size_t in_len;
    size_t body_left;
    unsigned status; /* 0: headers are not whole yet */
    bool close;
    struct connection *next_free;
};

struct load {
    struct options options;
    struct load_plan *plan;
    struct load_stats stats;
    int epoll_fd;
    int timer_fd;
    uint64_t start;
    uint64_t end;
    uint64_t arrivals; /* of --rate */
    uint64_t in_flight;
    uint64_t sources;
    struct connection *free;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- connections ---- */

static bool bind_source(struct load *load, int fd)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(load->sources++ % SOURCES));
    return bind(fd, (struct sockaddr *)&source, sizeof(source)) == 0;
}

static bool open_connection(struct load *load, struct connection *c)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(load->options.port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    int on = 1;

    c->reused = false;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((load->options.plan.close && !bind_source(load, c->fd)) ||
        (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        int error = errno;
        close(c->fd);
        c->fd = -1;
        errno = error;
        return false;
    }
    return true;
}

static void close_connection(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void want(struct load *load, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void finish(struct load *load, struct connection *c, unsigned status, int reason);

static void flush(struct load *load, struct connection *c)
{
    while (c->out_at < c->out_len) {
        ssize_t sent = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return; /* still connecting; EPOLLOUT comes */
        if (sent < 0) {
            finish(load, c, 0, errno);
            return;
        }
        c->out_at += (size_t)sent;
    }
    if (!c->reused)
        want(load, c, EPOLLIN);
}

static void begin(struct load *load, struct connection *c, uint64_t due)
{
    load->stats.started++;
    load->in_flight++;
    c->waiting = true;
    c->due = due;
    if (c->buf == NULL && (c->buf = malloc(LOAD_REQUEST_MAX)) == NULL)
        abort();
    c->out = load_plan_next(load->plan, c->buf, &c->out_len);
    c->out_at = 0;
    c->in_len = 0;
    c->status = 0;
    c->close = false;
    if (c->fd >= 0)
        flush(load, c);
    else if (!open_connection(load, c))
        finish(load, c, 0, errno);
}

/* The request is over: counted, and in the closed loop followed by the next. */
static void finish(struct load *load, struct connection *c, unsigned status, int reason)
{
    bool good = status >= 200 && status < 300;
    uint64_t now = now_us();

    load->in_flight--;
    c->waiting = false;
    if (good)
        load_stats_good(&load->stats, now > c->due ? now - c->due : 0);
    else
        load_stats_bad(&load->stats, status, reason);
    if (!good || c->close || load->options.plan.close)
        close_connection(c);
    c->reused = c->fd >= 0;
    c->next_free = load->free;
    load->free = c;
}

/* ---- answers ---- */

static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

static bool parse_head(struct load *load, struct connection *c)
{
    char *end = strstr(c->in, "\r\n\r\n");
    const char *value;
    size_t body = 0;
    size_t have;

    if (end == NULL)
        return c->in_len < HEAD_MAX;
    have = c->in_len - (size_t)(end + 4 - c->in);
    end[2] = '\0';
    if (strncmp(c->in, "HTTP/1.1 ", 9) != 0)
        return false;
    c->status = (unsigned)strtoul(c->in + 9, NULL, 10);
    value = header(c->in, "Content-Length");
    if (value != NULL)
        body = strtoul(value, NULL, 10);
    value = header(c->in, "Connection");
    c->close = value != NULL && strncasecmp(value, "close", 5) == 0;
    value = header(c->in, "Retry-After");
    if (value != NULL)
        load_stats_retry(&load->stats, strtoul(value, NULL, 10));
    if (c->status < 200 || have > body)
        return false; /* neither interim answers nor answers that were not asked for come here */
    c->body_left = body - have;
    return true;
}

static void receive(struct load *load, struct connection *c)
{
    char rest[16384];
    ssize_t got;

    while (c->waiting) {
        if (c->status == 0)
            got = recv(c->fd, c->in + c->in_len, HEAD_MAX - c->in_len, 0);
        else
            got = recv(c->fd, rest, sizeof(rest), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            finish(load, c, 0, got < 0 ? errno : 0);
            return;
        }
        if (c->status != 0) {
            c->body_left -= (size_t)got < c->body_left ? (size_t)got : c->body_left;
        } else {
            c->in_len += (size_t)got;
            c->in[c->in_len] = '\0';
            if (!parse_head(load, c)) {
                finish(load, c, 0, EBADMSG);
                return;
            }
        }
        if (c->status != 0 && c->body_left == 0)
            finish(load, c, c->status, 0);
    }
}

static void on_event(struct load *load, struct connection *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (!c->waiting) { /* an idle connection that the server ended */
        close_connection(c);
        return;
    }
    if (c->out_at < c->out_len && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        flush(load, c);
    if (c->waiting && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        receive(load, c);
}

/* ---- the clock ---- */

static struct connection *take_free(struct load *load)
{
    struct connection *c = load->free;

    if (c != NULL) {
        load->free = c->next_free;
        return c;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        abort();
    c->fd = -1;
    return c;
}

/* Requests that are due: of --rate those whose time has come, else one on each free connection. */
static void start_due(struct load *load)
{
    uint64_t now = now_us();
    double interval = load->options.rate > 0 ? 1e6 / load->options.rate : 0;

    if (load->options.rate <= 0) {
        while (load->free != NULL && now < load->end)
            begin(load, take_free(load), now_us());
        return;
    }
    for (;;) {
        uint64_t due = load->start + (uint64_t)((double)load->arrivals * interval);
        struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due / 1000000),
                                             .tv_nsec = (long)(due % 1000000) * 1000}};

        if (due >= load->end)
            return;
        if (due > now) {
            timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
            return;
        }
        load->arrivals++;
        begin(load, take_free(load), due);
    }
}

static bool is_over(const struct load *load)
{
    uint64_t now = now_us();

    if (load->options.rate <= 0)
        return now >= load->end;
    return (now >= load->end && load->in_flight == 0) ||
           now >= load->end + (uint64_t)(load->options.drain * 1e6);
}

static void run(struct load *load)
{
    struct epoll_event events[EVENTS];
    struct epoll_event timer = {.events = EPOLLIN | EPOLLET};

    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load->epoll_fd < 0 || load->timer_fd < 0 ||
        epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->timer_fd, &timer) != 0)
        die("epoll");
    load->start = now_us();
    load->end = load->start + (uint64_t)(load->options.seconds * 1e6);
    for (unsigned i = 0; i < load->options.connections; i++) {
        struct connection *c = calloc(1, sizeof(*c));
        if (c == NULL)
            abort();
        c->fd = -1;
        c->next_free = load->free;
        load->free = c;
    }
    for (start_due(load); !is_over(load); start_due(load)) {
        int count = epoll_wait(load->epoll_fd, events, EVENTS, load->options.spin ? 0 : 100);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr != NULL)
                on_event(load, events[i].data.ptr, events[i].events);
    }
}

/* ---- arguments ---- */

static bool take_kind(struct options *options, const char *word)
{
    static const char *const words[] = {"poll", "nonce", "report"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            options->plan.kind = (enum load_kind)i;
            return true;
        }
    }
    return false;
}

static bool take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'p':
        options->port = (uint16_t)strtoul(value, NULL, 10);
        return true;
    case 'k':
        return take_kind(options, value);
    case 'd':
        return sscanf(value, "%u:%u", &options->plan.first, &options->plan.count) == 2;
    case 'o':
        options->plan.pool = (uint32_t)strtoul(value, NULL, 10);
        return true;
    case 'l':
        options->plan.list = value;
        return true;
    case 'q':
        options->plan.seq = strtoull(value, NULL, 10);
        return true;
    case 'x':
        options->plan.close = true;
        return true;
    case 'y':
        options->spin = true;
        return true;
    case 's':
        options->seconds = strtod(value, NULL);
        return options->seconds > 0;
    case 'c':
        options->connections = (unsigned)strtoul(value, NULL, 10);
        return true;
    case 'r':
        options->rate = strtod(value, NULL);
        return options->rate > 0;
    case 'w':
        options->drain = strtod(value, NULL);
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},  {"kind", 1, NULL, 'k'},    {"devices", 1, NULL, 'd'},
        {"pool", 1, NULL, 'o'},  {"list", 1, NULL, 'l'},    {"seq", 1, NULL, 'q'},
        {"close", 0, NULL, 'x'}, {"seconds", 1, NULL, 's'}, {"connections", 1, NULL, 'c'},
        {"rate", 1, NULL, 'r'},  {"drain", 1, NULL, 'w'},   {"spin", 0, NULL, 'y'},
        {NULL, 0, NULL, 0}};
    struct load load = {.options = {.drain = 30}};
    struct rlimit files;
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (!take_option(&load.options, option, optarg)) {
            fputs("bench-load: bad arguments; tests/bench/load.c tells them\n", stderr);
            return 2;
        }
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    load.plan = load_plan_new(&load.options.plan);
    if (load.plan == NULL)
        die("the list of deployments");
    run(&load);
    /* Of the closed loop, what is under way at the end is merely cut off. */
    load_stats_print(&load.stats, (double)(now_us() - load.start) / 1e6,
                     load.options.rate > 0 ? load.in_flight : 0);
    load_plan_free(load.plan);
    return 0;
}
