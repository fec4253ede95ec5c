/* TLS for ota-device: trust anchors from a PEM file, randomness and time from this machine. */
#ifndef OTA_DEVICE_PORT_HOST_HOST_TLS_H
#define OTA_DEVICE_PORT_HOST_HOST_TLS_H

#include <stdbool.h>

#include "device/net/tls_bearssl.h"
#include "device/port/platform.h"

#define HOST_TLS_ANCHORS_MAX 8

struct host_tls {
    struct ota_tls tls;
    struct ota_tls_config config;
    br_x509_trust_anchor anchors[HOST_TLS_ANCHORS_MAX];
    altcp_allocator_t allocator; /* for struct ota_lwip_config */
    uint8_t records[OTA_TLS_RECORDS_LEN(OTA_TLS_RECORD_MAX)];
};

/* `name` is what the server's certificate must carry, `ca_file` has the CA's certificate. Both and
 * `platform` are kept. false: it is said on stderr why. */
bool host_tls_open(struct host_tls *tls, const char *name, const char *ca_file,
                   struct ota_platform *platform);

#endif
