#include "server/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that wait to be taken. One too many has its client wait a whole second; a fleet that
 * reconnects at once brings thousands. The system may hold it to less (net.core.somaxconn). */
#define BACKLOG 4096

/* A peer that doesn't answer to TCP's own probes is gone. */
#define KEEPALIVE_IDLE_SECONDS 60
#define KEEPALIVE_SECONDS 15
#define KEEPALIVE_PROBES 3

/* So that a held connection whose peer has lost power or network is not taken for one that waits.
 */
static void keep_alive(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static int listen_on(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    keep_alive(fd);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int listener_open(const char *host, uint16_t port, uint16_t *bound, char *error, size_t cap)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char digits[8];
    int code;
    int fd;

    snprintf(digits, sizeof(digits), "%u", port);
    code = getaddrinfo(host, digits, &hints, &found);
    if (code != 0) {
        snprintf(error, cap, "--listen %s: %s", host, gai_strerror(code));
        return -1;
    }
    fd = listen_on(found);
    freeaddrinfo(found);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        snprintf(error, cap, "cannot listen on %s:%u: %s", host, port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *bound =
        ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                            : ((struct sockaddr_in *)(void *)&address)->sin_port);
    return fd;
}
