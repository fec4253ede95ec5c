/*
 * The connection to an MQTT 3.1.1 broker, over which devices are told to poll, and tell that they
 * are there.
 *
 *     herald, requests, writer --mqtt_put()--> [queue] --> publisher --> libmosquitto --> broker
 *     broker --> on_message --> presence: herald;  reports: writer, then an ack to the queue
 *
 * Nothing waits for the broker: the queue is bounded, and holds a message once, however often it is
 * put. While the broker is away the connection is tried again, at growing intervals, and devices
 * count as not reachable. What comes from the broker is hostile: topics and payloads are checked
 * before anything else, and what is not ours is counted and dropped.
 */
#ifndef OTAD_MQTT_H
#define OTAD_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/mqtt_topic.h"

#define MQTT_QUEUE_MAX 1024 /* messages not yet with the broker */
#define MQTT_PAYLOAD_MAX 63 /* characters of what we send */
#define MQTT_NOTIFY_PAYLOAD "check"

struct app;
struct mqtt;

struct mqtt_counts {
    bool connected;
    unsigned long long published; /* acknowledged by the broker */
    unsigned long long dropped;   /* the queue was full */
    unsigned long long ignored;   /* foreign topics, malformed payloads, unknown devices */
    unsigned long long reports;   /* taken */
};

/* As app->config says; not yet connecting. NULL: `error` holds one line. */
struct mqtt *mqtt_open(struct app *app, char *error, size_t cap);
/* Connect, now and for ever: app->mqtt and app->herald are there. False: no thread can be started.
 */
bool mqtt_start(struct mqtt *mqtt);
/* End the threads and the connection; no report is taken any more. NULL is fine. */
void mqtt_stop(struct mqtt *mqtt);
/* After the writer has stopped. */
void mqtt_free(struct mqtt *mqtt);

/* Queue a message, from any thread. False: the queue is full. */
bool mqtt_put(struct mqtt *mqtt, enum mqtt_topic topic, const char *product, const char *name,
              const char *payload);
/* How many more the queue takes. */
size_t mqtt_room(struct mqtt *mqtt);
void mqtt_count(struct mqtt *mqtt, struct mqtt_counts *counts);

#endif
