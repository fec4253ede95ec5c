#include "server/healthcheck.h"

#include <gnutls/gnutls.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 5

struct target {
    bool tls;
    char host[256];
    char port[8];
    char path[256];
};

static bool parse(struct target *target, const char *url)
{
    const char *at = url;
    size_t len;

    *target = (struct target){.path = "/readyz"};
    if (strncmp(at, "https://", 8) == 0)
        target->tls = true;
    else if (strncmp(at, "http://", 7) != 0)
        return false;
    at += target->tls ? 8 : 7;
    len = *at == '[' ? strcspn(++at, "]") : strcspn(at, ":/");
    if (len == 0 || len >= sizeof(target->host))
        return false;
    memcpy(target->host, at, len);
    at += len;
    at += *at == ']';
    snprintf(target->port, sizeof(target->port), "%s", target->tls ? "443" : "80");
    if (*at == ':') {
        len = strcspn(++at, "/");
        if (len == 0 || len >= sizeof(target->port))
            return false;
        memcpy(target->port, at, len);
        target->port[len] = '\0';
        at += len;
    }
    if (*at != '\0' && strcmp(at, "/") != 0)
        return snprintf(target->path, sizeof(target->path), "%s", at) < (int)sizeof(target->path);
    return true;
}

static int dial(const struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    struct addrinfo *found = NULL;
    int fd = -1;

    if (getaddrinfo(target->host, target->port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static long exchange_plain(int fd, const char *request, char *answer, size_t cap)
{
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return -1;
    return recv(fd, answer, cap - 1, 0);
}

static long exchange_tls(int fd, const char *request, char *answer, size_t cap)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    long len = -1;
    int code;

    if (gnutls_certificate_allocate_credentials(&credentials) != GNUTLS_E_SUCCESS)
        return -1;
    if (gnutls_init(&session, GNUTLS_CLIENT) == GNUTLS_E_SUCCESS) {
        gnutls_set_default_priority(session);
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
        gnutls_transport_set_int(session, fd);
        do {
            code = gnutls_handshake(session);
        } while (code < 0 && gnutls_error_is_fatal(code) == 0);
        if (code == GNUTLS_E_SUCCESS && gnutls_record_send(session, request, strlen(request)) > 0) {
            do {
                len = gnutls_record_recv(session, answer, cap - 1);
            } while (len == GNUTLS_E_AGAIN || len == GNUTLS_E_INTERRUPTED);
        }
        gnutls_deinit(session);
    }
    gnutls_certificate_free_credentials(credentials);
    return len;
}

int healthcheck(const char *url)
{
    struct target target;
    char request[768];
    char answer[64];
    long len;
    int fd;

    if (!parse(&target, url)) {
        fprintf(stderr, "otad: --healthcheck takes http[s]://HOST[:PORT][/PATH]\n");
        return 2;
    }
    fd = dial(&target);
    if (fd < 0) {
        fprintf(stderr, "otad: %s: no connection\n", url);
        return 1;
    }
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
             target.path, target.host);
    len = target.tls ? exchange_tls(fd, request, answer, sizeof(answer))
                     : exchange_plain(fd, request, answer, sizeof(answer));
    close(fd);
    if (len >= 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0)
        return 0;
    fprintf(stderr, "otad: %s: %.*s\n", url, len >= 12 ? 12 : 9, len >= 12 ? answer : "no answer");
    return 1;
}
