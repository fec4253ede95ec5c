#include <stdarg.h>
#include <string.h>

#include "protocol/manifest.h"
#include "protocol/text.h"
#include "tests/vectors/generate.h"

#define PAIRS_MAX 40U
#define VALUE_MAX 512U

struct pair {
    char key[OTA_NAME_MAX + 1];
    char value[VALUE_MAX]; /* as JSON */
};

/* A manifest as it is thought out; each case changes it. */
struct draft {
    const struct generator *generator;
    struct pair pairs[PAIRS_MAX];
    size_t count;
    const char *payload;      /* instead of the pairs */
    const char *type;         /* payloadType, also in the signed bytes */
    const char *claimed_type; /* payloadType as the envelope says it */
    const char *payload_end;  /* put behind the base64url of the payload */
    const char *after;        /* put behind the envelope */
    const char *more;         /* further keys of the envelope */
    const struct p256_key *keys[6];
    size_t key_count;
    bool change_payload; /* after it was signed */
    bool no_key_ids;
};

static struct pair *find(struct draft *draft, const char *key)
{
    for (size_t i = 0; i < draft->count; i++) {
        if (strcmp(draft->pairs[i].key, key) == 0)
            return &draft->pairs[i];
    }
    return NULL;
}

__attribute__((format(printf, 3, 4))) static void add(struct draft *draft, const char *key,
                                                      const char *format, ...)
{
    struct pair *pair = &draft->pairs[draft->count++];
    va_list args;

    snprintf(pair->key, sizeof(pair->key), "%s", key);
    va_start(args, format);
    vsnprintf(pair->value, sizeof(pair->value), format, args);
    va_end(args);
}

static void set(struct draft *draft, const char *key, const char *value)
{
    struct pair *pair = find(draft, key);

    snprintf(pair->value, sizeof(pair->value), "%s", value);
}

static void drop(struct draft *draft, const char *key)
{
    struct pair *pair = find(draft, key);
    size_t behind = (size_t)(&draft->pairs[draft->count] - pair) - 1;

    memmove(pair, pair + 1, behind * sizeof(*pair));
    draft->count--;
}

static void text_of_hash(const uint8_t hash[OTA_HASH_LEN], char *text)
{
    ota_hex_encode(hash, OTA_HASH_LEN, text);
}

static void add_image(struct draft *draft)
{
    const struct generator *generator = draft->generator;
    char hash[2 * OTA_HASH_LEN + 1];
    char sig[(OTA_SIGNATURE_DER_MAX * 4 + 2) / 3];
    int sig_len =
        ota_base64url_encode(generator->image_der, generator->image_der_len, sig, sizeof(sig));

    text_of_hash(generator->image_hash, hash);
    add(draft, "product", "\"%s\"", VECTOR_PRODUCT);
    add(draft, "hardware", "\"%s\"", VECTOR_HARDWARE);
    add(draft, "version", "\"1.2.3+4\"");
    add(draft, "counter", "7");
    add(draft, "size", "%zu", generator->image_len);
    add(draft, "hash", "\"%s\"", hash);
    add(draft, "sig", "\"%.*s\"", sig_len, sig);
    add(draft, "url", "\"/device/v1/firmware/%s\"", hash);
}

/* A manifest for `action` as the server writes it. */
static void begin(struct draft *draft, const struct generator *generator, const char *action)
{
    *draft = (struct draft){
        .generator = generator,
        .type = OTA_MANIFEST_TYPE,
        .payload_end = "",
        .after = "",
        .more = "",
        .keys = {&generator->server},
        .key_count = 1,
    };
    add(draft, "v", "1");
    add(draft, "device", "\"%s\"", VECTOR_DEVICE);
    add(draft, "nonce", "\"%s\"", VECTOR_NONCE);
    add(draft, "now", "%s", VECTOR_NOW);
    add(draft, "action", "\"%s\"", action);
    if (strcmp(action, "none") != 0)
        add(draft, "deployment", "\"%s\"", VECTOR_DEPLOYMENT);
    if (strcmp(action, "install") == 0)
        add_image(draft);
    add(draft, "poll", "60");
}

static void add_delta(struct draft *draft)
{
    struct pair poll = draft->pairs[--draft->count];

    add(draft, "delta",
        "{\"base\":\"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\","
        "\"size\":4321,"
        "\"hash\":\"303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f\","
        "\"url\":\"/device/v1/delta/1\"}");
    draft->pairs[draft->count++] = poll;
}

