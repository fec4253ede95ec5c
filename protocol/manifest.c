#include "protocol/manifest.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/fields.h"

/* "DSSEv1 LEN TYPE LEN ", in bytes. */
#define PAE_TYPE "DSSEv1 34 " OTA_MANIFEST_TYPE " "
#define PAE_HEAD_MAX (sizeof(PAE_TYPE) + OTA_DECIMAL_MAX)

_Static_assert(sizeof(OTA_MANIFEST_TYPE) - 1 == 34, "PAE_TYPE has its length");

static int take_poll(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, OTA_POLL_SECONDS_MIN, OTA_POLL_SECONDS_MAX);
}

static int take_wait(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 1, OTA_WAIT_SECONDS_MAX);
}

static int take_counter(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 0, UINT32_MAX);
}

static int take_size(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 1, UINT32_MAX);
}

static int take_action(struct ota_json *json, void *out)
{
    struct ota_text text;

    if (ota_json_string(json, &text) != OTA_OK)
        return json->error;
    for (enum ota_action action = OTA_ACTION_NONE; action <= OTA_ACTION_CANCEL; action++) {
        if (ota_text_is(text, ota_action_name(action))) {
            *(enum ota_action *)out = action;
            return OTA_OK;
        }
    }
    return OTA_E_UNSUPPORTED;
}

static int take_sig(struct ota_json *json, void *out)
{
    struct ota_manifest *manifest = out;
    struct ota_text text;

    if (ota_json_string(json, &text) != OTA_OK)
        return json->error;
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
        {"base", ota_take_hash, offsetof(struct ota_manifest_delta, base_hash)},
        {"size", take_size, offsetof(struct ota_manifest_delta, patch_len)},
        {"hash", ota_take_hash, offsetof(struct ota_manifest_delta, patch_hash)},
        {"url", ota_take_url, offsetof(struct ota_manifest_delta, url)},
    };
    uint32_t seen;

    int error = ota_fields_take(json, fields, sizeof(fields) / sizeof(fields[0]), out, &seen);
    if (error != OTA_OK)
        return error;
    return seen == 0xf ? OTA_OK : OTA_E_MISSING;
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
static const struct ota_field manifest_fields[] = {
    {"device", ota_take_device_id, offsetof(struct ota_manifest, device)},
    {"nonce", ota_take_nonce, offsetof(struct ota_manifest, nonce)},
    {"now", ota_take_integer, offsetof(struct ota_manifest, now)},
    {"action", take_action, offsetof(struct ota_manifest, action)},
    {"poll", take_poll, offsetof(struct ota_manifest, poll_seconds)},

    {"deployment", ota_take_deployment, offsetof(struct ota_manifest, deployment)},

    {"product", ota_take_name, offsetof(struct ota_manifest, product)},
    {"hardware", ota_take_name, offsetof(struct ota_manifest, hardware)},
    {"version", ota_take_version, offsetof(struct ota_manifest, version)},
    {"counter", take_counter, offsetof(struct ota_manifest, counter)},
    {"size", take_size, offsetof(struct ota_manifest, image_len)},
    {"hash", ota_take_hash, offsetof(struct ota_manifest, hash)},
    {"sig", take_sig, 0},
    {"url", ota_take_url, offsetof(struct ota_manifest, url)},

    {"delta", take_delta, offsetof(struct ota_manifest, delta)},
    {"wait", take_wait, offsetof(struct ota_manifest, wait_seconds)},
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
    static const struct ota_field v_field[] = {{"v", take_v, 0}};
    struct ota_json json;
    uint32_t seen;

    /* `v` first, wherever it stands: it says what the other keys mean. */
    int error = ota_fields_read(payload, len, v_field, 1, manifest, &seen);
    if (error != OTA_OK)
        return error;
    if (seen == 0)
        return OTA_E_MISSING;
    ota_json_open(&json, payload, len);
    error = ota_fields_take(&json, manifest_fields,
                            sizeof(manifest_fields) / sizeof(struct ota_field), manifest, &seen);
    if (error != OTA_OK)
        return error;
    uint32_t required = required_fields(manifest->action);
    return (seen & required) == required ? OTA_OK : OTA_E_MISSING;
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
        {"keyid", ota_take_string, offsetof(struct signature, key_id)},
        {"sig", ota_take_string, offsetof(struct signature, sig)},
    };
    struct envelope *envelope = out;
    uint32_t seen;

    ota_json_enter_array(json);
    while (ota_json_next_item(json)) {
        if (envelope->signature_count == OTA_MANIFEST_SIGNATURES_MAX)
            return OTA_E_TOO_LARGE;
        int error = ota_fields_take(json, fields, sizeof(fields) / sizeof(fields[0]),
                                    &envelope->signatures[envelope->signature_count++], &seen);
        if (error != OTA_OK)
            return error;
    }
    return json->error;
}

