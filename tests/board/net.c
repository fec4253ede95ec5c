/* libslirp on the other end of the board's wire. */
#include "tests/board/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/board/dns.h"

#define POLL_PS BOARD_PS_PER_MS     /* how often the sockets are looked at while code runs */
#define OVERSLEPT_NS_MAX 50000000LL /* more is not made up for */
#define TO_BOARD 0
#define FROM_BOARD 1

static uint32_t next_random(struct net *net)
{
    net->random ^= net->random << 13;
    net->random ^= net->random >> 17;
    net->random ^= net->random << 5;
    return net->random;
}

static bool happens(struct net *net, unsigned percent)
{
    return percent != 0 && next_random(net) / 7 % 100 < percent;
}

static void deliver(struct net *net, int direction, const struct eth_frame *frame)
{
    struct eth_frame answer = *frame;
    if (direction == TO_BOARD)
        eth_receive(net->eth, frame->bytes, frame->len);
    else if (net->name != NULL && dns_answer(&answer, net->name))
        eth_receive(net->eth, answer.bytes, answer.len);
    else
        slirp_input(net->slirp, frame->bytes, frame->len);
}

static void pass(struct net *net, int direction, const uint8_t *bytes, size_t len)
{
    struct eth_frame frame = {.len = (uint16_t)len};
    struct eth_frame *held = &net->held[direction];
    memcpy(frame.bytes, bytes, len);
    if (happens(net, net->faults.drop)) {
        net->dropped++;
        return;
    }
    if (happens(net, net->faults.corrupt)) {
        net->corrupted++;
        uint32_t bit = next_random(net) % (uint32_t)(len * 8);
        frame.bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    if (held->len == 0 && happens(net, net->faults.reorder)) {
        net->reordered++;
        *held = frame;
        return;
    }
    deliver(net, direction, &frame);
    if (happens(net, net->faults.duplicate)) {
        net->duplicated++;
        deliver(net, direction, &frame);
    }
    if (held->len != 0) {
        struct eth_frame late = *held;
        held->len = 0;
        deliver(net, direction, &late);
    }
}

static ssize_t on_slirp_frame(const void *bytes, size_t len, void *opaque)
{
    struct net *net = opaque;
    if (len <= ETH_FRAME_MAX)
        pass(net, TO_BOARD, bytes, len);
    return (ssize_t)len;
}

static void on_board_frame(void *ctx, const uint8_t *frame, size_t len)
{
    pass(ctx, FROM_BOARD, frame, len);
}

static int64_t clock_ns(void *opaque)
{
    const struct net *net = opaque;
    return (int64_t)(net->board->now / 1000);
}

static void on_guest_error(const char *message, void *opaque)
{
    const struct net *net = opaque;
    board_trace(net->board, "net: %s", message);
}

/* libslirp wants timers for IPv6 router advertisements only, which are off. */
static void *new_timer(SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
    (void)callback;
    (void)callback_opaque;
    return opaque;
}

static void free_timer(void *timer, void *opaque)
{
    (void)timer;
    (void)opaque;
}

static void set_timer(void *timer, int64_t expire_ms, void *opaque)
{
    (void)timer;
    (void)expire_ms;
    (void)opaque;
}

static void ignore_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void ignore(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = on_slirp_frame,
    .guest_error = on_guest_error,
    .clock_get_ns = clock_ns,
    .timer_new = new_timer,
    .timer_free = free_timer,
    .timer_mod = set_timer,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore,
};

static int add_fd(int fd, int events, void *opaque)
{
    struct net *net = opaque;
    short wanted = 0;
    if (net->fd_count == NET_FDS_MAX)
        return -1;
    wanted |= (events & SLIRP_POLL_IN) != 0 ? POLLIN : 0;
    wanted |= (events & SLIRP_POLL_OUT) != 0 ? POLLOUT : 0;
    wanted |= (events & SLIRP_POLL_PRI) != 0 ? POLLPRI : 0;
    net->fds[net->fd_count] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)net->fd_count++;
}

