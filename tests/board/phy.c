/* LAN8742A. */
#include "tests/board/phy.h"

#include <string.h>

#define BCR 0U
#define BSR 1U
#define ID1 2U
#define ID2 3U
#define ANAR 4U
#define ANLPAR 5U
#define SCSR 31U

#define BCR_RESTART (1U << 9)
#define BCR_POWER_DOWN (1U << 11)
#define BCR_AUTO (1U << 12)
#define BCR_RESET (1U << 15)
#define BSR_ABILITY 0x7809U
#define BSR_LINK (1U << 2)
#define BSR_AUTO_DONE (1U << 5)
#define SCSR_100_FULL (6U << 2)
#define SCSR_AUTO_DONE (1U << 12)
#define NEGOTIATION_PS (300 * BOARD_PS_PER_MS) /* a real one takes about two seconds */

static bool cable_in(const struct phy *phy)
{
    for (size_t i = 0; i < phy->down_count; i++)
        if (phy->board->now >= phy->down[i].from && phy->board->now < phy->down[i].to)
            return false;
    return true;
}

/* When the cable was last put in, 0 for before power-on. */
static uint64_t cable_since(const struct phy *phy)
{
    uint64_t since = 0;
    for (size_t i = 0; i < phy->down_count; i++)
        if (phy->board->now >= phy->down[i].to && phy->down[i].to > since)
            since = phy->down[i].to;
    return since;
}

bool phy_link(struct phy *phy)
{
    uint64_t since = cable_since(phy);
    uint64_t at =
        since + NEGOTIATION_PS > phy->negotiated_at ? since + NEGOTIATION_PS : phy->negotiated_at;
    bool up = cable_in(phy) && (phy->bcr & BCR_POWER_DOWN) == 0 && (phy->bcr & BCR_AUTO) != 0 &&
              phy->board->now >= at;
    phy->link_latch = phy->link_latch && up;
    return up;
}

static uint16_t status(struct phy *phy)
{
    bool up = phy_link(phy);
    uint16_t value = BSR_ABILITY;
    value |= phy->link_latch ? BSR_LINK : 0;
    value |= up ? BSR_AUTO_DONE : 0;
    phy->link_latch = up;
    return value;
}

uint16_t phy_read(struct phy *phy, unsigned reg)
{
    switch (reg) {
    case BCR:
        return phy->bcr;
    case BSR:
        return status(phy);
    case ID1:
        return 0x0007;
    case ID2:
        return 0xc131;
    case ANAR:
        return phy->anar;
    case ANLPAR:
        return phy_link(phy) ? 0x45e1 : 0;
    case SCSR:
        return phy_link(phy) ? SCSR_AUTO_DONE | SCSR_100_FULL : 0;
    default:
        return 0;
    }
}

void phy_write(struct phy *phy, unsigned reg, uint16_t value)
{
    if (reg == ANAR) {
        phy->anar = value;
    } else if (reg == BCR && (value & BCR_RESET) != 0) {
        phy_reset(phy);
    } else if (reg == BCR) {
        if ((value & (BCR_AUTO | BCR_RESTART)) == (BCR_AUTO | BCR_RESTART))
            phy->negotiated_at = phy->board->now + NEGOTIATION_PS;
        phy->bcr = (uint16_t)(value & ~BCR_RESTART);
    }
}

void phy_reset(struct phy *phy)
{
    phy->bcr = BCR_AUTO | 1U << 13;
    phy->anar = 0x01e1;
    phy->link_latch = false;
    phy->negotiated_at = phy->board->now + NEGOTIATION_PS;
}

void phy_init(struct phy *phy, struct board *board)
{
    memset(phy, 0, sizeof *phy);
    phy->board = board;
    phy_reset(phy);
}
