#include "device/port/provision.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/crc32.h"
#include "protocol/error.h"

#define ITEM_HEAD_LEN 4U
#define PRIVATE_KEY_LEN 32U

static uint32_t get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

struct item {
    uint16_t type;
    uint16_t len;
    const uint8_t *bytes;
};

static int read_text(const char **text, const struct item *item)
{
    if (item->len == 0 || memchr(item->bytes, '\0', item->len) != item->bytes + item->len - 1)
        return OTA_E_SYNTAX;
    *text = (const char *)item->bytes;
    return OTA_OK;
}

static int read_keys(const uint8_t (**keys)[OTA_PUBLIC_KEY_LEN], uint32_t *count,
                     const struct item *item)
{
    if (item->len == 0 || item->len % OTA_PUBLIC_KEY_LEN != 0)
        return OTA_E_RANGE;
    union {
        const uint8_t *bytes;
        const uint8_t (*keys)[OTA_PUBLIC_KEY_LEN];
    } pointer = {item->bytes};
    *keys = pointer.keys;
    *count = item->len / OTA_PUBLIC_KEY_LEN;
    return OTA_OK;
}

static int read_network(const struct ota_provision_network **network, const struct item *item)
{
    if (item->len != sizeof **network)
        return OTA_E_RANGE;
    union {
        const uint8_t *bytes;
        const struct ota_provision_network *network;
    } pointer = {item->bytes};
    *network = pointer.network;
    return OTA_OK;
}

/* BearSSL declares without const what it only reads. */
static uint8_t *unconst(const uint8_t *bytes)
{
    union {
        const uint8_t *constant;
        uint8_t *bytes;
    } pointer = {bytes};
    return pointer.bytes;
}

static int curve_of(size_t point_len)
{
    return point_len == 65 ? BR_EC_secp256r1 : point_len == 97 ? BR_EC_secp384r1 : BR_EC_secp521r1;
}

/* An anchor is begun by its name; what follows is of the last one. */
static int read_anchor(struct ota_provision *provision, const struct item *item)
{
    if (item->type == OTA_PROVISION_ANCHOR_NAME) {
        if (provision->anchor_count == OTA_PROVISION_ANCHORS_MAX)
            return OTA_E_RANGE;
        provision->anchors[provision->anchor_count++] =
            (br_x509_trust_anchor){.dn = {unconst(item->bytes), item->len}, .flags = BR_X509_TA_CA};
        return OTA_OK;
    }
    if (provision->anchor_count == 0)
        return OTA_E_SYNTAX;
    br_x509_pkey *key = &provision->anchors[provision->anchor_count - 1].pkey;
    if (item->type == OTA_PROVISION_ANCHOR_EC) {
        if (item->len != 65 && item->len != 97 && item->len != 133)
            return OTA_E_RANGE;
        key->key_type = BR_KEYTYPE_EC;
        key->key.ec = (br_ec_public_key){curve_of(item->len), unconst(item->bytes), item->len};
    } else if (item->type == OTA_PROVISION_ANCHOR_N) {
        key->key_type = BR_KEYTYPE_RSA;
        key->key.rsa.n = unconst(item->bytes);
        key->key.rsa.nlen = item->len;
    } else {
        key->key.rsa.e = unconst(item->bytes);
        key->key.rsa.elen = item->len;
    }
    return OTA_OK;
}

static int read_identity(struct ota_provision *provision, const struct item *item)
{
    if (item->type == OTA_PROVISION_KEY) {
        if (item->len != PRIVATE_KEY_LEN)
            return OTA_E_RANGE;
        provision->key = (br_ec_private_key){BR_EC_secp256r1, unconst(item->bytes), item->len};
        return OTA_OK;
    }
    if (provision->chain_len == OTA_PROVISION_CHAIN_MAX)
        return OTA_E_RANGE;
    provision->chain[provision->chain_len++] =
        (br_x509_certificate){unconst(item->bytes), item->len};
    return OTA_OK;
}

