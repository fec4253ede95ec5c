#include "protocol/manifest.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/fields.h"
#include "protocol/json.h"

/* "DSSEv1 LEN TYPE LEN ", in bytes. */
#define PAE_TYPE "DSSEv1 34 " OTA_MANIFEST_TYPE " "
#define PAE_HEAD_MAX (sizeof(PAE_TYPE) + OTA_DECIMAL_MAX)

_Static_assert(sizeof(OTA_MANIFEST_TYPE) - 1 == 34, "PAE_TYPE has its length");

static const struct ota_bounds poll_bounds = {OTA_POLL_SECONDS_MIN, OTA_POLL_SECONDS_MAX};
static const struct ota_bounds wait_bounds = {1, OTA_WAIT_SECONDS_MAX};
static const struct ota_bounds counter_bounds = {0, UINT32_MAX};
static const struct ota_bounds size_bounds = {1, UINT32_MAX};

static int parse_action(void *out, struct ota_text text)
{
    for (enum ota_action action = OTA_ACTION_NONE; action <= OTA_ACTION_CANCEL; action++) {
        if (ota_text_is(text, ota_action_name(action))) {
            *(enum ota_action *)out = action;
            return OTA_OK;
        }
    }
    return OTA_E_UNSUPPORTED;
}

static int parse_sig(void *out, struct ota_text text)
{
    struct ota_manifest *manifest = out;
    int len = ota_base64url_decode(manifest->sig, sizeof(manifest->sig), text);

    if (len == OTA_E_SYNTAX)
        return len;
    if (len <= 0)
        return OTA_E_RANGE;
    manifest->sig_len = (size_t)len;
    return OTA_OK;
}

static int take_delta(struct ota_json *json, void *out)
{
    static const struct ota_field fields[] = {
        OTA_FIELD_PARSED("base", offsetof(struct ota_manifest_delta, base_hash), ota_parse_hash),
        OTA_FIELD_NUMBER("size", offsetof(struct ota_manifest_delta, patch_len), size_bounds),
        OTA_FIELD_PARSED("hash", offsetof(struct ota_manifest_delta, patch_hash), ota_parse_hash),
        OTA_FIELD_TEXT("url", offsetof(struct ota_manifest_delta, url), ota_text_is_url_path),
    };

    int error = ota_json_object(json, fields, sizeof(fields) / sizeof(fields[0]), out);
    if (error != OTA_OK)
        return error;
    return json->seen == 0xf ? OTA_OK : OTA_E_MISSING;
}

static int take_v(struct ota_json *json, void *out)
{
    uint64_t v;

    (void)out;
    if (ota_json_integer(json, &v) != OTA_OK)
        return json->error;
    return v == OTA_MANIFEST_V ? OTA_OK : OTA_E_UNSUPPORTED;
}

#define BIT(i) (1U << (i))
#define FIELDS_ALWAYS (BIT(5) - 1)
#define FIELDS_BUT_NONE (BIT(6) - 1)
#define FIELDS_INSTALL (BIT(14) - 1)

/* In the order that the FIELDS_ masks count: what every manifest has, what all but `none` have,
 * what an install has, what may be left out. */
#define AT(member) offsetof(struct ota_manifest, member)
static const struct ota_field manifest_fields[] = {
    OTA_FIELD_TEXT("device", AT(device), ota_text_is_device_id),
    OTA_FIELD_PARSED("nonce", AT(nonce), ota_parse_nonce),
    OTA_FIELD_INTEGER("now", AT(now)),
    OTA_FIELD_PARSED("action", AT(action), parse_action),
    OTA_FIELD_NUMBER("poll", AT(poll_seconds), poll_bounds),

    OTA_FIELD_TEXT("deployment", AT(deployment), ota_text_is_deployment),

    OTA_FIELD_TEXT("product", AT(product), ota_text_is_name),
    OTA_FIELD_TEXT("hardware", AT(hardware), ota_text_is_name),
    OTA_FIELD_PARSED("version", AT(version), ota_parse_version),
    OTA_FIELD_NUMBER("counter", AT(counter), counter_bounds),
    OTA_FIELD_NUMBER("size", AT(image_len), size_bounds),
    OTA_FIELD_PARSED("hash", AT(hash), ota_parse_hash),
    OTA_FIELD_PARSED("sig", 0, parse_sig),
    OTA_FIELD_TEXT("url", AT(url), ota_text_is_url_path),

    OTA_FIELD_TAKEN("delta", AT(delta), take_delta),
    OTA_FIELD_NUMBER("wait", AT(wait_seconds), wait_bounds),
};

_Static_assert(sizeof(manifest_fields) / sizeof(manifest_fields[0]) == 16,
               "the masks above count the fields");

static uint32_t required_fields(enum ota_action action)
{
    if (action == OTA_ACTION_INSTALL)
        return FIELDS_INSTALL;
    return action == OTA_ACTION_NONE ? FIELDS_ALWAYS : FIELDS_BUT_NONE;
}

