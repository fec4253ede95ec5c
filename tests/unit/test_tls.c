/* TLS under the transport, through lwIP and libslirp, against OpenSSL. */
#include "device/net/tls_bearssl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <lwip/sys.h>

#include "device/net/transport_lwip.h"
#include "device/port/host/slirp_netif.h"
#include "protocol/error.h"
#include "tests/support/support.h"
#include "tests/unit/tls/certs.h"
#include "tests/unit/tls/server.h"

#define NAME "ota.example"
#define DAY INT64_C(86400)
#define FLOOR INT64_C(1767225600) /* 2026-01-01: the device's build */

struct fixture {
    struct slirp_netif *net;
    struct cert ca;
    struct cert other_ca;
    br_x509_trust_anchor anchor;
    struct tls_server server;
    struct ota_tls *tls; /* on the heap, so that a byte too far is seen */
    struct ota_tls_config tls_config;
    struct ota_lwip_config config;
    struct ota_lwip_transport lwip;
    struct ota_transport transport;
    char log[64];
    uint64_t floor;
    bool no_random;
};

static int random_bytes(void *ctx, void *buf, size_t len)
{
    const struct fixture *fixture = ctx;
    return !fixture->no_random && getrandom(buf, len, 0) == (ssize_t)len ? OTA_OK : OTA_E_STATE;
}

static uint64_t time_floor(void *ctx)
{
    const struct fixture *fixture = ctx;
    return fixture->floor;
}

static void keep_log(void *ctx, const char *line)
{
    struct fixture *fixture = ctx;
    snprintf(fixture->log, sizeof fixture->log, "%s", line);
}

static struct cert make_ca(const char *name, enum cert_key key)
{
    return cert_make(&(struct cert_spec){
        .name = name, .key = key, .ca = true, .from = FLOOR - 900 * DAY, .to = FLOOR + 3000 * DAY});
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->net = slirp_netif_new(true);
    assert_non_null(fixture->net);
    fixture->ca = make_ca("good CA", CERT_P256);
    fixture->other_ca = make_ca("other CA", CERT_P256);
    fixture->anchor = cert_anchor(&fixture->ca);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    cert_anchor_free(&fixture->anchor);
    cert_free(&fixture->ca);
    cert_free(&fixture->other_ca);
    slirp_netif_free(fixture->net);
    free(fixture);
    return 0;
}

static int begin(void **state)
{
    struct fixture *fixture = *state;
    fixture->floor = (uint64_t)FLOOR;
    fixture->no_random = false;
    fixture->log[0] = '\0';
    fixture->tls = calloc(1, sizeof *fixture->tls);
    uint8_t *records = malloc(OTA_TLS_RECORDS_LEN(OTA_TLS_RECORD_MAX));
    assert_non_null(fixture->tls);
    assert_non_null(records);
    fixture->tls_config = (struct ota_tls_config){
        .name = NAME,
        .anchors = &fixture->anchor,
        .anchor_count = 1,
        .records = records,
        .records_len = OTA_TLS_RECORDS_LEN(OTA_TLS_RECORD_MAX),
        .ctx = fixture,
        .random = random_bytes,
        .time_floor = time_floor,
        .log = keep_log,
    };
    return 0;
}

static void rest(struct fixture *fixture, uint32_t ms)
{
    uint32_t start = sys_now();
    while (sys_now() - start < ms)
        slirp_netif_wait(fixture->net, 1);
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    ota_lwip_transport_close(&fixture->lwip);
    rest(fixture, 30);
    tls_server_stop(&fixture->server);
    free(fixture->tls);
    free(fixture->tls_config.records);
    return 0;
}

/* Start the server, and a device that knows it by `tls_config`. */
static void connect_to(struct fixture *fixture, const struct tls_server_spec *spec)
{
    static altcp_allocator_t allocator;
    tls_server_start(&fixture->server, spec);
    ota_tls_init(fixture->tls, &fixture->tls_config);
    allocator = ota_tls_allocator(fixture->tls);
    fixture->config = (struct ota_lwip_config){
        .host = SLIRP_NETIF_HOST,
        .port = fixture->server.port,
        .authority = NAME,
        .allocator = &allocator,
        .head_ms_max = 5000,
        .idle_ms_max = 2000,
        .keep_ms_max = 5000,
    };
    ota_lwip_transport_init(&fixture->lwip, &fixture->config);
    fixture->transport = ota_lwip_transport_seam(&fixture->lwip);
}

static const struct ota_http_request get = {.method = "GET", .path = "/x", .bearer = "t"};

