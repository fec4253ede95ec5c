#include "server/hook_worker.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/app.h"
#include "server/hook_try.h"

#define LOOK_MS 250
#define RETRY_SECONDS 10         /* after the first failure; doubled with each */
#define RETRY_SECONDS_MAX 3600   /* between two tries */
#define KEPT_SECONDS (3 * 86400) /* a message is given up after so long */
#define PATH_CAP 1200

struct hooks {
    struct app *app;
    struct db *db;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    uint8_t key[HOOK_KEY_LEN];
    CURLM *multi;
    struct hook_try tries[HOOKS_MAX]; /* at most one a hook, so that none waits for another */
};

const uint8_t *hook_worker_key(const struct hooks *hooks)
{
    return hooks->key;
}

/* ---- the key ---- */

/* Whole or not at all: a key that is lost makes every receiver refuse what comes. */
static bool write_key(const char *path, const uint8_t key[HOOK_KEY_LEN])
{
    char temporary[PATH_CAP + 8];
    int fd;
    bool ok;

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    ok = fd >= 0 && write(fd, key, HOOK_KEY_LEN) == HOOK_KEY_LEN && fsync(fd) == 0;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    return ok && rename(temporary, path) == 0;
}

static bool open_key(struct hooks *hooks, char *error, size_t cap)
{
    char path[PATH_CAP];
    ssize_t len = 0;
    int fd;

    snprintf(path, sizeof(path), "%s/webhook-key", hooks->app->config.data_dir);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        len = read(fd, hooks->key, HOOK_KEY_LEN);
        close(fd);
        if (len == HOOK_KEY_LEN)
            return true;
        snprintf(error, cap, "%s is not a key of 32 bytes; restore it from a backup", path);
        return false;
    }
    if (errno == ENOENT && RAND_bytes(hooks->key, HOOK_KEY_LEN) == 1 && write_key(path, hooks->key))
        return true;
    snprintf(error, cap, "%s: %s", path, strerror(errno));
    return false;
}

/* ---- what comes of it ---- */

static int64_t retry_seconds(int failures)
{
    int64_t seconds = RETRY_SECONDS;

    while (--failures > 0 && seconds < RETRY_SECONDS_MAX)
        seconds *= 2;
    return seconds < RETRY_SECONDS_MAX ? seconds : RETRY_SECONDS_MAX;
}

/* How a try went, into its hook. */
static void judge(struct hook_try *try, long status, const char *why, int64_t now)
{
    struct db_webhook *hook = &try->hook;

    hook->last_at = now;
    hook->last_status = (int)status;
    if (status >= 200 && status < 300) {
        hook->failures = 0;
        hook->next_at = 0;
        hook->last_error[0] = '\0';
        return;
    }
    if (status != 0)
        snprintf(hook->last_error, sizeof(hook->last_error), "it answered %ld", status);
    else
        snprintf(hook->last_error, sizeof(hook->last_error), "%s", why);
    hook->failures++;
    hook->next_at = now + retry_seconds(hook->failures);
}

struct outcome {
    const struct hook_try *try;
    bool done;
    bool delivered;
};

static int run_tried(void *ctx, struct db *db)
{
    const struct outcome *outcome = ctx;
    const struct hook_try *try = outcome->try;
    int error =
        db_webhook_tried(db, &try->hook, try->message.id, outcome->done, outcome->delivered);

    return error == DB_E_NOT_FOUND ? DB_OK : error; /* deleted or changed meanwhile */
}

/* False when it could not be kept, so that the message comes again. */
static bool settle(struct hooks *hooks, struct hook_try *try, CURLcode code)
{
    const char *why;
    long status = hook_try_status(try, code, &why);
    int64_t now = (int64_t)app_now();
    struct outcome outcome = {.try = try};

    judge(try, status, why, now);
    outcome.delivered = try->hook.failures == 0;
    outcome.done = outcome.delivered || now - try->message.at > KEPT_SECONDS;
    if (!outcome.delivered)
        log_note(&hooks->app->log, LOG_WARN, "webhook_failed", "Webhook %s, event %s: %s; %s.",
                 try->hook.name, try->message.event, try->hook.last_error,
                 outcome.done ? "given up after three days" : "tried again later");
    return writer_call(hooks->app->writer, run_tried, &outcome) == DB_OK;
}