static int parse_payload(struct ota_manifest *manifest, const char *payload, size_t len)
{
    static const struct ota_field v_field[] = {OTA_FIELD_TAKEN("v", 0, take_v)};
    struct ota_json json;

    /* `v` first, wherever it stands: it says what the other keys mean. */
    int error = ota_json_read(&json, payload, len, v_field, 1, manifest);
    if (error != OTA_OK)
        return error;
    if (json.seen == 0)
        return OTA_E_MISSING;
    error = ota_json_read(&json, payload, len, manifest_fields,
                          sizeof(manifest_fields) / sizeof(struct ota_field), manifest);
    if (error != OTA_OK)
        return error;
    uint32_t required = required_fields(manifest->action);
    return (json.seen & required) == required ? OTA_OK : OTA_E_MISSING;
}

/* The envelope's strings, still encoded. */
struct signature {
    struct ota_text key_id;
    struct ota_text sig;
};

struct envelope {
    struct ota_text payload;
    struct ota_text type;
    struct signature signatures[OTA_MANIFEST_SIGNATURES_MAX];
    size_t signature_count;
};

static int take_signatures(struct ota_json *json, void *out)
{
    static const struct ota_field fields[] = {
        OTA_FIELD_TEXT("keyid", offsetof(struct signature, key_id), NULL),
        OTA_FIELD_TEXT("sig", offsetof(struct signature, sig), NULL),
    };
    struct envelope *envelope = out;

    ota_json_enter_array(json);
    while (ota_json_next_item(json)) {
        if (envelope->signature_count == OTA_MANIFEST_SIGNATURES_MAX)
            return OTA_E_TOO_LARGE;
        int error = ota_json_object(json, fields, sizeof(fields) / sizeof(fields[0]),
                                    &envelope->signatures[envelope->signature_count++]);
        if (error != OTA_OK)
            return error;
    }
    return json->error;
}

static int parse_envelope(struct envelope *envelope, const char *buf, size_t len)
{
    static const struct ota_field fields[] = {
        OTA_FIELD_TEXT("payload", offsetof(struct envelope, payload), NULL),
        OTA_FIELD_TEXT("payloadType", offsetof(struct envelope, type), NULL),
        OTA_FIELD_TAKEN("signatures", 0, take_signatures),
    };
    struct ota_json json;

    int error =
        ota_json_read(&json, buf, len, fields, sizeof(fields) / sizeof(fields[0]), envelope);
    if (error != OTA_OK)
        return error;
    if (json.seen != 0x7)
        return OTA_E_MISSING;
    return ota_text_is(envelope->type, OTA_MANIFEST_TYPE) ? OTA_OK : OTA_E_UNSUPPORTED;
}

static size_t pae_head(size_t payload_len, char head[PAE_HEAD_MAX])
{
    struct ota_out out;

    ota_out_open(&out, head, PAE_HEAD_MAX);
    ota_out_put_number(&out, PAE_TYPE, payload_len);
    ota_out_put_char(&out, ' ');
    return out.len;
}

/* Does one of the signatures hold? One of another form than ours is passed over, not an error:
 * another scheme may stand beside it one day. */
static bool is_signed(const struct envelope *envelope, struct ota_text payload,
                      const struct ota_manifest_verifier *verifier)
{
    char head[PAE_HEAD_MAX];
    struct ota_manifest_claim claim = {.head = {head, pae_head(payload.len, head)},
                                       .payload = payload};

    for (size_t i = 0; i < envelope->signature_count; i++) {
        const struct signature *signature = &envelope->signatures[i];
        claim.key_id = signature->key_id;
        if (claim.key_id.len == OTA_KEY_ID_LEN &&
            ota_base64url_decode(claim.sig, OTA_SIGNATURE_RAW_LEN, signature->sig) ==
                OTA_SIGNATURE_RAW_LEN &&
            verifier->verify(verifier->ctx, &claim))
            return true;
    }
    return false;
}

int ota_manifest_open(struct ota_manifest *manifest, uint8_t *buf, size_t len,
                      const struct ota_manifest_verifier *verifier)
{
    struct envelope envelope = {0};

    memset(manifest, 0, sizeof(*manifest));
    if (len > OTA_MANIFEST_MAX)
        return OTA_E_TOO_LARGE;
    int error = parse_envelope(&envelope, (const char *)buf, len);
    if (error != OTA_OK)
        return error;

    /* In the place of what it is decoded from. */
    struct ota_text payload = envelope.payload;
    int payload_len =
        ota_base64url_decode(buf + (payload.at - (const char *)buf), payload.len, payload);
    if (payload_len < 0)
        return payload_len;
    payload.len = (size_t)payload_len;
    if (!is_signed(&envelope, payload, verifier))
        return OTA_E_SIGNATURE;

    error = parse_payload(manifest, payload.at, payload.len);
    if (error != OTA_OK)
        memset(manifest, 0, sizeof(*manifest));
    return error;
}

const char *ota_action_name(enum ota_action action)
{
    switch (action) {
    case OTA_ACTION_NONE:
        return "none";
    case OTA_ACTION_INSTALL:
        return "install";
    case OTA_ACTION_HOLD:
        return "hold";
    case OTA_ACTION_CANCEL:
        return "cancel";
    default:
        return NULL;
    }
}

int ota_manifest_pae(const char *payload, size_t payload_len, uint8_t *buf, size_t cap)
{
    char head[PAE_HEAD_MAX];
    size_t len = pae_head(payload_len, head);

    if (cap < len || cap - len < payload_len || cap > INT32_MAX)
        return OTA_E_NO_SPACE;
    memcpy(buf, head, len);
    memcpy(buf + len, payload, payload_len);
    return (int)(len + payload_len);
}