/* One exchange; the body is compared. Its length is in *body_len. */
static int exchange(struct fixture *fixture, size_t *body_len)
{
    struct ota_http_response response;
    int event = fixture->transport.start(fixture->transport.ctx, &get);
    *body_len = 0;
    while (event >= 0 && event != OTA_HTTP_DONE) {
        char piece[700];
        size_t len = sizeof piece;
        event = fixture->transport.poll(fixture->transport.ctx, &response, piece, &len);
        for (size_t i = 0; event == OTA_HTTP_BODY && i < len; i++)
            assert_int_equal(piece[i], tls_server_byte((*body_len)++));
        if (event == OTA_HTTP_BUSY)
            slirp_netif_wait(fixture->net, 1);
    }
    return event;
}

static void assert_accepted(struct fixture *fixture)
{
    size_t len;
    assert_int_equal(exchange(fixture, &len), OTA_HTTP_DONE);
    assert_int_equal(len, fixture->server.spec.body_len);
    assert_string_equal(fixture->log, "");
}

static void assert_refused(struct fixture *fixture, const char *log)
{
    size_t len;
    assert_int_equal(exchange(fixture, &len), OTA_E_TLS);
    assert_string_equal(fixture->log, log);
    assert_int_equal(fixture->server.answered, 0);
    assert_int_equal(fixture->server.accepted, 1);
}

static struct cert make_leaf(const struct fixture *fixture, const char *name)
{
    return cert_make(&(struct cert_spec){
        .name = name, .issuer = &fixture->ca, .from = FLOOR - 10 * DAY, .to = FLOOR + 80 * DAY});
}

/* Serve `spec` and expect to be refused with `log`, or accepted when it is NULL. */
static void expect_cert(struct fixture *fixture, const struct cert_spec *spec, const char *log)
{
    struct cert leaf = cert_make(spec);
    connect_to(fixture, &(struct tls_server_spec){.leaf = &leaf, .body_len = 100});
    if (log == NULL)
        assert_accepted(fixture);
    else
        assert_refused(fixture, log);
    cert_free(&leaf);
}

static void test_accepted(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(fixture,
                &(struct cert_spec){
                    .name = NAME, .issuer = &fixture->ca, .from = FLOOR - DAY, .to = FLOOR + DAY},
                NULL);
    assert_int_equal(fixture->tls->handshakes, 1);
}

static void test_wrong_ca(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(
        fixture,
        &(struct cert_spec){
            .name = NAME, .issuer = &fixture->other_ca, .from = FLOOR - DAY, .to = FLOOR + DAY},
        "tls: untrusted");
}

static void test_self_signed(void **state)
{
    expect_cert(*state, &(struct cert_spec){.name = NAME, .from = FLOOR - DAY, .to = FLOOR + DAY},
                "tls: untrusted");
}

static void test_named_like_ca(void **state)
{
    struct cert impostor = make_ca("good CA", CERT_P256);
    expect_cert(*state,
                &(struct cert_spec){
                    .name = NAME, .issuer = &impostor, .from = FLOOR - DAY, .to = FLOOR + DAY},
                "tls: untrusted");
    cert_free(&impostor);
}

static void test_wrong_name(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(fixture,
                &(struct cert_spec){.name = "ota.example.org",
                                    .issuer = &fixture->ca,
                                    .from = FLOOR - DAY,
                                    .to = FLOOR + DAY},
                "tls: name");
}

static void test_expired(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(
        fixture,
        &(struct cert_spec){
            .name = NAME, .issuer = &fixture->ca, .from = FLOOR - 90 * DAY, .to = FLOOR - 1},
        "tls: expired");
}

static void test_expires_at_floor(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(fixture,
                &(struct cert_spec){
                    .name = NAME, .issuer = &fixture->ca, .from = FLOOR - 90 * DAY, .to = FLOOR},
                NULL);
}

static void test_floor_rises(void **state)
{
    struct fixture *fixture = *state;
    fixture->floor = (uint64_t)(FLOOR + 2 * DAY);
    expect_cert(fixture,
                &(struct cert_spec){
                    .name = NAME, .issuer = &fixture->ca, .from = FLOOR - DAY, .to = FLOOR + DAY},
                "tls: expired");
}

static void test_newer_than_build(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(fixture,
                &(struct cert_spec){.name = NAME,
                                    .issuer = &fixture->ca,
                                    .from = FLOOR + 700 * DAY,
                                    .to = FLOOR + 790 * DAY},
                NULL);
}

