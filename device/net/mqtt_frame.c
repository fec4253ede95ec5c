#include "device/net/mqtt_frame.h"

#include <string.h>

#define HEADER_MAX 5U /* bytes of a fixed header, MQTT 3.1.1 section 2.2 */

static void begin_packet(struct ota_mqtt_framer *framer)
{
    framer->left = 0;
    framer->len = 0;
    framer->head = 0;
    framer->skips = false;
}

/* A byte of the fixed header. 0 or -2. */
static int take_head(struct ota_mqtt_framer *framer, uint8_t byte)
{
    framer->packet[framer->len++] = byte;
    if (framer->head++ == 0)
        return 0;
    framer->left |= (uint32_t)(byte & 0x7fU) << (7U * (framer->head - 2U));
    if ((byte & 0x80U) != 0)
        return framer->head < HEADER_MAX ? 0 : -2;
    framer->head = HEADER_MAX; /* whole */
    framer->skips = framer->left > OTA_MQTT_PACKET_MAX - framer->len;
    return framer->left <= OTA_MQTT_SKIP_MAX ? 0 : -2;
}

int ota_mqtt_frame(struct ota_mqtt_framer *framer, const uint8_t **bytes, size_t *len)
{
    int whole = 0;

    while (*len > 0 && framer->head < HEADER_MAX) {
        --*len;
        if (take_head(framer, *(*bytes)++) != 0)
            return -2;
    }
    if (framer->head < HEADER_MAX)
        return 0;
    size_t take = *len < framer->left ? *len : framer->left;
    if (!framer->skips) {
        memcpy(framer->packet + framer->len, *bytes, take);
        framer->len = (uint16_t)(framer->len + take);
    }
    *bytes += take;
    *len -= take;
    framer->left -= (uint32_t)take;
    if (framer->left > 0)
        return 0;
    whole = framer->skips ? -1 : framer->len;
    begin_packet(framer);
    return whole;
}
