/*
 * One HTTP request, from its first header to its answer.
 *
 *     headers --> route --> framing --> authenticate --> body --> prepare --> handle --> finish -->
 * answer (HTTP)     (writer)    (HTTP)
 *
 * A route's `prepare` runs on the connection's thread when the body is whole. A route that changes
 * something has `handle`, which runs on the writer thread inside a transaction while the connection
 * is suspended; `finish` runs on the connection's thread after the commit. Each step may end the
 * request by setting an answer; an answer of 400 and above from `handle` takes back what it wrote.
 * What is answered to a change is on the disk.
 *
 * A poll that may wait has one more way: `finish` sets `holds` instead of an answer. All of the
 * request is given back but rq->hold, and when that is resumed it begins again from the headers, so
 * that what has changed meanwhile (a token replaced, a device rejected) counts.
 */
#ifndef OTAD_REQUEST_H
#define OTAD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/users.h"
#include "server/app.h"
#include "server/herald.h"
#include "server/intake.h"
#include "server/json_writer.h"
#include "server/secret.h"
#include "server/steer.h"

struct MHD_Connection;
struct cJSON;

#define REQUEST_PATH_MAX 255    /* characters of a decoded path */
#define REQUEST_TARGET_MAX 2048 /* characters of path and query as sent */
#define REQUEST_PARAMS_MAX 2
#define REQUEST_HEADERS_MAX 6 /* of the answer, beyond those that every answer has */
#define REQUEST_HEADER_MAX 160
#define REQUEST_ANSWER_MAX (8U << 20) /* bytes of a JSON answer */

#define BODY_NONE 0U
#define BODY_DEVICE (16U << 10)   /* bytes */
#define BODY_OPERATOR (64U << 10) /* bytes */
#define BODY_IMPORT (4U << 20)    /* bytes of a CSV file */

enum role {
    ROLE_NONE = 0, /* anybody */
    ROLE_VIEWER = 1,
    ROLE_OPERATOR = 2,
    ROLE_ADMIN = 3,
    ROLE_DEVICE = 10,
    ROLE_ENROLMENT = 11,
};
const char *role_name(enum role role);
bool role_parse(enum role *role, const char *name);

struct request;
typedef void request_step(struct request *rq);

struct route {
    const char *method;
    const char *pattern; /* "{}" stands for one segment */
    enum role role;
    uint32_t body_max;     /* bytes, BODY_* */
    request_step *prepare; /* may set answered_early: go on with `finish` */
    request_step *handle;
    request_step *finish;
    /* Runs on a thread of its own between `prepare` and `handle`, since it takes long: an upload
     * waits for the disk, a password is hashed. In an upload (body_max is BODY_NONE) `prepare` runs
     * at the headers and opens the intake that the body goes to. Without `handle` it is a read
     * that takes long, and answers. */
    request_step *settle;
};

/* The fixed table (routes.c). NULL ends it. */
extern const struct route ROUTES[];

/* Who asks. */
struct principal {
    enum role role;
    int64_t id;                  /* of the API token, user, device or enrolment key */
    char name[DB_LABEL_MAX + 1]; /* of the API token or user; for a device: request_who() */
    struct fleet_ref device;     /* ROLE_DEVICE */
    bool by_session;             /* a cookie let it in */
    bool is_user;                /* id and name are a user's */
    int64_t until;               /* when the session ends; 0: no session */
};

struct answer_header {
    const char *name;
    char value[REQUEST_HEADER_MAX];
};

struct answer {
    unsigned status; /* 0: none yet */
    const char *type;
    char *body; /* on the heap, or NULL */
    size_t len;
    struct blob *blob; /* a part of it instead of a body */
    size_t blob_first;
    size_t blob_len;
    struct stream *stream; /* events, instead of a body; for so many seconds */
    uint32_t seconds;
    const char *fixed;    /* bytes that stay for ever, instead of a body */
    const char *code;     /* of a problem */
    uint32_t retry_after; /* seconds; 0: the header is left out */
    struct answer_header headers[REQUEST_HEADERS_MAX];
    size_t header_count;
};

enum request_phase {
    REQUEST_BODY,   /* body comes in */
    REQUEST_WORK,   /* suspended: the writer or a helper thread has it */
    REQUEST_HELD,   /* to be suspended and given to the herald */
    REQUEST_READY,  /* the answer stands */
    REQUEST_QUEUED, /* the answer is with the library */
};

struct request {
    struct writer_job job; /* first: a job is its request */
    struct app *app;
    struct MHD_Connection *mhd;
    void (*resume)(struct request *rq); /* wakes the connection's thread */
    void *connection;                   /* the edge's */
    uint64_t number;
    uint64_t began_ms;
    const char *method;
    char path[REQUEST_PATH_MAX + 1];
    const struct route *route;
    const char *params[REQUEST_PARAMS_MAX]; /* point into `segments` */
    char segments[REQUEST_PATH_MAX + 1];
    struct principal who;

