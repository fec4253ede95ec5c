/*
 * A TLS server on a thread of the test, with OpenSSL: one connection after another, one answer to
 * each request.
 */
#ifndef OTA_TESTS_UNIT_TLS_SERVER_H
#define OTA_TESTS_UNIT_TLS_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "tests/unit/tls/certs.h"

enum tls_server_manner {
    TLS_SERVER_PROPER,
    TLS_SERVER_CUT,     /* TCP ends behind half of the answer, TLS does not */
    TLS_SERVER_GARBAGE, /* plain text instead of a handshake */
    TLS_SERVER_HANG_UP, /* closes after the first bytes of the handshake */
    TLS_SERVER_CLOSE,   /* close_notify and FIN after each answer */
};

struct tls_server_spec {
    const struct cert *leaf;
    const struct cert *intermediate; /* NULL for none */
    const struct cert *client_ca;    /* asks for a certificate by it */
    const char *ciphers;             /* NULL for OpenSSL's choice */
    int version;                     /* TLS1_2_VERSION, ... ; 0 for 1.2 */
    size_t body_len;
    enum tls_server_manner manner;
};

struct tls_server {
    struct tls_server_spec spec;
    SSL_CTX *ctx;
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint accepted;
    atomic_uint handshakes;
    atomic_uint resumed;
    atomic_uint answered;
    atomic_uint record_max; /* max_fragment_length that was agreed on, 0 for none */
};

void tls_server_start(struct tls_server *server, const struct tls_server_spec *spec);
void tls_server_stop(struct tls_server *server);

/* What stands at `at` in the body. */
char tls_server_byte(size_t at);

#endif
