/*
 * ota-provision: write the block that makes a device this device (device/port/provision.h).
 *
 * Nothing secret is printed; the file is readable by its owner only, for it holds the token.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/crc32.h"
#include "device/port/host/pem.h"
#include "device/port/host/tls_files.h"
#include "device/port/provision.h"
#include "protocol/error.h"

#define VALUES_MAX 8 /* of an option that may be repeated */
#define TEXT_LEN_MAX 256U

static const char usage[] =
    "usage: ota-provision OPTION... -o FILE\n"
    "  --device ID             the device's name\n"
    "  --token-file FILE       its token, from `otactl device add`\n"
    "  --enrolment-key-file F  or the key by which it enrols itself\n"
    "  --server URL            https://NAME[:PORT], or http:// (no TLS: for a bench only)\n"
    "  --address IP            where NAME is, instead of asking the DNS\n"
    "  --ip IP --netmask IP --gateway IP [--dns IP]    the device's own, instead of DHCP\n"
    "  --cacert FILE           PEM: the CA of the server's certificate; may hold several\n"
    "  --server-key PUB.pem    what signs manifests, from `otactl server-key`; may be repeated\n"
    "  --release-key PUB.pem   what signs releases; may be repeated\n"
    "  --cert FILE --key FILE  PEM: the device's own certificate and its P-256 key\n"
    "  --broker URL            mqtts://NAME[:PORT]: an MQTT broker to listen on, of the same CA\n"
    "  --broker-address IP     where that is\n"
    "  -o FILE                 the block, to be programmed at the port's address\n";

struct values {
    const char *items[VALUES_MAX];
    size_t count;
};

struct options {
    struct values device;
    struct values token_file;
    struct values enrolment_key_file;
    struct values server;
    struct values address;
    struct values cacert;
    struct values server_key;
    struct values release_key;
    struct values cert;
    struct values key;
    struct values ip;
    struct values netmask;
    struct values gateway;
    struct values dns;
    struct values broker;
    struct values broker_address;
    struct values output;
};

struct block {
    uint8_t bytes[OTA_PROVISION_LEN_MAX];
    size_t len;
    bool overflow;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "ota-provision: %s: %s\n", what, why);
    return 1;
}

static void put32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void add(struct block *block, enum ota_provision_item type, const void *bytes, size_t len)
{
    size_t whole = 4 + (len + 3) / 4 * 4;
    if (len > UINT16_MAX || whole > sizeof block->bytes - block->len) {
        block->overflow = true;
        return;
    }
    uint8_t *at = block->bytes + block->len;
    memset(at, 0, whole);
    at[0] = (uint8_t)type;
    at[2] = (uint8_t)len;
    at[3] = (uint8_t)(len >> 8);
    memcpy(at + 4, bytes, len);
    block->len += whole;
}

static void add_text(struct block *block, enum ota_provision_item type, const char *text)
{
    add(block, type, text, strlen(text) + 1);
}

/* The first line of a file. */
static int add_secret(struct block *block, enum ota_provision_item type, const struct values *path)
{
    char text[TEXT_LEN_MAX];
    if (path->count == 0)
        return 0;
    FILE *file = fopen(path->items[0], "r");
    if (file == NULL || fgets(text, sizeof text, file) == NULL) {
        int error = errno;
        if (file != NULL)
            fclose(file);
        return fail(path->items[0], file == NULL ? strerror(error) : "it is empty");
    }
    fclose(file);
    text[strcspn(text, "\r\n")] = '\0';
    add_text(block, type, text);
    memset(text, 0, sizeof text);
    return 0;
}

static int add_points(struct block *block, enum ota_provision_item type, const struct values *paths)
{
    uint8_t points[VALUES_MAX][OTA_PUBLIC_KEY_LEN];
    for (size_t i = 0; i < paths->count; i++) {
        const char *wrong = host_pem_read(paths->items[i], points[i]);
        if (wrong != NULL)
            return fail(paths->items[i], wrong);
    }
    if (paths->count > 0)
        add(block, type, points, paths->count * OTA_PUBLIC_KEY_LEN);
    return 0;
}

/* A URL of one of two schemes, the second without TLS: scheme://name[:port]. */
struct url {
    char name[TEXT_LEN_MAX];
    const char *authority; /* name and port as they stand there */
    unsigned port;         /* 0: not given */
    bool tls;
};

