#include "server/request.h"

#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/audit.h"
#include "server/auth.h"
#include "server/framing.h"
#include "server/streams.h"
#include "server/web.h"

#define DISCARD_MAX (1U << 20)           /* bytes of an unwanted body that are read to its end */
#define DISCARD_OPERATOR_MAX (64U << 20) /* the same for an operator */
#define REFUSED (-1000)                  /* what a job returns when its answer is an error */

/* ---- routing ---- */

/* Match one pattern; parameters are cut out of rq->segments. */
static bool match(struct request *rq, const char *pattern)
{
    char *at = rq->segments;
    int count = 0;

    memcpy(rq->segments, rq->path, strlen(rq->path) + 1);
    while (*pattern != '\0') {
        if (pattern[0] == '{' && pattern[1] == '}') {
            char *end = at + strcspn(at, "/");
            if (end == at || count == REQUEST_PARAMS_MAX)
                return false;
            rq->params[count++] = at;
            pattern += 2;
            if (*pattern != *end)
                return false;
            if (*end == '/') {
                *end++ = '\0';
                pattern++;
            }
            at = end;
        } else if (*pattern++ != *at++) {
            return false;
        }
    }
    return *at == '\0';
}

static bool method_fits(const char *method, const char *wanted)
{
    return strcmp(method, wanted) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(wanted, "GET") == 0);
}

static bool route(struct request *rq)
{
    char allow[REQUEST_HEADER_MAX] = "";

    for (const struct route *r = ROUTES; r->method != NULL; r++) {
        if (!match(rq, r->pattern))
            continue;
        if (method_fits(rq->method, r->method)) {
            rq->route = r;
            return true;
        }
        snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s%s",
                 allow[0] != '\0' ? ", " : "", r->method,
                 strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
    }
    if (allow[0] == '\0' && (rq->route = web_route(rq->path)) != NULL) {
        if (method_fits(rq->method, rq->route->method))
            return true;
        snprintf(allow, sizeof(allow), "GET, HEAD");
    }
    if (allow[0] == '\0') {
        request_problem(rq, 404, "route_unknown", "There is nothing at this path.");
        return false;
    }
    request_problem(rq, 405, "method_not_allowed", "This path takes %s.", allow);
    request_add_header(rq, "Allow", "%s", allow);
    return false;
}

/* ---- life ---- */

void request_begin(struct request *rq, struct app *app, struct MHD_Connection *mhd,
                   const char *method, const char *target, const char *version,
                   const struct hold *held)
{
    struct framing framing;

    rq->app = app;
    rq->mhd = mhd;
    if (held != NULL) {
        rq->hold = *held;
        rq->number = held->number;
        rq->began_ms = held->began_ms;
    } else {
        rq->number = atomic_fetch_add(&app->counters.requests, 1) + 1;
        rq->began_ms = app_clock_ms();
    }
    rq->method = method;
    rq->phase = REQUEST_BODY;
    json_init(&rq->out, REQUEST_ANSWER_MAX);
    if (framing_check(rq, target, version, &framing) && route(rq) &&
        auth_check(rq, rq->route->role))
        framing_check_body(rq, &framing);
    if (!request_is_over(rq) && request_is_upload(rq))
        rq->route->prepare(rq); /* opens the intake */
    request_reader_release(rq);
}

/* How much of a body that is not wanted is read to its end, so that the client sees the answer. */
static uint64_t discard_max(const struct request *rq)
{
    bool operator= rq->who.role >= ROLE_VIEWER && rq->who.role <= ROLE_ADMIN;

    return operator? DISCARD_OPERATOR_MAX : DISCARD_MAX;
}

bool request_refuses_body(const struct request *rq)
{
    return request_is_over(rq) && rq->body_len > discard_max(rq);
}

static bool keep_bytes(struct request *rq, const char *bytes, size_t len)
{
    size_t cap = rq->cap > 0 ? rq->cap : 512;
    char *grown;

    while (cap < rq->len + len + 1)
        cap *= 2;
    if (cap != rq->cap) {
        grown = realloc(rq->body, cap);
        if (grown == NULL)
            return false;
        rq->body = grown;
        rq->cap = cap;
    }
    memcpy(rq->body + rq->len, bytes, len);
    rq->len += len;
    rq->body[rq->len] = '\0';
    return true;
}

/* As soon as the upload is decided, so that nothing of it is left when the answer is there. */
static void close_intake(struct request *rq)
{
    if (rq->intake == NULL)
        return;
    intake_free(rq->intake);
    rq->intake = NULL;
    atomic_fetch_sub(&rq->app->uploads, 1);
}

