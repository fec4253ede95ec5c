/*
 * Seam: one HTTP exchange at a time with one origin, over one kept connection.
 *
 * device/net implements it with HTTP/1.1 over lwIP; host tests implement it in memory. Never
 * blocks. The implementation bounds headers and lines, refuses what RFC 9112 calls invalid, and
 * sends `Authorization` to the configured origin only. Redirects are not followed. What a status or
 * range means is the client core's business.
 */
#ifndef OTA_DEVICE_PORT_TRANSPORT_H
#define OTA_DEVICE_PORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTA_HTTP_ETAG_MAX 80 /* bytes with the quotes */

/* Strings are NUL-terminated. The struct and all it points to stay valid until OTA_HTTP_HEAD was
 * told or the exchange ended; from then on the transport doesn't look at them. */
struct ota_http_request {
    const char *method;    /* "GET" or "POST" */
    const char *path;      /* absolute path with query */
    const char *bearer;    /* token, or NULL */
    const char *body;      /* JSON, or NULL */
    size_t body_len;       /* bytes */
    uint32_t range_start;  /* `Range: bytes=start-end`; has_range says whether */
    uint32_t range_end;    /* inclusive */
    const char *if_range;  /* strong ETag for If-Range, or NULL */
    uint32_t wait_seconds; /* `Prefer: wait=N`; 0 for none */
    bool has_range;
};

/* Lengths are 32 bits: an answer that promises more is refused as OTA_E_HTTP. */
struct ota_http_response {
    int status; /* 100 to 599; 1xx are consumed by the transport */
    bool has_length;
    bool has_range; /* Content-Range: bytes start-end/total */
    bool has_retry_after;
    bool coded;      /* a Content-Encoding other than identity */
    uint32_t length; /* Content-Length, bytes of the body */
    uint32_t range_start;
    uint32_t range_end; /* inclusive */
    uint32_t range_total;
    uint32_t retry_after_seconds;
    char etag[OTA_HTTP_ETAG_MAX + 1]; /* strong ETag with its quotes, "" for none or weak */
};

enum ota_http_progress {
    OTA_HTTP_BUSY = 0, /* nothing new; call again */
    OTA_HTTP_HEAD = 1, /* *response is complete; told once, without body bytes */
    OTA_HTTP_BODY = 2, /* *len bytes were put into buf */
    OTA_HTTP_DONE = 3, /* the body is whole by its framing; the exchange ended */
    /* negative: OTA_E_TRANSPORT, OTA_E_HTTP, OTA_E_TLS: the exchange ended, the connection is gone
     */
};

struct ota_transport {
    void *ctx;
    /* Begin an exchange (connects when need be). OTA_OK, or OTA_E_STATE when one is under way. */
    int (*start)(void *ctx, const struct ota_http_request *request);
    /* Advance. `*len` in: bytes that buf takes; out: bytes put there. Flow control is that the
     * implementation acknowledges to the peer only what was taken here. *response is written until
     * HEAD is told, and never afterwards: give the same one until then. So a caller may let
     * request, response and body share memory. */
    int (*poll)(void *ctx, struct ota_http_response *response, void *buf, size_t *len);
    /* End the exchange now. Closes the connection unless the body was read to its end. */
    void (*abort)(void *ctx);
};

#endif
