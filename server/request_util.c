#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/escape.h"
#include "server/request.h"

#define LIMIT_DEFAULT 100
#define CURSOR_MAX 24 /* characters */

struct role_word {
    enum role role;
    const char *name;
};
static const struct role_word ROLES[] = {
    {ROLE_VIEWER, "viewer"}, {ROLE_OPERATOR, "operator"},   {ROLE_ADMIN, "admin"},
    {ROLE_DEVICE, "device"}, {ROLE_ENROLMENT, "enrolment"}, {ROLE_NONE, "none"},
};
#define ROLE_COUNT (sizeof(ROLES) / sizeof(ROLES[0]))

const char *role_name(enum role role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (ROLES[i].role == role)
            return ROLES[i].name;
    return "none";
}

bool role_parse(enum role *role, const char *name)
{
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(ROLES[i].name, name) == 0) {
            *role = ROLES[i].role;
            return true;
        }
    }
    return false;
}

/* ---- the reader ---- */

struct db *request_reader(struct request *rq)
{
    if (rq->db != NULL)
        return rq->db;
    pthread_mutex_lock(&rq->app->reader_lock);
    rq->holds_reader = true;
    rq->db = rq->app->reader;
    return rq->db;
}

void request_reader_release(struct request *rq)
{
    if (!rq->holds_reader)
        return;
    rq->holds_reader = false;
    rq->db = NULL;
    pthread_mutex_unlock(&rq->app->reader_lock);
}

/* ---- answers ---- */

bool request_is_over(const struct request *rq)
{
    return rq->answer.status != 0;
}

bool request_is_upload(const struct request *rq)
{
    return rq->route->settle != NULL && rq->route->handle != NULL &&
           rq->route->body_max == BODY_NONE;
}

static void reset_answer(struct request *rq)
{
    free(rq->answer.body);
    blob_release(rq->answer.blob);
    json_free(&rq->out);
    memset(&rq->answer, 0, sizeof(rq->answer));
}

struct json_writer *request_json(struct request *rq, unsigned status)
{
    reset_answer(rq);
    rq->answer.status = status;
    rq->answer.type = "application/json";
    return &rq->out;
}

void request_no_content(struct request *rq)
{
    reset_answer(rq);
    rq->answer.status = 204;
}

void request_add_header(struct request *rq, const char *name, const char *format, ...)
{
    struct answer *answer = &rq->answer;
    va_list args;

    if (answer->header_count == REQUEST_HEADERS_MAX)
        return;
    va_start(args, format);
    vsnprintf(answer->headers[answer->header_count].value, REQUEST_HEADER_MAX, format, args);
    va_end(args);
    answer->headers[answer->header_count++].name = name;
}

const char *request_peer(const struct request *rq, char buf[REQUEST_PEER_CAP])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

    buf[0] = '\0';
    if (address != NULL && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, buf,
                  REQUEST_PEER_CAP);
    else if (address != NULL && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, buf,
                  REQUEST_PEER_CAP);
    return buf;
}

const char *request_who(struct request *rq)
{
    struct fleet *fleet = rq->app->fleet;
    const struct fleet_device *device;

    if (rq->who.role != ROLE_DEVICE || rq->who.name[0] != '\0')
        return rq->who.name;
    fleet_lock(fleet);
    device = fleet_device(fleet, rq->who.device);
    if (device != NULL)
        memcpy(rq->who.name, device->name, device->name_len);
    fleet_unlock(fleet);
    return rq->who.name;
}

const char *request_name(const struct request *rq, char buf[REQUEST_NAME_CAP])
{
    snprintf(buf, REQUEST_NAME_CAP, "%s-%llu", rq->app->run, (unsigned long long)rq->number);
    return buf;
}

/* `field` may be NULL. */
__attribute__((format(printf, 5, 0))) static void set_problem(struct request *rq, unsigned status,
                                                              const char *code, const char *field,
                                                              const char *format, va_list args)
{
    char detail[512];
    char name[REQUEST_NAME_CAP];

    vsnprintf(detail, sizeof(detail), format, args);
    reset_answer(rq);
    rq->answer.status = status;
    rq->answer.code = code;
    rq->answer.type = "application/problem+json";
    json_object(&rq->out);
    json_put_string(&rq->out, "type", "about:blank");
    json_put_string(&rq->out, "title", MHD_get_reason_phrase_for(status));
    json_put_int(&rq->out, "status", status);
    json_put_string(&rq->out, "code", code);
    json_put_string(&rq->out, "detail", detail);
    if (field != NULL)
        json_put_string(&rq->out, "field", field);
    json_put_string(&rq->out, "request_id", request_name(rq, name));
    json_object_end(&rq->out);
}

