#include "device/port/host/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/core/client.h"
#include "device/port/host/pem.h"
#include "device/port/host/slirp_netif.h"
#include "protocol/text.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: ota-device --dir DIR --server URL --id ID --product NAME --hardware NAME\n"
    "                  (--token-file FILE | --enrolment-key-file FILE)\n"
    "                  --server-key FILE --release-key FILE [options]\n"
    "\n"
    "A device as a process: an STM32F407's flash in DIR/flash.bin, the bootloader at every reset, "
    "and\n"
    "the update client. Ending the process at any moment is a power cut; starting it again goes "
    "on.\n"
    "\n"
    "  --dir DIR                 where the flash is kept; created when it isn't there\n"
    "  --server URL              http[s]://HOST[:PORT]; 127.0.0.1 and localhost are this machine\n"
    "  --cacert FILE             with https://: PEM of the CA that signed the server's "
    "certificate\n"
    "  --id ID                   [A-Za-z0-9._:-], up to 64 characters\n"
    "  --product, --hardware     [A-Za-z0-9._-], up to 32 characters each\n"
    "  --token-file FILE         the device's token, as otactl device add gave it\n"
    "  --enrolment-key-file FILE a product's enrolment key: the device asks for its own token\n"
    "  --server-key FILE         PEM public key that manifests are signed with; up to 4 times\n"
    "  --release-key FILE        PEM public key that images are signed with; up to 4 times\n"
    "  --image FILE              signed image that a new flash begins with\n"
    "  --poll-seconds N          until the server says otherwise: 1 to 604800 (1800)\n"
    "  --trial-seconds N         for a trial to reach the server: 1 to 86400 (600)\n"
    "  --timeout-seconds N       for an answer to begin, and between its bytes: 1 to 3600 (20)\n"
    "  --range-bytes N           fetched at a time: 512 to 16777216 (65536)\n"
    "  --wait-seconds N          to hold a poll open when the server wants it: 0 to 300 (300)\n"
    "  --mqtt URL                mqtts://HOST[:PORT] or mqtt://HOST[:PORT]: be told there when to "
    "poll\n"
    "  --mqtt-ca FILE            CA of the broker's certificate, for mqtts://\n"
    "  --mqtt-cert, --mqtt-key FILE  certificate and key of this device, in PEM\n"
    "  --mqtt-group NAME         listen for this group as well\n"
    "  --no-delta                fetch whole images, never a patch\n"
    "  --opt-out                 want no updates\n"
    "  --postpone-seconds N      want none yet: 1 to 1209600\n"
    "  --utc-offset MINUTES      local time, for maintenance windows: -1080 to 1080\n"
    "  --bad-events N            say once that the confirmed image crashed so often: 1 to 65535\n"
    "  --once                    end after the first poll: 0 when its manifest was verified, else "
    "1\n"
    "  --exit-when-idle          end with 0 when there is nothing to do and nothing to report\n"
    "  --help\n";

