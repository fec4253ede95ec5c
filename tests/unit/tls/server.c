#include "tests/unit/tls/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>

#define WAIT_MS 50

static void must(bool good)
{
    if (!good) {
        ERR_print_errors_fp(stderr);
        abort();
    }
}

char tls_server_byte(size_t at)
{
    return (char)('a' + at % 23);
}

static bool write_all(SSL *ssl, const char *bytes, size_t len)
{
    while (len > 0) {
        int put = SSL_write(ssl, bytes, (int)len);
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

static bool answer(const struct tls_server *server, SSL *ssl)
{
    size_t len = server->spec.body_len;
    size_t told = server->spec.manner == TLS_SERVER_CUT ? len * 2 : len;
    char *text = malloc(len + 128);
    must(text != NULL);
    int head = snprintf(text, 128, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", told);
    for (size_t i = 0; i < len; i++)
        text[(size_t)head + i] = tls_server_byte(i);
    bool sent = write_all(ssl, text, (size_t)head + len);
    free(text);
    return sent;
}

static bool read_request(SSL *ssl)
{
    char text[2048];
    size_t len = 0;
    while (len < sizeof text - 1) {
        int got = SSL_read(ssl, text + len, (int)(sizeof text - 1 - len));
        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL)
            return true;
    }
    return false;
}

static void talk(struct tls_server *server, SSL *ssl)
{
    if (SSL_accept(ssl) != 1)
        return;
    server->handshakes++;
    server->resumed += SSL_session_reused(ssl) == 1;
    uint8_t code = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));
    server->record_max = code == 0 ? 0 : 256U << code;
    while (read_request(ssl)) {
        if (!answer(server, ssl))
            return;
        server->answered++;
        if (server->spec.manner == TLS_SERVER_CUT)
            return;
        if (server->spec.manner == TLS_SERVER_CLOSE) {
            SSL_shutdown(ssl);
            return;
        }
    }
    SSL_shutdown(ssl);
}

static void serve(struct tls_server *server, int peer)
{
    char bytes[4096];
    if (server->spec.manner == TLS_SERVER_GARBAGE) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
        (void)!write(peer, text, sizeof text - 1);
        while (read(peer, bytes, sizeof bytes) > 0)
            ;
    } else if (server->spec.manner == TLS_SERVER_HANG_UP) {
        (void)!read(peer, bytes, sizeof bytes);
        shutdown(peer, SHUT_WR);
        (void)!read(peer, bytes, sizeof bytes);
    } else {
        SSL *ssl = SSL_new(server->ctx);
        must(ssl != NULL && SSL_set_fd(ssl, peer) == 1);
        talk(server, ssl);
        SSL_free(ssl);
    }
    close(peer);
}

static void *run(void *arg)
{
    struct tls_server *server = arg;
    const struct timeval patience = {.tv_sec = 5};
    while (!server->stopping) {
        struct pollfd ready = {.fd = server->listener, .events = POLLIN};
        if (poll(&ready, 1, WAIT_MS) != 1)
            continue;
        int peer = accept(server->listener, NULL, NULL);
        if (peer < 0)
            continue;
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        server->accepted++;
        serve(server, peer);
    }
    return NULL;
}

static void listen_on(struct tls_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(server->listener, (struct sockaddr *)&address, len) == 0);
    must(listen(server->listener, 4) == 0);
    must(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
}

static void ask_for_client(SSL_CTX *ctx, const struct cert *ca)
{
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->x509) == 1);
    must(SSL_CTX_add_client_CA(ctx, ca->x509) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

void tls_server_start(struct tls_server *server, const struct tls_server_spec *spec)
{
    memset(server, 0, sizeof *server);
    server->spec = *spec;
    server->ctx = SSL_CTX_new(TLS_server_method());
    must(server->ctx != NULL);
    int version = spec->version != 0 ? spec->version : TLS1_2_VERSION;
    SSL_CTX_set_security_level(server->ctx, 0); /* for what is older */
    must(SSL_CTX_set_min_proto_version(server->ctx, version) == 1);
    must(SSL_CTX_set_max_proto_version(server->ctx, version) == 1);
    must(spec->ciphers == NULL || SSL_CTX_set_cipher_list(server->ctx, spec->ciphers) == 1);
    SSL_CTX_set_session_id_context(server->ctx, (const unsigned char *)"t", 1);
    must(SSL_CTX_use_certificate(server->ctx, spec->leaf->x509) == 1);
    must(SSL_CTX_use_PrivateKey(server->ctx, spec->leaf->key) == 1);
    must(spec->intermediate == NULL ||
         SSL_CTX_add1_chain_cert(server->ctx, spec->intermediate->x509) == 1);
    if (spec->client_ca != NULL)
        ask_for_client(server->ctx, spec->client_ca);
    listen_on(server);
    must(pthread_create(&server->thread, NULL, run, server) == 0);
}

void tls_server_stop(struct tls_server *server)
{
    server->stopping = true;
    pthread_join(server->thread, NULL);
    close(server->listener);
    SSL_CTX_free(server->ctx);
}