static void test_never_valid(void **state)
{
    struct fixture *fixture = *state;
    expect_cert(
        fixture,
        &(struct cert_spec){
            .name = NAME, .issuer = &fixture->ca, .from = FLOOR + 2 * DAY, .to = FLOOR + DAY},
        "tls: expired");
}

/* A chain of two: the intermediate's and the leaf's validity and rights. */
static void expect_chain(struct fixture *fixture, const struct cert_spec *above,
                         const struct cert_spec *below, const char *log)
{
    struct cert intermediate = cert_make(above);
    struct cert_spec spec = *below;
    spec.issuer = &intermediate;
    struct cert leaf = cert_make(&spec);
    connect_to(fixture, &(struct tls_server_spec){
                            .leaf = &leaf, .intermediate = &intermediate, .body_len = 100});
    if (log == NULL)
        assert_accepted(fixture);
    else
        assert_refused(fixture, log);
    cert_free(&leaf);
    cert_free(&intermediate);
}

static void test_chain(void **state)
{
    struct fixture *fixture = *state;
    expect_chain(fixture,
                 &(struct cert_spec){.name = "intermediate",
                                     .issuer = &fixture->ca,
                                     .ca = true,
                                     .key = CERT_P384,
                                     .from = FLOOR - 30 * DAY,
                                     .to = FLOOR + 900 * DAY},
                 &(struct cert_spec){.name = NAME, .from = FLOOR + DAY, .to = FLOOR + 80 * DAY},
                 NULL);
}

static void test_chain_never_together(void **state)
{
    struct fixture *fixture = *state;
    expect_chain(
        fixture,
        &(struct cert_spec){.name = "intermediate",
                            .issuer = &fixture->ca,
                            .ca = true,
                            .from = FLOOR - 30 * DAY,
                            .to = FLOOR + 10 * DAY},
        &(struct cert_spec){.name = NAME, .from = FLOOR + 20 * DAY, .to = FLOOR + 80 * DAY},
        "tls: expired");
}

static void test_chain_expired_above(void **state)
{
    struct fixture *fixture = *state;
    expect_chain(fixture,
                 &(struct cert_spec){.name = "intermediate",
                                     .issuer = &fixture->ca,
                                     .ca = true,
                                     .from = FLOOR - 30 * DAY,
                                     .to = FLOOR - DAY},
                 &(struct cert_spec){.name = NAME, .from = FLOOR - DAY, .to = FLOOR + 80 * DAY},
                 "tls: expired");
}

static void test_chain_not_ca(void **state)
{
    struct fixture *fixture = *state;
    expect_chain(fixture,
                 &(struct cert_spec){.name = "somebody.example",
                                     .issuer = &fixture->ca,
                                     .ca = false,
                                     .from = FLOOR - 30 * DAY,
                                     .to = FLOOR + 30 * DAY},
                 &(struct cert_spec){.name = NAME, .from = FLOOR - DAY, .to = FLOOR + 80 * DAY},
                 "tls: key usage");
}

static void test_rsa(void **state)
{
    struct fixture *fixture = *state;
    struct cert ca = make_ca("RSA CA", CERT_RSA);
    struct cert leaf = cert_make(&(struct cert_spec){
        .name = NAME, .issuer = &ca, .key = CERT_RSA, .from = FLOOR - DAY, .to = FLOOR + DAY});
    br_x509_trust_anchor anchors[2] = {fixture->anchor, cert_anchor(&ca)};
    fixture->tls_config.anchors = anchors;
    fixture->tls_config.anchor_count = 2;
    connect_to(fixture, &(struct tls_server_spec){.leaf = &leaf, .body_len = 100});
    assert_accepted(fixture);
    ota_lwip_transport_close(&fixture->lwip);
    cert_anchor_free(&anchors[1]);
    cert_free(&leaf);
    cert_free(&ca);
}

/* A leaf that is fine, served by `spec`. */
static void serve(struct fixture *fixture, struct tls_server_spec spec)
{
    struct cert leaf = make_leaf(fixture, NAME);
    spec.leaf = &leaf;
    connect_to(fixture, &spec);
    cert_free(&leaf);
}

static void test_old_versions(void **state)
{
    serve(*state, (struct tls_server_spec){.version = TLS1_1_VERSION});
    assert_refused(*state, "tls: refused by the server");
}

static void test_weak_suites(void **state)
{
    serve(*state, (struct tls_server_spec){.ciphers = "ECDHE-ECDSA-AES128-SHA"});
    assert_refused(*state, "tls: refused by the server");
}

