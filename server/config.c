#include "server/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/limits.h"
#include "server/nearest.h"

struct setting {
    const char *flag;
    const char *environment;
    const char *value; /* how it is written in the help */
    const char *help;
    const char *allowed; /* completes "... must be" */
    bool (*take)(struct config *config, const char *value);
};

static bool take_number(const char *value, uint32_t min, uint32_t max, uint32_t *number)
{
    unsigned long long parsed;
    char *end;

    if (value[0] < '0' || value[0] > '9')
        return false;
    errno = 0;
    parsed = strtoull(value, &end, 10);
    if (errno != 0 || *end != '\0' || parsed < min || parsed > max)
        return false;
    *number = (uint32_t)parsed;
    return true;
}

static bool take_data(struct config *config, const char *value)
{
    config->data_dir = value;
    return value[0] != '\0' && strlen(value) < 1024;
}

/* HOST:PORT; an IPv6 address stands in brackets. */
static bool take_listen(struct config *config, const char *value)
{
    const char *colon = strrchr(value, ':');
    const char *start = value;
    const char *end = colon;
    uint32_t port;

    if (colon == NULL || !take_number(colon + 1, 0, 65535, &port))
        return false;
    if (value[0] == '[') {
        start = value + 1;
        end = colon - 1;
        if (end <= start || *end != ']')
            return false;
    }
    if (end <= start || (size_t)(end - start) >= sizeof(config->host))
        return false;
    memcpy(config->host, start, (size_t)(end - start));
    config->host[end - start] = '\0';
    config->port = (uint16_t)port;
    return true;
}

static bool take_cert(struct config *config, const char *value)
{
    config->tls_cert = value;
    return value[0] != '\0';
}

static bool take_key(struct config *config, const char *value)
{
    config->tls_key = value;
    return value[0] != '\0';
}

static bool take_client_ca(struct config *config, const char *value)
{
    config->tls_client_ca = value;
    return value[0] != '\0';
}

static bool take_public_url(struct config *config, const char *value)
{
    size_t len = strlen(value);

    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return false;
    while (len > 0 && value[len - 1] == '/')
        len--;
    if (len < 9 || len >= sizeof(config->public_url))
        return false;
    memcpy(config->public_url, value, len);
    config->public_url[len] = '\0';
    return true;
}

static bool take_port_file(struct config *config, const char *value)
{
    config->port_file = value;
    return value[0] != '\0';
}

static bool take_poll(struct config *config, const char *value)
{
    return take_number(value, OTA_POLL_SECONDS_MIN, OTA_POLL_SECONDS_MAX, &config->poll_seconds);
}

static bool take_wait(struct config *config, const char *value)
{
    return take_number(value, 0, OTA_WAIT_SECONDS_MAX, &config->wait_seconds);
}

static bool take_firmware_max(struct config *config, const char *value)
{
    return take_number(value, 1024, 1U << 30, &config->firmware_max);
}

static bool take_threads(struct config *config, const char *value)
{
    return take_number(value, 1, 64, &config->threads);
}

static bool take_connections(struct config *config, const char *value)
{
    return take_number(value, 16, 1000000, &config->connections_max);
}

static bool take_waiting(struct config *config, const char *value)
{
    return take_number(value, 0, 1000000, &config->waiting_max);
}

static bool take_webhook_private(struct config *config, const char *value)
{
    config->webhook_private = strcmp(value, "yes") == 0;
    return config->webhook_private || strcmp(value, "no") == 0;
}

static bool take_pending(struct config *config, const char *value)
{
    return take_number(value, 0, 10000000, &config->pending_max);
}

/* mqtt://HOST[:PORT] or mqtts://HOST[:PORT] */
static bool take_broker(struct config *config, const char *value)
{
    uint32_t port;
    const char *host;
    size_t len;

    config->mqtt_tls = strncmp(value, "mqtts://", 8) == 0;
    if (!config->mqtt_tls && strncmp(value, "mqtt://", 7) != 0)
        return false;
    host = strstr(value, "://") + 3;
    len = strcspn(host, ":/");
    port = config->mqtt_tls ? 8883 : 1883;
    if (len == 0 || len >= sizeof(config->mqtt_host) ||
        (host[len] == ':' && !take_number(host + len + 1, 1, 65535, &port)) || host[len] == '/')
        return false;
    memcpy(config->mqtt_host, host, len);
    config->mqtt_host[len] = '\0';
    config->mqtt_port = (uint16_t)port;
    return true;
}

