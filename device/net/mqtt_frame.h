/*
 * MQTT packets out of a stream: whole ones of at most OTA_MQTT_PACKET_MAX bytes. No I/O, no heap.
 */
#ifndef OTA_DEVICE_NET_MQTT_FRAME_H
#define OTA_DEVICE_NET_MQTT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTA_MQTT_PACKET_MAX 256U /* bytes, of what we take */
#define OTA_MQTT_SKIP_MAX 65536U /* bytes of a packet that is passed over */

/* All zero to begin with. */
struct ota_mqtt_framer {
    uint32_t left; /* bytes of this packet still to come */
    uint16_t len;  /* bytes of it in `packet` */
    uint8_t head;  /* bytes of its header so far */
    bool skips;    /* it is too long */
    uint8_t packet[OTA_MQTT_PACKET_MAX];
};

/* The next packet out of *bytes, *len of them, of which it takes what it needs. The bytes in
 * framer->packet once it is whole, 0 for more needed, -1 for one that was too long and is passed
 * over, -2 for one that nobody has a use for: a header without an end, or far too long. */
int ota_mqtt_frame(struct ota_mqtt_framer *framer, const uint8_t **bytes, size_t *len);

#endif
