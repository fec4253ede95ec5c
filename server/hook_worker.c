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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/app.h"
#include "server/hook_address.h"
#include "server/version.h"

#define LOOK_MS 250
#define CONNECT_SECONDS 5L
#define TRY_SECONDS 10L
#define ANSWER_MAX 65536U        /* bytes of an answer that are read before it counts as broken */
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
    /* One try. */
    struct db_webhook hook;
    struct db_webhook_message message;
    size_t answered; /* bytes */
    bool refused;    /* the address was not public */
    bool done;
    bool delivered;
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

/* ---- one try ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct hooks *hooks = ctx;

    (void)purpose;
    if (!hooks->app->config.webhook_private && !hook_address_is_public(&address->addr)) {
        hooks->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* What the receiver says is not wanted, and too much of it ends the connection. */
static size_t drop_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct hooks *hooks = ctx;

    (void)bytes;
    hooks->answered += size * count;
    return hooks->answered <= ANSWER_MAX ? size * count : 0;
}

static int look_up(void *ctx, curl_off_t down, curl_off_t downed, curl_off_t up, curl_off_t upped)
{
    struct hooks *hooks = ctx;

    (void)down;
    (void)downed;
    (void)up;
    (void)upped;
    return atomic_load(&hooks->stopping) ? 1 : 0;
}

static struct curl_slist *make_headers(const struct hooks *hooks, int64_t now)
{
    const struct db_webhook_message *message = &hooks->message;
    char secret[HOOKS_SECRET_LEN + 1];
    char signature[HOOKS_SIGNATURE_LEN + 1];
    char line[160];
    struct curl_slist *headers;
    bool ok = hooks_secret(hooks, hooks->hook.salt, secret) &&
              hooks_sign(secret, now, message->body, strlen(message->body), signature);

    OPENSSL_cleanse(secret, sizeof(secret));
    if (!ok)
        return NULL;
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(line, sizeof(line), "Otad-Event: %s", message->event);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof(line), "Otad-Delivery: %lld", (long long)message->id);
    headers = curl_slist_append(headers, line);
    snprintf(line, sizeof(line), "Otad-Signature: t=%lld,v1=%s", (long long)now, signature);
    return curl_slist_append(headers, line);
}

static void set_options(struct hooks *hooks, CURL *curl, struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, hooks->hook.url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TRY_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "otad/" OTAD_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, hooks->message.body);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, hooks);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, hooks);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, hooks);
}

/* The status, 0 without one; *why is the error then. */
static long send_message(struct hooks *hooks, int64_t now, const char **why)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = make_headers(hooks, now);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;

    hooks->refused = false;
    hooks->answered = 0;
    if (curl != NULL && headers != NULL) {
        set_options(hooks, curl, headers);
        code = curl_easy_perform(curl);
        if (code == CURLE_OK)
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    *why = hooks->refused     ? "its address is private, local or reserved; --webhook-private yes "
                                "allows that"
           : code != CURLE_OK ? curl_easy_strerror(code)
                              : "";
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}

/* ---- what comes of it ---- */

static int64_t retry_seconds(int failures)
{
    int64_t seconds = RETRY_SECONDS;

    while (--failures > 0 && seconds < RETRY_SECONDS_MAX)
        seconds *= 2;
    return seconds < RETRY_SECONDS_MAX ? seconds : RETRY_SECONDS_MAX;
}

static void judge(struct hooks *hooks, long status, const char *why, int64_t now)
{
    struct db_webhook *hook = &hooks->hook;

    hook->last_at = now;
    hook->last_status = (int)status;
    hooks->delivered = status >= 200 && status < 300;
    hooks->done = hooks->delivered || now - hooks->message.at > KEPT_SECONDS;
    if (hooks->delivered) {
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
    log_note(&hooks->app->log, LOG_WARN, "webhook_failed", "Webhook %s, event %s: %s; %s.",
             hook->name, hooks->message.event, hook->last_error,
             hooks->done ? "given up after three days" : "tried again later");
}

static int run_tried(void *ctx, struct db *db)
{
    struct hooks *hooks = ctx;
    int error =
        db_webhook_tried(db, &hooks->hook, hooks->message.id, hooks->done, hooks->delivered);

    return error == DB_E_NOT_FOUND ? DB_OK : error; /* deleted meanwhile */
}

/* False when nothing could be done, so that it is looked at again later. */
static bool try_hook(struct hooks *hooks, const struct db_webhook *hook)
{
    const char *why;
    int64_t now = (int64_t)app_now();
    long status;

    hooks->hook = *hook;
    if (db_webhook_next(hooks->db, hook->id, &hooks->message) != DB_OK)
        return false;
    status = send_message(hooks, now, &why);
    if (status == 0 && atomic_load(&hooks->stopping))
        return false; /* cut off by us */
    judge(hooks, status, why, (int64_t)app_now());
    return writer_call(hooks->app->writer, run_tried, hooks) == DB_OK;
}

static bool try_all(struct hooks *hooks)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct db_webhook due[HOOKS_MAX];
    int count = db_webhooks_due(hooks->db, (int64_t)app_now(), due, HOOKS_MAX);
    bool some = false;

    for (int i = 0; i < count && !atomic_load(&hooks->stopping); i++)
        some = try_hook(hooks, &due[i]) || some;
    if (!some)
        nanosleep(&pause, NULL);
    return some;
}

static void *worker_main(void *ctx)
{
    struct hooks *hooks = ctx;

    while (!atomic_load(&hooks->stopping))
        try_all(hooks);
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
    if (open_key(hooks, error, cap))
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
    pthread_join(hooks->thread, NULL);
    hooks->started = false;
}

void hooks_free(struct hooks *hooks)
{
    if (hooks == NULL)
        return;
    hooks_stop(hooks);
    db_close(hooks->db);
    OPENSSL_cleanse(hooks->key, sizeof(hooks->key));
    curl_global_cleanup();
    free(hooks);
}
