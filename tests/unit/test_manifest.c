#include "tests/support/vectors.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/manifest.h"
#include "tests/vectors/p256.h"

static struct p256_key server_key;

static int load_keys(void **state)
{
    (void)state;
    p256_load(&server_key, "tests/keys/server.pub.pem");
    p256_keep(&server_key);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    p256_drop(&server_key);
    return 0;
}

static bool verify(void *ctx, const struct ota_manifest_claim *claim)
{
    const struct p256_key *key = ctx;
    uint8_t msg[OTA_MANIFEST_MAX + 64];
    uint8_t hash[OTA_HASH_LEN];

    assert_int_equal(claim->key_id.len, OTA_KEY_ID_LEN);
    if (!ota_text_is(claim->key_id, key->key_id))
        return false;
    memcpy(msg, claim->head.at, claim->head.len);
    memcpy(msg + claim->head.len, claim->payload.at, claim->payload.len);
    p256_sha256(msg, claim->head.len + claim->payload.len, hash);
    return p256_verify_raw(key, hash, claim->sig);
}

static bool believe(void *ctx, const struct ota_manifest_claim *claim)
{
    (void)ctx;
    (void)claim;
    return true;
}

static const struct ota_manifest_verifier server = {verify, &server_key};
static const struct ota_manifest_verifier gullible = {believe, NULL};

static int open_with(struct ota_manifest *manifest, struct blob *envelope,
                     const struct ota_manifest_verifier *verifier)
{
    static const struct ota_manifest zero;

    memset(manifest, 0xa5, sizeof(*manifest));
    int result = ota_manifest_open(manifest, envelope->at, envelope->len, verifier);
    assert_true(result <= 0);
    if (result != OTA_OK)
        assert_memory_equal(manifest, &zero, sizeof(zero));
    return result;
}

static void each_vector(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned count = 0;

    vectors_open(&vectors, "manifests/index.txt");
    while (vectors_next(&vectors, &vector)) {
        struct ota_manifest manifest;
        int result = open_with(&manifest, &vector.bytes, &server);
        if (strcmp(ota_error_name(result), vector.word) != 0)
            fail_msg("%s: %s instead of %s", vector.name, ota_error_name(result), vector.word);
        count++;
    }
    assert_true(count > 60);
}

/* Lines of a .fields file. */
struct lines {
    char text[4096];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void line(struct lines *lines, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lines->len +=
        (size_t)vsnprintf(lines->text + lines->len, sizeof(lines->text) - lines->len, format, args);
    va_end(args);
    lines->len +=
        (size_t)snprintf(lines->text + lines->len, sizeof(lines->text) - lines->len, "\n");
    assert_true(lines->len < sizeof(lines->text));
}

static void hex_line(struct lines *lines, const char *key, const uint8_t *bytes, size_t len)
{
    char hex[2 * OTA_SIGNATURE_DER_MAX + 1];

    ota_hex_encode(bytes, len, hex);
    line(lines, "%s %s", key, hex);
}

static void text_line(struct lines *lines, const char *key, struct ota_text text)
{
    line(lines, "%s %.*s", key, (int)text.len, text.at);
}

static void describe_install(struct lines *lines, const struct ota_manifest *manifest)
{
    char version[OTA_VERSION_TEXT_MAX + 1];

    assert_true(ota_version_format(&manifest->version, version, sizeof(version)) > 0);
    text_line(lines, "product", manifest->product);
    text_line(lines, "hardware", manifest->hardware);
    line(lines, "version %s", version);
    line(lines, "counter %u", manifest->counter);
    line(lines, "size %u", manifest->image_len);
    hex_line(lines, "hash", manifest->hash, OTA_HASH_LEN);
    hex_line(lines, "sig", manifest->sig, manifest->sig_len);
    text_line(lines, "url", manifest->url);
    if (manifest->delta.url.len == 0)
        return;
    hex_line(lines, "delta.base", manifest->delta.base_hash, OTA_HASH_LEN);
    line(lines, "delta.size %u", manifest->delta.patch_len);
    hex_line(lines, "delta.hash", manifest->delta.patch_hash, OTA_HASH_LEN);
    text_line(lines, "delta.url", manifest->delta.url);
}

static void describe(struct lines *lines, const struct ota_manifest *manifest)
{
    lines->len = 0;
    text_line(lines, "device", manifest->device);
    hex_line(lines, "nonce", manifest->nonce, OTA_NONCE_LEN);
    line(lines, "now %llu", (unsigned long long)manifest->now);
    line(lines, "action %s", ota_action_name(manifest->action));
    line(lines, "poll %u", manifest->poll_seconds);
    if (manifest->wait_seconds > 0)
        line(lines, "wait %u", manifest->wait_seconds);
    if (manifest->action != OTA_ACTION_NONE)
        text_line(lines, "deployment", manifest->deployment);
    if (manifest->action == OTA_ACTION_INSTALL)
        describe_install(lines, manifest);
}

static void good_fields(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned count = 0;

    vectors_open(&vectors, "manifests/index.txt");
    while (vectors_next(&vectors, &vector)) {
        struct ota_manifest manifest;
        struct lines lines;
        if (open_with(&manifest, &vector.bytes, &server) != OTA_OK)
            continue;
        memcpy(strrchr(vector.name, '.'), ".fields", sizeof(".fields"));
        struct blob fields = blob_read(vector.name);
        describe(&lines, &manifest);
        assert_int_equal(lines.len, fields.len);
        assert_memory_equal(lines.text, fields.at, fields.len);
        blob_free(&fields);
        count++;
    }
    assert_true(count > 10);
}

static void check_prefix(void *ctx, struct blob *envelope, size_t index)
{
    (void)index;
    struct ota_manifest manifest;

    /* A line end behind the envelope may be missing. */
    if (envelope->len == *(const size_t *)ctx)
        assert_int_equal(open_with(&manifest, envelope, &server), OTA_OK);
    else
        assert_int_equal(open_with(&manifest, envelope, &server), OTA_E_TRUNCATED);
}

static void prefixes(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "manifests/index.txt");
    while (vectors_next(&vectors, &vector)) {
        size_t whole = vector.bytes.len;
        while (whole > 0 && vector.bytes.at[whole - 1] != '}')
            whole--;
        if (strcmp(vector.word, "ok") == 0)
            sweep_prefixes(&vector.bytes, check_prefix, &whole);
    }
}

