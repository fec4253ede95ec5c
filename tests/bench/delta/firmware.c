/*
 * A small firmware around lwIP, whose variants make pairs for `make bench-delta`: it is built and
 * linked, never run. PAIR_CONSTANT is what a build changes; FUNCTION_IN_FRONT puts code before all
 * other.
 */
#include <string.h>

#include "lwip/init.h"
#include "lwip/ip4_addr.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "netif/etharp.h"
#include "netif/ethernet.h"

#ifndef PAIR_CONSTANT
#define PAIR_CONSTANT 7
#endif

extern uint32_t stack_top[];
void reset_handler(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {stack_top, {reset_handler, reset_handler, reset_handler}};

static struct netif interface;
static volatile uint32_t milliseconds;
static uint32_t echoed;

#ifdef FUNCTION_IN_FRONT
uint32_t checksum(const uint8_t *bytes, uint32_t len);
__attribute__((section(".front"))) uint32_t checksum(const uint8_t *bytes, uint32_t len)
{
    uint32_t sum = 1;
    for (uint32_t i = 0; i < len; i++)
        sum = (sum << 5 | sum >> 27) ^ (bytes[i] * 0x01000193U + i);
    return sum % 65521U;
}
#endif

u32_t sys_now(void)
{
    return milliseconds;
}

uint32_t stm32f4_lwip_random(void)
{
    return milliseconds * 2654435761U;
}

void stm32f4_lwip_assert(const char *message)
{
    (void)message;
    for (;;) {
    }
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t err)
{
    (void)arg;
    (void)err;
    if (pbuf == NULL)
        return tcp_close(pcb);
    tcp_recved(pcb, pbuf->tot_len);
    echoed += pbuf->tot_len * PAIR_CONSTANT;
#ifdef FUNCTION_IN_FRONT
    echoed ^= checksum(pbuf->payload, pbuf->len);
#endif
    tcp_write(pcb, pbuf->payload, pbuf->len, TCP_WRITE_FLAG_COPY);
    pbuf_free(pbuf);
    return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    tcp_recv(pcb, on_received);
    return err;
}

static err_t on_init(struct netif *netif)
{
    netif->mtu = 1500;
    netif->output = etharp_output;
    return ERR_OK;
}

void reset_handler(void)
{
    ip4_addr_t address = {0x0a0a0a0aU};
    ip4_addr_t mask = {0x00ffffffU};
    lwip_init();
    netif_add(&interface, &address, &mask, &address, NULL, on_init, ethernet_input);
    struct tcp_pcb *pcb = tcp_listen(tcp_new());
    tcp_bind(pcb, IP_ADDR_ANY, PAIR_CONSTANT);
    tcp_accept(pcb, on_accept);
    for (;;)
        sys_check_timeouts();
}