bool request_take(struct request *rq, const char *bytes, size_t len)
{
    if (!request_is_over(rq) && rq->intake != NULL) {
        if (intake_write(rq->intake, bytes, len) == INTAKE_OK)
            return true;
        rq->route->settle(rq); /* turns the intake's error into the answer */
        close_intake(rq);
    } else if (!request_is_over(rq)) {
        if (rq->len + len > rq->route->body_max)
            request_problem(rq, 413, "body_too_large", "The body may have at most %u bytes here.",
                            rq->route->body_max);
        else if (!keep_bytes(rq, bytes, len))
            request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
    }
    if (!request_is_over(rq))
        return true;
    rq->discarded += len;
    return rq->discarded <= discard_max(rq);
}

/* ---- work ---- */

static int job_run(struct writer_job *job, struct db *db)
{
    struct request *rq = (struct request *)job;

    rq->db = db;
    rq->db_error = DB_OK;
    rq->route->handle(rq);
    if (rq->db_error == DB_OK && rq->answer.status < 400) {
        int error = audit_request(rq, db);
        if (error != DB_OK)
            request_fail(rq, error);
    }
    rq->db = NULL;
    if (rq->db_error != DB_OK) {
        log_note(&rq->app->log, LOG_ERROR, "write_failed", "%s %s: %s: %s", rq->method, rq->path,
                 db_error_name(rq->db_error), db_error_text(db));
        return rq->db_error;
    }
    return rq->answer.status >= 400 ? REFUSED : DB_OK;
}

static void job_done(struct writer_job *job, int error)
{
    struct request *rq = (struct request *)job;

    if (error != DB_OK && error != REFUSED)
        request_db_problem(rq, error);
    rq->resume(rq);
}

static void submit_job(struct request *rq)
{
    rq->job.run = job_run;
    rq->job.done = job_done;
    if (!writer_submit(rq->app->writer, &rq->job)) {
        request_problem(rq, 503, "overloaded", "The server has too much to write. Try again.");
        rq->answer.retry_after = 5;
        rq->resume(rq);
    }
}

static void *settle_main(void *ctx)
{
    struct request *rq = ctx;

    rq->route->settle(rq);
    request_reader_release(rq);
    if (request_is_over(rq))
        rq->resume(rq);
    else
        submit_job(rq);
    return NULL;
}

void request_submit(struct request *rq)
{
    pthread_t thread;

    if (rq->route->settle == NULL)
        submit_job(rq);
    else if (pthread_create(&thread, NULL, settle_main, rq) == 0)
        pthread_detach(thread);
    else
        settle_main(rq);
}

void request_work(struct request *rq)
{
    if (!request_is_over(rq) && rq->route->prepare != NULL && !request_is_upload(rq)) {
        rq->route->prepare(rq);
        request_reader_release(rq);
    }
    if (!request_is_over(rq) && !rq->answered_early &&
        (rq->route->handle != NULL || rq->route->settle != NULL))
        rq->phase = REQUEST_WORK;
    else
        request_after_work(rq);
}

void request_after_work(struct request *rq)
{
    close_intake(rq);
    if (!request_is_over(rq) && rq->route->finish != NULL) {
        rq->route->finish(rq);
        request_reader_release(rq);
    }
    if (rq->holds && !request_is_over(rq)) {
        rq->phase = REQUEST_HELD;
        return;
    }
    if (!request_is_over(rq))
        request_problem(rq, 500, "internal_error",
                        "The server did not answer. Please report this.");
    rq->phase = REQUEST_READY;
}

/* ---- answering ---- */

static void release_blob(void *blob)
{
    blob_release(blob);
}

static struct MHD_Response *make_response(struct request *rq)
{
    struct answer *answer = &rq->answer;
    struct MHD_Response *response;
    static char empty[1];

    if (answer->blob != NULL) {
        struct blob *blob = answer->blob;
        response = MHD_create_response_from_buffer_with_free_callback_cls(
            answer->blob_len, blob->bytes + answer->blob_first, release_blob, blob);
        if (response != NULL)
            answer->blob = NULL; /* the response holds it now */
        return response;
    }
    if (answer->stream != NULL) {
        struct stream *stream = answer->stream;
        answer->stream = NULL; /* the response's now */
        return stream_response(stream);
    }
    if (answer->fixed != NULL)
        return MHD_create_response_from_buffer(answer->len, (void *)(uintptr_t)answer->fixed,
                                               MHD_RESPMEM_PERSISTENT);
    if (answer->body == NULL)
        return MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT);
    response = MHD_create_response_from_buffer(answer->len, answer->body, MHD_RESPMEM_MUST_FREE);
    if (response != NULL)
        answer->body = NULL;
    return response;
}

