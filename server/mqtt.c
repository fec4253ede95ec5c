#include "server/mqtt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/herald.h"
#include "server/mqtt_inner.h"
#include "server/secret.h"

#define KEEPALIVE_SECONDS 30
#define LOOP_MS 250       /* how often `stopping` is looked at */
#define RETRY_MS_MIN 500U /* the first pause before connecting again; it doubles up to */
#define RETRY_MS_MAX 30000U
#define UNACKNOWLEDGED_MAX 128 /* messages that the broker has not answered for */
#define QOS 1

static void pause_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

/* ---- what the library tells, on the loop's thread ---- */

static void on_connect(struct mosquitto *mosq, void *ctx, int code)
{
    struct mqtt *mqtt = ctx;
    int error = code;

    if (code == 0)
        error = mosquitto_subscribe(mosq, NULL, mqtt_topic_filter(MQTT_PRESENCE), QOS);
    if (error == 0 && mqtt->app->config.mqtt_reports)
        error = mosquitto_subscribe(mosq, NULL, mqtt_topic_filter(MQTT_REPORTS), QOS);
    if (error != 0) {
        log_note(&mqtt->app->log, LOG_WARN, "mqtt_refused", "%s",
                 code != 0 ? mosquitto_connack_string(code) : mosquitto_strerror(error));
        mosquitto_disconnect(mosq);
        return;
    }
    pthread_mutex_lock(&mqtt->lock);
    mqtt->connected = true;
    pthread_cond_signal(&mqtt->wake);
    pthread_mutex_unlock(&mqtt->lock);
    log_note(&mqtt->app->log, LOG_INFO, "mqtt_connected", "%s:%u", mqtt->app->config.mqtt_host,
             mqtt->app->config.mqtt_port);
}

static void on_publish(struct mosquitto *mosq, void *ctx, int id)
{
    struct mqtt *mqtt = ctx;

    (void)mosq;
    (void)id;
    pthread_mutex_lock(&mqtt->lock);
    mqtt->published++;
    if (mqtt->unacknowledged > 0)
        mqtt->unacknowledged--;
    pthread_cond_signal(&mqtt->wake);
    pthread_mutex_unlock(&mqtt->lock);
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message)
{
    (void)mosq;
    mqtt_receive(ctx, message);
}

/* ---- the connection ---- */

/* Until it is lost. False: there was none. */
static bool hold_connection(struct mqtt *mqtt)
{
    const struct config *config = &mqtt->app->config;
    bool was_connected;
    int error =
        mosquitto_connect(mqtt->mosq, config->mqtt_host, config->mqtt_port, KEEPALIVE_SECONDS);

    while (error == MOSQ_ERR_SUCCESS && !atomic_load(&mqtt->stopping))
        error = mosquitto_loop(mqtt->mosq, LOOP_MS, 1);
    pthread_mutex_lock(&mqtt->lock);
    was_connected = mqtt->connected;
    mqtt->connected = false;
    mqtt->unacknowledged = 0;
    pthread_mutex_unlock(&mqtt->lock);
    herald_all_offline(mqtt->app->herald);
    if (!atomic_load(&mqtt->stopping))
        log_note(&mqtt->app->log, LOG_WARN, "mqtt_lost", "%s:%u: %s", config->mqtt_host,
                 config->mqtt_port, mosquitto_strerror(error));
    return was_connected;
}

static void *loop_main(void *ctx)
{
    struct mqtt *mqtt = ctx;
    unsigned retry_ms = RETRY_MS_MIN;

    while (!atomic_load(&mqtt->stopping)) {
        if (hold_connection(mqtt))
            retry_ms = RETRY_MS_MIN;
        for (unsigned ms = 0; ms < retry_ms && !atomic_load(&mqtt->stopping); ms += LOOP_MS)
            pause_ms(LOOP_MS);
        retry_ms = retry_ms * 2 < RETRY_MS_MAX ? retry_ms * 2 : RETRY_MS_MAX;
    }
    mosquitto_disconnect(mqtt->mosq);
    return NULL;
}

/* ---- the queue ---- */

/* Wait for a message that may go; false when stopping. It stays in the queue. */
static bool await_message(struct mqtt *mqtt, struct mqtt_message *message)
{
    bool stopping;

    pthread_mutex_lock(&mqtt->lock);
    while (!(stopping = atomic_load(&mqtt->stopping)) &&
           (mqtt->count == 0 || !mqtt->connected || mqtt->unacknowledged >= UNACKNOWLEDGED_MAX))
        pthread_cond_wait(&mqtt->wake, &mqtt->lock);
    if (!stopping) {
        *message = mqtt->queue[mqtt->first];
        mqtt->unacknowledged++; /* the answer may come before mosquitto_publish() returns */
    }
    pthread_mutex_unlock(&mqtt->lock);
    return !stopping;
}

static void settle_message(struct mqtt *mqtt, bool sent)
{
    pthread_mutex_lock(&mqtt->lock);
    if (sent) {
        mqtt->first = (mqtt->first + 1) % MQTT_QUEUE_MAX;
        mqtt->count--;
    } else if (mqtt->unacknowledged > 0) {
        mqtt->unacknowledged--;
    }
    pthread_mutex_unlock(&mqtt->lock);
}

static void *publisher_main(void *ctx)
{
    struct mqtt *mqtt = ctx;
    struct mqtt_message message;

    while (await_message(mqtt, &message)) {
        int error = mosquitto_publish(mqtt->mosq, NULL, message.topic, (int)strlen(message.payload),
                                      message.payload, QOS, false);
        settle_message(mqtt, error == MOSQ_ERR_SUCCESS);
        if (error != MOSQ_ERR_SUCCESS)
            pause_ms(LOOP_MS); /* the connection has just gone: again when it is back */
    }
    return NULL;
}