/* ---- the thread ---- */

static struct hook_try *free_try(struct hooks *hooks, int64_t hook_id)
{
    struct hook_try *free = NULL;

    for (int i = 0; i < HOOKS_MAX; i++) {
        if (hooks->tries[i].curl == NULL)
            free = &hooks->tries[i];
        else if (hooks->tries[i].hook.id == hook_id)
            return NULL; /* its messages go one after the other */
    }
    return free;
}

static void begin_due(struct hooks *hooks)
{
    struct db_webhook due[HOOKS_MAX];
    int64_t now = (int64_t)app_now();
    int count = db_webhooks_due(hooks->db, now, due, HOOKS_MAX);

    for (int i = 0; i < count; i++) {
        struct hook_try *try = free_try(hooks, due[i].id);

        if (try == NULL || db_webhook_next(hooks->db, due[i].id, &try->message) != DB_OK)
            continue;
        try->hook = due[i];
        try->to_private = hooks->app->config.webhook_private;
        hook_try_begin(try, hooks, hooks->multi, now);
    }
}

/* True when some hook may have its next message at once. */
static bool end_done(struct hooks *hooks)
{
    const CURLMsg *message;
    bool some = false;
    int left = 0;

    while ((message = curl_multi_info_read(hooks->multi, &left)) != NULL) {
        struct hook_try *try = hook_try_of(message->easy_handle);

        some = settle(hooks, try, message->data.result) || some;
        hook_try_end(try, hooks->multi);
    }
    return some;
}

static void *worker_main(void *ctx)
{
    struct hooks *hooks = ctx;
    uint64_t looked_ms = 0;
    bool some = true;
    int running = 0;

    while (!atomic_load(&hooks->stopping)) {
        /* Not at each byte that a slow receiver sends. */
        if (some || app_clock_ms() - looked_ms >= LOOK_MS) {
            looked_ms = app_clock_ms();
            begin_due(hooks);
        }
        curl_multi_perform(hooks->multi, &running);
        some = end_done(hooks);
        if (!some)
            curl_multi_poll(hooks->multi, NULL, 0, LOOK_MS, NULL);
    }
    for (int i = 0; i < HOOKS_MAX; i++)
        hook_try_end(&hooks->tries[i], hooks->multi);
    return NULL;
}

/* ---- life ---- */

struct hooks *hooks_start(struct app *app, struct db *db, char *error, size_t cap)
{
    struct hooks *hooks = calloc(1, sizeof(*hooks));

    snprintf(error, cap, "out of memory");
    if (hooks == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        db_close(db);
        free(hooks);
        return NULL;
    }
    hooks->app = app;
    hooks->db = db;
    hooks->multi = curl_multi_init();
    if (hooks->multi != NULL && open_key(hooks, error, cap))
        hooks->started = pthread_create(&hooks->thread, NULL, worker_main, hooks) == 0;
    if (hooks->started)
        return hooks;
    hooks_free(hooks);
    return NULL;
}

void hooks_stop(struct hooks *hooks)
{
    if (hooks == NULL || !hooks->started)
        return;
    atomic_store(&hooks->stopping, true);
    curl_multi_wakeup(hooks->multi);
    pthread_join(hooks->thread, NULL);
    hooks->started = false;
}

void hooks_free(struct hooks *hooks)
{
    if (hooks == NULL)
        return;
    hooks_stop(hooks);
    curl_multi_cleanup(hooks->multi);
    db_close(hooks->db);
    OPENSSL_cleanse(hooks->key, sizeof(hooks->key));
    curl_global_cleanup();
    free(hooks);
}
