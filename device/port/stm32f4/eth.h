/*
 * The Ethernet MAC with its DMA as an interface of lwIP, NO_SYS, polled. RM0090 section 33.
 *
 *     receive:  DMA --> rx[i].bytes --> pbuf over the same bytes --> lwIP ... --> rx[i] free again
 *     send:     lwIP's pbufs, referenced --> descriptors --> DMA --> released
 *
 * Nothing is copied in either direction, but a frame whose bytes the DMA can't reach (flash, CCM).
 * IP, TCP, UDP and ICMP checksums are the MAC's, so lwIP's are switched off (lwip/lwipopts.h).
 * When all buffers are held by lwIP, frames are dropped until one comes back.
 *
 * Memory: struct stm32f4_eth, in SRAM (not CCM). The link is looked at in stm32f4_eth_poll().
 */
#ifndef OTA_DEVICE_PORT_STM32F4_ETH_H
#define OTA_DEVICE_PORT_STM32F4_ETH_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/netif.h>
#include <lwip/pbuf.h>

#include "device/port/stm32f4/stm32f4_regs.h"

#define STM32F4_ETH_FRAME_LEN 1536U /* bytes of a buffer: a frame with its FCS, a multiple of 4 */
#define STM32F4_ETH_RX_DESCRIPTORS 4
#define STM32F4_ETH_RX_BUFFERS 8 /* of which so many may be held by lwIP, less the descriptors */
#define STM32F4_ETH_TX_DESCRIPTORS 8
#define STM32F4_ETH_LINK_MS 200U /* between two looks at the link */

struct stm32f4_eth;

struct stm32f4_eth_buffer {
    struct pbuf_custom pbuf; /* first: lwIP hands its address back */
    struct stm32f4_eth *eth;
    struct stm32f4_eth_buffer *next; /* of the free ones */
    uint32_t bytes[STM32F4_ETH_FRAME_LEN / 4];
};

struct stm32f4_eth {
    struct stm32_eth_descriptor rx_ring[STM32F4_ETH_RX_DESCRIPTORS];
    struct stm32_eth_descriptor tx_ring[STM32F4_ETH_TX_DESCRIPTORS];
    struct stm32f4_eth_buffer *rx_used[STM32F4_ETH_RX_DESCRIPTORS]; /* by the descriptors */
    struct pbuf *tx_used[STM32F4_ETH_TX_DESCRIPTORS]; /* a frame's, at its last descriptor */
    struct stm32f4_eth_buffer rx[STM32F4_ETH_RX_BUFFERS];
    struct stm32f4_eth_buffer *rx_free;
    uint32_t rx_next;
    uint32_t tx_next;  /* to be filled */
    uint32_t tx_first; /* filled and not yet released */
    uint32_t tx_count; /* between the two */
    uint32_t link_ms;  /* when the link was looked at */
    uint32_t dropped;  /* frames for want of a buffer */
    uint32_t errors;   /* frames that the MAC found bad */
    bool dead;         /* the MAC did not come out of reset, or there is no PHY */
};

/* For netif_add(), whose `state` is a struct stm32f4_eth of zeros. ERR_OK, or ERR_IF when the MAC
 * gets no RMII clock or no PHY answers. */
err_t stm32f4_eth_init(struct netif *netif);

/* Hand on what came, take back what went, follow the link. Often: from the main loop. */
void stm32f4_eth_poll(struct netif *netif);

#endif
