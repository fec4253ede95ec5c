/*
 * ota-device's command line.
 */
#ifndef OTA_DEVICE_PORT_HOST_OPTIONS_H
#define OTA_DEVICE_PORT_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/limits.h"

#define HOST_KEYS_MAX 4
#define HOST_SECRET_MAX OTA_DEVICE_TOKEN_MAX /* characters of a token or enrolment key */
#define HOST_DNS_NAME_MAX 253                /* characters of a DNS name, RFC 1035 section 2.3.4 */

struct host_options {
    const char *dir;
    const char *id;
    const char *product;
    const char *hardware;
    const char *image; /* NULL: none */
    char host[HOST_DNS_NAME_MAX + 1];
    char authority[HOST_DNS_NAME_MAX + 7]; /* with ":PORT" when the URL has one */
    uint16_t port;
    bool tls;                                /* https:// */
    const char *ca_file;                     /* NULL: none */
    char token[HOST_SECRET_MAX + 1];         /* "" for none */
    char enrolment_key[HOST_SECRET_MAX + 1]; /* "" for none */
    uint8_t server_keys[HOST_KEYS_MAX][OTA_PUBLIC_KEY_LEN];
    uint32_t server_key_count;
    uint8_t release_keys[HOST_KEYS_MAX][OTA_PUBLIC_KEY_LEN];
    uint32_t release_key_count;
    uint32_t poll_seconds; /* 0 for the default, as in those below */
    uint32_t trial_seconds;
    uint32_t timeout_seconds;
    uint32_t range_bytes;
    uint32_t wait_seconds;
    bool opt_out;
    uint32_t postpone_seconds;
    const char *utc_offset;                /* minutes, checked; NULL: not told */
    uint32_t bad_events;                   /* to tell once the image that runs is a confirmed one */
    char mqtt_host[HOST_DNS_NAME_MAX + 1]; /* "": no broker */
    uint16_t mqtt_port;
    bool mqtt_tls;
    const char *mqtt_ca; /* NULL: none, as in those below */
    const char *mqtt_cert;
    const char *mqtt_key;
    const char *mqtt_group;
    bool no_delta;
    bool once;
    bool exit_when_idle;
};

/* Whether a host's name means the machine that the process runs on. */
bool host_is_this_machine(const char *host);

/* Parse and check everything; files named on the command line are read. true to go on; false to
 * exit with *status, and all that is to be said was said. */
bool host_options_parse(struct host_options *options, int argc, char **argv, int *status);

#endif
