/*
 * What makes one device this device: its name, its token, where its server is and whom it believes.
 * One block of bytes, written once when the device is made, read in place for ever.
 *
 *     +-------+-----+-------+------+-----+----------+-----
 *     | magic | len | crc32 | type | len | content  | type ...   little endian
 *     +-------+-----+-------+------+-----+----------+-----
 *       u32     u32   u32     u16    u16   padded to 4 with 0
 *
 * `len` and `crc32` (IEEE 802.3) are of everything behind the twelve bytes. Unknown types are
 * passed over. Strings end with NUL. build/ota-provision writes a block; docs/porting.md says where
 * it goes.
 *
 * The same firmware then fits every device of a product. Product and hardware stand in the
 * firmware, as they say what it runs on.
 */
#ifndef OTA_DEVICE_PORT_PROVISION_H
#define OTA_DEVICE_PORT_PROVISION_H

#include <stddef.h>
#include <stdint.h>

#include <bearssl_ec.h>
#include <bearssl_x509.h>

#include "protocol/limits.h"

#define OTA_PROVISION_MAGIC 0x5056544fU /* "OTVP" */
#define OTA_PROVISION_HEAD_LEN 12U
#define OTA_PROVISION_LEN_MAX 8192U /* bytes of a block */
#define OTA_PROVISION_ANCHORS_MAX 3
#define OTA_PROVISION_CHAIN_MAX 3

enum ota_provision_item { /* on flash; never reused */
                          OTA_PROVISION_DEVICE_ID = 1,
                          OTA_PROVISION_TOKEN = 2,
                          OTA_PROVISION_ENROLMENT_KEY = 3,
                          OTA_PROVISION_HOST =
                              4, /* the server's name; its certificate has to carry it */
                          OTA_PROVISION_ADDRESS =
                              5,                  /* where to connect instead of asking the DNS */
                          OTA_PROVISION_PORT = 6, /* u32 */
                          OTA_PROVISION_SERVER_KEYS =
                              7, /* points of OTA_PUBLIC_KEY_LEN, one behind the other */
                          OTA_PROVISION_RELEASE_KEYS = 8, /* the same */
                          OTA_PROVISION_ANCHOR_NAME =
                              9, /* a CA: DER of its subject; its key follows */
                          OTA_PROVISION_ANCHOR_EC = 10, /* point on P-256, P-384 or P-521 */
                          OTA_PROVISION_ANCHOR_N = 11,  /* RSA modulus, then: */
                          OTA_PROVISION_ANCHOR_E = 12,  /* RSA exponent */
                          OTA_PROVISION_CERTIFICATE =
                              13, /* the device's own, DER, then the intermediates */
                          OTA_PROVISION_KEY = 14, /* its P-256 private scalar, 32 bytes */
                          OTA_PROVISION_AUTHORITY =
                              15, /* what HTTP calls the host: with the port, if it is unusual */
                          OTA_PROVISION_NETWORK =
                              16, /* struct ota_provision_network; none: ask DHCP */
                          OTA_PROVISION_BROKER = 17, /* the MQTT broker's name, likewise */
                          OTA_PROVISION_BROKER_ADDRESS = 18,
                          OTA_PROVISION_BROKER_PORT = 19, /* u32 */
};

/* IPv4 addresses as they go over the wire. */
struct ota_provision_network {
    uint8_t address[4];
    uint8_t netmask[4];
    uint8_t gateway[4];
    uint8_t dns[4]; /* 0.0.0.0 for none */
};

/* Pointers go into the block. Absent: NULL or 0. */
struct ota_provision {
    const char *device_id;
    const char *token;
    const char *enrolment_key;
    const char *host;
    const char *authority;
    const char *address;
    uint16_t port;
    const struct ota_provision_network *network;
    const char *broker; /* spoken to as the server is: with TLS if there are anchors */
    const char *broker_address;
    uint16_t broker_port;
    const uint8_t (*server_keys)[OTA_PUBLIC_KEY_LEN];
    uint32_t server_key_count;
    const uint8_t (*release_keys)[OTA_PUBLIC_KEY_LEN];
    uint32_t release_key_count;
    br_x509_trust_anchor anchors[OTA_PROVISION_ANCHORS_MAX];
    size_t anchor_count; /* 0: plain HTTP */
    br_x509_certificate chain[OTA_PROVISION_CHAIN_MAX];
    size_t chain_len; /* 0: no client certificate */
    br_ec_private_key key;
};

/* Read the block at `block`, which has room for `cap` bytes. OTA_OK; OTA_E_NOT_FOUND for erased or
 * foreign bytes, OTA_E_HASH for a wrong CRC, OTA_E_RANGE or OTA_E_SYNTAX for what can't be right,
 * OTA_E_MISSING without device_id, host, authority, port, server_keys or release_keys. */
int ota_provision_read(struct ota_provision *provision, const uint8_t *block, size_t cap);

#endif
