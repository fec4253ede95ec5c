/*
 * The Ethernet MAC and its DMA (RM0090 section 33), RMII, normal descriptors.
 *
 * Frames leave at the speed of the wire and arrive through a FIFO of 2 KB: a driver that gives no
 * descriptor in time loses frames. Checksums are inserted and checked when the driver asks for it.
 * The DMA reaches SRAM only; the core comes out of its reset only when the RMII clock is wired.
 */
#ifndef OTA_TESTS_BOARD_ETH_H
#define OTA_TESTS_BOARD_ETH_H

#include "tests/board/board.h"
#include "tests/board/gpio.h"
#include "tests/board/phy.h"
#include "tests/board/rcc.h"

#define ETH_FRAME_MAX 1522U /* bytes, without FCS */
#define ETH_FIFO_LEN 2048U  /* bytes */
#define ETH_QUEUE_MAX 64U   /* frames on the wire towards the board */

struct eth_frame {
    uint16_t len;
    uint8_t bytes[ETH_FRAME_MAX];
};

struct eth_counts {
    uint64_t sent;
    uint64_t received;
    uint64_t overflowed; /* no descriptor in time */
    uint64_t bad_checksum;
    uint64_t lost; /* link down, receiver off, or not for this station */
};

struct eth_pin {
    char port;
    uint8_t pin;
};
#define ETH_PINS 9

struct eth {
    struct board *board;
    const struct gpio *gpio;
    const struct rcc *rcc;
    struct phy *phy;
    const struct eth_pin *pins; /* ETH_PINS of them: RMII and management */

    uint32_t mac[64];
    uint32_t dma[32];
    uint64_t mdio_done; /* ps; 0 when idle */
    bool in_reset;

    struct eth_frame transmit;
    uint64_t transmit_done; /* ps; 0 when idle */
    uint32_t transmit_last; /* address of the frame's last descriptor */

    struct eth_frame queue[ETH_QUEUE_MAX]; /* ring */
    size_t queue_first;
    size_t queue_len;
    uint64_t arrival; /* ps at which the first of the queue is there; 0 for none */
    struct eth_frame fifo[32];
    size_t fifo_frames;
    size_t fifo_bytes;

    struct eth_counts counts;
    void (*on_transmit)(void *ctx, const uint8_t *frame, size_t len);
    void *on_transmit_ctx;
};

void eth_init(struct eth *eth, struct board *board, const struct rcc *rcc, const struct gpio *gpio,
              struct phy *phy, const struct eth_pin pins[ETH_PINS]);

/* A frame, without FCS, comes down the wire. Dropped when the wire is full. */
void eth_receive(struct eth *eth, const uint8_t *frame, size_t len);

/* checksum.c: IPv4 header and TCP, UDP, ICMP checksums of a frame. */
void eth_insert_checksums(struct eth_frame *frame, bool header, bool payload);
enum eth_checksum {
    ETH_CHECKSUM_GOOD, /* or nothing to check */
    ETH_CHECKSUM_HEADER_BAD,
    ETH_CHECKSUM_PAYLOAD_BAD,
};
enum eth_checksum eth_check_checksums(const struct eth_frame *frame);

#endif
