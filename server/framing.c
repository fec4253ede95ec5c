#include "server/framing.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/escape.h"

struct scan {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    unsigned authorizations;
    const char *length;
    const char *encoding;
    bool odd; /* a name that is no token, a value that is empty or holds a control character */
};

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    return false;
}

/* RFC 9110 section 5.6.2. */
static bool is_token_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           (c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL);
}

static bool is_token(const char *text)
{
    const char *at = text;

    while (is_token_character(*at))
        at++;
    return at > text && *at == '\0';
}

static enum MHD_Result scan_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct scan *scan = ctx;

    (void)kind;
    if (value == NULL)
        value = "";
    /* A value that is empty may be one that was folded: the library then takes the next line's text
     * for a part of the name, and `Transfer-Encoding:` + ` chunked` passes as something else. */
    scan->odd = scan->odd || !is_token(name) || value[0] == '\0' || has_control(value);
    if (strcasecmp(name, "Host") == 0) {
        scan->hosts++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        scan->lengths++;
        scan->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        scan->encodings++;
        scan->encoding = value;
    } else if (strcasecmp(name, "Authorization") == 0) {
        scan->authorizations++;
    }
    return MHD_YES;
}

static bool refuse(struct request *rq, const char *detail)
{
    request_problem(rq, 400, "bad_request", "%s", detail);
    request_add_header(rq, "Connection", "close");
    return false;
}

static bool parse_length(const char *text, uint64_t *length)
{
    *length = 0;
    if (*text == '\0' || strlen(text) > 18)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *length = *length * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static bool check_headers(struct request *rq, const char *version, struct framing *framing)
{
    struct scan scan = {.hosts = 0};

    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, scan_header, &scan);
    if (scan.odd)
        return refuse(
            rq, "A header is empty, is folded, or holds a character that must not stand there.");
    if (scan.hosts > 1 || (scan.hosts == 0 && strcmp(version, "HTTP/1.1") == 0))
        return refuse(rq, "Send exactly one Host header.");
    if (scan.authorizations > 1)
        return refuse(rq, "Send one Authorization header.");
    if (scan.lengths + scan.encodings > 1)
        return refuse(rq, "Send one Content-Length or Transfer-Encoding header, not more.");
    if (scan.encodings == 1 && strcasecmp(scan.encoding, "chunked") != 0)
        return refuse(rq, "The only Transfer-Encoding that is understood is chunked.");
    if (scan.lengths == 1 && !parse_length(scan.length, &framing->length))
        return refuse(rq, "Content-Length is not a number.");
    framing->has_length = scan.lengths == 1;
    rq->body_len = framing->length;
    framing->chunked = scan.encodings == 1;
    return true;
}

bool framing_check(struct request *rq, const char *target, const char *version,
                   struct framing *framing)
{
    size_t len = strlen(target);

    memset(framing, 0, sizeof(*framing));
    if (len > REQUEST_PATH_MAX * 3) {
        request_problem(rq, 414, "path_too_long", "No path here is that long.");
        return false;
    }
    if (escape_decode(target, len, false, rq->path, sizeof(rq->path)) < 0) {
        snprintf(rq->path, sizeof(rq->path), "(malformed)");
        return refuse(rq,
                      "The path holds a broken escape, an escaped slash or a control character.");
    }
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return refuse(rq, "Speak HTTP/1.1.");
    return check_headers(rq, version, framing);
}

bool framing_check_body(struct request *rq, const struct framing *framing)
{
    bool is_upload = request_is_upload(rq);
    const char *type = request_header(rq, "Content-Type");
    uint32_t max = is_upload ? rq->app->config.firmware_max : rq->route->body_max;

    if (max == BODY_NONE && (framing->chunked || framing->length > 0)) {
        request_problem(rq, 400, "body_unexpected", "This request takes no body.");
        return false;
    }
    if (type != NULL && strncasecmp(type, "multipart/", strlen("multipart/")) == 0) {
        request_problem(rq, 400, "form_unexpected",
                        "Send the content itself and not a form, as curl does with --data-binary "
                        "@FILE.");
        return false;
    }
    if (framing->length <= max)
        return true;
    if (is_upload)
        request_problem(rq, 413, "image_too_large",
                        "The file has %llu bytes; this server accepts images of at most %u.",
                        (unsigned long long)framing->length, max);
    else
        request_problem(rq, 413, "body_too_large", "The body may have at most %u bytes here.", max);
    return false;
}
