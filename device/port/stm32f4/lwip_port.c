#include "device/port/stm32f4/lwip_port.h"

#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/init.h>
#include <lwip/sys.h>
#include <netif/ethernet.h>

#include "device/port/provision.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/eth.h"
#include "device/port/stm32f4/rng.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"

static ip4_addr_t address_of(const uint8_t bytes[4])
{
    ip4_addr_t address;
    memcpy(&address, bytes, sizeof address);
    return address;
}

void stm32f4_lwip_start(struct netif *netif, struct stm32f4_eth *eth,
                        const struct ota_provision_network *network)
{
    lwip_init();
    (void)netif_add_noaddr(netif, eth, stm32f4_eth_init, ethernet_input);
    netif_set_default(netif);
    netif_set_up(netif);
    if (network == NULL) {
        (void)dhcp_start(netif);
        return;
    }
    ip4_addr_t address = address_of(network->address);
    ip4_addr_t netmask = address_of(network->netmask);
    ip4_addr_t gateway = address_of(network->gateway);
    ip4_addr_t dns = address_of(network->dns);
    netif_set_addr(netif, &address, &netmask, &gateway);
    if (!ip4_addr_isany_val(dns))
        dns_setserver(0, &dns);
}

bool stm32f4_lwip_is_up(const struct netif *netif)
{
    return netif_is_link_up(netif) && !ip4_addr_isany_val(*netif_ip4_addr(netif));
}

uint32_t stm32f4_lwip_random(void)
{
    uint32_t word = 0;
    if (stm32f4_random(NULL, &word, sizeof word) != OTA_OK)
        word = stm32f4_micros(); /* guessable; TLS, which needs better, refuses to connect */
    return word;
}

_Noreturn void stm32f4_lwip_assert(const char *message)
{
    stm32f4_log(message);
    stm32f4_reset();
}

u32_t sys_now(void)
{
    return stm32f4_millis();
}