static size_t write_payload(const struct draft *draft, char *buf, size_t cap)
{
    size_t len = 0;

    if (draft->payload != NULL)
        return (size_t)snprintf(buf, cap, "%s", draft->payload);
    for (size_t i = 0; i < draft->count; i++)
        len += (size_t)snprintf(buf + len, cap - len, "%c\"%s\":%s", i == 0 ? '{' : ',',
                                draft->pairs[i].key, draft->pairs[i].value);
    return len + (size_t)snprintf(buf + len, cap - len, "}");
}

static void sign(const struct draft *draft, const struct p256_key *key, const char *payload,
                 size_t len, char text[128])
{
    char message[4096];
    uint8_t hash[OTA_HASH_LEN];
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];
    int message_len = snprintf(message, sizeof(message), "DSSEv1 %zu %s %zu %.*s",
                               strlen(draft->type), draft->type, len, (int)len, payload);

    p256_sha256(message, (size_t)message_len, hash);
    p256_sign(key, hash, sig);
    text[ota_base64url_encode(sig, sizeof(sig), text, 127)] = '\0';
}

static void write_envelope(const struct draft *draft, FILE *file)
{
    char payload[2048];
    char coded[3072];
    char signatures[2048] = "";
    size_t used = 0;
    size_t len = write_payload(draft, payload, sizeof(payload));

    for (size_t i = 0; i < draft->key_count; i++) {
        char sig[128];
        char key_id[64] = "";
        sign(draft, draft->keys[i], payload, len, sig);
        if (!draft->no_key_ids)
            snprintf(key_id, sizeof(key_id), "\"keyid\":\"%s\",", draft->keys[i]->key_id);
        used += (size_t)snprintf(signatures + used, sizeof(signatures) - used,
                                 "%s{%s\"sig\":\"%s\"}", i > 0 ? "," : "", key_id, sig);
    }
    if (draft->change_payload)
        payload[len - 3] ^= 1; /* a digit of `poll` */
    int coded_len = ota_base64url_encode((const uint8_t *)payload, len, coded, sizeof(coded));
    fprintf(file, "{\"payload\":\"%.*s%s\",\"payloadType\":\"%s\",\"signatures\":[%s]%s}%s",
            coded_len, coded, draft->payload_end,
            draft->claimed_type != NULL ? draft->claimed_type : draft->type, signatures,
            draft->more, draft->after);
}

static void plain(struct draft *draft)
{
    (void)draft;
}

static void largest(struct draft *draft)
{
    char text[VALUE_MAX];

    set(draft, "device", "\"d123456789012345678901234567890123456789012345678901234567890123\"");
    set(draft, "now", "9007199254740991");
    set(draft, "deployment", "\"12345678901234567890123456789012\"");
    set(draft, "product", "\"p1234567890123456789012345678901\"");
    set(draft, "hardware", "\"h1234567890123456789012345678901\"");
    set(draft, "version", "\"255.255.65535+4294967295\"");
    set(draft, "counter", "4294967295");
    set(draft, "size", "4294967295");
    set(draft, "poll", "604800");
    snprintf(text, sizeof(text), "\"/%0159d\"", 7);
    set(draft, "url", text);
    add_delta(draft);
    snprintf(text, sizeof(text),
             "{\"base\":\"%064d\",\"size\":4294967295,\"hash\":\"%064d\",\"url\":\"/%0159d\"}", 1,
             2, 3);
    set(draft, "delta", text);
}

static void smallest(struct draft *draft)
{
    set(draft, "device", "\"d\"");
    set(draft, "nonce", "\"00000000000000000000000000000000\"");
    set(draft, "now", "0");
    set(draft, "poll", "1");
}

static void wait_longest(struct draft *draft)
{
    add(draft, "wait", "300");
}

static void wait_none(struct draft *draft)
{
    add(draft, "wait", "0");
}

static void wait_too_long(struct draft *draft)
{
    add(draft, "wait", "301");
}

static void unknown_keys(struct draft *draft)
{
    add(draft, "later", "{\"a\":[true,false,7],\"b\":\"text\"}");
    add(draft, "V", "2");
    draft->more = ",\"later\":[1,[2]]";
}

