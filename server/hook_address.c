#include "server/hook_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static bool v4_is_public(uint32_t address)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } closed[] = {
        {0x00000000U, 8},  {0x0a000000U, 8},  {0x64400000U, 10}, {0x7f000000U, 8},
        {0xa9fe0000U, 16}, {0xac100000U, 12}, {0xc0000000U, 24}, {0xc0000200U, 24},
        {0xc0586300U, 24}, {0xc0a80000U, 16}, {0xc6120000U, 15}, {0xc6336400U, 24},
        {0xcb007100U, 24}, {0xe0000000U, 4},  {0xf0000000U, 4},
    };

    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (((address ^ closed[i].net) >> (32 - closed[i].bits)) == 0)
            return false;
    return true;
}

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    return memcmp(address, prefix, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0);
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Only 2000::/3 is given out; of it not what carries another address or is none. */
static bool v6_is_public(const uint8_t address[16])
{
    static const uint8_t global[16] = {0x20};
    static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
    static const uint8_t documentation2[16] = {0x3f, 0xff};
    static const uint8_t special[16] = {0x20, 0x01}; /* /23: Teredo, ORCHID, benchmarks */
    static const uint8_t six_to_four[16] = {0x20, 0x02};
    static const uint8_t nat64[16] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (has_prefix(address, mapped, 96) || has_prefix(address, nat64, 96))
        return v4_is_public(v4_at(address + 12));
    if (has_prefix(address, six_to_four, 16))
        return v4_is_public(v4_at(address + 2));
    return has_prefix(address, global, 3) && !has_prefix(address, documentation, 32) &&
           !has_prefix(address, documentation2, 20) && !has_prefix(address, special, 23);
}

bool hook_address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        return v4_is_public(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        return v6_is_public(v6.sin6_addr.s6_addr);
    }
    return false;
}
