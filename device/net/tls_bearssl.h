/*
 * TLS 1.2 under the HTTP transport: an altcp layer with BearSSL as its engine, client side.
 *
 *     transport_lwip.c --- altcp ---> tls_bearssl.c --- altcp ---> TCP
 *                       plain text    br_ssl_engine    records
 *
 * Give ota_tls_allocator() to struct ota_lwip_config. The server's certificate has to lead to one
 * of the anchors and to carry config.name as a dNSName; a literal IP address is no name. How
 * validity is judged without a clock: tls_x509.h. Ephemeral ECDH on P-256 with AES-128-GCM or
 * ChaCha20-Poly1305 only. A dropped connection resumes its session when the server allows it.
 *
 * Received data is not copied: the pbuf that the upper layer gets points into the record buffer,
 * and the next piece comes only when it was given back with altcp_recved(). What is not taken stays
 * in TCP's window, so flash sets the pace here too.
 *
 * Memory: struct ota_tls and its records, the caller's, one connection at a time; no heap but
 * lwIP's own pools. Call everything from lwIP's context.
 */
#ifndef OTA_DEVICE_NET_TLS_BEARSSL_H
#define OTA_DEVICE_NET_TLS_BEARSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bearssl.h>
#include <lwip/altcp.h>
#include <lwip/pbuf.h>

#include "device/net/tls_x509.h"

/* Largest record that a server may send. One that honours max_fragment_length (OpenSSL, GnuTLS) may
 * be asked for 4096, 2048, 1024 or 512 at most; others (Go's, for one) send 16384 all the same, and
 * are refused then.
 */
#define OTA_TLS_RECORD_MAX 16384
#define OTA_TLS_RECORD_OVERHEAD 325 /* header, MAC and padding: BearSSL's MAX_IN_OVERHEAD */
#define OTA_TLS_RECORDS_LEN(record_max) ((record_max) + OTA_TLS_RECORD_OVERHEAD)
#define OTA_TLS_ENTROPY_LEN 32

/* What a device shows when the server asks who it is: P-256. */
struct ota_tls_identity {
    const br_x509_certificate *chain; /* DER, the device's own first */
    size_t chain_len;
    br_ec_private_key key;
};

/* All of it stays valid as long as the connection may be used. */
struct ota_tls_config {
    const char *name; /* that the certificate must carry */
    const br_x509_trust_anchor *anchors;
    size_t anchor_count;
    const struct ota_tls_identity *identity; /* NULL for none */
    uint8_t *records;   /* where a record is decrypted, in place; the connection's own */
    size_t records_len; /* OTA_TLS_RECORDS_LEN() of the largest */
    void *ctx;          /* of the functions below */
    /* OTA_OK or a negative error: then no connection is made. */
    int (*random)(void *ctx, void *buf, size_t len);
    /* Seconds since 1970 that have certainly passed. */
    uint64_t (*time_floor)(void *ctx);
    /* Why a connection was refused, one line; may be NULL. */
    void (*log)(void *ctx, const char *line);
};

struct ota_tls {
    const struct ota_tls_config *config;
    struct altcp_pcb *conn;  /* NULL: no connection */
    struct pbuf *received;   /* records not yet in the engine */
    struct pbuf_custom lent; /* plain text that the upper layer holds */
    size_t lent_len;         /* bytes of it, 0 for none */
    bool lent_freed;
    bool established; /* the upper layer knows that it is connected */
    bool finished;    /* the peer sent FIN */
    bool resumable;   /* the last handshake was completed */
    bool pumping;     /* pump() is running: it does not nest */
    bool aborted;     /* the layer below was, since its last callback */
    uint32_t handshakes;
    int error; /* BearSSL's, of the last connection that failed */

    br_ssl_client_context client;
    struct ota_tls_x509 x509;
    br_ssl_client_certificate_ec_context certificate;
};

/* No connection yet. `config` is kept. */
void ota_tls_init(struct ota_tls *tls, const struct ota_tls_config *config);

/* Of struct ota_lwip_config; `tls` stays valid as long as it is used. A second connection at the
 * same time is not given. */
altcp_allocator_t ota_tls_allocator(struct ota_tls *tls);

/* A word for what BearSSL said ("untrusted", "name", "expired", ...), never NULL. */
const char *ota_tls_error_name(int error);

#endif