void request_problem(struct request *rq, unsigned status, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_problem(rq, status, code, NULL, format, args);
    va_end(args);
}

void request_problem_in(struct request *rq, unsigned status, const char *code, const char *field,
                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_problem(rq, status, code, field, format, args);
    va_end(args);
}

void request_db_problem(struct request *rq, int error)
{
    switch (error) {
    case DB_E_FULL:
        request_problem(rq, 507, "storage_full",
                        "The server's disk is full. Nothing was changed; free some space.");
        break;
    case DB_E_BUSY:
        request_problem(rq, 503, "database_busy", "The database is busy. Try again.");
        rq->answer.retry_after = 5;
        break;
    case DB_E_IO:
        request_problem(rq, 503, "storage_failed",
                        "The server's disk failed. Nothing was changed; see its log.");
        break;
    default:
        request_problem(rq, 500, "internal_error",
                        "The server failed (%s). Nothing was changed; see its log.",
                        db_error_name(error));
        break;
    }
}

void request_fail(struct request *rq, int error)
{
    rq->db_error = error;
    request_db_problem(rq, error);
}

/* ---- input ---- */

const char *request_header(struct request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name);
}

int request_query(struct request *rq, const char *name, char *buf, size_t cap)
{
    const char *raw = MHD_lookup_connection_value(rq->mhd, MHD_GET_ARGUMENT_KIND, name);

    if (raw == NULL)
        return 0;
    if (escape_decode(raw, strlen(raw), true, buf, cap) >= 0)
        return 1;
    request_problem(rq, 400, "query_invalid",
                    "The query parameter %s is malformed or longer than %zu characters.", name,
                    cap - 1);
    return -1;
}

struct query_scan {
    const char *const *names;
    char bad[32];
    unsigned seen;
    bool twice;
};

static enum MHD_Result scan_query(void *ctx, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct query_scan *scan = ctx;

    (void)kind;
    (void)value;
    for (unsigned i = 0; scan->names[i] != NULL; i++) {
        if (strcmp(scan->names[i], name) != 0)
            continue;
        scan->twice = scan->twice || (scan->seen & (1U << i)) != 0;
        scan->seen |= 1U << i;
        if (!scan->twice)
            return MHD_YES;
    }
    if (scan->bad[0] == '\0')
        snprintf(scan->bad, sizeof(scan->bad), "%s", name);
    return MHD_NO;
}

bool request_check_query(struct request *rq, const char *const *names)
{
    struct query_scan scan = {.names = names};

    MHD_get_connection_values(rq->mhd, MHD_GET_ARGUMENT_KIND, scan_query, &scan);
    if (scan.bad[0] == '\0')
        return true;
    request_problem(rq, 400, "query_invalid", "The query parameter %s %s.", scan.bad,
                    scan.twice ? "stands twice" : "is not known here");
    return false;
}

static bool parse_number(const char *text, int64_t max, int64_t *number)
{
    char *end;
    long long value;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > max)
        return false;
    *number = value;
    return true;
}

bool request_query_number(struct request *rq, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *number)
{
    char text[CURSOR_MAX + 1];
    int found = request_query(rq, name, text, sizeof(text));

    *number = fallback;
    if (found <= 0)
        return found == 0;
    if (parse_number(text, max, number) && *number >= min)
        return true;
    request_problem(rq, 400, "query_invalid", "%s must be a whole number from %lld to %lld.", name,
                    (long long)min, (long long)max);
    return false;
}

bool request_page(struct request *rq, struct db_page *page)
{
    char text[CURSOR_MAX + 1];
    int64_t number;
    int found;

    if (!request_query_number(rq, "limit", 1, DB_PAGE_MAX, LIMIT_DEFAULT, &number))
        return false;
    page->limit = (int)number;
    page->after = 0;
    found = request_query(rq, "cursor", text, sizeof(text));
    if (found > 0 && !parse_number(text, INT64_MAX, &page->after)) {
        request_problem(rq, 400, "query_invalid",
                        "cursor must be the `next` of the page before, unchanged.");
        return false;
    }
    return found >= 0;
}

int64_t request_id(struct request *rq, int param, const char *what)
{
    int64_t id;

    if (parse_number(rq->params[param], UINT32_MAX, &id) && id > 0)
        return id;
    request_problem(rq, 404, "not_found", "There is no %s with this id.", what);
    return 0;
}
