#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

/* A request in the order of its bytes; each part is a constant, a string of the caller or a number.
 */
enum part {
    PART_METHOD,
    PART_SPACE,
    PART_PATH,
    PART_HOST_NAME,
    PART_HOST,
    PART_ENCODING,
    PART_BEARER_NAME,
    PART_BEARER,
    PART_RANGE_NAME,
    PART_RANGE,
    PART_IF_RANGE_NAME,
    PART_IF_RANGE,
    PART_WAIT_NAME,
    PART_WAIT,
    PART_LENGTH_NAME,
    PART_LENGTH,
    PART_END,
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

static struct ota_text text_of(const char *text)
{
    return (struct ota_text){text, strlen(text)};
}

static struct ota_text text_if(bool wanted, const char *text)
{
    return wanted ? text_of(text) : (struct ota_text){"", 0};
}

/* Decimal digits in front of `end`; where they start. */
static char *put_decimal(char *end, size_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

static struct ota_text number(struct ota_http_writer *writer, size_t value)
{
    char *end = writer->number + sizeof writer->number;
    const char *start = put_decimal(end, value);
    return (struct ota_text){start, (size_t)(end - start)};
}

static struct ota_text range(struct ota_http_writer *writer)
{
    char *end = writer->number + sizeof writer->number;
    char *start = put_decimal(end, writer->request->range_end);
    *--start = '-';
    start = put_decimal(start, writer->request->range_start);
    return (struct ota_text){start, (size_t)(end - start)};
}

static struct ota_text part_text(struct ota_http_writer *writer)
{
    const struct ota_http_request *request = writer->request;
    bool has_body = request->body != NULL;

    switch ((enum part)writer->part) {
    case PART_METHOD:
        return text_of(request->method);
    case PART_SPACE:
        return text_of(" ");
    case PART_PATH:
        return text_of(request->path);
    case PART_HOST_NAME:
        return text_of(" HTTP/1.1\r\nHost: ");
    case PART_HOST:
        return text_of(writer->authority);
    case PART_ENCODING:
        return text_of("\r\nAccept-Encoding: identity");
    case PART_BEARER_NAME:
        return text_if(request->bearer != NULL, "\r\nAuthorization: Bearer ");
    case PART_BEARER:
        return text_if(request->bearer != NULL, request->bearer);
    case PART_RANGE_NAME:
        return text_if(request->has_range, "\r\nRange: bytes=");
    case PART_RANGE:
        return request->has_range ? range(writer) : text_of("");
    case PART_IF_RANGE_NAME:
        return text_if(request->if_range != NULL, "\r\nIf-Range: ");
    case PART_IF_RANGE:
        return text_if(request->if_range != NULL, request->if_range);
    case PART_WAIT_NAME:
        return text_if(request->wait_seconds != 0, "\r\nPrefer: wait=");
    case PART_WAIT:
        return request->wait_seconds != 0 ? number(writer, request->wait_seconds) : text_of("");
    case PART_LENGTH_NAME:
        return text_if(has_body, "\r\nContent-Type: application/json\r\nContent-Length: ");
    case PART_LENGTH:
        return has_body ? number(writer, request->body_len) : text_of("");
    case PART_END:
        return text_of("\r\n\r\n");
    case PART_BODY:
        return has_body ? (struct ota_text){request->body, request->body_len} : text_of("");
    case PARTS:
        break;
    }
    return (struct ota_text){"", 0};
}

size_t ota_http_writer_read(struct ota_http_writer *writer, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap && writer->part < PARTS) {
        struct ota_text text = part_text(writer);
        size_t left = text.len - writer->at;
        size_t take = left < cap - len ? left : cap - len;
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
    return writer->part == PARTS;
}
