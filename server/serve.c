#include "server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/firmware.h"
#include "db/patches.h"
#include "protocol/text.h"
#include "server/edge.h"
#include "server/herald.h"
#include "server/mqtt.h"
#include "server/patch_worker.h"
#include "server/streams.h"
#include "server/ticker.h"
#include "server/token_command.h"

#define DRAIN_SECONDS 10
#define PATH_CAP 1152

struct server {
    struct app app;
    struct edge *edge;
    struct ticker *ticker;
    struct patch_worker *patch_worker;
    int lock_fd;
};

static bool fail(const struct server *server, const char *what, const char *why)
{
    log_note(&server->app.log, LOG_ERROR, "start_failed", "%s%s%s", what,
             why[0] != '\0' ? ": " : "", why);
    return false;
}

/* One server a directory: the memory view and the writer stand on that. */
static bool lock_data(struct server *server)
{
    const char *dir = server->app.config.data_dir;
    char path[PATH_CAP];

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail(server, dir, strerror(errno));
    snprintf(path, sizeof(path), "%s/otad.lock", dir);
    server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (server->lock_fd < 0)
        return fail(server, path, strerror(errno));
    if (flock(server->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fail(server, dir, "another otad serves from this directory");
    return true;
}

static bool open_db(struct server *server, struct db **db, enum db_mode mode)
{
    char path[PATH_CAP];
    int error;

    snprintf(path, sizeof(path), "%s/otad.db", server->app.config.data_dir);
    error = db_open(db, path, mode);
    if (error == DB_OK)
        return true;
    if (error == DB_E_NEWER)
        return fail(server, path, "it was written by a newer otad; start that one");
    return fail(server, path, db_error_name(error));
}

static int is_wanted(void *ctx, const uint8_t sha256[OTA_HASH_LEN])
{
    int wanted = db_firmware_has_file(ctx, sha256);

    return wanted != 0 ? wanted : db_patch_has_file(ctx, sha256);
}

static bool open_blobs(struct server *server, struct db *db)
{
    struct app *app = &server->app;
    int removed;

    app->blobs = blobs_open(app->config.data_dir);
    if (app->blobs == NULL)
        return fail(server, "tmp and blobs", strerror(errno));
    removed = blobs_sweep(app->blobs, is_wanted, db);
    if (removed > 0)
        log_note(&app->log, LOG_INFO, "swept", "%d files of uploads that were not finished",
                 removed);
    return true;
}

/* On standard output, beside the log. */
static void print_first_token(const char *path)
{
    char token[128];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return;
    if (fgets(token, sizeof(token), file) != NULL)
        printf("the first admin token, said this once: %s", token);
    fclose(file);
    OPENSSL_cleanse(token, sizeof(token));
}

/* The first start leaves a token for the operator in a file that only they can read. */
static bool make_first_token(struct server *server, struct db *db)
{
    char path[PATH_CAP];
    char error[256];

    if (!token_is_first(db))
        return true;
    snprintf(path, sizeof(path), "%s/admin-token", server->app.config.data_dir);
    if (!token_make_first(db, path, error, sizeof(error)))
        return fail(server, path, error);
    log_note(&server->app.log, LOG_INFO, "first_start", "The first admin token is in %s.", path);
    if (server->app.config.print_first_token)
        print_first_token(path);
    return true;
}

static bool load(struct server *server, struct db *db)
{
    struct app *app = &server->app;
    int error;

    app->fleet = fleet_new();
    if (app->fleet == NULL)
        return fail(server, "the fleet", "out of memory");
    error = fleet_load(app->fleet, db);
    if (error != DB_OK)
        return fail(server, "loading the fleet", db_error_name(error));
    app->patches = patches_new();
    if (app->patches == NULL)
        return fail(server, "the patches", "out of memory");
    error = patches_load(app->patches, db);
    if (error != DB_OK)
        return fail(server, "loading the patches", db_error_name(error));
    census_init(&app->census, app->fleet, app->config.poll_seconds);
    app->steer = (struct steer){.fleet = app->fleet, .log = &app->log};
    return true;
}

static bool start_writer(struct server *server, struct db *db)
{
    struct writer_hooks hooks = fleet_hooks(server->app.fleet);

    server->app.writer = writer_start(db, &hooks);
    return server->app.writer != NULL || fail(server, "the writer", "out of memory");
}

static void raise_file_limit(const struct server *server)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < server->app.config.connections_max + 64U)
        log_note(&server->app.log, LOG_WARN, "file_limit",
                 "%llu open files are allowed, %u connections are configured",
                 (unsigned long long)limit.rlim_cur, server->app.config.connections_max);
}

static bool name_run(struct server *server)
{
    uint8_t bytes[APP_RUN_DIGITS / 2];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return fail(server, "OpenSSL", "no random bytes");
    ota_hex_encode(bytes, sizeof(bytes), server->app.run);
    server->app.started_at = app_now();
    return true;
}

/* Threads with a connection to the database of their own. */
static bool start_helpers(struct server *server)
{
    struct db *db;

    if (!open_db(server, &db, DB_KEEPER))
        return false;
    server->ticker = ticker_start(&server->app, db);
    if (server->ticker == NULL) {
        db_close(db);
        return fail(server, "the ticker", "out of memory");
    }
    if (!server->app.config.patches)
        return true;
    if (!open_db(server, &db, DB_READER))
        return false;
    server->patch_worker = patch_worker_start(&server->app, db);
    if (server->patch_worker == NULL) {
        db_close(db);
        return fail(server, "the patch worker", "out of memory");
    }
    return true;
}