/* What a flip may leave good: a key id that nobody reads, an unknown key's name or value. */
struct flip_context {
    struct lines expected;
    const struct vector *vector;
    unsigned accepted;
};

static void check_flip(void *ctx, struct blob *envelope, size_t bit)
{
    struct flip_context *context = ctx;
    struct ota_manifest manifest;
    struct lines lines;

    (void)bit;
    if (open_with(&manifest, envelope, &server) != OTA_OK)
        return;
    context->accepted++;
    describe(&lines, &manifest);
    assert_string_equal(lines.text, context->expected.text);
}

static void flips(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "manifests/index.txt");
    while (vectors_next(&vectors, &vector)) {
        struct flip_context context = {.vector = &vector};
        struct ota_manifest manifest;
        if (strcmp(vector.word, "ok") != 0)
            continue;
        struct blob copy = blob_copy(vector.bytes.at, vector.bytes.len);
        assert_int_equal(open_with(&manifest, &copy, &server), OTA_OK);
        describe(&context.expected, &manifest);
        blob_free(&copy);
        sweep_bit_flips(&vector.bytes, check_flip, &context);
        bool has_slack = strstr(vector.name, "unknown-keys") != NULL ||
                         strstr(vector.name, "known-key-second") != NULL ||
                         strstr(vector.name, "white-space") != NULL;
        if (!has_slack && context.accepted != 0)
            fail_msg("%s: %u flipped envelopes were accepted", vector.name, context.accepted);
    }
}

/* With a verifier that believes anything, what is behind it must still hold. */
static void check_gullible(void *ctx, struct blob *envelope, size_t index)
{
    struct ota_manifest manifest;
    struct lines lines;

    (void)ctx;
    (void)index;
    if (open_with(&manifest, envelope, &gullible) == OTA_OK)
        describe(&lines, &manifest);
}

static void parser_sweeps(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "manifests/index.txt");
    while (vectors_next(&vectors, &vector)) {
        sweep_prefixes(&vector.bytes, check_gullible, NULL);
        sweep_bit_flips(&vector.bytes, check_gullible, NULL);
    }
}

/* The payload of an envelope, decoded; *sig likewise, of its first signature. */
static struct blob payload_of(const struct blob *envelope, uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    const char *text = (const char *)envelope->at;
    const char *start = text + strlen("{\"payload\":\"");
    const char *end = memchr(start, '"', envelope->len);
    uint8_t bytes[OTA_MANIFEST_MAX];
    int len =
        ota_base64url_decode(bytes, sizeof(bytes), (struct ota_text){start, (size_t)(end - start)});

    assert_true(len > 0);
    struct ota_text sig_text = {text + envelope->len - strlen("\"}]}") - 86, 86};
    assert_int_equal(ota_base64url_decode(sig, OTA_SIGNATURE_RAW_LEN, sig_text),
                     OTA_SIGNATURE_RAW_LEN);
    return blob_copy(bytes, (size_t)len);
}

