#include "server/web.h"

#include <string.h>

#define PREFIX "/web/"
#define FIRST "index.html"

static const char POLICY[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
_Static_assert(sizeof(POLICY) <= REQUEST_HEADER_MAX, "a header of an answer");

static const struct web_file *find(const char *path)
{
    const char *name = strcmp(path, "/") == 0 ? FIRST : NULL;

    if (strncmp(path, PREFIX, sizeof(PREFIX) - 1) == 0)
        name = path + sizeof(PREFIX) - 1;
    for (const struct web_file *file = WEB_FILES; name != NULL && file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

static void serve(struct request *rq)
{
    const struct web_file *file = find(rq->path);
    const char *known = request_header(rq, "If-None-Match");

    if (known != NULL && strstr(known, file->etag) != NULL) {
        request_no_content(rq);
        rq->answer.status = 304;
    } else {
        request_no_content(rq);
        rq->answer.status = 200;
        rq->answer.type = file->type;
        rq->answer.fixed = (const char *)file->bytes;
        rq->answer.len = file->len;
    }
    request_add_header(rq, "ETag", "%s", file->etag);
    request_add_header(rq, "Cache-Control", "no-cache"); /* kept, and asked for again by its ETag */
    request_add_header(rq, "Content-Security-Policy", "%s", POLICY);
    /* A second policy must hold as well: no text becomes script or markup. */
    request_add_header(rq, "Content-Security-Policy",
                       "require-trusted-types-for 'script'; trusted-types 'none'");
    request_add_header(rq, "Referrer-Policy", "no-referrer");
    request_add_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
}

const struct route *web_route(const char *path)
{
    static const struct route route = {"GET", PREFIX "{}", ROLE_NONE, BODY_NONE,
                                       serve, NULL,        NULL,      NULL};

    return find(path) != NULL ? &route : NULL;
}
