/*
 * Settings of `otad serve`: flags, and the same names as OTAD_* environment variables (a flag
 * wins). A bad one is told in one line that names it and says what is allowed.
 */
#ifndef OTAD_CONFIG_H
#define OTAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/log.h"

struct config {
    const char *data_dir;
    char host[64];
    uint16_t port;             /* 0: any free one */
    const char *tls_cert;      /* file names, NULL: plain HTTP */
    const char *tls_client_ca; /* NULL: devices show tokens only */
    const char *tls_key;
    char public_url[160]; /* "" or an absolute URL without a slash at its end */
    const char *port_file;
    uint32_t poll_seconds;
    uint32_t wait_seconds; /* that devices are asked to wait for news; 0: not at all */
    uint32_t firmware_max; /* bytes of one image */
    uint32_t threads;      /* that serve connections */
    uint32_t connections_max;
    uint32_t waiting_max; /* long polls held at once */
    uint32_t pending_max; /* devices that wait to be accepted */
    bool webhook_private; /* webhooks may go to addresses that are not public */
    char mqtt_host[256];  /* "": no broker */
    uint16_t mqtt_port;
    bool mqtt_tls;
    bool mqtt_reports;
    const char *mqtt_ca; /* file names, NULL: none */
    const char *mqtt_cert;
    const char *mqtt_key;
    bool print_first_token; /* beside writing it to a file */
    bool patches;           /* are made and offered */
    enum log_level log_level;
};

/* Read the environment, then the flags from args[0] on. False: `error` holds one line. */
bool config_read(struct config *config, int argc, char **args, char *error, size_t cap);
/* The table of flags, for --help. */
void config_print_help(void);

#endif