static int read_url(struct url *url, const char *text, const char *secure, const char *plain)
{
    url->tls = strncmp(text, secure, strlen(secure)) == 0;
    if (!url->tls && strncmp(text, plain, strlen(plain)) != 0)
        return fail(text,
                    "has to begin with https:// or mqtts:// (or, without TLS, http:// or mqtt://)");
    url->authority = text + strlen(url->tls ? secure : plain);
    url->port = 0;
    size_t len = strcspn(url->authority, ":/");
    if (len == 0 || len >= sizeof url->name || strchr(url->authority, '/') != NULL)
        return fail(text, "has to be a name and perhaps a port, without a path");
    memcpy(url->name, url->authority, len);
    url->name[len] = '\0';
    if (url->authority[len] == ':' &&
        (sscanf(url->authority + len, ":%5u", &url->port) != 1 || url->port > 65535))
        return fail(text, "has a bad port");
    return 0;
}

static void add_number(struct block *block, enum ota_provision_item type, uint32_t number)
{
    uint8_t bytes[4];
    put32(bytes, number);
    add(block, type, bytes, sizeof bytes);
}

static int add_server(struct block *block, const char *text, bool *tls)
{
    struct url url;
    if (read_url(&url, text, "https://", "http://") != 0)
        return 1;
    *tls = url.tls;
    add_text(block, OTA_PROVISION_HOST, url.name);
    add_text(block, OTA_PROVISION_AUTHORITY, url.port != 0 ? url.authority : url.name);
    add_number(block, OTA_PROVISION_PORT, url.port != 0 ? url.port : url.tls ? 443 : 80);
    return 0;
}

static int add_broker(struct block *block, const struct options *options, bool tls)
{
    struct url url;
    if (options->broker.count == 0)
        return 0;
    if (read_url(&url, options->broker.items[0], "mqtts://", "mqtt://") != 0)
        return 1;
    if (url.tls != tls)
        return fail(options->broker.items[0],
                    "is spoken to as the server is: both with TLS or none");
    add_text(block, OTA_PROVISION_BROKER, url.name);
    add_number(block, OTA_PROVISION_BROKER_PORT, url.port != 0 ? url.port : tls ? 8883 : 1883);
    if (options->broker_address.count > 0)
        add_text(block, OTA_PROVISION_BROKER_ADDRESS, options->broker_address.items[0]);
    return 0;
}

static int add_anchors(struct block *block, const char *path)
{
    br_x509_trust_anchor anchors[OTA_PROVISION_ANCHORS_MAX];
    int count = tls_files_read_anchors(path, anchors, OTA_PROVISION_ANCHORS_MAX);
    if (count < 0)
        return fail(path, count == OTA_E_RANGE ? "holds too many certificates"
                                               : "holds no certificate that can be used");
    for (int i = 0; i < count; i++) {
        const br_x509_pkey *key = &anchors[i].pkey;
        add(block, OTA_PROVISION_ANCHOR_NAME, anchors[i].dn.data, anchors[i].dn.len);
        if (key->key_type == BR_KEYTYPE_EC) {
            add(block, OTA_PROVISION_ANCHOR_EC, key->key.ec.q, key->key.ec.qlen);
        } else {
            add(block, OTA_PROVISION_ANCHOR_N, key->key.rsa.n, key->key.rsa.nlen);
            add(block, OTA_PROVISION_ANCHOR_E, key->key.rsa.e, key->key.rsa.elen);
        }
    }
    tls_files_free_anchors(anchors, (size_t)count);
    return 0;
}

static int add_identity(struct block *block, const char *cert, const char *key_path)
{
    br_ec_private_key key;
    size_t count;
    struct tls_file_object *objects = tls_files_read(cert, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(objects[i].name, "CERTIFICATE") == 0)
            add(block, OTA_PROVISION_CERTIFICATE, objects[i].bytes, objects[i].len);
    tls_files_free(objects, count);
    if (count == 0)
        return fail(cert, "holds no certificate");
    if (tls_files_read_key(key_path, &key) != OTA_OK)
        return fail(key_path, "is not a P-256 private key in PEM");
    add(block, OTA_PROVISION_KEY, key.x, key.xlen);
    memset(key.x, 0, key.xlen);
    free(key.x);
    return 0;
}

