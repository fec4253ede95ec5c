/*
 * The transport seam (device/port/transport.h) over lwIP's raw API, NO_SYS.
 *
 *   ota_transport.start --> resolve --> connect --> write the request
 *   ota_transport.poll  <-- parse <-- pbufs as lwIP delivered them <-- TCP
 *
 * Plain TCP, or whatever the altcp allocator puts between (TLS). One connection is kept between
 * exchanges; when it turns out dead before the first byte of an answer, the request is sent once
 * more on a new one: every request of the client may be repeated. The TCP window opens only for
 * what poll() has handed on, so that flash sets the pace.
 *
 * Memory: the caller's struct, and from lwIP's pools one PCB, the request's segments and at most
 * TCP_WND of received data. Call everything from lwIP's context. Time is lwIP's sys_now().
 */
#ifndef OTA_DEVICE_NET_TRANSPORT_LWIP_H
#define OTA_DEVICE_NET_TRANSPORT_LWIP_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/altcp.h>
#include <lwip/ip_addr.h>

#include "device/net/http.h"
#include "device/port/transport.h"

/* All of it stays valid as long as the transport is used. */
struct ota_lwip_config {
    const char *host; /* name or literal address to connect to */
    uint16_t port;
    const char *authority;        /* the Host field, "ota.example.com:8080" */
    altcp_allocator_t *allocator; /* NULL for plain TCP */
    uint32_t head_ms_max; /* from the start of an exchange to the end of the answer's head, beyond
                             the wait that was asked for */
    uint32_t idle_ms_max; /* without a byte while a body is awaited */
    uint32_t keep_ms_max; /* an unused connection is closed after this long */
};

#define OTA_LWIP_HEAD_MS_MAX 20000U
#define OTA_LWIP_IDLE_MS_MAX 20000U
#define OTA_LWIP_KEEP_MS_MAX 10000U

/* What a layer between (tls_bearssl.h) tells when it is it that refused the server: OTA_E_TLS. */
#define OTA_LWIP_ERR_TLS ERR_VAL

struct ota_lwip_transport {
    const struct ota_lwip_config *config;
    const struct ota_http_request *request; /* NULL once the head of the answer was told */
    struct altcp_pcb *pcb;
    struct pbuf *received; /* not yet parsed */
    struct ota_http_writer writer;
    struct ota_http_parser parser;
    uint32_t since_ms; /* when the exchange began, or its last byte came, or it ended */
    uint8_t link;      /* enum link in the .c */
    bool active;       /* an exchange is under way */
    bool reused;       /* on a connection that carried another before */
    bool answered;     /* a byte of the answer came */
    bool closed;       /* by the peer, in order */
    bool refused;      /* the server was, by TLS */
};

/* No connection yet. `config` is kept. */
void ota_lwip_transport_init(struct ota_lwip_transport *lwip, const struct ota_lwip_config *config);

/* Close the connection, whatever goes on. The struct may be used or forgotten afterwards. */
void ota_lwip_transport_close(struct ota_lwip_transport *lwip);

/* The seam. `lwip` stays valid as long as this is used. */
struct ota_transport ota_lwip_transport_seam(struct ota_lwip_transport *lwip);

#endif
