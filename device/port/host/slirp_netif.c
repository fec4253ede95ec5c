#include "device/port/host/slirp_netif.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <slirp/libslirp.h>

#define FRAME_MAX 1514 /* bytes, without the checksum */
#define QUEUE_LEN 8    /* frames on their way to lwIP; what comes beyond is lost, as on a wire */
#define FDS_MAX 64

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint16_t len;
};

struct slirp_netif {
    Slirp *slirp;
    struct sockaddr_in outbound; /* libslirp keeps a pointer to it */
    struct netif netif;
    /* libslirp delivers while lwIP is sending, so frames wait here until lwIP may be entered. */
    struct frame queue[QUEUE_LEN];
    unsigned queue_head;
    unsigned queue_len;
    struct pollfd fds[FDS_MAX];
    unsigned fds_len;
};

unsigned int ota_host_random(void)
{
    unsigned int value;
    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        abort();
    return value;
}

static int64_t now_ns(void *opaque)
{
    struct timespec now;
    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

u32_t sys_now(void)
{
    return (u32_t)(now_ns(NULL) / 1000000);
}

/* ---- frames from libslirp to lwIP ---- */

static ssize_t on_frame(const void *bytes, size_t len, void *opaque)
{
    struct slirp_netif *net = opaque;
    if (len <= FRAME_MAX && net->queue_len < QUEUE_LEN) {
        struct frame *frame = &net->queue[(net->queue_head + net->queue_len++) % QUEUE_LEN];
        memcpy(frame->bytes, bytes, len);
        frame->len = (uint16_t)len;
    }
    return (ssize_t)len;
}

static void deliver(struct slirp_netif *net)
{
    while (net->queue_len > 0) {
        const struct frame *frame = &net->queue[net->queue_head];
        struct pbuf *data = pbuf_alloc(PBUF_RAW, frame->len, PBUF_POOL);
        if (data != NULL)
            pbuf_take(data, frame->bytes, frame->len);
        net->queue_head = (net->queue_head + 1) % QUEUE_LEN;
        net->queue_len--;
        if (data != NULL && net->netif.input(data, &net->netif) != ERR_OK)
            pbuf_free(data);
    }
}

/* ---- frames from lwIP to libslirp ---- */

static err_t send_frame(struct netif *netif, struct pbuf *data)
{
    struct slirp_netif *net = netif->state;
    uint8_t bytes[FRAME_MAX];
    if (data->tot_len > sizeof bytes)
        return ERR_BUF;
    pbuf_copy_partial(data, bytes, data->tot_len, 0);
    slirp_input(net->slirp, bytes, data->tot_len);
    return ERR_OK;
}

static err_t init_netif(struct netif *netif)
{
    static const uint8_t address[6] = {0x02, 0x00, 0x00, 0x00, 0x02, 0x0f};
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->hwaddr_len = sizeof address;
    memcpy(netif->hwaddr, address, sizeof address);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    return ERR_OK;
}

/* ---- what libslirp asks of its surroundings ---- */

static void on_guest_error(const char *message, void *opaque)
{
    (void)message;
    (void)opaque;
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
    .send_packet = on_frame,
    .guest_error = on_guest_error,
    .clock_get_ns = now_ns,
    .timer_new = new_timer,
    .timer_free = free_timer,
    .timer_mod = set_timer,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore,
};

static struct in_addr address(const char *text)
{
    struct in_addr result = {0};
    (void)inet_pton(AF_INET, text, &result);
    return result;
}

static Slirp *new_slirp(struct slirp_netif *net, bool loopback_only)
{
    net->outbound = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = address("127.0.0.1")};
    SlirpConfig config = {
        .version = 4,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address(SLIRP_NETIF_HOST),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        /* A socket that is bound to loopback reaches nothing else. */
        .outbound_addr = loopback_only ? &net->outbound : NULL,
        .disable_dhcp = true,
    };
    return slirp_new(&config, &callbacks, net);
}

struct slirp_netif *slirp_netif_new(bool loopback_only)
{
    struct slirp_netif *net = calloc(1, sizeof *net);
    ip4_addr_t own, mask, gateway;
    ip_addr_t nameserver;
    if (net == NULL)
        return NULL;
    net->slirp = new_slirp(net, loopback_only);
    if (net->slirp == NULL) {
        free(net);
        return NULL;
    }
    lwip_init();
    IP4_ADDR(&own, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    IP_ADDR4(&nameserver, 10, 0, 2, 3);
    netif_add(&net->netif, &own, &mask, &gateway, net, init_netif, ethernet_input);
    netif_set_default(&net->netif);
    netif_set_link_up(&net->netif);
    netif_set_up(&net->netif);
    dns_setserver(0, &nameserver);
    return net;
}

void slirp_netif_free(struct slirp_netif *net)
{
    netif_remove(&net->netif);
    slirp_cleanup(net->slirp);
    free(net);
}

/* ---- waiting ---- */

static int add_fd(int fd, int events, void *opaque)
{
    struct slirp_netif *net = opaque;
    short wanted = 0;
    if (net->fds_len == FDS_MAX)
        return -1;
    wanted |= (events & SLIRP_POLL_IN) != 0 ? POLLIN : 0;
    wanted |= (events & SLIRP_POLL_OUT) != 0 ? POLLOUT : 0;
    wanted |= (events & SLIRP_POLL_PRI) != 0 ? POLLPRI : 0;
    net->fds[net->fds_len] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)net->fds_len++;
}

static int fd_events(int index, void *opaque)
{
    const struct slirp_netif *net = opaque;
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

void slirp_netif_wait(struct slirp_netif *net, uint32_t ms)
{
    uint32_t timer_ms = sys_timeouts_sleeptime();
    uint32_t timeout_ms = timer_ms < ms ? timer_ms : ms;
    net->fds_len = 0;
    slirp_pollfds_fill(net->slirp, &timeout_ms, add_fd, net);
    if (net->queue_len > 0)
        timeout_ms = 0;
    int count = poll(net->fds, net->fds_len, timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
    slirp_pollfds_poll(net->slirp, count < 0 && errno != EINTR, fd_events, net);
    deliver(net);
    sys_check_timeouts();
}
