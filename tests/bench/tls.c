/*
 * bench-tls: TLS 1.3 connections, one request each.
 *
 *   bench-tls --port N --seconds S --threads N [--resume] PATH
 *
 * Each connection is closed after its answer. With --resume each thread goes on with the last
 * session ticket that it was given, and connections that were not resumed are told. The certificate
 * is not checked against an authority: that is the client's work and not what is measured.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64

struct worker {
    pthread_t thread;
    SSL_CTX *context;
    SSL_SESSION *session;
    const char *request;
    uint16_t port;
    double end;
    bool resume;
    unsigned long good;
    unsigned long resumed;
    unsigned long errors;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int dial(uint16_t port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Send, read to the end of the stream: a ticket comes before the answer. */
static bool talk(SSL *ssl, const char *request)
{
    char answer[4096];
    int len = (int)strlen(request);
    int got;
    bool good = false;

    if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, len) != len)
        return false;
    while ((got = SSL_read(ssl, answer, sizeof(answer))) > 0)
        good = good || (got > 9 && memcmp(answer, "HTTP/1.1 2", 10) == 0);
    return good;
}

static void one(struct worker *worker)
{
    SSL *ssl = SSL_new(worker->context);
    int fd = dial(worker->port);

    if (ssl == NULL || fd < 0) {
        worker->errors++;
        SSL_free(ssl);
        return;
    }
    SSL_set_fd(ssl, fd);
    if (worker->session != NULL)
        SSL_set_session(ssl, worker->session);
    if (talk(ssl, worker->request)) {
        worker->good++;
        worker->resumed += SSL_session_reused(ssl) == 1;
    } else {
        worker->errors++;
    }
    if (worker->resume) {
        SSL_SESSION_free(worker->session);
        worker->session = SSL_get1_session(ssl);
    }
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* keeps the session good */
    SSL_free(ssl);
    close(fd);
}

static void *worker_main(void *ctx)
{
    struct worker *worker = ctx;

    while (now() < worker->end)
        one(worker);
    SSL_SESSION_free(worker->session);
    return NULL;
}

static SSL_CTX *make_context(void)
{
    char groups[] = "P-256"; /* the macro casts const away */
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1)
        abort();
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

static void run(struct worker *model, unsigned threads, double seconds)
{
    static struct worker workers[THREADS_MAX];
    struct worker sum = {.good = 0};
    double start = now();

    for (unsigned i = 0; i < threads; i++) {
        workers[i] = *model;
        workers[i].end = start + seconds;
        if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        sum.good += workers[i].good;
        sum.resumed += workers[i].resumed;
        sum.errors += workers[i].errors;
    }
    printf("{\"good\":%lu,\"resumed\":%lu,\"errors\":%lu,\"per_second\":%.1f}\n", sum.good,
           sum.resumed, sum.errors, (double)sum.good / (now() - start));
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"port", 1, NULL, 'p'},
                                          {"seconds", 1, NULL, 's'},
                                          {"threads", 1, NULL, 't'},
                                          {"resume", 0, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    struct worker model = {.port = 0};
    char request[512];
    double seconds = 1;
    unsigned threads = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'p')
            model.port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            seconds = strtod(optarg, NULL);
        else if (option == 't')
            threads = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'r')
            model.resume = true;
        else
            return 2;
    }
    if (optind + 1 != argc || threads < 1 || threads > THREADS_MAX)
        return fputs("usage: tests/bench/tls.c tells\n", stderr), 2;
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", argv[optind]);
    signal(SIGPIPE, SIG_IGN);
    model.request = request;
    model.context = make_context();
    run(&model, threads, seconds);
    SSL_CTX_free(model.context);
    return 0;
}
