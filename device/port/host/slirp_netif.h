/*
 * A network for the device process without root: lwIP on one end of an emulated Ethernet, libslirp
 * on the other, which turns the guest's connections into sockets of this process.
 *
 *   lwIP (10.0.2.15) -- frames --> libslirp (10.0.2.2 = this host's 127.0.0.1) -- sockets -->
 *
 * One network a process, because lwIP is one. Not thread-safe.
 */
#ifndef OTA_DEVICE_PORT_HOST_SLIRP_NETIF_H
#define OTA_DEVICE_PORT_HOST_SLIRP_NETIF_H

#include <stdbool.h>
#include <stdint.h>

#define SLIRP_NETIF_HOST "10.0.2.2" /* 127.0.0.1 as lwIP has to call it */

struct slirp_netif;

/* Start lwIP and libslirp. `loopback_only`: nothing but this machine's 127.0.0.1 can be reached.
 * NULL when memory or libslirp fails. */
struct slirp_netif *slirp_netif_new(bool loopback_only);

/* Sleep until a frame or a timer of lwIP is due, at most `ms`, and let lwIP work. */
void slirp_netif_wait(struct slirp_netif *net, uint32_t ms);

void slirp_netif_free(struct slirp_netif *net);

#endif