static void take_json(struct request *rq)
{
    if (rq->out.text == NULL && !json_failed(&rq->out))
        return;
    rq->answer.body = json_take(&rq->out, &rq->answer.len);
    if (rq->answer.body == NULL) {
        rq->answer.status = 503;
        rq->answer.type = NULL;
        rq->answer.header_count = 0;
    }
}

/* A poll's answer that brings nothing, from those that are kept; NULL for any other. */
static struct MHD_Response *idle_answer(const struct request *rq)
{
    const struct answer *answer = &rq->answer;

    if (answer->status != 204 || answer->header_count != 0 || answer->retry_after == 0 ||
        atomic_load(&rq->app->draining))
        return NULL;
    return idle_answers_get(rq->app->idle_answers, answer->retry_after);
}

bool request_queue(struct request *rq)
{
    struct answer *answer = &rq->answer;
    struct MHD_Response *response;
    char name[REQUEST_NAME_CAP];
    char digits[12];
    bool queued;

    response = idle_answer(rq);
    if (response != NULL) {
        rq->phase = REQUEST_QUEUED;
        return MHD_queue_response(rq->mhd, answer->status, response) == MHD_YES;
    }
    take_json(rq);
    response = make_response(rq);
    if (response == NULL)
        return false;
    if (answer->type != NULL)
        MHD_add_response_header(response, "Content-Type", answer->type);
    if (answer->retry_after != 0) {
        snprintf(digits, sizeof(digits), "%u", answer->retry_after);
        MHD_add_response_header(response, "Retry-After", digits);
    }
    for (size_t i = 0; i < answer->header_count; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->status >= 400)
        MHD_add_response_header(response, "X-Request-Id", request_name(rq, name));
    if (atomic_load(&rq->app->draining))
        MHD_add_response_header(response, "Connection", "close");
    queued = MHD_queue_response(rq->mhd, answer->status, response) == MHD_YES;
    MHD_destroy_response(response);
    rq->phase = REQUEST_QUEUED;
    return queued;
}

/* Polls and downloads of devices are too many for the log; changes and refusals are not. */
static enum log_level level_of(const struct request *rq)
{
    if (rq->answer.status >= 500)
        return LOG_ERROR;
    if (rq->answer.status >= 400)
        return LOG_WARN;
    if (rq->who.role == ROLE_DEVICE || rq->who.role == ROLE_NONE ||
        strcmp(rq->method, "GET") == 0 || strcmp(rq->method, "HEAD") == 0)
        return LOG_DEBUG;
    return LOG_INFO;
}

static void log_request(struct request *rq, bool completed)
{
    struct log_line line;
    char name[REQUEST_NAME_CAP];
    char peer[REQUEST_PEER_CAP];

    if (!log_open(&line, &rq->app->log, level_of(rq), "request"))
        return;
    json_put_string(&line.json, "request_id", request_name(rq, name));
    json_put_string(&line.json, "peer", request_peer(rq, peer));
    json_put_string(&line.json, "method", rq->method);
    json_put_string(&line.json, "path", rq->path);
    json_put_int(&line.json, "status", rq->answer.status);
    json_put_int(&line.json, "ms", (int64_t)(app_clock_ms() - rq->began_ms));
    if (rq->answer.code != NULL)
        json_put_string(&line.json, "code", rq->answer.code);
    if (rq->who.role != ROLE_NONE) {
        json_put_string(&line.json, "role", role_name(rq->who.role));
        json_put_string(&line.json, "who", request_who(rq));
    }
    if (!completed)
        json_put_bool(&line.json, "completed", false);
    log_close(&line);
}

void request_end(struct request *rq, bool completed)
{
    metrics_note_request(rq->app->counters.kinds, rq->route, rq->answer.status,
                         app_clock_ms() - rq->began_ms);
    log_request(rq, completed && rq->phase == REQUEST_QUEUED);
    request_drop(rq);
}

void request_drop(struct request *rq)
{
    close_intake(rq);
    cJSON_Delete(rq->json);
    free(rq->body);
    free(rq->answer.body);
    blob_release(rq->answer.blob);
    stream_close(rq->answer.stream);
    json_free(&rq->out);
}
