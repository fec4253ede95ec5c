/*
 * Being told over an MQTT 3.1.1 broker when to poll: lwIP's client (apps/mqtt), over plain TCP or
 * TLS.
 *
 *     notification --> ota_mqtt_step() --> config.notified() --> ota_client_poll_now()
 *
 * Hints only. A notification costs one poll, and a flood of them one in OTA_MQTT_NOTIFY_MS_MIN;
 * nothing else of what the broker says is believed. Without a broker the client polls as ever: this
 * connects again, at growing intervals with full jitter. A broker that floods is left like one that
 * is gone.
 *
 * lwIP's parser is given whole packets of at most OTA_MQTT_PACKET_MAX bytes: longer ones are passed
 * over before it, since it takes a packet that comes in pieces for others, and a header without an
 * end for one with (2.1.3).
 *
 * Memory: struct ota_mqtt, the caller's, and from lwIP's pools one connection and one timeout. Call
 * everything from lwIP's context. Build it with MQTT_LWIP_CPPFLAGS (net.mk).
 */
#ifndef OTA_DEVICE_NET_MQTT_LWIP_H
#define OTA_DEVICE_NET_MQTT_LWIP_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/altcp.h>
#include <lwip/apps/mqtt.h>
#include <lwip/apps/mqtt_priv.h>

#include "device/net/mqtt_frame.h"
#include "protocol/limits.h"

#define OTA_MQTT_NOTIFY_MS_MIN                                                                     \
    30000U                           /* a poll that a notification causes, and the next, but for   \
                                      */
#define OTA_MQTT_NOTIFY_BURST 3U     /* so many at once */
#define OTA_MQTT_FLOOD_MAX 120U      /* packets in a minute; a broker that sends more is left */
#define OTA_MQTT_START_MS_MAX 30000U /* from the name to the first presence */
#define OTA_MQTT_RETRY_MS_MIN 2000U
#define OTA_MQTT_RETRY_MS_MAX 600000U
#define OTA_MQTT_STEADY_MS 60000U /* a connection that stood so long was a good one */
#define OTA_MQTT_KEEPALIVE_SECONDS 60U

#define OTA_MQTT_GROUP_MAX 192U /* characters of a group in a topic */
#define OTA_MQTT_TOPIC_MAX (20U + OTA_NAME_MAX + OTA_MQTT_GROUP_MAX)

_Static_assert(MQTT_VAR_HEADER_BUFFER_LEN >= OTA_MQTT_PACKET_MAX, "lwIP takes a packet whole");

/* All of it stays valid as long as it is used. */
struct ota_mqtt_config {
    const char *host; /* name or literal address to connect to */
    uint16_t port;
    altcp_allocator_t *allocator; /* NULL for plain TCP */
    const char *product;
    const char *device_id;
    const char *group; /* as topics have it, or NULL */
    void *ctx;         /* of the functions below */
    /* OTA_OK or a negative error: then the middle is taken. */
    int (*random)(void *ctx, void *buf, size_t len);
    void (*notified)(void *ctx);
    void (*log)(void *ctx, const char *line);
};

struct ota_mqtt_counts {
    uint32_t connected;     /* times */
    uint32_t notifications; /* well formed */
    uint32_t polls;         /* that they caused */
    uint32_t ignored;       /* packets: malformed, oversized, foreign */
};

struct ota_mqtt {
    const struct ota_mqtt_config *config;
    uint8_t state; /* enum in the .c */
    uint8_t wish;  /* what the callbacks have found: the next step does it */
    uint8_t failures;
    uint8_t tokens;   /* polls that notifications may cause now */
    bool pending;     /* a notification waits for one */
    bool ours;        /* the publish that comes in is a notification so far */
    uint16_t packets; /* since flood_ms */
    uint32_t now_ms;
    uint32_t since_ms; /* of the state */
    uint32_t due_ms;   /* to connect again */
    uint32_t token_ms; /* when the last one came */
    uint32_t flood_ms;
    altcp_recv_fn parse; /* lwIP's */
    struct ota_mqtt_counts counts;
    struct mqtt_client_s client;
    struct ota_mqtt_framer framer;
    char presence[OTA_MQTT_TOPIC_MAX + 1];
    char topic[OTA_MQTT_TOPIC_MAX + 1];
    char group[OTA_MQTT_TOPIC_MAX + 1];
};

/* No connection yet. `config` is kept. */
void ota_mqtt_init(struct ota_mqtt *mqtt, const struct ota_mqtt_config *config, uint32_t now_ms);

/* Do what is due. Milliseconds until it wants to be called again at the latest. */
uint32_t ota_mqtt_step(struct ota_mqtt *mqtt, uint32_t now_ms);

/* Close the connection: the broker publishes the last will. It may be forgotten afterwards. */
void ota_mqtt_close(struct ota_mqtt *mqtt);

bool ota_mqtt_is_online(const struct ota_mqtt *mqtt);

#endif
