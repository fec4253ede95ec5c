#include "device/core/client_poll.h"

#include <string.h>

#include "device/core/client_download.h"
#include "device/core/client_log.h"
#include "device/port/crypto.h"
#include "protocol/error.h"
#include "protocol/json.h"

#define ENROL_PATH "/device/v1/enroll"
#define FIRST_POLL_MS_MAX 5000U /* the power comes back for a thousand devices at once */

void ota_client_poll_init(struct ota_client *client)
{
    uint32_t spread_ms = client->poll_ms / 8;

    client->verified_ms = client->now_ms;
    client->poll_due_ms = client->now_ms;
    if (client->boot_phase != OTA_BOOT_TRIAL)
        client->poll_due_ms += ota_client_random(
            client, (spread_ms < FIRST_POLL_MS_MAX ? spread_ms : FIRST_POLL_MS_MAX) + 1);
}

static void poll_failed(struct ota_client *client, int error)
{
    ota_client_log_error(client, "poll", error);
    client->poll_due_ms = ota_client_retry_ms(client, &client->poll_failures);
}

/* ---- enrolment ---- */

static int encode_enrolment(const struct ota_client *client, char *buf, size_t cap)
{
    struct ota_out out;

    ota_out_open(&out, buf, cap);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_text(&out, "device", ota_text_of(client->config->device_id));
    ota_json_out_text(&out, "product", ota_text_of(client->config->product));
    ota_json_out_text(&out, "hardware", ota_text_of(client->config->hardware));
    ota_json_out_version(&out, "version", &client->version);
    ota_json_out_hex(&out, "hash", client->hash, OTA_HASH_LEN);
    ota_json_out_close(&out, '}');
    return ota_out_end(&out);
}

void ota_client_enrol(struct ota_client *client)
{
    struct ota_http_request *request = ota_client_ask(client, "POST");
    char *body = client->work.ask.kept.body;

    int len = encode_enrolment(client, body, OTA_CLIENT_REPORT_MAX);
    if (len < 0) {
        poll_failed(client, len);
        return;
    }
    request->path = ENROL_PATH;
    request->bearer = client->config->enrolment_key;
    request->body = body;
    request->body_len = (size_t)len;
    ota_client_begin(client, EXCHANGE_ENROL);
}

static int find_token(const char *body, size_t len, struct ota_text *token)
{
    static const struct ota_field token_field[] = {OTA_FIELD_TEXT("token", 0, NULL)};
    struct ota_json json;

    token->len = 0;
    int error = ota_json_read(&json, body, len, token_field, 1, token);
    if (error != OTA_OK)
        return error;
    if (token->len == 0)
        return OTA_E_MISSING;
    return token->len <= OTA_DEVICE_TOKEN_MAX ? OTA_OK : OTA_E_TOO_LARGE;
}

void ota_client_enrol_end(struct ota_client *client, int error)
{
    struct ota_text token;

    if (error == OTA_OK)
        error = ota_client_status_error(client, 201);
    if (error == OTA_OK)
        error = find_token((const char *)client->work.answer, client->answer_len, &token);
    if (error == OTA_OK)
        error = ota_journal_write(&client->journal, OTA_RECORD_CREDENTIAL, token.at, token.len);
    if (error != OTA_OK) {
        poll_failed(client, error);
        return;
    }
    ota_client_log_number(client, "enrolled, status", (uint32_t)client->status);
    client->enrol = false;
    client->poll_failures = 0;
    client->poll_due_ms = client->now_ms;
}

/* ---- asking for the manifest ---- */

static bool put_path(struct ota_client *client, bool wait)
{
    struct ota_out path;

    ota_out_open(&path, client->work.ask.path, OTA_CLIENT_PATH_MAX);
    ota_out_put_hex(&path, "/device/v1/manifest?nonce=", client->nonce, sizeof client->nonce);
    ota_out_put_text(&path, "&product=", client->config->product);
    ota_out_put_text(&path, "&hardware=", client->config->hardware);
    ota_out_put(&path, "&version=");
    ota_out_put_version(&path, &client->version, "%2B"); /* '+' would read as a space */
    ota_out_put_hex(&path, "&hash=", client->hash, OTA_HASH_LEN);
    ota_out_put_number(&path, "&counter=", client->counter);
    if (client->boot_phase == OTA_BOOT_TRIAL)
        ota_out_put(&path, "&trial=1");
    if (client->put_wishes != NULL)
        client->put_wishes(client, &path);
    if (wait && client->action == OTA_ACTION_HOLD)
        ota_out_put(&path, "&last=hold");
    if (client->config->delta != NULL)
        ota_out_put(&path, "&delta=1");
    return !path.cut;
}