static bool take_mqtt_ca(struct config *config, const char *value)
{
    config->mqtt_ca = value;
    return value[0] != '\0';
}

static bool take_mqtt_cert(struct config *config, const char *value)
{
    config->mqtt_cert = value;
    return value[0] != '\0';
}

static bool take_mqtt_key(struct config *config, const char *value)
{
    config->mqtt_key = value;
    return value[0] != '\0';
}

static bool take_mqtt_reports(struct config *config, const char *value)
{
    config->mqtt_reports = strcmp(value, "on") == 0;
    return config->mqtt_reports || strcmp(value, "off") == 0;
}

static bool take_patches(struct config *config, const char *value)
{
    config->patches = strcmp(value, "on") == 0;
    return config->patches || strcmp(value, "off") == 0;
}

static bool take_level(struct config *config, const char *value)
{
    return log_level_parse(&config->log_level, value);
}

static bool take_first_token(struct config *config, const char *value)
{
    config->print_first_token = strcmp(value, "print") == 0;
    return config->print_first_token || strcmp(value, "file") == 0;
}

static const struct setting SETTINGS[] = {
    {"--data", "OTAD_DATA", "DIR", "where database, keys and firmware are kept (required)",
     "a directory", take_data},
    {"--listen", "OTAD_LISTEN", "HOST:PORT", "address to serve on; port 0 takes a free one",
     "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080", take_listen},
    {"--tls-cert", "OTAD_TLS_CERT", "FILE", "certificate chain in PEM; with --tls-key: HTTPS",
     "a file name", take_cert},
    {"--tls-key", "OTAD_TLS_KEY", "FILE", "private key in PEM", "a file name", take_key},
    {"--tls-client-ca", "OTAD_TLS_CLIENT_CA", "FILE",
     "CAs in PEM: a device may show a certificate of theirs instead of a token", "a file name",
     take_client_ca},
    {"--public-url", "OTAD_PUBLIC_URL", "URL", "how clients reach this server, for links",
     "an absolute http:// or https:// URL of at most 159 characters", take_public_url},
    {"--port-file", "OTAD_PORT_FILE", "FILE", "write the port number there once serving",
     "a file name", take_port_file},
    {"--poll-seconds", "OTAD_POLL_SECONDS", "N", "how often devices are to ask (300)",
     "a whole number from 1 to 604800", take_poll},
    {"--wait-seconds", "OTAD_WAIT_SECONDS", "N",
     "how long devices are to hold a poll open for news, between those (0: not)",
     "a whole number from 0 to 300", take_wait},
    {"--firmware-max", "OTAD_FIRMWARE_MAX", "BYTES", "largest image that is accepted (16777216)",
     "a whole number from 1024 to 1073741824", take_firmware_max},
    {"--threads", "OTAD_THREADS", "N", "threads that serve connections (2)",
     "a whole number from 1 to 64", take_threads},
    {"--connections-max", "OTAD_CONNECTIONS_MAX", "N", "open connections at most (10000)",
     "a whole number from 16 to 1000000", take_connections},
    {"--waiting-max", "OTAD_WAITING_MAX", "N",
     "long polls held at once (3/4 of --connections-max); 0: none is",
     "a whole number from 0 to 1000000", take_waiting},
    {"--pending-max", "OTAD_PENDING_MAX", "N", "enrolled devices that may wait (10000)",
     "a whole number from 0 to 10000000", take_pending},
    {"--webhook-private", "OTAD_WEBHOOK_PRIVATE", "yes|no",
     "let webhooks go to private and local addresses (no)", "yes or no", take_webhook_private},
    {"--mqtt-broker", "OTAD_MQTT_BROKER", "URL",
     "notify devices over this broker, mqtts://HOST[:PORT] or mqtt://HOST[:PORT]",
     "mqtts://HOST[:PORT] or mqtt://HOST[:PORT]", take_broker},
    {"--mqtt-ca", "OTAD_MQTT_CA", "FILE", "CA that the broker's certificate is of (the system's)",
     "a file name", take_mqtt_ca},
    {"--mqtt-cert", "OTAD_MQTT_CERT", "FILE", "certificate to show the broker, in PEM",
     "a file name", take_mqtt_cert},
    {"--mqtt-key", "OTAD_MQTT_KEY", "FILE", "its private key", "a file name", take_mqtt_key},
    {"--mqtt-reports", "OTAD_MQTT_REPORTS", "on|off",
     "take reports over it; only if it binds topics to certificates (off)", "on or off",
     take_mqtt_reports},
    {"--first-token", "OTAD_FIRST_TOKEN", "HOW",
     "file: the first start writes it to admin-token (file); print: says it as well",
     "file or print", take_first_token},
    {"--patches", "OTAD_PATCHES", "on|off", "make patches between releases and offer them (on)",
     "on or off", take_patches},
    {"--log-level", "OTAD_LOG_LEVEL", "LEVEL", "debug, info, warn or error (info)",
     "one of debug, info, warn, error", take_level},
};
#define SETTING_COUNT (sizeof(SETTINGS) / sizeof(SETTINGS[0]))

