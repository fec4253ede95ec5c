#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

/* Visible ASCII only, so that no string can end its line or split its field. */
static bool is_visible(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static bool is_visible_or_null(const char *text)
{
    return text == NULL || is_visible(text);
}

int ota_http_writer_init(struct ota_http_writer *writer, const char *authority,
                         const struct ota_http_request *request)
{
    if (!is_visible(authority) || !is_visible(request->method) || !is_visible(request->path) ||
        request->path[0] != '/' || !is_visible_or_null(request->bearer) ||
        !is_visible_or_null(request->if_range)) {
        return OTA_E_SYNTAX;
    }
    if (request->has_range && request->range_start > request->range_end)
        return OTA_E_RANGE;
    memset(writer, 0, sizeof *writer);
    writer->request = request;
    writer->authority = authority;
    return OTA_OK;
}

/* A window of `cap` bytes onto the request, which is put together anew for each. */
struct window {
    uint8_t *buf;
    size_t cap;
    size_t len;  /* bytes in buf */
    size_t skip; /* bytes still before the window */
    bool cut;    /* there are more behind it */
};

static void put_len(struct window *window, const char *text, size_t len)
{
    size_t skip = window->skip < len ? window->skip : len;
    size_t room = window->cap - window->len;
    size_t take = len - skip < room ? len - skip : room;

    if (take > 0)
        memcpy(window->buf + window->len, text + skip, take);
    window->skip -= skip;
    window->len += take;
    window->cut |= take < len - skip;
}

static void put(struct window *window, const char *text)
{
    put_len(window, text, strlen(text));
}

static void put_number(struct window *window, const char *name, size_t value)
{
    char digits[OTA_DECIMAL_MAX];

    put(window, name);
    put_len(window, digits, ota_decimal_encode(value, digits));
}

static void put_if(struct window *window, const char *name, const char *value)
{
    if (value == NULL)
        return;
    put(window, name);
    put(window, value);
}

static void put_request(struct window *window, const char *authority,
                        const struct ota_http_request *request)
{
    put(window, request->method);
    put_if(window, " ", request->path);
    put_if(window, " HTTP/1.1\r\nHost: ", authority);
    put_if(window, "\r\nAuthorization: Bearer ", request->bearer);
    if (request->has_range) {
        put_number(window, "\r\nRange: bytes=", request->range_start);
        put_number(window, "-", request->range_end);
    }
    put_if(window, "\r\nIf-Range: ", request->if_range);
    if (request->wait_seconds != 0)
        put_number(window, "\r\nPrefer: wait=", request->wait_seconds);
    if (request->body != NULL)
        put_number(window,
                   "\r\nContent-Type: application/json\r\nContent-Length: ", request->body_len);
    put(window, "\r\nAccept-Encoding: identity\r\n\r\n");
    if (request->body != NULL)
        put_len(window, request->body, request->body_len);
}

size_t ota_http_writer_read(struct ota_http_writer *writer, uint8_t *buf, size_t cap)
{
    struct window window = {.buf = buf, .cap = cap, .skip = writer->at};

    put_request(&window, writer->authority, writer->request);
    writer->at += window.len;
    writer->done = !window.cut;
    return window.len;
}

bool ota_http_writer_done(const struct ota_http_writer *writer)
{
    return writer->done;
}
