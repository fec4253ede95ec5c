#include "device/net/mqtt_lwip.h"

#include <string.h>

#include <lwip/altcp_tcp.h>
#include <lwip/altcp_tls.h>
#include <lwip/dns.h>
#include <lwip/pbuf.h>
#include <lwip/priv/altcp_priv.h>

#include "protocol/error.h"

#define CHECK "check"
#define ONLINE "online"
#define QOS 1
#define TICK_MS 1000U /* how often to look when nothing wakes us */
#define FLOOD_WINDOW_MS 60000U

enum state {
    STATE_DOWN, /* until due_ms */
    STATE_RESOLVING,
    STATE_CONNECTING,
    STATE_SUBSCRIBING,
    STATE_ANNOUNCING,
    STATE_ONLINE,
};

/* What a callback of lwIP wants done: there, its client may not be touched. */
enum wish {
    WISH_NONE,
    WISH_SUBSCRIBE,
    WISH_ANNOUNCE,
    WISH_ONLINE,
    WISH_DOWN, /* lwIP has closed */
    WISH_END,  /* we want to */
};

static void say(const struct ota_mqtt *mqtt, const char *line)
{
    if (mqtt->config->log != NULL)
        mqtt->config->log(mqtt->config->ctx, line);
}

static void enter(struct ota_mqtt *mqtt, enum state state)
{
    mqtt->state = (uint8_t)state;
    mqtt->since_ms = mqtt->now_ms;
}

static void want(struct ota_mqtt *mqtt, enum wish wish)
{
    if (mqtt->wish < wish)
        mqtt->wish = (uint8_t)wish;
}

static uint32_t random_below(const struct ota_mqtt *mqtt, uint32_t bound)
{
    uint32_t value;

    if (mqtt->config->random(mqtt->config->ctx, &value, sizeof value) != OTA_OK)
        return bound / 2;
    return value % bound;
}

/* ---- what lwIP's client tells ---- */

static void on_connection(mqtt_client_t *client, void *arg, mqtt_connection_status_t status)
{
    struct ota_mqtt *mqtt = arg;

    (void)client;
    want(mqtt, status == MQTT_CONNECT_ACCEPTED ? WISH_SUBSCRIBE : WISH_DOWN);
}

static void on_subscribed(void *arg, err_t error)
{
    want(arg, error == ERR_OK ? WISH_ANNOUNCE : WISH_END);
}

static void on_announced(void *arg, err_t error)
{
    want(arg, error == ERR_OK ? WISH_ONLINE : WISH_END);
}

static void on_publish(void *arg, const char *topic, u32_t len)
{
    struct ota_mqtt *mqtt = arg;

    mqtt->ours =
        len == sizeof CHECK - 1 && (strcmp(topic, mqtt->topic) == 0 ||
                                    (mqtt->group[0] != '\0' && strcmp(topic, mqtt->group) == 0));
}

static void on_data(void *arg, const u8_t *data, u16_t len, u8_t flags)
{
    struct ota_mqtt *mqtt = arg;

    if ((flags & MQTT_DATA_FLAG_LAST) == 0)
        return; /* packets come whole */
    if (mqtt->ours && len == sizeof CHECK - 1 && memcmp(data, CHECK, len) == 0) {
        mqtt->counts.notifications++;
        mqtt->pending = true;
    } else {
        mqtt->counts.ignored++;
    }
    mqtt->ours = false;
}

/* ---- between the connection and lwIP's client ---- */

/* lwIP's client is compiled with these for altcp_recv and altcp_recved: it registers what parses
 * its input, and says what it took of it, which is ours to tell the connection. */
void ota_mqtt_guard(struct altcp_pcb *conn, altcp_recv_fn parse);
void ota_mqtt_parsed(struct altcp_pcb *conn, u16_t len);

static struct ota_mqtt *of_client(void *client)
{
    return (struct ota_mqtt *)(void *)((uint8_t *)client - offsetof(struct ota_mqtt, client));
}

/* More than a broker of ours has to say. */
static bool is_flood(struct ota_mqtt *mqtt)
{
    if (mqtt->now_ms - mqtt->flood_ms >= FLOOD_WINDOW_MS) {
        mqtt->flood_ms = mqtt->now_ms;
        mqtt->packets = 0;
    }
    return ++mqtt->packets > OTA_MQTT_FLOOD_MAX;
}

/* One packet to lwIP's parser. */
static void give(struct ota_mqtt *mqtt, struct altcp_pcb *conn, u16_t len)
{
    struct pbuf *packet = pbuf_alloc(PBUF_RAW, len, PBUF_REF);

    if (packet == NULL) {
        want(mqtt, WISH_END);
        return;
    }
    packet->payload = mqtt->framer.packet;
    (void)mqtt->parse(&mqtt->client, conn, packet, ERR_OK);
}

