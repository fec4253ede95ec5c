/* The MAC's checksum engine: RM0090 section 33.5.5, RFC 1071. IPv4 only, unfragmented payloads. */
#include "tests/board/eth.h"

#define ETHER_LEN 14U
#define ETHERTYPE_IPV4 0x0800U
#define PROTOCOL_ICMP 1U
#define PROTOCOL_TCP 6U
#define PROTOCOL_UDP 17U

struct ip_packet {
    size_t header; /* offsets into the frame */
    size_t header_len;
    size_t payload;
    size_t payload_len;
    size_t field; /* of the payload's checksum; 0 when it has none */
    uint8_t protocol;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *bytes, size_t len, uint32_t start)
{
    uint32_t total = start;
    for (size_t i = 0; i + 1 < len; i += 2)
        total += get16(bytes + i);
    return len % 2 == 0 ? total : total + ((uint32_t)bytes[len - 1] << 8);
}

static uint16_t fold(uint32_t total)
{
    while (total > 0xffffU)
        total = (total & 0xffffU) + (total >> 16);
    return (uint16_t)~total;
}

static bool parse(const struct eth_frame *frame, struct ip_packet *ip)
{
    const uint8_t *bytes = frame->bytes;
    if (frame->len < ETHER_LEN + 20 || get16(bytes + 12) != ETHERTYPE_IPV4 ||
        bytes[ETHER_LEN] >> 4 != 4)
        return false;
    ip->header = ETHER_LEN;
    ip->header_len = (bytes[ETHER_LEN] & 0xfU) * 4U;
    size_t total = get16(bytes + ETHER_LEN + 2);
    if (ip->header_len < 20 || total < ip->header_len || ETHER_LEN + total > frame->len)
        return false;
    ip->payload = ETHER_LEN + ip->header_len;
    ip->payload_len = total - ip->header_len;
    ip->protocol = bytes[ETHER_LEN + 9];
    bool fragment = (get16(bytes + ETHER_LEN + 6) & 0x3fffU) != 0;
    size_t offset = ip->protocol == PROTOCOL_TCP    ? 16
                    : ip->protocol == PROTOCOL_UDP  ? 6
                    : ip->protocol == PROTOCOL_ICMP ? 2
                                                    : 0;
    ip->field = fragment || offset == 0 || ip->payload_len < offset + 2 ? 0 : ip->payload + offset;
    return true;
}

static uint16_t payload_sum(const struct eth_frame *frame, const struct ip_packet *ip)
{
    uint32_t start = 0;
    if (ip->protocol != PROTOCOL_ICMP)
        start = sum(frame->bytes + ip->header + 12, 8, ip->protocol) + (uint32_t)ip->payload_len;
    return fold(sum(frame->bytes + ip->payload, ip->payload_len, start));
}

void eth_insert_checksums(struct eth_frame *frame, bool header, bool payload)
{
    struct ip_packet ip;
    if (!header || !parse(frame, &ip))
        return;
    uint8_t *field = frame->bytes + ip.header + 10;
    put16(field, 0);
    put16(field, fold(sum(frame->bytes + ip.header, ip.header_len, 0)));
    if (payload && ip.field != 0) {
        put16(frame->bytes + ip.field, 0);
        uint16_t value = payload_sum(frame, &ip);
        put16(frame->bytes + ip.field, ip.protocol == PROTOCOL_UDP && value == 0 ? 0xffff : value);
    }
}

enum eth_checksum eth_check_checksums(const struct eth_frame *frame)
{
    struct ip_packet ip;
    if (!parse(frame, &ip))
        return ETH_CHECKSUM_GOOD;
    if (fold(sum(frame->bytes + ip.header, ip.header_len, 0)) != 0)
        return ETH_CHECKSUM_HEADER_BAD;
    bool absent =
        ip.protocol == PROTOCOL_UDP && ip.field != 0 && get16(frame->bytes + ip.field) == 0;
    if (ip.field != 0 && !absent && payload_sum(frame, &ip) != 0)
        return ETH_CHECKSUM_PAYLOAD_BAD;
    return ETH_CHECKSUM_GOOD;
}
