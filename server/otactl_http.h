/*
 * One REST call against otad, over libcurl.
 *
 * Every failure is told on stderr in one sentence that says what to do, and comes back as the exit
 * code for it. Redirects are not followed: the token goes to the server that was named and nowhere
 * else. One connection is kept for all calls of a run.
 */
#ifndef OTAD_SERVER_OTACTL_HTTP_H
#define OTAD_SERVER_OTACTL_HTTP_H

#include <stdio.h>

#include "server/otactl.h"

#define OTACTL_ANSWER_MAX (16U * 1024U * 1024U) /* bytes of one answer */
#define OTACTL_CONNECT_SECONDS 10L
#define OTACTL_STALL_SECONDS 60L /* without a byte either way */

struct otactl_http_config {
    const char *server; /* "http://HOST:PORT" or "https://..." */
    const char *token;
    const char *ca_file; /* PEM, or NULL for the system's list */
};

/* OTACTL_OK and *http, or OTACTL_USAGE for a server that is no URL. `config`'s strings are copied.
 */
int otactl_http_new(struct otactl_http **http, const struct otactl_http_config *config);
void otactl_http_free(struct otactl_http *http);

struct otactl_request {
    const char *method;
    const char *path; /* "/api/v1/..." */
    const char *type; /* Content-Type of what is sent; NULL when nothing is */
    const void *body;
    size_t body_len;
    FILE *file; /* sent instead of body, file_len bytes, with a progress bar on a terminal */
    uint64_t file_len;
    /* Each line of a 2xx answer as it comes, in place of JSON; false ends it, which is no failure.
     */
    bool (*take_line)(void *ctx, const char *line);
    void *take_line_ctx;
    bool quiet; /* no word about a server that can't be reached: the caller tries again */
};

/* *answer is the JSON of a 2xx (NULL for an empty body), to be freed with cJSON_Delete(); it is
 * NULL after a failure. */
int otactl_http_call(struct otactl *ctl, const struct otactl_request *request, cJSON **answer);

/* The usual ones. They take `path` and `body` (may be NULL) and free them. */
int otactl_get(struct otactl *ctl, char *path, cJSON **answer);
int otactl_send(struct otactl *ctl, const char *method, char *path, cJSON *body, cJSON **answer);
/* All pages of a list as {"items":[...]}. `path` may have a query. */
int otactl_get_all(struct otactl *ctl, char *path, cJSON **answer);

/* otactl_path("a", id): "/api/v1/a/ID", each segment escaped. To be freed. */
#define otactl_path(...) otactl_path_join((const char *const[]){__VA_ARGS__, NULL})
char *otactl_path_join(const char *const *segments); /* a NULL ends them */
/* Appends ?name=value or &name=value, escaped, when value is not NULL; frees and replaces *path. */
void otactl_path_query(char **path, const char *name, const char *value);

/* Text of a member, "" when it is absent or not a text. */
const char *otactl_json_text(const cJSON *object, const char *name);
/* Number of a member, 0 when it is absent or not a number. */
double otactl_json_number(const cJSON *object, const char *name);
/* A member that may be a text or a number, as text: ids. To be freed. */
char *otactl_json_id(const cJSON *object, const char *name);
/* With --json prints the answer and returns true. */
bool otactl_print_json(const struct otactl *ctl, const cJSON *answer);

#endif