static void test_suites(void **state)
{
    static const char *const ciphers[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                          "ECDHE-ECDSA-CHACHA20-POLY1305"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        serve(fixture, (struct tls_server_spec){.ciphers = ciphers[i], .body_len = 40000});
        assert_accepted(fixture);
        if (i == 0) {
            ota_lwip_transport_close(&fixture->lwip);
            rest(fixture, 30);
            tls_server_stop(&fixture->server);
        }
    }
}

static void test_large(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, (struct tls_server_spec){.body_len = 262144});
    for (unsigned i = 1; i <= 3; i++) {
        assert_accepted(fixture);
        assert_int_equal(fixture->server.answered, i);
    }
    assert_int_equal(fixture->server.handshakes, 1);
    assert_int_equal(fixture->server.record_max, 0);
}

static void test_small_records(void **state)
{
    struct fixture *fixture = *state;
    fixture->tls_config.records_len = OTA_TLS_RECORDS_LEN(4096);
    serve(fixture, (struct tls_server_spec){.body_len = 100000});
    assert_accepted(fixture);
    assert_int_equal(fixture->server.record_max, 4096);
}

static void test_cut(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    serve(fixture, (struct tls_server_spec){.body_len = 5000, .manner = TLS_SERVER_CUT});
    assert_int_equal(exchange(fixture, &len), OTA_E_TRANSPORT);
    assert_int_equal(len, 5000);
}

static void test_garbage(void **state)
{
    serve(*state, (struct tls_server_spec){.manner = TLS_SERVER_GARBAGE});
    assert_refused(*state, "tls: version");
}

static void test_hang_up(void **state)
{
    serve(*state, (struct tls_server_spec){.manner = TLS_SERVER_HANG_UP});
    assert_refused(*state, "tls: closed");
}

static void test_resumed(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, (struct tls_server_spec){.body_len = 10, .manner = TLS_SERVER_CLOSE});
    for (unsigned i = 1; i <= 3; i++) {
        assert_accepted(fixture);
        rest(fixture, 30);
        assert_int_equal(fixture->server.handshakes, i);
    }
    assert_int_equal(fixture->server.resumed, 2);
}

static void test_no_random(void **state)
{
    struct fixture *fixture = *state;
    size_t len;
    fixture->no_random = true;
    serve(fixture, (struct tls_server_spec){.body_len = 10});
    assert_int_equal(exchange(fixture, &len), OTA_E_TRANSPORT);
    assert_int_equal(fixture->server.accepted, 0);
    fixture->no_random = false;
    assert_accepted(fixture);
}

/* ---- client certificates ---- */

struct identity {
    struct cert cert;
    unsigned char *der;
    unsigned char scalar[32];
    br_x509_certificate chain;
    struct ota_tls_identity tls;
};

static void make_identity(struct identity *identity, const struct cert *ca)
{
    BIGNUM *scalar = NULL;
    identity->cert = cert_make(&(struct cert_spec){
        .name = "device-1", .issuer = ca, .from = FLOOR - DAY, .to = FLOOR + 9000 * DAY});
    identity->der = NULL;
    int len = i2d_X509(identity->cert.x509, &identity->der);
    assert_true(len > 0);
    assert_int_equal(EVP_PKEY_get_bn_param(identity->cert.key, "priv", &scalar), 1);
    assert_int_equal(BN_bn2binpad(scalar, identity->scalar, 32), 32);
    BN_clear_free(scalar);
    identity->chain = (br_x509_certificate){identity->der, (size_t)len};
    identity->tls = (struct ota_tls_identity){
        &identity->chain, 1, {BR_EC_secp256r1, identity->scalar, sizeof identity->scalar}};
}

static void free_identity(struct identity *identity)
{
    OPENSSL_free(identity->der);
    cert_free(&identity->cert);
}

static void test_client_certificate(void **state)
{
    struct fixture *fixture = *state;
    struct identity identity;
    make_identity(&identity, &fixture->other_ca);
    fixture->tls_config.identity = &identity.tls;
    serve(fixture, (struct tls_server_spec){.client_ca = &fixture->other_ca, .body_len = 10});
    assert_accepted(fixture);
    ota_lwip_transport_close(&fixture->lwip);
    free_identity(&identity);
}

static void test_no_client_certificate(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, (struct tls_server_spec){.client_ca = &fixture->other_ca});
    assert_refused(fixture, "tls: refused by the server");
}