static int read_item(struct ota_provision *provision, const struct item *item)
{
    switch (item->type) {
    case OTA_PROVISION_DEVICE_ID:
        return read_text(&provision->device_id, item);
    case OTA_PROVISION_TOKEN:
        return read_text(&provision->token, item);
    case OTA_PROVISION_ENROLMENT_KEY:
        return read_text(&provision->enrolment_key, item);
    case OTA_PROVISION_HOST:
        return read_text(&provision->host, item);
    case OTA_PROVISION_AUTHORITY:
        return read_text(&provision->authority, item);
    case OTA_PROVISION_ADDRESS:
        return read_text(&provision->address, item);
    case OTA_PROVISION_PORT:
        provision->port = item->len == 4 ? (uint16_t)get32(item->bytes) : 0;
        return OTA_OK;
    case OTA_PROVISION_NETWORK:
        return read_network(&provision->network, item);
    case OTA_PROVISION_BROKER:
        return read_text(&provision->broker, item);
    case OTA_PROVISION_BROKER_ADDRESS:
        return read_text(&provision->broker_address, item);
    case OTA_PROVISION_BROKER_PORT:
        provision->broker_port = item->len == 4 ? (uint16_t)get32(item->bytes) : 0;
        return OTA_OK;
    case OTA_PROVISION_SERVER_KEYS:
        return read_keys(&provision->server_keys, &provision->server_key_count, item);
    case OTA_PROVISION_RELEASE_KEYS:
        return read_keys(&provision->release_keys, &provision->release_key_count, item);
    case OTA_PROVISION_ANCHOR_NAME:
    case OTA_PROVISION_ANCHOR_EC:
    case OTA_PROVISION_ANCHOR_N:
    case OTA_PROVISION_ANCHOR_E:
        return read_anchor(provision, item);
    case OTA_PROVISION_CERTIFICATE:
    case OTA_PROVISION_KEY:
        return read_identity(provision, item);
    default:
        return OTA_OK;
    }
}

static bool is_complete(const struct ota_provision *provision)
{
    for (size_t i = 0; i < provision->anchor_count; i++)
        if (provision->anchors[i].pkey.key_type == 0)
            return false;
    return provision->device_id != NULL && provision->host != NULL &&
           provision->authority != NULL && provision->port != 0 &&
           (provision->broker == NULL) == (provision->broker_port == 0) &&
           provision->server_key_count > 0 && provision->release_key_count > 0 &&
           (provision->chain_len == 0) == (provision->key.x == NULL);
}

static int read_items(struct ota_provision *provision, const uint8_t *at, size_t len)
{
    while (len > 0) {
        struct item item;
        if (len < ITEM_HEAD_LEN)
            return OTA_E_SYNTAX;
        item = (struct item){(uint16_t)(at[0] | at[1] << 8), (uint16_t)(at[2] | at[3] << 8),
                             at + ITEM_HEAD_LEN};
        size_t whole = ITEM_HEAD_LEN + ((size_t)item.len + 3) / 4 * 4;
        if (whole > len)
            return OTA_E_SYNTAX;
        int error = read_item(provision, &item);
        if (error != OTA_OK)
            return error;
        at += whole;
        len -= whole;
    }
    return is_complete(provision) ? OTA_OK : OTA_E_MISSING;
}

int ota_provision_read(struct ota_provision *provision, const uint8_t *block, size_t cap)
{
    memset(provision, 0, sizeof *provision);
    if (cap < OTA_PROVISION_HEAD_LEN || get32(block) != OTA_PROVISION_MAGIC)
        return OTA_E_NOT_FOUND;
    uint32_t len = get32(block + 4);
    if (len > cap - OTA_PROVISION_HEAD_LEN)
        return OTA_E_RANGE;
    if (ota_crc32(0, block + OTA_PROVISION_HEAD_LEN, len) != get32(block + 8))
        return OTA_E_HASH;
    return read_items(provision, block + OTA_PROVISION_HEAD_LEN, len);
}