static void v_last(struct draft *draft)
{
    drop(draft, "v");
    add(draft, "v", "1");
}

static void known_key_second(struct draft *draft)
{
    draft->keys[0] = &draft->generator->release;
    draft->keys[1] = &draft->generator->server;
    draft->key_count = 2;
}

static void white_space(struct draft *draft)
{
    draft->payload =
        " {\r\n\t\"v\" : 1 , \"device\":\"dev-0001\", \"nonce\" : \"" VECTOR_NONCE "\","
        "\"now\":" VECTOR_NOW ",\n\"action\":\"none\",\"poll\":60 } \n";
    draft->after = "\n";
}

static void other_server(struct draft *draft)
{
    draft->keys[0] = &draft->generator->release;
}

static void no_signature(struct draft *draft)
{
    draft->key_count = 0;
}

static void no_key_id(struct draft *draft)
{
    draft->no_key_ids = true;
}

static void five_signatures(struct draft *draft)
{
    for (draft->key_count = 0; draft->key_count < 5; draft->key_count++)
        draft->keys[draft->key_count] = &draft->generator->server;
}

static void payload_changed(struct draft *draft)
{
    draft->change_payload = true;
}

/* Well signed, but for another purpose. */
static void other_type(struct draft *draft)
{
    draft->type = "application/vnd.otad.release+json";
}

/* Signed for another purpose, claimed for ours: the type is within what is signed. */
static void type_swapped(struct draft *draft)
{
    draft->type = "application/vnd.otad.release+json";
    draft->claimed_type = OTA_MANIFEST_TYPE;
}

static void padded_payload(struct draft *draft)
{
    draft->payload_end = "=";
}

static void envelope_twice_payload(struct draft *draft)
{
    draft->more = ",\"payload\":\"\"";
}

static void envelope_rest(struct draft *draft)
{
    draft->after = "x";
}

static void envelope_too_large(struct draft *draft)
{
    static char spaces[OTA_MANIFEST_MAX];

    memset(spaces, ' ', sizeof(spaces) - 1);
    draft->after = spaces;
}

static void payload_no_json(struct draft *draft)
{
    draft->payload = "hello";
}

static void payload_empty(struct draft *draft)
{
    draft->payload = "";
}

static void payload_array(struct draft *draft)
{
    draft->payload = "[1]";
}

static void key_twice(struct draft *draft)
{
    add(draft, "counter", "8");
}

static void delta_key_twice(struct draft *draft)
{
    add_delta(draft);
    set(draft, "delta", "{\"size\":1,\"size\":1}");
}

static void delta_incomplete(struct draft *draft)
{
    add_delta(draft);
    set(draft, "delta", "{\"size\":1,\"url\":\"/d\"}");
}

static void delta_no_object(struct draft *draft)
{
    add_delta(draft);
    set(draft, "delta", "7");
}

static const struct {
    const char *name;
    const char *word;
    const char *action;
    void (*change)(struct draft *draft);
} cases[] = {
    {"install", "ok", "install", plain},
    {"install-delta", "ok", "install", add_delta},
    {"install-largest", "ok", "install", largest},
    {"install-unknown-keys", "ok", "install", unknown_keys},
    {"install-v-last", "ok", "install", v_last},
    {"install-known-key-second", "ok", "install", known_key_second},
    {"none", "ok", "none", plain},
    {"none-smallest", "ok", "none", smallest},
    {"none-wait", "ok", "none", wait_longest},
    {"none-white-space", "ok", "none", white_space},
    {"hold", "ok", "hold", plain},
    {"cancel", "ok", "cancel", plain},
    {"other-server", "signature", "install", other_server},
    {"no-signature", "signature", "install", no_signature},
    {"no-key-id", "signature", "install", no_key_id},
    {"payload-changed", "signature", "install", payload_changed},
    {"type-swapped", "signature", "install", type_swapped},
    {"five-signatures", "too_large", "none", five_signatures},
    {"envelope-too-large", "too_large", "none", envelope_too_large},
    {"other-type", "unsupported", "install", other_type},
    {"padded-payload", "syntax", "install", padded_payload},
    {"envelope-twice-payload", "duplicate", "install", envelope_twice_payload},
    {"envelope-rest", "syntax", "install", envelope_rest},
    {"payload-no-json", "syntax", "install", payload_no_json},
    {"payload-empty", "truncated", "install", payload_empty},
    {"payload-array", "syntax", "install", payload_array},
    {"key-twice", "duplicate", "install", key_twice},
    {"delta-key-twice", "duplicate", "install", delta_key_twice},
    {"delta-incomplete", "missing", "install", delta_incomplete},
    {"delta-no-object", "syntax", "install", delta_no_object},
    {"wait-0", "range", "none", wait_none},
    {"wait-301", "range", "none", wait_too_long},
};

