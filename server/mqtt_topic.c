#include "server/mqtt_topic.h"

#include <stdio.h>
#include <string.h>

#include "protocol/text.h"

static const struct {
    const char *prefix;
    const char *filter;
} TOPICS[] = {
    [MQTT_NOTIFY] = {"otad/v1/notify/", "otad/v1/notify/+/+"},
    [MQTT_GROUP] = {"otad/v1/group/", "otad/v1/group/+/+"},
    [MQTT_PRESENCE] = {"otad/v1/presence/", "otad/v1/presence/+/+"},
    [MQTT_REPORTS] = {"otad/v1/reports/", "otad/v1/reports/+/+"},
    [MQTT_ACKS] = {"otad/v1/acks/", "otad/v1/acks/+/+"},
};

_Static_assert((int)OTA_DEVICE_ID_MAX <= (int)DB_LABEL_MAX, "a device's name fits a topic");

const char *mqtt_topic_filter(enum mqtt_topic topic)
{
    return TOPICS[topic].filter;
}

void mqtt_topic_format(enum mqtt_topic topic, const char *product, const char *name,
                       char text[MQTT_TOPIC_MAX + 1])
{
    int len = snprintf(text, MQTT_TOPIC_MAX + 1, "%s%s/", TOPICS[topic].prefix, product);
    char *at = text + len;

    for (; *name != '\0' && at + 3 <= text + MQTT_TOPIC_MAX; name++) {
        if (strchr("+#/% ", *name) != NULL)
            at += snprintf(at, 4, "%%%02X", (unsigned)(unsigned char)*name);
        else
            *at++ = *name;
    }
    *at = '\0';
}

/* The segment up to `end` if it is well formed. */
static bool take_segment(char *to, size_t cap, const char *from, size_t len,
                         bool (*is_good)(struct ota_text text))
{
    if (len >= cap || !is_good((struct ota_text){from, len}))
        return false;
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

bool mqtt_topic_parse(struct mqtt_address *address, const char *text)
{
    static const enum mqtt_topic readable[] = {MQTT_PRESENCE, MQTT_REPORTS};

    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        size_t len = strlen(TOPICS[readable[i]].prefix);
        const char *product = text + len;
        size_t product_len;

        if (strncmp(text, TOPICS[readable[i]].prefix, len) != 0)
            continue;
        product_len = strcspn(product, "/");
        address->topic = readable[i];
        return product[product_len] == '/' &&
               take_segment(address->product, sizeof(address->product), product, product_len,
                            ota_text_is_name) &&
               take_segment(address->name, sizeof(address->name), product + product_len + 1,
                            strlen(product + product_len + 1), ota_text_is_device_id);
    }
    return false;
}
