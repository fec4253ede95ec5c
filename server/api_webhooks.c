#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "server/api.h"
#include "server/body.h"
#include "server/hooks.h"

/* ---- out ---- */

static void put_events(struct json_writer *out, const char *events)
{
    json_key(out, "events");
    if (events[0] == '\0') {
        json_null(out);
        return;
    }
    json_array(out);
    for (const char *at = events + 1; *at != '\0';) {
        size_t len = strcspn(at, ",");
        json_string_n(out, at, len);
        at += len + 1;
    }
    json_array_end(out);
}

static void put_fields(struct json_writer *out, const struct db_webhook *hook)
{
    json_put_int(out, "id", hook->id);
    json_put_string(out, "name", hook->name);
    json_put_string(out, "url", hook->url);
    put_events(out, hook->events);
    json_put_bool(out, "enabled", hook->enabled);
    json_put_time(out, "created_at", hook->created_at);
    json_put_int(out, "queued", hook->queued);
    json_put_int(out, "delivered", hook->delivered);
    json_put_int(out, "dropped", hook->dropped);
    json_put_int(out, "failures", hook->failures);
    json_put_time(out, "next_at", hook->queued > 0 ? hook->next_at : 0);
    json_put_time(out, "last_at", hook->last_at);
    if (hook->last_status != 0)
        json_put_int(out, "last_status", hook->last_status);
    else
        json_put_null(out, "last_status");
    if (hook->last_error[0] != '\0')
        json_put_string(out, "last_error", hook->last_error);
    else
        json_put_null(out, "last_error");
}

static void put_hook(struct json_writer *out, const struct db_webhook *hook)
{
    json_object(out);
    put_fields(out, hook);
    json_object_end(out);
}

/* The answer that shows the secret, once. */
static void answer_with_secret(struct request *rq, unsigned status, const struct db_webhook *hook)
{
    char secret[HOOKS_SECRET_LEN + 1];
    struct json_writer *out;

    if (!hooks_secret(rq->app->hooks, hook->salt, secret)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    out = request_json(rq, status);
    json_object(out);
    put_fields(out, hook);
    json_put_string(out, "secret", secret);
    json_object_end(out);
    OPENSSL_cleanse(secret, sizeof(secret));
}

void api_webhooks_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_webhook hooks[HOOKS_MAX];
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    if (page.limit > HOOKS_MAX)
        page.limit = HOOKS_MAX;
    count = db_webhooks_list(request_reader(rq), &page, hooks);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_hook(out, &hooks[i]);
    api_list_end(rq, count == page.limit ? hooks[count - 1].id : 0);
}

/* ---- in ---- */

/* http or https, with a host, and neither name nor password, which would stand in lists and logs.
 */
static bool check_url(struct request *rq, const char *url)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL, *password = NULL;
    bool ok = parts != NULL &&
              curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && host[0] != '\0' &&
              curl_url_get(parts, CURLUPART_USER, &user, 0) != CURLUE_OK &&
              curl_url_get(parts, CURLUPART_PASSWORD, &password, 0) != CURLUE_OK;

    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(parts);
    return ok ||
           body_invalid(rq, "", "url", "must be an http:// or https:// URL without a user name");
}

static bool is_event(const char *name)
{
    for (size_t i = 0; HOOKS_EVENTS[i] != NULL; i++)
        if (strcmp(HOOKS_EVENTS[i], name) == 0)
            return true;
    return false;
}

/* ",a,b," of the array; "" for null. */
static bool read_events(struct request *rq, const cJSON *array, char *events)
{
    const cJSON *item;
    size_t len = 0;

    events[0] = '\0';
    cJSON_ArrayForEach(item, array)
    {
        const char *name = cJSON_GetStringValue(item);

        if (name == NULL || !is_event(name))
            return body_invalid(rq, "", "events",
                                "must be of those that openapi.yaml lists, such as rollout.halted; "
                                "not %.48s",
                                name != NULL ? name : "this");
        if (len + strlen(name) + 3 > DB_WEBHOOK_EVENTS_MAX)
            break; /* cannot be: all of them fit */
        if (len == 0)
            events[len++] = ',';
        memcpy(events + len, name, strlen(name));
        len += strlen(name);
        events[len++] = ',';
        events[len] = '\0';
    }
    return array == NULL || len > 0 ||
           body_invalid(rq, "", "events", "must name one at least, or be null");
}

