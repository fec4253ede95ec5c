#include "protocol/error.h"
#include "protocol/json.h"
#include "protocol/manifest.h"

static void put_delta(struct ota_out *out, const struct ota_manifest_delta *delta)
{
    ota_json_out_open(out, "delta", '{');
    ota_json_out_hex(out, "base", delta->base_hash, OTA_HASH_LEN);
    ota_json_out_integer(out, "size", delta->patch_len);
    ota_json_out_hex(out, "hash", delta->patch_hash, OTA_HASH_LEN);
    ota_json_out_text(out, "url", delta->url);
    ota_json_out_close(out, '}');
}

static void put_install(struct ota_out *out, const struct ota_manifest *manifest)
{
    ota_json_out_text(out, "product", manifest->product);
    ota_json_out_text(out, "hardware", manifest->hardware);
    ota_json_out_version(out, "version", &manifest->version);
    ota_json_out_integer(out, "counter", manifest->counter);
    ota_json_out_integer(out, "size", manifest->image_len);
    ota_json_out_hex(out, "hash", manifest->hash, OTA_HASH_LEN);
    ota_json_out_base64url(out, "sig", manifest->sig, manifest->sig_len);
    ota_json_out_text(out, "url", manifest->url);
    if (manifest->delta.url.len > 0)
        put_delta(out, &manifest->delta);
}

static bool is_delta_valid(const struct ota_manifest_delta *delta)
{
    return delta->url.len == 0 || (ota_text_is_url_path(delta->url) && delta->patch_len > 0);
}

static bool is_install_valid(const struct ota_manifest *manifest)
{
    return ota_text_is_name(manifest->product) && ota_text_is_name(manifest->hardware) &&
           manifest->image_len > 0 && manifest->sig_len > 0 &&
           manifest->sig_len <= sizeof(manifest->sig) && ota_text_is_url_path(manifest->url) &&
           is_delta_valid(&manifest->delta);
}

/* What the decoder would refuse is not written. */
static bool is_valid(const struct ota_manifest *manifest)
{
    if (!ota_text_is_device_id(manifest->device) || manifest->now > OTA_JSON_INT_MAX ||
        manifest->poll_seconds < OTA_POLL_SECONDS_MIN ||
        manifest->poll_seconds > OTA_POLL_SECONDS_MAX ||
        manifest->wait_seconds > OTA_WAIT_SECONDS_MAX || ota_action_name(manifest->action) == NULL)
        return false;
    if (manifest->action == OTA_ACTION_NONE)
        return true;
    return ota_text_is_deployment(manifest->deployment) &&
           (manifest->action != OTA_ACTION_INSTALL || is_install_valid(manifest));
}

int ota_manifest_encode_payload(const struct ota_manifest *manifest, char *buf, size_t cap)
{
    struct ota_out out;

    if (!is_valid(manifest))
        return OTA_E_RANGE;
    ota_out_open(&out, buf, cap);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_integer(&out, "v", OTA_MANIFEST_V);
    ota_json_out_text(&out, "device", manifest->device);
    ota_json_out_hex(&out, "nonce", manifest->nonce, OTA_NONCE_LEN);
    ota_json_out_integer(&out, "now", manifest->now);
    ota_json_out_text(&out, "action", ota_text_of(ota_action_name(manifest->action)));
    if (manifest->action != OTA_ACTION_NONE)
        ota_json_out_text(&out, "deployment", manifest->deployment);
    if (manifest->action == OTA_ACTION_INSTALL)
        put_install(&out, manifest);
    ota_json_out_integer(&out, "poll", manifest->poll_seconds);
    if (manifest->wait_seconds > 0)
        ota_json_out_integer(&out, "wait", manifest->wait_seconds);
    ota_json_out_close(&out, '}');
    return ota_out_end(&out);
}

int ota_manifest_encode_envelope(const char *payload, size_t payload_len, struct ota_text key_id,
                                 const uint8_t sig[OTA_SIGNATURE_RAW_LEN], char *buf, size_t cap)
{
    struct ota_out out;

    ota_out_open(&out, buf, cap);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_base64url(&out, "payload", (const uint8_t *)payload, payload_len);
    ota_json_out_text(&out, "payloadType", ota_text_of(OTA_MANIFEST_TYPE));
    ota_json_out_open(&out, "signatures", '[');
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_text(&out, "keyid", key_id);
    ota_json_out_base64url(&out, "sig", sig, OTA_SIGNATURE_RAW_LEN);
    ota_json_out_close(&out, '}');
    ota_json_out_close(&out, ']');
    ota_json_out_close(&out, '}');
    int len = ota_out_end(&out);
    return len > OTA_MANIFEST_MAX ? OTA_E_TOO_LARGE : len;
}
