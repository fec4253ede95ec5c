#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

/* A request in the order of its bytes: each part is a name, which is constant, and a value. */
enum part {
    PART_METHOD,
    PART_PATH,
    PART_HOST,
    PART_BEARER,
    PART_RANGE,
    PART_IF_RANGE,
    PART_WAIT,
    PART_LENGTH,
    PART_BODY,
    PARTS
};

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

static struct ota_text number(struct ota_http_writer *writer, uint64_t value)
{
    return (struct ota_text){writer->number, ota_decimal_encode(value, writer->number)};
}

static struct ota_text range(struct ota_http_writer *writer)
{
    size_t len = ota_decimal_encode(writer->request->range_start, writer->number);
    writer->number[len++] = '-';
    len += ota_decimal_encode(writer->request->range_end, writer->number + len);
    return (struct ota_text){writer->number, len};
}

/* What stands in front of a value, or NULL when the request has none. */
static const char *name_of(const struct ota_http_request *request, enum part part)
{
    switch (part) {
    case PART_METHOD:
        return "";
    case PART_PATH:
        return " ";
    case PART_HOST:
        return " HTTP/1.1\r\nHost: ";
    case PART_BEARER:
        return request->bearer != NULL ? "\r\nAuthorization: Bearer " : NULL;
    case PART_RANGE:
        return request->has_range ? "\r\nRange: bytes=" : NULL;
    case PART_IF_RANGE:
        return request->if_range != NULL ? "\r\nIf-Range: " : NULL;
    case PART_WAIT:
        return request->wait_seconds != 0 ? "\r\nPrefer: wait=" : NULL;
    case PART_LENGTH:
        return request->body != NULL ? "\r\nContent-Type: application/json\r\nContent-Length: "
                                     : NULL;
    case PART_BODY:
        return "\r\nAccept-Encoding: identity\r\n\r\n";
    case PARTS:
        break;
    }
    return NULL;
}

static struct ota_text value_of(struct ota_http_writer *writer, enum part part)
{
    const struct ota_http_request *request = writer->request;

    switch (part) {
    case PART_METHOD:
        return ota_text_of(request->method);
    case PART_PATH:
        return ota_text_of(request->path);
    case PART_HOST:
        return ota_text_of(writer->authority);
    case PART_BEARER:
        return ota_text_of(request->bearer);
    case PART_RANGE:
        return range(writer);
    case PART_IF_RANGE:
        return ota_text_of(request->if_range);
    case PART_WAIT:
        return number(writer, request->wait_seconds);
    case PART_LENGTH:
        return number(writer, request->body_len);
    case PART_BODY:
    case PARTS:
        break;
    }
    return (struct ota_text){request->body, request->body != NULL ? request->body_len : 0};
}

/* The text at the writer's place; empty for what the request doesn't have. */
static struct ota_text current(struct ota_http_writer *writer)
{
    enum part part = (enum part)(writer->part / 2);
    const char *name = name_of(writer->request, part);

    if (name == NULL)
        return (struct ota_text){"", 0};
    return writer->part % 2 == 0 ? ota_text_of(name) : value_of(writer, part);
}

size_t ota_http_writer_read(struct ota_http_writer *writer, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap && writer->part < 2 * PARTS) {
        struct ota_text text = current(writer);
        size_t left = text.len - writer->at;
        size_t take = left < cap - len ? left : cap - len;
        if (take > 0)
            memcpy(buf + len, text.at + writer->at, take);
        len += take;
        writer->at += take;
        if (writer->at == text.len) {
            writer->part++;
            writer->at = 0;
        }
    }
    return len;
}

bool ota_http_writer_done(const struct ota_http_writer *writer)
{
    return writer->part == 2 * PARTS;
}