void config_print_help(void)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        printf("  %-17s %-10s %s\n", SETTINGS[i].flag, SETTINGS[i].value, SETTINGS[i].help);
}

static bool read_environment(struct config *config, char *error, size_t cap)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *value = getenv(SETTINGS[i].environment);
        if (value != NULL && !SETTINGS[i].take(config, value)) {
            snprintf(error, cap, "%s=%s: must be %s", SETTINGS[i].environment, value,
                     SETTINGS[i].allowed);
            return false;
        }
    }
    return true;
}

static const struct setting *find_setting(const char *flag, size_t len)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strlen(SETTINGS[i].flag) == len && strncmp(SETTINGS[i].flag, flag, len) == 0)
            return &SETTINGS[i];
    return NULL;
}

static void tell_unknown(const char *flag, size_t len, char *error, size_t cap)
{
    struct nearest nearest = {0};
    char name[NEAREST_WORD_MAX + 1];

    snprintf(name, sizeof(name), "%.*s", (int)len, flag);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        nearest_offer(&nearest, name, SETTINGS[i].flag);
    snprintf(error, cap, "%s: no such flag%s%s; `otad serve --help` lists them", flag,
             nearest.word != NULL ? ", did you mean " : "",
             nearest.word != NULL ? nearest.word : "");
}

/* One flag at args[*i], `--flag VALUE` or `--flag=VALUE`. */
static bool read_flag(struct config *config, int argc, char **args, int *i, char *error, size_t cap)
{
    const char *flag = args[*i];
    const char *equals = strchr(flag, '=');
    size_t len = equals != NULL ? (size_t)(equals - flag) : strlen(flag);
    const struct setting *setting = find_setting(flag, len);
    const char *value;

    if (setting == NULL) {
        tell_unknown(flag, len, error, cap);
        return false;
    }
    value = equals != NULL ? equals + 1 : *i + 1 < argc ? args[++*i] : NULL;
    if (value == NULL || !setting->take(config, value)) {
        snprintf(error, cap, "%s %s: must be %s", setting->flag,
                 value != NULL ? value : "(nothing)", setting->allowed);
        return false;
    }
    return true;
}

bool config_read(struct config *config, int argc, char **args, char *error, size_t cap)
{
    *config = (struct config){.host = "127.0.0.1",
                              .port = 8080,
                              .poll_seconds = 300,
                              .firmware_max = 16U << 20,
                              .threads = 2,
                              .connections_max = 10000,
                              .waiting_max = UINT32_MAX,
                              .pending_max = 10000,
                              .patches = true,
                              .log_level = LOG_INFO};
    if (!read_environment(config, error, cap))
        return false;
    for (int i = 0; i < argc; i++)
        if (!read_flag(config, argc, args, &i, error, cap))
            return false;
    if (config->data_dir == NULL) {
        snprintf(error, cap, "--data DIR is required: where database, keys and firmware are kept");
        return false;
    }
    if (config->waiting_max == UINT32_MAX)
        config->waiting_max = config->connections_max / 4 * 3;
    if ((config->mqtt_cert == NULL) != (config->mqtt_key == NULL)) {
        snprintf(error, cap, "--mqtt-cert and --mqtt-key go together: give both or none");
        return false;
    }
    if (!config->mqtt_tls && (config->mqtt_ca != NULL || config->mqtt_cert != NULL)) {
        snprintf(error, cap, "--mqtt-ca and --mqtt-cert need --mqtt-broker mqtts://...");
        return false;
    }
    if ((config->tls_cert == NULL) != (config->tls_key == NULL)) {
        snprintf(error, cap, "--tls-cert and --tls-key go together: give both or none");
        return false;
    }
    if (config->tls_client_ca != NULL && config->tls_cert == NULL) {
        snprintf(error, cap, "--tls-client-ca needs HTTPS: --tls-cert and --tls-key");
        return false;
    }
    return true;
}