enum option_value {
    OPTION_DIR = 256,
    OPTION_SERVER,
    OPTION_ID,
    OPTION_PRODUCT,
    OPTION_HARDWARE,
    OPTION_TOKEN_FILE,
    OPTION_ENROLMENT_KEY_FILE,
    OPTION_SERVER_KEY,
    OPTION_RELEASE_KEY,
    OPTION_IMAGE,
    OPTION_POLL_SECONDS,
    OPTION_TRIAL_SECONDS,
    OPTION_TIMEOUT_SECONDS,
    OPTION_RANGE_BYTES,
    OPTION_WAIT_SECONDS,
    OPTION_CACERT,
    OPTION_MQTT,
    OPTION_MQTT_CA,
    OPTION_MQTT_CERT,
    OPTION_MQTT_KEY,
    OPTION_MQTT_GROUP,
    OPTION_NO_DELTA,
    OPTION_OPT_OUT,
    OPTION_POSTPONE_SECONDS,
    OPTION_UTC_OFFSET,
    OPTION_BAD_EVENTS,
    OPTION_ONCE,
    OPTION_EXIT_WHEN_IDLE,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"dir", required_argument, NULL, OPTION_DIR},
    {"server", required_argument, NULL, OPTION_SERVER},
    {"id", required_argument, NULL, OPTION_ID},
    {"product", required_argument, NULL, OPTION_PRODUCT},
    {"hardware", required_argument, NULL, OPTION_HARDWARE},
    {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
    {"enrolment-key-file", required_argument, NULL, OPTION_ENROLMENT_KEY_FILE},
    {"server-key", required_argument, NULL, OPTION_SERVER_KEY},
    {"release-key", required_argument, NULL, OPTION_RELEASE_KEY},
    {"image", required_argument, NULL, OPTION_IMAGE},
    {"poll-seconds", required_argument, NULL, OPTION_POLL_SECONDS},
    {"trial-seconds", required_argument, NULL, OPTION_TRIAL_SECONDS},
    {"timeout-seconds", required_argument, NULL, OPTION_TIMEOUT_SECONDS},
    {"range-bytes", required_argument, NULL, OPTION_RANGE_BYTES},
    {"wait-seconds", required_argument, NULL, OPTION_WAIT_SECONDS},
    {"cacert", required_argument, NULL, OPTION_CACERT},
    {"mqtt", required_argument, NULL, OPTION_MQTT},
    {"mqtt-ca", required_argument, NULL, OPTION_MQTT_CA},
    {"mqtt-cert", required_argument, NULL, OPTION_MQTT_CERT},
    {"mqtt-key", required_argument, NULL, OPTION_MQTT_KEY},
    {"mqtt-group", required_argument, NULL, OPTION_MQTT_GROUP},
    {"no-delta", no_argument, NULL, OPTION_NO_DELTA},
    {"opt-out", no_argument, NULL, OPTION_OPT_OUT},
    {"postpone-seconds", required_argument, NULL, OPTION_POSTPONE_SECONDS},
    {"utc-offset", required_argument, NULL, OPTION_UTC_OFFSET},
    {"bad-events", required_argument, NULL, OPTION_BAD_EVENTS},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"exit-when-idle", no_argument, NULL, OPTION_EXIT_WHEN_IDLE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool refuse(const char *option, const char *value, const char *why)
{
    fprintf(stderr, "ota-device: --%s %s: %s\n", option, value, why);
    return false;
}

static bool take_number(const char *option, const char *text, uint32_t min, uint32_t max,
                        uint32_t *value)
{
    char why[64];
    char *end;

    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < min ||
        number > max) {
        snprintf(why, sizeof why, "must be a number from %u to %u", min, max);
        return refuse(option, text, why);
    }
    *value = (uint32_t)number;
    return true;
}

static bool take_name(const char *option, const char *text, bool good, const char **value)
{
    *value = text;
    return good || refuse(option, text,
                          option[0] == 'i' ? "must be 1 to 64 of A-Z a-z 0-9 . _ : -, a letter or "
                                             "digit first"
                                           : "must be 1 to 32 of A-Z a-z 0-9 . _ -");
}

/* The first line of a file, which must be the only one. */
static bool take_secret(const char *option, const char *path, char secret[HOST_SECRET_MAX + 1])
{
    char line[HOST_SECRET_MAX + 3];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return refuse(option, path, strerror(errno));
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    line[len] = '\0';
    if (len == 0 || len > HOST_SECRET_MAX ||
        strspn(line, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789_-") != len)
        return refuse(option, path, "must hold one line of up to 64 characters A-Z a-z 0-9 _ -");
    memcpy(secret, line, len + 1);
    return true;
}

static bool take_key(const char *option, const char *path, uint8_t keys[][OTA_PUBLIC_KEY_LEN],
                     uint32_t *count)
{
    if (*count == HOST_KEYS_MAX)
        return refuse(option, path, "that is one too many: 4 at most");
    const char *why = host_pem_read(path, keys[*count]);
    if (why != NULL)
        return refuse(option, path, why);
    ++*count;
    return true;
}

bool host_is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, SLIRP_NETIF_HOST) == 0;
}