static void check_encoder(const struct blob *envelope)
{
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];
    struct ota_manifest manifest;
    struct blob payload = payload_of(envelope, sig);
    struct blob copy = blob_copy(envelope->at, envelope->len);

    assert_int_equal(open_with(&manifest, &copy, &server), OTA_OK);
    for (size_t cap = 0; cap <= payload.len; cap++) {
        struct blob buf = blob_copy(payload.at, cap);
        int len = ota_manifest_encode_payload(&manifest, (char *)buf.at, cap);
        assert_int_equal(len, cap < payload.len ? OTA_E_NO_SPACE : (int)payload.len);
        if (cap == payload.len)
            assert_memory_equal(buf.at, payload.at, cap);
        blob_free(&buf);
    }
    for (size_t cap = 0; cap <= envelope->len; cap++) {
        struct blob buf = blob_copy(envelope->at, cap);
        int len =
            ota_manifest_encode_envelope((const char *)payload.at, payload.len,
                                         ota_text_of(server_key.key_id), sig, (char *)buf.at, cap);
        assert_int_equal(len, cap < envelope->len ? OTA_E_NO_SPACE : (int)envelope->len);
        if (cap == envelope->len)
            assert_memory_equal(buf.at, envelope->at, cap);
        blob_free(&buf);
    }
    blob_free(&copy);
    blob_free(&payload);
}

static void encoder(void **state)
{
    (void)state;
    static const char *const names[] = {"install",       "install-delta", "install-largest", "none",
                                        "none-smallest", "hold",          "cancel"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "tests/vectors/manifests/%s.json", names[i]);
        struct blob envelope = blob_read(path);
        check_encoder(&envelope);
        blob_free(&envelope);
    }
}

static struct ota_manifest valid_install(void)
{
    return (struct ota_manifest){
        .device = ota_text_of("d"),
        .action = OTA_ACTION_INSTALL,
        .poll_seconds = 1,
        .deployment = ota_text_of("1"),
        .product = ota_text_of("p"),
        .hardware = ota_text_of("h"),
        .image_len = 1,
        .sig_len = 70,
        .url = ota_text_of("/u"),
    };
}

static void encoder_refuses(void **state)
{
    (void)state;
    struct ota_manifest bad[15];
    size_t count = sizeof(bad) / sizeof(bad[0]);
    struct ota_manifest good = valid_install();
    char buf[OTA_MANIFEST_MAX];

    for (size_t i = 0; i < count; i++)
        bad[i] = good;
    bad[0].device = ota_text_of("-");
    bad[1].action = (enum ota_action)7;
    bad[2].poll_seconds = OTA_POLL_SECONDS_MIN - 1;
    bad[3].poll_seconds = OTA_POLL_SECONDS_MAX + 1;
    bad[4].deployment = ota_text_of("");
    bad[5].product = ota_text_of("a b");
    bad[6].hardware = ota_text_of("");
    bad[7].image_len = 0;
    bad[8].sig_len = 0;
    bad[9].sig_len = OTA_SIGNATURE_DER_MAX + 1;
    bad[10].url = ota_text_of("http://host/");
    bad[11].delta.url = ota_text_of("d");
    bad[12].delta.url = ota_text_of("/d");
    bad[13].now = OTA_JSON_INT_MAX + 1ULL;
    bad[14].wait_seconds = OTA_WAIT_SECONDS_MAX + 1;
    assert_true(ota_manifest_encode_payload(&good, buf, sizeof(buf)) > 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ota_manifest_encode_payload(&bad[i], buf, sizeof(buf)), OTA_E_RANGE);
}

static void too_large_envelope(void **state)
{
    (void)state;
    char payload[OTA_MANIFEST_MAX] = {0};
    char buf[2 * OTA_MANIFEST_MAX];
    uint8_t sig[OTA_SIGNATURE_RAW_LEN] = {0};

    assert_int_equal(ota_manifest_encode_envelope(payload, sizeof(payload),
                                                  ota_text_of(server_key.key_id), sig, buf,
                                                  sizeof(buf)),
                     OTA_E_TOO_LARGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each manifest vector gives its answer", each_vector)},
        {TEST("a good manifest says what its .fields file says", good_fields)},
        {TEST("every prefix of a good manifest is truncated", prefixes)},
        {TEST("a manifest with one bit changed is refused, or says the same", flips)},
        {TEST("the parser holds on every prefix and bit flip when signatures don't",
              parser_sweeps)},
        {TEST("the encoder writes the vectors, into buffers that just fit", encoder)},
        {TEST("the encoder writes nothing that the decoder would refuse", encoder_refuses)},
        {TEST("an envelope over the limit is not written", too_large_envelope)},
    };

    return cmocka_run_group_tests(tests, load_keys, drop_keys);
}