/* One value of an install replaced, well signed all the same. NULL: the key is left out. */
static const struct {
    const char *name;
    const char *word;
    const char *key;
    const char *value;
} value_cases[] = {
    {"no-v", "missing", "v", NULL},
    {"no-device", "missing", "device", NULL},
    {"no-nonce", "missing", "nonce", NULL},
    {"no-now", "missing", "now", NULL},
    {"no-action", "missing", "action", NULL},
    {"no-deployment", "missing", "deployment", NULL},
    {"no-product", "missing", "product", NULL},
    {"no-hardware", "missing", "hardware", NULL},
    {"no-version", "missing", "version", NULL},
    {"no-counter", "missing", "counter", NULL},
    {"no-size", "missing", "size", NULL},
    {"no-hash", "missing", "hash", NULL},
    {"no-sig", "missing", "sig", NULL},
    {"no-url", "missing", "url", NULL},
    {"no-poll", "missing", "poll", NULL},
    {"v-2", "unsupported", "v", "2"},
    {"v-text", "syntax", "v", "\"1\""},
    {"device-empty", "syntax", "device", "\"\""},
    {"device-space", "syntax", "device", "\"dev 1\""},
    {"device-dash-first", "syntax", "device", "\"-dev\""},
    {"device-number", "syntax", "device", "1"},
    {"nonce-short", "syntax", "nonce", "\"00112233\""},
    {"nonce-upper-case", "syntax", "nonce", "\"00112233445566778899AABBCCDDEEFF\""},
    {"now-too-late", "range", "now", "9007199254740992"},
    {"now-negative", "syntax", "now", "-1"},
    {"now-fraction", "syntax", "now", "1750000000.5"},
    {"action-unknown", "unsupported", "action", "\"explode\""},
    {"deployment-slash", "syntax", "deployment", "\"../1\""},
    {"version-two-parts", "syntax", "version", "\"1.2\""},
    {"version-major-256", "range", "version", "\"256.0.0\""},
    {"counter-2-to-the-32", "range", "counter", "4294967296"},
    {"size-0", "range", "size", "0"},
    {"size-2-to-the-32", "range", "size", "4294967296"},
    {"hash-short", "syntax", "hash", "\"00\""},
    {"sig-empty", "range", "sig", "\"\""},
    {"sig-73-bytes", "range", "sig",
     "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "A"
     "AAAAAA\""},
    {"sig-padded", "syntax", "sig", "\"MEU=\""},
    {"url-relative", "syntax", "url", "\"firmware\""},
    {"url-other-origin", "syntax", "url", "\"//example.org/firmware\""},
    {"url-dots", "syntax", "url", "\"/device/../admin\""},
    {"url-empty", "syntax", "url", "\"\""},
    {"poll-0", "range", "poll", "0"},
    {"poll-over-a-week", "range", "poll", "604801"},
};

static void write_case(const struct draft *draft, FILE *index, const char *word, const char *name)
{
    char path[128];

    fprintf(index, "%s manifests/%s.json\n", word, name);
    snprintf(path, sizeof(path), "manifests/%s.json", name);
    FILE *file = generator_create(draft->generator, path);
    write_envelope(draft, file);
    fclose(file);
}

void generate_manifests(const struct generator *generator)
{
    FILE *index = generator_create(generator, "manifests/index.txt");
    struct draft draft;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&draft, generator, cases[i].action);
        cases[i].change(&draft);
        write_case(&draft, index, cases[i].word, cases[i].name);
    }
    for (size_t i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++) {
        begin(&draft, generator, "install");
        if (value_cases[i].value == NULL)
            drop(&draft, value_cases[i].key);
        else
            set(&draft, value_cases[i].key, value_cases[i].value);
        write_case(&draft, index, value_cases[i].word, value_cases[i].name);
    }
    fclose(index);
}