static int read_address(uint8_t address[4], const char *name, const struct values *values)
{
    if (values->count == 0)
        return fail(name, "is missing: --ip, --netmask and --gateway go together");
    if (inet_pton(AF_INET, values->items[0], address) != 1)
        return fail(values->items[0], "is no IPv4 address");
    return 0;
}

static int add_network(struct block *block, const struct options *options)
{
    struct ota_provision_network network = {0};
    if (options->ip.count + options->netmask.count + options->gateway.count + options->dns.count ==
        0)
        return 0;
    if (read_address(network.address, "--ip", &options->ip) != 0 ||
        read_address(network.netmask, "--netmask", &options->netmask) != 0 ||
        read_address(network.gateway, "--gateway", &options->gateway) != 0 ||
        (options->dns.count > 0 && read_address(network.dns, "--dns", &options->dns) != 0))
        return 1;
    add(block, OTA_PROVISION_NETWORK, &network, sizeof network);
    return 0;
}

static int fill(struct block *block, const struct options *options)
{
    bool tls = false;
    add_text(block, OTA_PROVISION_DEVICE_ID, options->device.items[0]);
    if (options->address.count > 0)
        add_text(block, OTA_PROVISION_ADDRESS, options->address.items[0]);
    if (add_server(block, options->server.items[0], &tls) != 0 ||
        add_network(block, options) != 0 ||
        add_secret(block, OTA_PROVISION_TOKEN, &options->token_file) != 0 ||
        add_secret(block, OTA_PROVISION_ENROLMENT_KEY, &options->enrolment_key_file) != 0 ||
        add_points(block, OTA_PROVISION_SERVER_KEYS, &options->server_key) != 0 ||
        add_points(block, OTA_PROVISION_RELEASE_KEYS, &options->release_key) != 0)
        return 1;
    if (tls != (options->cacert.count > 0))
        return fail("--cacert", "goes with https://, and only with it");
    if (tls && add_anchors(block, options->cacert.items[0]) != 0)
        return 1;
    if (add_broker(block, options, tls) != 0)
        return 1;
    if (options->cert.count != options->key.count)
        return fail("--cert", "goes with --key");
    if (options->cert.count > 0 &&
        add_identity(block, options->cert.items[0], options->key.items[0]) != 0)
        return 1;
    return block->overflow ? fail("the block", "is too long") : 0;
}

static int write_block(struct block *block, const char *path)
{
    struct ota_provision provision;
    size_t len = block->len - OTA_PROVISION_HEAD_LEN;
    put32(block->bytes, OTA_PROVISION_MAGIC);
    put32(block->bytes + 4, (uint32_t)len);
    put32(block->bytes + 8, ota_crc32(0, block->bytes + OTA_PROVISION_HEAD_LEN, len));
    int error = ota_provision_read(&provision, block->bytes, block->len);
    if (error != OTA_OK)
        return fail("the block", ota_error_name(error));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return fail(path, strerror(errno));
    bool written = write(fd, block->bytes, block->len) == (ssize_t)block->len;
    if (close(fd) != 0 || !written)
        return fail(path, strerror(errno));
    return 0;
}

static struct values *find(struct options *options, const char *name)
{
    const struct {
        const char *name;
        struct values *values;
    } table[] = {
        {"--device", &options->device},
        {"--token-file", &options->token_file},
        {"--enrolment-key-file", &options->enrolment_key_file},
        {"--server", &options->server},
        {"--address", &options->address},
        {"--cacert", &options->cacert},
        {"--server-key", &options->server_key},
        {"--release-key", &options->release_key},
        {"--cert", &options->cert},
        {"--key", &options->key},
        {"--ip", &options->ip},
        {"--netmask", &options->netmask},
        {"--gateway", &options->gateway},
        {"--dns", &options->dns},
        {"--broker", &options->broker},
        {"--broker-address", &options->broker_address},
        {"-o", &options->output},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(name, table[i].name) == 0)
            return table[i].values;
    return NULL;
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        struct values *values = find(options, argv[i]);
        if (values == NULL || i + 1 == argc || values->count == VALUES_MAX)
            return false;
        values->items[values->count++] = argv[i + 1];
    }
    return options->device.count > 0 && options->server.count > 0 && options->output.count > 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    static struct block block = {.len = OTA_PROVISION_HEAD_LEN};
    if (!parse(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    int status = fill(&block, &options);
    return status != 0 ? status : write_block(&block, options.output.items[0]);
}
