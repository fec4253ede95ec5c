/* The broker's insides, shared by mqtt.c (the connection) and mqtt_receive.c (what comes in). */
#ifndef OTAD_MQTT_INNER_H
#define OTAD_MQTT_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include <mosquitto.h>

#include "server/app.h"
#include "server/mqtt.h"

struct mqtt_message {
    char topic[MQTT_TOPIC_MAX + 1];
    char payload[MQTT_PAYLOAD_MAX + 1];
};

struct mqtt {
    struct app *app;
    struct mosquitto *mosq;
    pthread_t loop;      /* speaks to the broker */
    pthread_t publisher; /* gives it what is queued */
    bool looping;
    bool publishing;
    atomic_bool stopping;
    atomic_int reports_under_way;
    atomic_ullong ignored;
    atomic_ullong reports;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool connected;
    unsigned unacknowledged;
    unsigned long long published;
    unsigned long long dropped;
    size_t first; /* of the queue, a ring */
    size_t count;
    struct mqtt_message queue[MQTT_QUEUE_MAX];
};

/* Of the loop's thread. */
void mqtt_receive(struct mqtt *mqtt, const struct mosquitto_message *message);

#endif