static bool is_queued(const struct mqtt *mqtt, const struct mqtt_message *message)
{
    for (size_t i = 0; i < mqtt->count; i++) {
        const struct mqtt_message *at = &mqtt->queue[(mqtt->first + i) % MQTT_QUEUE_MAX];
        if (strcmp(at->topic, message->topic) == 0 && strcmp(at->payload, message->payload) == 0)
            return true;
    }
    return false;
}

bool mqtt_put(struct mqtt *mqtt, enum mqtt_topic topic, const char *product, const char *name,
              const char *payload)
{
    struct mqtt_message message;
    bool taken = true;

    mqtt_topic_format(topic, product, name, message.topic);
    snprintf(message.payload, sizeof(message.payload), "%s", payload);
    pthread_mutex_lock(&mqtt->lock);
    if (!is_queued(mqtt, &message)) {
        taken = mqtt->count < MQTT_QUEUE_MAX;
        if (taken)
            mqtt->queue[(mqtt->first + mqtt->count++) % MQTT_QUEUE_MAX] = message;
        else
            mqtt->dropped++;
        pthread_cond_signal(&mqtt->wake);
    }
    pthread_mutex_unlock(&mqtt->lock);
    return taken;
}

size_t mqtt_room(struct mqtt *mqtt)
{
    size_t room;

    pthread_mutex_lock(&mqtt->lock);
    room = mqtt->connected ? MQTT_QUEUE_MAX - mqtt->count : 0;
    pthread_mutex_unlock(&mqtt->lock);
    return room;
}

void mqtt_count(struct mqtt *mqtt, struct mqtt_counts *counts)
{
    memset(counts, 0, sizeof(*counts));
    if (mqtt == NULL)
        return;
    counts->ignored = atomic_load(&mqtt->ignored);
    counts->reports = atomic_load(&mqtt->reports);
    pthread_mutex_lock(&mqtt->lock);
    counts->connected = mqtt->connected;
    counts->published = mqtt->published;
    counts->dropped = mqtt->dropped;
    pthread_mutex_unlock(&mqtt->lock);
}

/* ---- life ---- */

static bool make_client(struct mqtt *mqtt, char *error, size_t cap)
{
    const struct config *config = &mqtt->app->config;
    int code = MOSQ_ERR_SUCCESS;

    mosquitto_lib_init();
    /* No id of ours: the broker makes one up, so that two servers don't throw each other out. */
    mqtt->mosq = mosquitto_new(NULL, true, mqtt);
    if (mqtt->mosq == NULL) {
        snprintf(error, cap, "out of memory");
        return false;
    }
    mosquitto_threaded_set(mqtt->mosq, true);
    mosquitto_connect_callback_set(mqtt->mosq, on_connect);
    mosquitto_publish_callback_set(mqtt->mosq, on_publish);
    mosquitto_message_callback_set(mqtt->mosq, on_message);
    if (config->mqtt_tls)
        code = mosquitto_tls_set(mqtt->mosq, config->mqtt_ca,
                                 config->mqtt_ca == NULL ? "/etc/ssl/certs" : NULL,
                                 config->mqtt_cert, config->mqtt_key, NULL);
    if (code == MOSQ_ERR_SUCCESS && config->mqtt_tls)
        code = mosquitto_tls_opts_set(mqtt->mosq, 1, NULL, NULL);
    if (code == MOSQ_ERR_SUCCESS)
        return true;
    snprintf(error, cap, "--mqtt-ca, --mqtt-cert, --mqtt-key: %s", mosquitto_strerror(code));
    return false;
}

struct mqtt *mqtt_open(struct app *app, char *error, size_t cap)
{
    struct mqtt *mqtt = calloc(1, sizeof(*mqtt));

    if (mqtt == NULL) {
        snprintf(error, cap, "out of memory");
        return NULL;
    }
    mqtt->app = app;
    pthread_mutex_init(&mqtt->lock, NULL);
    pthread_cond_init(&mqtt->wake, NULL);
    if (make_client(mqtt, error, cap))
        return mqtt;
    mqtt_free(mqtt);
    return NULL;
}

bool mqtt_start(struct mqtt *mqtt)
{
    mqtt->looping = pthread_create(&mqtt->loop, NULL, loop_main, mqtt) == 0;
    mqtt->publishing = pthread_create(&mqtt->publisher, NULL, publisher_main, mqtt) == 0;
    return mqtt->looping && mqtt->publishing;
}

void mqtt_stop(struct mqtt *mqtt)
{
    if (mqtt == NULL)
        return;
    pthread_mutex_lock(&mqtt->lock);
    atomic_store(&mqtt->stopping, true);
    pthread_cond_broadcast(&mqtt->wake);
    pthread_mutex_unlock(&mqtt->lock);
    if (mqtt->looping)
        pthread_join(mqtt->loop, NULL);
    if (mqtt->publishing)
        pthread_join(mqtt->publisher, NULL);
    mqtt->looping = mqtt->publishing = false;
}

void mqtt_free(struct mqtt *mqtt)
{
    if (mqtt == NULL)
        return;
    if (mqtt->mosq != NULL)
        mosquitto_destroy(mqtt->mosq);
    mosquitto_lib_cleanup();
    pthread_cond_destroy(&mqtt->wake);
    pthread_mutex_destroy(&mqtt->lock);
    free(mqtt);
}
