/*
 * The LAN8742A Ethernet PHY over the MAC's management interface: datasheet DS00001989A,
 * section 4.2; RM0090 section 33.4.1. Other PHYs differ in the register that tells speed and duplex
 * only.
 */
#ifndef OTA_DEVICE_PORT_STM32F4_PHY_LAN8742_H
#define OTA_DEVICE_PORT_STM32F4_PHY_LAN8742_H

#include <stdbool.h>
#include <stdint.h>

struct phy_link {
    bool up;
    bool fast; /* 100 Mbit/s, else 10 */
    bool full; /* duplex */
};

/* Reset it and begin to negotiate. The MAC's clock runs. OTA_OK, or OTA_E_NOT_FOUND when no such
 * PHY answers at `address`. */
int phy_start(uint8_t address);

struct phy_link phy_link(uint8_t address);

#endif
