/*
 * The LAN8742A Ethernet PHY behind the MAC's management interface (its datasheet DS00001989,
 * section 4.2): auto-negotiation, a link that comes and goes, a link bit that latches low.
 */
#ifndef OTA_TESTS_BOARD_PHY_H
#define OTA_TESTS_BOARD_PHY_H

#include "tests/board/board.h"

#define PHY_DOWN_WINDOWS 4

struct phy {
    struct board *board;
    uint16_t bcr;
    uint16_t anar;
    bool link_latch;        /* false: the link was down since BSR was last read */
    uint64_t negotiated_at; /* ps when auto-negotiation is or was done */
    struct {
        uint64_t from; /* ps since power-on: the cable is out */
        uint64_t to;
    } down[PHY_DOWN_WINDOWS];
    size_t down_count;
};

void phy_init(struct phy *phy, struct board *board);
void phy_reset(struct phy *phy);
uint16_t phy_read(struct phy *phy, unsigned reg);
void phy_write(struct phy *phy, unsigned reg, uint16_t value);
bool phy_link(struct phy *phy); /* 100 Mbit/s full duplex, when true */

#endif