/* HOST[:PORT][/], what stands behind the scheme of `text`. *port is the default before. */
static bool take_host(const char *option, const char *text, const char *at,
                      char host[HOST_DNS_NAME_MAX + 1], uint16_t *port)
{
    size_t len = strcspn(at, "/");
    size_t host_len = strcspn(at, ":/");

    if (at[len] == '/' && at[len + 1] != '\0')
        return refuse(option, text, "must have no path: devices use /device/v1 of it");
    if (host_len == 0 || host_len > HOST_DNS_NAME_MAX || len > HOST_DNS_NAME_MAX + 6 ||
        strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") < host_len)
        return refuse(option, text, "must name a host or an IPv4 address");
    memcpy(host, at, host_len);
    if (at[host_len] == ':') {
        const char *digits = at + host_len + 1;
        char *end;
        unsigned long number = strtoul(digits, &end, 10);
        if (digits[0] < '0' || digits[0] > '9' || end != at + len || number < 1 || number > 65535)
            return refuse(option, text, "must have a port from 1 to 65535");
        *port = (uint16_t)number;
    }
    return true;
}

/* http[s]://HOST[:PORT][/] */
static bool take_server(const char *text, struct host_options *options)
{
    options->tls = strncmp(text, "https://", 8) == 0;
    if (!options->tls && strncmp(text, "http://", 7) != 0)
        return refuse("server", text, "must be http://HOST[:PORT] or https://HOST[:PORT]");
    const char *at = text + (options->tls ? 8 : 7);
    options->port = options->tls ? 443 : 80;
    if (!take_host("server", text, at, options->host, &options->port))
        return false;
    memcpy(options->authority, at, strcspn(at, "/"));
    return true;
}

/* mqtt[s]://HOST[:PORT] */
static bool take_broker(const char *text, struct host_options *options)
{
    options->mqtt_tls = strncmp(text, "mqtts://", 8) == 0;
    if (!options->mqtt_tls && strncmp(text, "mqtt://", 7) != 0)
        return refuse("mqtt", text, "must be mqtts://HOST[:PORT] or mqtt://HOST[:PORT]");
    options->mqtt_port = options->mqtt_tls ? 8883 : 1883;
    return take_host("mqtt", text, text + (options->mqtt_tls ? 8 : 7), options->mqtt_host,
                     &options->mqtt_port);
}

static bool take(struct host_options *options, int option, const char *value)
{
    uint32_t minutes;

    struct ota_text text = ota_text_of(value != NULL ? value : "");

    switch (option) {
    case OPTION_DIR:
        options->dir = value;
        return true;
    case OPTION_SERVER:
        return take_server(value, options);
    case OPTION_ID:
        return take_name("id", value, ota_text_is_device_id(text), &options->id);
    case OPTION_PRODUCT:
        return take_name("product", value, ota_text_is_name(text), &options->product);
    case OPTION_HARDWARE:
        return take_name("hardware", value, ota_text_is_name(text), &options->hardware);
    case OPTION_TOKEN_FILE:
        return take_secret("token-file", value, options->token);
    case OPTION_ENROLMENT_KEY_FILE:
        return take_secret("enrolment-key-file", value, options->enrolment_key);
    case OPTION_SERVER_KEY:
        return take_key("server-key", value, options->server_keys, &options->server_key_count);
    case OPTION_RELEASE_KEY:
        return take_key("release-key", value, options->release_keys, &options->release_key_count);
    case OPTION_IMAGE:
        options->image = value;
        return true;
    case OPTION_POLL_SECONDS:
        return take_number("poll-seconds", value, OTA_POLL_SECONDS_MIN, OTA_POLL_SECONDS_MAX,
                           &options->poll_seconds);
    case OPTION_TRIAL_SECONDS:
        return take_number("trial-seconds", value, 1, 86400, &options->trial_seconds);
    case OPTION_TIMEOUT_SECONDS:
        return take_number("timeout-seconds", value, 1, 3600, &options->timeout_seconds);
    case OPTION_RANGE_BYTES:
        return take_number("range-bytes", value, 512, 16777216, &options->range_bytes);
    case OPTION_WAIT_SECONDS:
        return take_number("wait-seconds", value, 0, OTA_WAIT_SECONDS_MAX, &options->wait_seconds);
    case OPTION_OPT_OUT:
        options->opt_out = true;
        return true;
    case OPTION_POSTPONE_SECONDS:
        return take_number("postpone-seconds", value, 1, OTA_CLIENT_POSTPONE_SECONDS_MAX,
                           &options->postpone_seconds);
    case OPTION_UTC_OFFSET:
        options->utc_offset = value;
        return take_number("utc-offset", value + (value[0] == '-'), 0, OTA_UTC_OFFSET_MAX,
                           &minutes);
    case OPTION_BAD_EVENTS:
        return take_number("bad-events", value, 1, OTA_HEALTH_EVENTS_MAX, &options->bad_events);
    case OPTION_CACERT:
        options->ca_file = value;
        return true;
    case OPTION_MQTT:
        return take_broker(value, options);
    case OPTION_MQTT_CA:
        options->mqtt_ca = value;
        return true;
    case OPTION_MQTT_CERT:
        options->mqtt_cert = value;
        return true;
    case OPTION_MQTT_KEY:
        options->mqtt_key = value;
        return true;
    case OPTION_MQTT_GROUP:
        options->mqtt_group = value;
        return true;
    case OPTION_NO_DELTA:
        options->no_delta = true;
        return true;
    case OPTION_ONCE:
        options->once = true;
        return true;
    case OPTION_EXIT_WHEN_IDLE:
        options->exit_when_idle = true;
        return true;
    default:
        return false; /* getopt_long has said what is wrong */
    }
}

static bool is_complete(const struct host_options *options)
{
    const struct {
        bool given;
        const char *name;
    } required[] = {
        {options->dir != NULL, "--dir"},
        {options->host[0] != '\0', "--server"},
        {options->id != NULL, "--id"},
        {options->product != NULL, "--product"},
        {options->hardware != NULL, "--hardware"},
        {options->server_key_count > 0, "--server-key"},
        {options->release_key_count > 0, "--release-key"},
        {options->token[0] != '\0' || options->enrolment_key[0] != '\0',
         "--token-file or --enrolment-key-file"},
    };

    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (!required[i].given) {
            fprintf(stderr, "ota-device: %s is missing; --help tells all\n", required[i].name);
            return false;
        }
    }
    if ((options->mqtt_cert == NULL) != (options->mqtt_key == NULL) ||
        options->mqtt_tls != (options->mqtt_ca != NULL)) {
        fprintf(stderr, "ota-device: mqtts:// needs --mqtt-ca, and --mqtt-cert and --mqtt-key go "
                        "together; mqtt:// takes none of them\n");
        return false;
    }
    if (options->tls && options->ca_file == NULL) {
        fprintf(stderr, "ota-device: https:// needs --cacert, the certificate that vouches for the "
                        "server's\n");
        return false;
    }
    return true;
}

bool host_options_parse(struct host_options *options, int argc, char **argv, int *status)
{
    int option;

    memset(options, 0, sizeof *options);
    options->wait_seconds = OTA_WAIT_SECONDS_MAX;
    *status = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            fputs(usage, stdout);
            *status = EXIT_SUCCESS;
            return false;
        }
        if (!take(options, option, optarg))
            return false;
    }
    if (optind < argc) {
        fprintf(stderr, "ota-device: %s: not an option; --help tells all\n", argv[optind]);
        return false;
    }
    return is_complete(options);
}
