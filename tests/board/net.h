/*
 * The wire between the board and the world: libslirp, and what may go wrong on the way.
 *
 * The board is 10.0.2.15 (or what DHCP says); 10.0.2.2 is this machine's 127.0.0.1. No root,
 * nothing listens. libslirp lives in the board's time; only waiting is measured by the host's
 * clock, so that a sleeping board waits for a real server.
 */
#ifndef OTA_TESTS_BOARD_NET_H
#define OTA_TESTS_BOARD_NET_H

#include <netinet/in.h>
#include <poll.h>

#include "tests/board/board.h"
#include "tests/board/eth.h"

#include <slirp/libslirp.h>

#define NET_FDS_MAX 64

struct net_faults { /* of each frame, in either direction; percent */
    unsigned drop;
    unsigned corrupt; /* one bit, and the frame's FCS is right again */
    unsigned reorder; /* it changes places with the next one */
    unsigned duplicate;
};

struct net {
    struct board *board;
    struct eth *eth;
    Slirp *slirp;
    struct sockaddr_in outbound; /* libslirp keeps a pointer to it */
    unsigned speed;              /* emulated seconds per second of sleep */
    int64_t owed_ns;             /* sleep of the host still to come, or too long already */
    struct net_faults faults;
    const char *name; /* what the name server knows (dns.h); NULL: libslirp's asks the host's */
    uint32_t random;
    struct eth_frame held[2]; /* by direction: waiting to change places */
    uint64_t poll_at;         /* ps of the next look at the sockets */
    struct pollfd fds[NET_FDS_MAX];
    unsigned fd_count;
    uint64_t dropped;
    uint64_t corrupted;
    uint64_t reordered;
    uint64_t duplicated;
};

/* 0, or -1 when libslirp fails. Takes over board->idle and eth->on_transmit. */
int net_init(struct net *net, struct board *board, struct eth *eth);
void net_free(struct net *net);

#endif