    char *body;
    size_t len;
    size_t cap;
    uint64_t body_len;  /* as announced by Content-Length */
    uint64_t discarded; /* bytes of a body that is not wanted */
    struct cJSON *json; /* the parsed body */
    struct intake *intake;

    enum request_phase phase;
    struct answer answer;
    struct json_writer out;
    struct db
        *db; /* in `handle`: the writer's; elsewhere the reader, once request_reader() gave it */
    bool holds_reader;
    bool answered_early; /* set by `prepare`: `handle` has nothing to do */
    bool holds;          /* set by `finish`: `hold` is filled in */
    struct hold hold;    /* as it ended, when the request was held before */
    int db_error;        /* of `handle`: why it must be taken back */

    /* Between prepare, handle and finish. */
    union {
        struct {
            struct fleet_facts facts;
            uint8_t nonce[OTA_NONCE_LEN];
            bool has_nonce;
            uint32_t wait_seconds; /* wished for and granted, 0 for none */
            enum ota_action known; /* the answer that would be no news */
            bool takes_patches;
            struct steer_answer answer;
        } poll;
        struct {
            struct ota_report report;
        } report;
        struct {
            struct db_firmware firmware;
            int error;
        } upload;
        struct {
            int64_t user_id;
            int64_t token_id;
        } sign_in;
        struct db_user user;
    } as;
};

/* ---- for the edge ---- */

/* Headers are there: route, check the framing, authenticate. `held`: how it was held before, NULL
 * if it was not. */
void request_begin(struct request *rq, struct app *app, struct MHD_Connection *mhd,
                   const char *method, const char *target, const char *version,
                   const struct hold *held);
/* True when the answer should go out before the body has come, and the connection close. */
bool request_refuses_body(const struct request *rq);
/* A piece of the body. False: end the connection. */
bool request_take(struct request *rq, const char *bytes, size_t len);
/* The body is whole: work. The phase tells what is next. */
void request_work(struct request *rq);
/* REQUEST_WORK, and the connection is suspended: give it to the writer (or to what the route uses
 * instead); rq->resume is called when that is done. */
void request_submit(struct request *rq);
/* After a resume: what is left to do on the connection's thread. */
void request_after_work(struct request *rq);
/* Hand the answer to the library. False: end the connection. */
bool request_queue(struct request *rq);
/* The request is over, however it went: log it and free what it holds. */
void request_end(struct request *rq, bool completed);
/* Free what it holds: it goes on as a struct hold. */
void request_drop(struct request *rq);

/* ---- for handlers ---- */

/* The reader's connection to the database; the request holds it until its step returns. */
struct db *request_reader(struct request *rq);
void request_reader_release(struct request *rq);

/* A JSON answer: write into what is returned; it goes out when the step returns. */
struct json_writer *request_json(struct request *rq, unsigned status);
void request_no_content(struct request *rq);
void request_add_header(struct request *rq, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An error answer (RFC 9457). `code` is stable, `format` says what is wrong and what to do. */
void request_problem(struct request *rq, unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, naming the member of the body that is meant, as in "stages[0].percent". */
void request_problem_in(struct request *rq, unsigned status, const char *code, const char *field,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same for an error of db/: 507 for a full disk, 503 for a busy one, else 500. */
void request_db_problem(struct request *rq, int error);
/* In `handle`: an error of db/ that takes everything back. */
void request_fail(struct request *rq, int error);
bool request_is_over(const struct request *rq);
/* What the log and error answers call this request: unique across restarts. Returns buf. */
#define REQUEST_NAME_CAP (APP_RUN_DIGITS + 24)
const char *request_name(const struct request *rq, char buf[REQUEST_NAME_CAP]);
bool request_is_upload(const struct request *rq);
/* The address that it comes from, as text; "" when there is none. Returns buf. */
#define REQUEST_PEER_CAP 48
const char *request_peer(const struct request *rq, char buf[REQUEST_PEER_CAP]);
/* The name of who asks. A device's lies apart from what a poll reads, so it is looked up when it is
 * wanted; "" when the device is gone by then. */
const char *request_who(struct request *rq);

/* A query parameter, decoded. 1: there, 0: not there, -1: malformed, and the problem is set. */
int request_query(struct request *rq, const char *name, char *buf, size_t cap);
/* Refuse parameters that are not in `names` (ended by NULL), and those that stand twice. */
bool request_check_query(struct request *rq, const char *const *names);
/* A whole number from min to max, `fallback` when it is not there. False: the problem is set. */
bool request_query_number(struct request *rq, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *number);
/* limit and cursor. False: the problem is set. */
bool request_page(struct request *rq, struct db_page *page);
/* A path segment that must be a row's id; 0 for none, and the problem (404) is set. */
int64_t request_id(struct request *rq, int param, const char *what);
/* The value of a request header, NULL when it is not there. */
const char *request_header(struct request *rq, const char *name);

#endif