void ota_client_ask_manifest(struct ota_client *client, enum client_exchange exchange,
                             uint32_t wait_seconds)
{
    ota_client_ask(client, "GET")->wait_seconds = wait_seconds;
    int error = client->config->platform->random(client->config->platform->ctx, client->nonce,
                                                 OTA_NONCE_LEN);
    if (error == OTA_OK && !put_path(client, wait_seconds > 0))
        error = OTA_E_NO_SPACE;
    if (error != OTA_OK) {
        client->retry_after_seconds = 0;
        poll_failed(client, error);
        return;
    }
    ota_client_begin(client, exchange);
}

void ota_client_poll(struct ota_client *client)
{
    ota_client_ask_manifest(client, EXCHANGE_MANIFEST, 0);
}

/* ---- the manifest ---- */

/* Any of the few keys will do; the envelope's hint is no more than that. */
static bool verify(void *ctx, const struct ota_manifest_claim *claim)
{
    const struct ota_client *client = ctx;
    struct ota_sha256 sha;
    uint8_t hash[OTA_HASH_LEN];

    ota_sha256_init(&sha);
    ota_sha256_update(&sha, claim->head.at, claim->head.len);
    ota_sha256_update(&sha, claim->payload.at, claim->payload.len);
    ota_sha256_final(&sha, hash);
    for (uint32_t i = 0; i < client->config->server_key_count; i++) {
        ota_client_feed(client);
        if (ota_p256_verify_raw(client->config->server_keys[i], hash, claim->sig))
            return true;
    }
    return false;
}

/* Signed by our server, for us, in answer to this very poll. */
static int open_manifest(struct ota_client *client, struct ota_manifest *manifest)
{
    const struct ota_manifest_verifier verifier = {verify, client};

    int error = ota_manifest_open(manifest, client->work.answer, client->answer_len, &verifier);
    if (error != OTA_OK)
        return error;
    if (!ota_text_is(manifest->device, client->config->device_id))
        return OTA_E_DEVICE;
    if (memcmp(manifest->nonce, client->nonce, OTA_NONCE_LEN) != 0)
        return OTA_E_NONCE;
    return OTA_OK;
}

/* Three quarters to five quarters of the interval, so that devices that met once part again. */
static uint32_t next_poll_ms(struct ota_client *client)
{
    return client->now_ms + client->poll_ms - client->poll_ms / 4 +
           ota_client_random(client, client->poll_ms / 2 + 1);
}

static void note_verified(struct ota_client *client, const struct ota_manifest *manifest)
{
    client->verified = true;
    client->stale = false;
    client->verified_ms = client->now_ms;
    client->poll_ms = manifest->poll_seconds * 1000;
    client->poll_due_ms = next_poll_ms(client);
    client->wait_seconds = (uint16_t)manifest->wait_seconds;
    client->action = (uint8_t)manifest->action;
    if (manifest->now > client->server_now)
        client->server_now = manifest->now;
}

/* An offer that we can't accept is answered once; a server that keeps making new ones is asked less
 * and less, so that it can't wear the journal down. */
static void act(struct ota_client *client, const struct ota_manifest *manifest)
{
    int error = OTA_OK;

    client->wanted = false;
    if (client->boot_phase != OTA_BOOT_TRIAL && manifest->action == OTA_ACTION_INSTALL)
        error = ota_client_download_offer(client, manifest);
    else if (client->boot_phase != OTA_BOOT_TRIAL && manifest->action == OTA_ACTION_CANCEL)
        ota_client_download_cancel(client, manifest->deployment);
    if (error == OTA_OK) {
        client->poll_failures = 0;
        return;
    }
    uint32_t due_ms = client->poll_due_ms;
    poll_failed(client, error);
    if ((int32_t)(client->poll_due_ms - due_ms) < 0)
        client->poll_due_ms = due_ms;
}

void ota_client_manifest_end(struct ota_client *client, int error)
{
    struct ota_manifest manifest;

    if (error == OTA_OK)
        error = ota_client_status_error(client, 200);
    if (error == OTA_OK)
        error = open_manifest(client, &manifest);
    /* A nonce is good for one answer. Should the random source repeat itself, zero is no nonce. */
    memset(client->nonce, 0, OTA_NONCE_LEN);
    if (error != OTA_OK) {
        if (client->status == 401 && client->config->token == NULL &&
            client->config->enrolment_key != NULL)
            client->enrol = true;
        poll_failed(client, error);
        return;
    }
    note_verified(client, &manifest);
    act(client, &manifest);
}
