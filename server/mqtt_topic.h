/*
 * Topics on the broker, as protocol/SPEC.md has them:
 *
 *     otad/v1/notify/PRODUCT/DEVICE     otad says: poll
 *     otad/v1/group/PRODUCT/GROUP       the same to a group
 *     otad/v1/presence/PRODUCT/DEVICE   a device says: online, and its last will: offline
 * (retained) otad/v1/reports/PRODUCT/DEVICE    a device reports otad/v1/acks/PRODUCT/DEVICE otad
 * says: written down
 */
#ifndef OTAD_MQTT_TOPIC_H
#define OTAD_MQTT_TOPIC_H

#include <stdbool.h>

#include "db/devices.h"
#include "protocol/limits.h"

/* Characters of a topic: a group's name may be escaped to three times its length. */
#define MQTT_TOPIC_MAX (24 + OTA_NAME_MAX + 3 * DB_LABEL_MAX)

enum mqtt_topic {
    MQTT_NOTIFY,
    MQTT_GROUP,
    MQTT_PRESENCE,
    MQTT_REPORTS,
    MQTT_ACKS,
};

struct mqtt_address {
    enum mqtt_topic topic;
    char product[OTA_NAME_MAX + 1];
    char name[OTA_DEVICE_ID_MAX + 1]; /* of the device */
};

/* `name` is a device's or a group's. Characters of it that a topic can't have (+ # / % and space)
 * are written as %XX; only names of groups have any. */
void mqtt_topic_format(enum mqtt_topic topic, const char *product, const char *name,
                       char text[MQTT_TOPIC_MAX + 1]);
/* A topic that devices write to: MQTT_PRESENCE or MQTT_REPORTS. False for any other. */
bool mqtt_topic_parse(struct mqtt_address *address, const char *text);
/* What to subscribe to for one of these. */
const char *mqtt_topic_filter(enum mqtt_topic topic);

#endif