static void take_bytes(struct ota_mqtt *mqtt, struct altcp_pcb *conn, const uint8_t *bytes,
                       size_t len)
{
    while (len > 0 && mqtt->client.conn == conn && mqtt->wish < WISH_DOWN) {
        int packet = ota_mqtt_frame(&mqtt->framer, &bytes, &len);

        if (packet > 0)
            give(mqtt, conn, (u16_t)packet);
        else if (packet < 0)
            mqtt->counts.ignored++;
        if (packet == -2 || (packet != 0 && is_flood(mqtt)))
            want(mqtt, WISH_END);
    }
}

static err_t on_received(void *arg, struct altcp_pcb *conn, struct pbuf *data, err_t error)
{
    struct ota_mqtt *mqtt = of_client(arg);

    if (data == NULL)
        return mqtt->parse(arg, conn, NULL, error);
    for (const struct pbuf *at = data; at != NULL; at = at->next)
        take_bytes(mqtt, conn, at->payload, at->len);
    u16_t len = data->tot_len;
    pbuf_free(data);
    if (mqtt->client.conn == conn)
        altcp_recved(conn, len);
    return ERR_OK;
}

void ota_mqtt_parsed(struct altcp_pcb *conn, u16_t len)
{
    (void)conn;
    (void)len;
}

void ota_mqtt_guard(struct altcp_pcb *conn, altcp_recv_fn parse)
{
    if (parse != NULL) {
        struct ota_mqtt *mqtt = of_client(conn->arg);
        mqtt->parse = parse;
        memset(&mqtt->framer, 0, sizeof mqtt->framer);
    }
    altcp_recv(conn, parse != NULL ? on_received : NULL);
}

/* lwIP's client asks for a TLS connection, and gets whatever the configuration wants. */
struct altcp_pcb *altcp_tls_new(struct altcp_tls_config *config, u8_t ip_type)
{
    struct ota_mqtt *mqtt = (struct ota_mqtt *)(void *)config;

    return altcp_new_ip_type(mqtt->config->allocator, ip_type);
}

/* ---- connecting ---- */

static void go_down(struct ota_mqtt *mqtt)
{
    uint32_t window_ms = OTA_MQTT_RETRY_MS_MIN;

    if (mqtt->state == STATE_ONLINE)
        say(mqtt, "mqtt: the broker is gone");
    if (mqtt->state == STATE_ONLINE && mqtt->now_ms - mqtt->since_ms >= OTA_MQTT_STEADY_MS)
        mqtt->failures = 0;
    for (uint8_t i = 0; i < mqtt->failures && window_ms < OTA_MQTT_RETRY_MS_MAX; i++)
        window_ms *= 2;
    if (window_ms > OTA_MQTT_RETRY_MS_MAX)
        window_ms = OTA_MQTT_RETRY_MS_MAX;
    mqtt->failures = mqtt->failures < UINT8_MAX ? (uint8_t)(mqtt->failures + 1) : UINT8_MAX;
    mqtt->due_ms = mqtt->now_ms + OTA_MQTT_RETRY_MS_MIN / 4 + random_below(mqtt, window_ms);
    mqtt->wish = WISH_NONE;
    enter(mqtt, STATE_DOWN);
}

static void end(struct ota_mqtt *mqtt)
{
    mqtt_disconnect(&mqtt->client);
    go_down(mqtt);
}

static void connect_to(struct ota_mqtt *mqtt, const ip_addr_t *address)
{
    const struct mqtt_connect_client_info_t info = {
        .client_id = mqtt->config->device_id,
        .keep_alive = OTA_MQTT_KEEPALIVE_SECONDS,
        .will_topic = mqtt->presence,
        .will_msg = "offline",
        .will_qos = QOS,
        .will_retain = 1,
        .tls_config = (struct altcp_tls_config *)(void *)mqtt,
    };

    memset(&mqtt->client, 0, sizeof mqtt->client);
    mqtt->flood_ms = mqtt->now_ms;
    mqtt->packets = 0;
    enter(mqtt, STATE_CONNECTING);
    if (mqtt_client_connect(&mqtt->client, address, mqtt->config->port, on_connection, mqtt,
                            &info) != ERR_OK) {
        go_down(mqtt);
        return;
    }
    mqtt_set_inpub_callback(&mqtt->client, on_publish, on_data, mqtt);
}

static void on_resolved(const char *name, const ip_addr_t *address, void *arg)
{
    struct ota_mqtt *mqtt = arg;

    (void)name;
    if (mqtt->state != STATE_RESOLVING)
        return; /* an answer to a question that was given up */
    if (address == NULL)
        go_down(mqtt);
    else
        connect_to(mqtt, address);
}

static void resolve(struct ota_mqtt *mqtt)
{
    ip_addr_t address;

    enter(mqtt, STATE_RESOLVING);
    err_t error = dns_gethostbyname(mqtt->config->host, &address, on_resolved, mqtt);
    if (error == ERR_OK)
        connect_to(mqtt, &address);
    else if (error != ERR_INPROGRESS)
        go_down(mqtt);
}

/* ---- steps ---- */