static bool start_hooks(struct server *server)
{
    struct app *app = &server->app;
    struct db *db = NULL;
    char error[512];

    if (!open_db(server, &db, DB_READER))
        return false;
    app->hooks = hooks_start(app, db, error, sizeof(error));
    return app->hooks != NULL || fail(server, "the webhooks", error);
}

static bool start(struct server *server)
{
    struct app *app = &server->app;
    struct db *db = NULL;
    char error[512];

    if (!name_run(server) || !lock_data(server) || !open_db(server, &db, DB_WRITER))
        return false;
    if (!make_first_token(server, db) || !open_blobs(server, db) || !load(server, db) ||
        !start_writer(server, db)) {
        db_close(db);
        return false;
    }
    app->sign_ins = throttle_new();
    if (app->sign_ins == NULL)
        return fail(server, "the limits of sign-ins", "out of memory");
    app->streams = streams_start(app);
    if (app->streams == NULL)
        return fail(server, "the streams", "out of memory");
    app->idle_answers = idle_answers_new();
    if (app->idle_answers == NULL)
        return fail(server, "kept answers", "out of memory");
    app->signer = signer_open(app->config.data_dir, error, sizeof(error));
    if (app->signer == NULL)
        return fail(server, "the server key", error);
    if (!start_hooks(server) || !open_db(server, &app->reader, DB_READER) || !start_helpers(server))
        return false;
    if (app->config.mqtt_host[0] != '\0' &&
        (app->mqtt = mqtt_open(app, error, sizeof(error))) == NULL)
        return fail(server, "the MQTT client", error);
    app->herald = herald_start(app);
    if (app->herald == NULL || (app->mqtt != NULL && !mqtt_start(app->mqtt)))
        return fail(server, "the herald", "out of memory");
    raise_file_limit(server);
    server->edge = edge_start(app, error, sizeof(error));
    return server->edge != NULL || fail(server, "serving", error);
}

static void stop(struct server *server)
{
    struct app *app = &server->app;

    atomic_store(&app->draining, true);
    herald_drain(app->herald);
    streams_drain(app->streams);
    if (server->edge != NULL)
        edge_drain(server->edge, DRAIN_SECONDS);
    patch_worker_stop(server->patch_worker);
    ticker_stop(server->ticker);
    mqtt_stop(app->mqtt);
    hooks_stop(app->hooks);
    writer_stop(app->writer);
    edge_stop(server->edge);
    herald_stop(app->herald);
    streams_stop(app->streams);
    mqtt_free(app->mqtt);
    hooks_free(app->hooks);
    db_close(app->reader);
    census_close(&app->census);
    fleet_free(app->fleet);
    patches_free(app->patches);
    blobs_free(app->blobs);
    idle_answers_free(app->idle_answers);
    signer_free(app->signer);
    throttle_free(app->sign_ins);
    pthread_mutex_destroy(&app->reader_lock);
    if (server->lock_fd >= 0)
        close(server->lock_fd);
}

/* Whole or not at all, so that whoever waits for the file reads a whole number. */
static bool write_port(const char *path, uint16_t port)
{
    char temporary[PATH_CAP];
    FILE *file;
    bool ok;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
        return false;
    file = fopen(temporary, "we");
    if (file == NULL)
        return false;
    ok = fprintf(file, "%u\n", port) > 0;
    ok = fclose(file) == 0 && ok;
    return ok && rename(temporary, path) == 0;
}

static bool announce(struct server *server)
{
    const struct config *config = &server->app.config;
    uint32_t devices;
    bool v6 = strchr(config->host, ':') != NULL;

    if (config->port_file != NULL && !write_port(config->port_file, edge_port(server->edge)))
        return fail(server, config->port_file, strerror(errno));
    printf("listening on %s://%s%s%s:%u\n", config->tls_cert != NULL ? "https" : "http",
           v6 ? "[" : "", config->host, v6 ? "]" : "", edge_port(server->edge));
    fflush(stdout);
    fleet_lock(server->app.fleet);
    devices = fleet_count(server->app.fleet);
    fleet_unlock(server->app.fleet);
    log_note(&server->app.log, LOG_INFO, "ready", "%u devices, port %u", devices,
             edge_port(server->edge));
    return true;
}

int serve(const struct config *config)
{
    struct server *server = calloc(1, sizeof(*server));
    sigset_t signals;
    int signal_number = 0;
    bool ok;

    if (server == NULL)
        return 1;
    server->lock_fd = -1;
    server->app.config = *config;
    server->app.log = (struct log){.fd = STDERR_FILENO, .level = config->log_level};
    pthread_mutex_init(&server->app.reader_lock, NULL);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), like a full disk */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    ok = start(server) && announce(server);
    if (ok) {
        sigwait(&signals, &signal_number);
        log_note(&server->app.log, LOG_INFO, "stopping", "signal %d", signal_number);
    }
    stop(server);
    free(server);
    return ok ? 0 : 1;
}