static void test_foreign_client_certificate(void **state)
{
    struct fixture *fixture = *state;
    struct identity identity;
    make_identity(&identity, &fixture->ca);
    fixture->tls_config.identity = &identity.tls;
    serve(fixture, (struct tls_server_spec){.client_ca = &fixture->other_ca});
    assert_refused(fixture, "tls: refused by the server");
    free_identity(&identity);
}

/* ---- times ---- */

static void test_times(void **state)
{
    static const struct {
        const char *der;
        uint64_t seconds;
    } good[] = {
        {"\x17\x0d"
         "700101000001Z",
         1},
        {"\x17\x0d"
         "260101000000Z",
         1767225600},
        {"\x17\x0d"
         "240229235959Z",
         1709251199},
        {"\x17\x0d"
         "991231235959Z",
         946684799},
        {"\x18\x0f"
         "20500301120000Z",
         2529748800},
        {"\x18\x0f"
         "99991231235959Z",
         253402300799},
    };
    static const char *const bad[] = {"\x17\x0d"
                                      "261301000000Z",
                                      "\x17\x0d"
                                      "260001000000Z",
                                      "\x17\x0d"
                                      "260100000000Z",
                                      "\x17\x0d"
                                      "260101240000Z",
                                      "\x17\x0d"
                                      "260101006000Z",
                                      "\x17\x0d"
                                      "2601010000000",
                                      "\x17\x0b"
                                      "2601010000Z",
                                      "\x18\x0f"
                                      "19691231235959Z",
                                      "\x18\x0f"
                                      "2x500301120000Z",
                                      "\x16\x0d"
                                      "260101000000Z",
                                      "\x17\x0d"
                                      "26010100000Z",
                                      ""};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t used = 0;
        const uint8_t *der = (const uint8_t *)good[i].der;
        assert_int_equal(ota_tls_parse_time(der, strlen(good[i].der), &used), good[i].seconds);
        assert_int_equal(used, strlen(good[i].der));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t used = 0;
        assert_int_equal(ota_tls_parse_time((const uint8_t *)bad[i], strlen(bad[i]), &used), 0);
    }
}

#define TLS_TEST(sentence, function)                                                               \
    {                                                                                              \
        TEST(sentence, function), begin, end, NULL                                                 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST("a certificate by our CA, with our name and in time, is accepted", test_accepted),
        TLS_TEST("a certificate by another CA is refused", test_wrong_ca),
        TLS_TEST("a self-signed certificate is refused", test_self_signed),
        TLS_TEST("a certificate by a CA of the same name is refused", test_named_like_ca),
        TLS_TEST("a certificate for another name is refused", test_wrong_name),
        TLS_TEST("a certificate that ended before the floor is refused", test_expired),
        TLS_TEST("a certificate that ends at the floor is accepted", test_expires_at_floor),
        TLS_TEST("a floor that rose refuses what it passed", test_floor_rises),
        TLS_TEST("a certificate newer than the build is accepted", test_newer_than_build),
        TLS_TEST("a certificate that was never valid is refused", test_never_valid),
        TLS_TEST("a chain over a P-384 intermediate is accepted", test_chain),
        TLS_TEST("a chain whose parts are never valid together is refused",
                 test_chain_never_together),
        TLS_TEST("an expired intermediate is refused", test_chain_expired_above),
        TLS_TEST("a certificate by one that is no CA is refused", test_chain_not_ca),
        TLS_TEST("an RSA chain is accepted, by the second anchor", test_rsa),
        TLS_TEST("TLS 1.1 is refused", test_old_versions),
        TLS_TEST("a suite without AEAD is refused", test_weak_suites),
        TLS_TEST("AES-128-GCM and ChaCha20-Poly1305 both work", test_suites),
        TLS_TEST("three answers of 256 KB come whole over one handshake", test_large),
        TLS_TEST("with a small record buffer the server is asked for small records",
                 test_small_records),
        TLS_TEST("an answer that TCP cuts short is lost, not ended", test_cut),
        TLS_TEST("a server that does not speak TLS is refused", test_garbage),
        TLS_TEST("a server that hangs up in the handshake is refused", test_hang_up),
        TLS_TEST("a new connection resumes the session", test_resumed),
        TLS_TEST("without random bytes no connection is made", test_no_random),
        TLS_TEST("a client certificate is shown when it is asked for", test_client_certificate),
        TLS_TEST("a server that wants a certificate refuses a device without",
                 test_no_client_certificate),
        TLS_TEST("a client certificate by another CA is refused by the server",
                 test_foreign_client_certificate),
        {TEST("times of certificates are read strictly", test_times), NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
