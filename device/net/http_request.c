#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/out.h"

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

int ota_http_writer_init(struct ota_http_writer *writer, const char *authority,
                         const struct ota_http_request *request)
{
    const char *texts[] = {authority, request->method, request->path, request->bearer,
                           request->if_range};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i] != NULL && !is_visible(texts[i]))
            return OTA_E_SYNTAX;
    if (request->path[0] != '/')
        return OTA_E_SYNTAX;
    if (request->has_range && request->range_start > request->range_end)
        return OTA_E_RANGE;
    memset(writer, 0, sizeof *writer);
    writer->request = request;
    writer->authority = authority;
    return OTA_OK;
}

static void put_request(struct ota_out *out, const char *authority,
                        const struct ota_http_request *request)
{
    ota_out_put(out, request->method);
    ota_out_put_text(out, " ", request->path);
    ota_out_put_text(out, " HTTP/1.1\r\nHost: ", authority);
    ota_out_put_text(out, "\r\nAuthorization: Bearer ", request->bearer);
    if (request->has_range) {
        ota_out_put_number(out, "\r\nRange: bytes=", request->range_start);
        ota_out_put_number(out, "-", request->range_end);
    }
    ota_out_put_text(out, "\r\nIf-Range: ", request->if_range);
    if (request->wait_seconds != 0)
        ota_out_put_number(out, "\r\nPrefer: wait=", request->wait_seconds);
    if (request->body != NULL)
        ota_out_put_number(
            out, "\r\nContent-Type: application/json\r\nContent-Length: ", request->body_len);
    ota_out_put(out, "\r\nAccept-Encoding: identity\r\n\r\n");
    if (request->body != NULL)
        ota_out_put_len(out, request->body, request->body_len);
}

size_t ota_http_writer_read(struct ota_http_writer *writer, uint8_t *buf, size_t cap)
{
    struct ota_out out;

    ota_out_open(&out, (char *)buf, cap);
    out.skip = writer->at;
    put_request(&out, writer->authority, writer->request);
    writer->at += out.len;
    writer->done = !out.cut;
    return out.len;
}

bool ota_http_writer_done(const struct ota_http_writer *writer)
{
    return writer->done;
}