static int fd_events(int index, void *opaque)
{
    const struct net *net = opaque;
    int events = 0;
    if (index < 0)
        return 0;
    short got = net->fds[index].revents;
    events |= (got & POLLIN) != 0 ? SLIRP_POLL_IN : 0;
    events |= (got & POLLOUT) != 0 ? SLIRP_POLL_OUT : 0;
    events |= (got & POLLPRI) != 0 ? SLIRP_POLL_PRI : 0;
    events |= (got & POLLERR) != 0 ? SLIRP_POLL_ERR : 0;
    events |= (got & POLLHUP) != 0 ? SLIRP_POLL_HUP : 0;
    return events;
}

/* Wait for a socket, at most `ns` of the host's time. */
static void poll_sockets(struct net *net, uint64_t ns)
{
    const struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000U),
                                     .tv_nsec = (long)(ns % 1000000000U)};
    uint32_t ignored = UINT32_MAX;
    net->fd_count = 0;
    slirp_pollfds_fill(net->slirp, &ignored, add_fd, net);
    int count = ppoll(net->fds, net->fd_count, &timeout, NULL);
    slirp_pollfds_poll(net->slirp, count < 0 && errno != EINTR, fd_events, net);
    net->poll_at = net->board->now + POLL_PS;
}

static uint64_t host_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* board->idle: sleep as long as the board does, or until a socket has something for it. A sleep of
 * the host is always a little too long; the next ones are shorter for it. */
static uint64_t idle(void *ctx, uint64_t until)
{
    struct net *net = ctx;
    uint64_t from = net->board->now;
    int64_t wanted_ns = (int64_t)((until - from) / 1000 / net->speed);
    net->owed_ns += wanted_ns;
    uint64_t start = host_ns();
    poll_sockets(net, net->owed_ns > 0 ? (uint64_t)net->owed_ns : 0);
    int64_t slept_ns = (int64_t)(host_ns() - start);
    bool woken = slept_ns < net->owed_ns;
    uint64_t reached =
        woken ? until - (uint64_t)(net->owed_ns - slept_ns) * 1000 * net->speed : until;
    reached = reached > from ? reached : from;
    net->owed_ns = woken ? 0 : net->owed_ns - slept_ns;
    if (net->owed_ns < -OVERSLEPT_NS_MAX)
        net->owed_ns = -OVERSLEPT_NS_MAX;
    net->poll_at = reached + POLL_PS;
    return reached;
}

static uint64_t deadline(void *ctx)
{
    const struct net *net = ctx;
    return net->poll_at;
}

static void advance(void *ctx)
{
    poll_sockets(ctx, 0);
}

static struct in_addr address(const char *text)
{
    struct in_addr result = {0};
    (void)inet_pton(AF_INET, text, &result);
    return result;
}

int net_init(struct net *net, struct board *board, struct eth *eth)
{
    memset(net, 0, sizeof *net);
    net->board = board;
    net->eth = eth;
    net->speed = 1;
    net->random = 0x6d2b79f5U;
    /* A socket that is bound to loopback reaches nothing else. */
    net->outbound = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = address("127.0.0.1")};
    const SlirpConfig config = {
        .version = 4,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address("10.0.2.2"),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        .outbound_addr = &net->outbound,
    };
    net->slirp = slirp_new(&config, &callbacks, net);
    if (net->slirp == NULL)
        return -1;
    board->idle = idle;
    board->idle_ctx = net;
    eth->on_transmit = on_board_frame;
    eth->on_transmit_ctx = net;
    /* Not on the bus: a device for its deadline only. */
    board_add_device(board,
                     &(struct board_device){
                         .name = "net", .ctx = net, .deadline = deadline, .advance = advance});
    return 0;
}

void net_free(struct net *net)
{
    if (net->slirp != NULL)
        slirp_cleanup(net->slirp);
}