static int parse_envelope(struct envelope *envelope, const char *buf, size_t len)
{
    static const struct ota_field fields[] = {
        {"payload", ota_take_string, offsetof(struct envelope, payload)},
        {"payloadType", ota_take_string, offsetof(struct envelope, type)},
        {"signatures", take_signatures, 0},
    };
    uint32_t seen;

    int error =
        ota_fields_read(buf, len, fields, sizeof(fields) / sizeof(fields[0]), envelope, &seen);
    if (error != OTA_OK)
        return error;
    if (seen != 0x7)
        return OTA_E_MISSING;
    return ota_text_is(envelope->type, OTA_MANIFEST_TYPE) ? OTA_OK : OTA_E_UNSUPPORTED;
}

/* The signatures of our form, out of the buffer. A signature of another form is passed over, not an
 * error: another scheme may stand beside it one day. */
struct decoded_signature {
    char key_id[OTA_KEY_ID_LEN];
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];
};

static size_t decode_signatures(const struct envelope *envelope,
                                struct decoded_signature decoded[OTA_MANIFEST_SIGNATURES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < envelope->signature_count; i++) {
        const struct signature *signature = &envelope->signatures[i];
        if (signature->key_id.len != OTA_KEY_ID_LEN ||
            ota_base64url_decode(decoded[count].sig, OTA_SIGNATURE_RAW_LEN, signature->sig) !=
                OTA_SIGNATURE_RAW_LEN)
            continue;
        memcpy(decoded[count].key_id, signature->key_id.at, OTA_KEY_ID_LEN);
        count++;
    }
    return count;
}

static size_t pae_head(size_t payload_len, char head[PAE_HEAD_MAX])
{
    struct ota_out out;

    ota_out_open(&out, head, PAE_HEAD_MAX);
    ota_out_put(&out, PAE_TYPE);
    ota_out_put_number(&out, payload_len);
    ota_out_put_char(&out, ' ');
    return out.len;
}

/* Turn buf into the PAE of the payload that it holds: nothing else in it is needed any more. The
 * payload has fewer bytes than the characters it is decoded from, and the rest of an envelope is
 * longer than the head of a PAE. Bytes, or a negative error; *head_len of them are the head. */
static int pae_in_place(uint8_t *buf, size_t len, struct ota_text payload, size_t *head_len)
{
    char head[PAE_HEAD_MAX];
    uint8_t *at = buf + (payload.at - (const char *)buf);

    int payload_len = ota_base64url_decode(at, payload.len, payload);
    if (payload_len < 0)
        return payload_len;
    *head_len = pae_head((size_t)payload_len, head);
    if (*head_len + (size_t)payload_len > len)
        return OTA_E_SYNTAX;
    memmove(buf + *head_len, at, (size_t)payload_len);
    memcpy(buf, head, *head_len);
    return (int)*head_len + payload_len;
}

int ota_manifest_open(struct ota_manifest *manifest, uint8_t *buf, size_t len,
                      const struct ota_manifest_verifier *verifier)
{
    struct envelope envelope = {0};
    struct decoded_signature signatures[OTA_MANIFEST_SIGNATURES_MAX];
    size_t head_len;
    bool is_signed = false;

    memset(manifest, 0, sizeof(*manifest));
    if (len > OTA_MANIFEST_MAX)
        return OTA_E_TOO_LARGE;
    int error = parse_envelope(&envelope, (const char *)buf, len);
    if (error != OTA_OK)
        return error;

    size_t count = decode_signatures(&envelope, signatures);
    int pae_len = pae_in_place(buf, len, envelope.payload, &head_len);
    if (pae_len < 0)
        return pae_len;
    for (size_t i = 0; i < count && !is_signed; i++) {
        struct ota_text key_id = {signatures[i].key_id, OTA_KEY_ID_LEN};
        is_signed =
            verifier->verify(verifier->ctx, key_id, buf, (size_t)pae_len, signatures[i].sig);
    }
    if (!is_signed)
        return OTA_E_SIGNATURE;

    error = parse_payload(manifest, (const char *)buf + head_len, (size_t)pae_len - head_len);
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