static void go_online(struct ota_mqtt *mqtt)
{
    mqtt->counts.connected++;
    enter(mqtt, STATE_ONLINE);
    say(mqtt, "mqtt: online");
    mqtt->pending = true; /* what was to be told before it listened */
}

static void fulfil(struct ota_mqtt *mqtt)
{
    uint8_t wish = mqtt->wish;
    err_t error = ERR_OK;

    mqtt->wish = WISH_NONE;
    switch (wish) {
    case WISH_SUBSCRIBE:
        enter(mqtt, STATE_SUBSCRIBING);
        if (mqtt->group[0] != '\0')
            error = mqtt_subscribe(&mqtt->client, mqtt->group, QOS, NULL, NULL);
        if (error == ERR_OK)
            error = mqtt_subscribe(&mqtt->client, mqtt->topic, QOS, on_subscribed, mqtt);
        break;
    case WISH_ANNOUNCE:
        enter(mqtt, STATE_ANNOUNCING);
        error = mqtt_publish(&mqtt->client, mqtt->presence, ONLINE, sizeof ONLINE - 1, QOS, 1,
                             on_announced, mqtt);
        break;
    case WISH_ONLINE:
        go_online(mqtt);
        break;
    case WISH_DOWN:
        go_down(mqtt);
        break;
    case WISH_END:
        say(mqtt, "mqtt: leaving a broker that floods or refuses");
        end(mqtt);
        break;
    default:
        break;
    }
    if (error != ERR_OK)
        end(mqtt);
}

/* A poll for what was told, as far as polls are not too many. */
static void notify(struct ota_mqtt *mqtt)
{
    while (mqtt->tokens < OTA_MQTT_NOTIFY_BURST &&
           mqtt->now_ms - mqtt->token_ms >= OTA_MQTT_NOTIFY_MS_MIN) {
        mqtt->token_ms += OTA_MQTT_NOTIFY_MS_MIN;
        mqtt->tokens++;
    }
    if (!mqtt->pending || mqtt->tokens == 0)
        return;
    if (mqtt->tokens-- == OTA_MQTT_NOTIFY_BURST)
        mqtt->token_ms = mqtt->now_ms;
    mqtt->pending = false;
    mqtt->counts.polls++;
    mqtt->config->notified(mqtt->config->ctx);
}

static bool is_late(const struct ota_mqtt *mqtt)
{
    return mqtt->state != STATE_DOWN && mqtt->state != STATE_ONLINE &&
           mqtt->now_ms - mqtt->since_ms >= OTA_MQTT_START_MS_MAX;
}

uint32_t ota_mqtt_step(struct ota_mqtt *mqtt, uint32_t now_ms)
{
    mqtt->now_ms = now_ms;
    if (mqtt->wish != WISH_NONE)
        fulfil(mqtt);
    if (is_late(mqtt))
        end(mqtt);
    if (mqtt->state == STATE_DOWN && (int32_t)(now_ms - mqtt->due_ms) >= 0)
        resolve(mqtt);
    notify(mqtt);
    return TICK_MS;
}

bool ota_mqtt_is_online(const struct ota_mqtt *mqtt)
{
    return mqtt->state == STATE_ONLINE;
}

void ota_mqtt_close(struct ota_mqtt *mqtt)
{
    mqtt->state = STATE_DOWN;
    if (mqtt->client.conn != NULL)
        altcp_abort(mqtt->client.conn);
    mqtt->client.conn = NULL;
    mqtt_disconnect(&mqtt->client);
    mqtt->wish = WISH_NONE;
    mqtt->due_ms = mqtt->now_ms;
}

/* Names are checked, so that their lengths are known. */
static void put_topic(char *to, const char *prefix, const char *product, const char *name)
{
    size_t lens[] = {strlen(prefix), strlen(product), strlen(name)};
    const char *parts[] = {prefix, product, name};

    for (unsigned i = 0; i < 3; i++) {
        memcpy(to, parts[i], lens[i]);
        to += lens[i];
        if (i == 1)
            *to++ = '/';
    }
    *to = '\0';
}

void ota_mqtt_init(struct ota_mqtt *mqtt, const struct ota_mqtt_config *config, uint32_t now_ms)
{
    memset(mqtt, 0, sizeof *mqtt);
    mqtt->config = config;
    mqtt->now_ms = mqtt->due_ms = mqtt->token_ms = mqtt->flood_ms = now_ms;
    mqtt->due_ms += random_below(mqtt, OTA_MQTT_RETRY_MS_MIN);
    mqtt->tokens = OTA_MQTT_NOTIFY_BURST;
    put_topic(mqtt->presence, "otad/v1/presence/", config->product, config->device_id);
    put_topic(mqtt->topic, "otad/v1/notify/", config->product, config->device_id);
    if (config->group != NULL && strlen(config->group) <= OTA_MQTT_GROUP_MAX)
        put_topic(mqtt->group, "otad/v1/group/", config->product, config->group);
}