struct fields {
    char name[DB_LABEL_MAX + 1];
    char url[DB_WEBHOOK_URL_MAX + 1];
    const cJSON *events;
    bool has_events;
    bool enabled;
};

static bool read_fields(struct request *rq, bool new, struct fields *f, struct db_webhook *hook)
{
    const struct body_field fields[] = {
        {"url", BODY_STRING, new, f->url, sizeof(f->url), 1, 0, NULL, false},
        {"events", BODY_ARRAY, false, &f->events, 0, 0, 64, &f->has_events, true},
        {"enabled", BODY_BOOL, false, &f->enabled, 0, 0, 0, NULL, false},
        {"name", BODY_STRING, new, f->name, sizeof(f->name), 1, 0, NULL, false},
    };

    if (!body_read(rq, NULL, "", fields, new ? 4 : 3) ||
        (new && !body_check_label(rq, "name", f->name)) ||
        (f->url[0] != '\0' && !check_url(rq, f->url)) ||
        (f->has_events && !read_events(rq, f->events, hook->events)))
        return false;
    if (f->url[0] != '\0')
        memcpy(hook->url, f->url, sizeof(f->url));
    hook->enabled = f->enabled;
    return true;
}

void api_webhook_read(struct request *rq)
{
    body_parse(rq);
}

void api_webhook_write(struct request *rq)
{
    struct db_webhook hook = {.created_at = (int64_t)app_now()};
    struct fields f = {.enabled = true};
    int error;

    if (!read_fields(rq, true, &f, &hook))
        return;
    memcpy(hook.name, f.name, sizeof(f.name));
    if (db_webhooks_count(rq->db) >= HOOKS_MAX) {
        request_problem(rq, 409, "too_many_webhooks", "There are %d webhooks; delete one first.",
                        HOOKS_MAX);
        return;
    }
    if (RAND_bytes(hook.salt, DB_WEBHOOK_SALT_LEN) != 1) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    error = db_webhook_add(rq->db, &hook);
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "webhook_exists", "There is a webhook %s already.", hook.name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        answer_with_secret(rq, 201, &hook);
}

/* The hook that the path names; false when the problem is set. */
static bool find(struct request *rq, struct db_webhook *hook)
{
    int64_t id = request_id(rq, 0, "webhook");
    int error = id != 0 ? db_webhook_get(rq->db, id, hook) : DB_OK;

    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no webhook with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    return !request_is_over(rq);
}

void api_webhook_patch_write(struct request *rq)
{
    struct db_webhook hook;
    struct fields f = {.has_events = false};
    int error;

    if (!find(rq, &hook))
        return;
    f.enabled = hook.enabled;
    if (!read_fields(rq, false, &f, &hook))
        return;
    error = db_webhook_update(rq->db, &hook);
    if (error == DB_OK)
        error = db_webhook_get(rq->db, hook.id, &hook);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_hook(request_json(rq, 200), &hook);
}

void api_webhook_delete(struct request *rq)
{
    struct db_webhook hook;
    int error;

    if (!find(rq, &hook))
        return;
    error = db_webhook_delete(rq->db, hook.id);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}

/* A new secret; the old one is worth nothing from now on. */
void api_webhook_secret_write(struct request *rq)
{
    struct db_webhook hook;
    int error = DB_OK;

    if (!find(rq, &hook))
        return;
    if (RAND_bytes(hook.salt, DB_WEBHOOK_SALT_LEN) != 1)
        error = DB_E_INTERNAL;
    if (error == DB_OK)
        error = db_webhook_update(rq->db, &hook);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        answer_with_secret(rq, 200, &hook);
}

void api_webhook_test_write(struct request *rq)
{
    struct db_webhook hook;
    int error;

    if (!find(rq, &hook))
        return;
    error = hooks_tell_ping(rq->db, hook.id, app_now());
    if (error == DB_OK)
        error = db_webhook_get(rq->db, hook.id, &hook);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_hook(request_json(rq, 200), &hook);
}
