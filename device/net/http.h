/*
 * HTTP/1.1 as the update client needs it: a request writer and a response parser without I/O.
 *
 *   struct ota_http_request --> ota_http_writer_read() --> bytes --> network
 *   network --> bytes --> ota_http_parse() --> struct ota_http_response, then body bytes
 *
 * Both take and give any number of bytes at a time: how the network cuts the stream changes
 * nothing. Nothing is stored but the beginning of the line being read, so that a head may be much
 * larger than the memory here. What RFC 9110 and 9112 call invalid is refused, and so is what they
 * tolerate but we have no use for: bare LF, folded lines, transfer codings other than chunked, two
 * fields where one belongs.
 *
 * Memory: the caller's structs; no heap. Errors are sticky: after one, start with a new connection.
 */
#ifndef OTA_DEVICE_NET_HTTP_H
#define OTA_DEVICE_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/port/transport.h"

#define OTA_HTTP_LINE_MAX 4096     /* bytes of one line of a head or trailer, without its CRLF */
#define OTA_HTTP_HEAD_MAX 8192     /* bytes of one head or trailer */
#define OTA_HTTP_FIELDS_MAX 64     /* field lines in one head or trailer */
#define OTA_HTTP_INTERIM_MAX 8     /* 1xx responses before the real one */
#define OTA_HTTP_KEPT_MAX 128      /* bytes of a line that we read */
#define OTA_HTTP_CHUNK_LINE_MAX 64 /* bytes of a chunk size line with its extensions */

/* Private to http.c and http_request.c; callers use the functions. */
struct ota_http_parser {
    uint32_t left;     /* bytes of the body, or of this chunk, still to come */
    uint16_t head_len; /* bytes of this head or trailer so far */
    uint16_t line_len; /* bytes of this line so far */
    uint8_t state;
    uint8_t fields;
    uint8_t interim;
    uint8_t seen; /* fields that stood already, a bit each */
    bool cr;      /* the line's CR came */
    bool old;     /* HTTP/1.0 */
    bool close;   /* this connection ends with this response */
    bool chunked;
    char line[OTA_HTTP_KEPT_MAX];
};

void ota_http_parser_init(struct ota_http_parser *parser);

/* Parse up to `in_len` bytes; *used says how many. One event a call:
 *   OTA_HTTP_BUSY  all of it was used, or *out_len was 0 with body bytes to come
 *   OTA_HTTP_HEAD  *response is complete; the body follows
 *   OTA_HTTP_BODY  *out_len (in: room) bytes of body are in `out`
 *   OTA_HTTP_DONE  the body is whole; bytes behind it are not used
 *   OTA_E_HTTP     not a response that we accept
 * *response is written until HEAD was told and must be the same one until then. */
int ota_http_parse(struct ota_http_parser *parser, struct ota_http_response *response,
                   const uint8_t *in, size_t in_len, size_t *used, uint8_t *out, size_t *out_len);

/* The peer closed the connection: OTA_HTTP_DONE when that ends the body, else OTA_E_TRANSPORT. */
int ota_http_parse_end(struct ota_http_parser *parser);

/* true after DONE when another request may follow on this connection. */
bool ota_http_parser_keeps(const struct ota_http_parser *parser);

struct ota_http_writer {
    const struct ota_http_request *request;
    const char *authority;
    size_t at; /* bytes already given */
    bool done;
};

/* `authority` is the Host field ("ota.example.com:8080"). Both are kept until the last read.
 * OTA_OK, or OTA_E_SYNTAX when a string could break out of its line, OTA_E_RANGE for an empty
 * range. */
int ota_http_writer_init(struct ota_http_writer *writer, const char *authority,
                         const struct ota_http_request *request);

/* The next bytes of the request, at most `cap`; 0 when it is whole. */
size_t ota_http_writer_read(struct ota_http_writer *writer, uint8_t *buf, size_t cap);
bool ota_http_writer_done(const struct ota_http_writer *writer);

#endif
