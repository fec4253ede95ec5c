/* lwIP on this chip; and what it asks of the port, besides sys_now(). */
#ifndef OTA_DEVICE_PORT_STM32F4_LWIP_PORT_H
#define OTA_DEVICE_PORT_STM32F4_LWIP_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct netif;
struct ota_provision_network;
struct stm32f4_eth;

/* lwIP with one Ethernet interface, by DHCP, or with `network` when that is not NULL. `netif` and
 * `eth` are used from then on. */
void stm32f4_lwip_start(struct netif *netif, struct stm32f4_eth *eth,
                        const struct ota_provision_network *network);

/* The cable is in, and there is an address. */
bool stm32f4_lwip_is_up(const struct netif *netif);

uint32_t stm32f4_lwip_random(void);

/* A broken invariant inside lwIP: says so and resets the chip. */
_Noreturn void stm32f4_lwip_assert(const char *message);

#endif
