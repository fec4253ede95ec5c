#include "device/core/client_exchange.h"

#include <string.h>

#include "device/core/client_fetch.h"
#include "device/core/client_poll.h"
#include "device/core/client_report.h"
#include "device/core/client_wait.h"
#include "protocol/error.h"

#define WAIT_MS 50U         /* how often to look when nothing wakes us */
#define NEWS_MS 1000U       /* the same while the server is to be silent */
#define BACKOFF_MS_MIN 250U /* so that a full jitter of 0 is no busy loop */
#define BACKOFF_MS_FIRST 2000U
#define RETRY_AFTER_SECONDS_MAX 86400U

_Static_assert(sizeof(((union ota_client_work *)0)->ask) <= OTA_MANIFEST_MAX,
               "a request costs no memory beyond the answer's");

/* Whose an exchange is; another may begin in it. */
static void (*const ends[EXCHANGES])(struct ota_client *client, int error) = {
    [EXCHANGE_ENROL] = ota_client_enrol_end,       [EXCHANGE_MANIFEST] = ota_client_manifest_end,
    [EXCHANGE_WAIT] = ota_client_wait_end,         [EXCHANGE_REPORT] = ota_client_report_end,
    [EXCHANGE_FIRMWARE] = ota_client_firmware_end,
};

/* ---- time ---- */

bool ota_client_is_due(const struct ota_client *client, uint32_t due_ms)
{
    return (int32_t)(client->now_ms - due_ms) >= 0;
}

uint32_t ota_client_random(struct ota_client *client, uint32_t bound)
{
    const struct ota_platform *platform = client->config->platform;
    uint32_t value;

    /* Without randomness nothing is asked of the server anyway: see the nonce. */
    if (platform->random(platform->ctx, &value, sizeof value) != OTA_OK)
        return bound / 2;
    return value % bound;
}

/* A trial has its own, shorter deadline: it must not sleep through it. */
static uint32_t backoff_max(const struct ota_client *client)
{
    uint32_t trial_ms = client->config->trial_ms_max;

    if (client->boot_phase != OTA_BOOT_TRIAL)
        return OTA_CLIENT_BACKOFF_MS_MAX;
    return (trial_ms != 0 ? trial_ms : OTA_CLIENT_TRIAL_MS_DEFAULT) / 8 + 1;
}

uint32_t ota_client_retry_ms(struct ota_client *client, uint8_t *failures)
{
    uint32_t max_ms = backoff_max(client);
    uint32_t window_ms = BACKOFF_MS_FIRST;
    uint32_t seconds = client->retry_after_seconds;

    for (uint8_t i = 0; i < *failures && window_ms < max_ms; i++)
        window_ms *= 2;
    if (*failures < UINT8_MAX)
        (*failures)++;
    if (window_ms > max_ms)
        window_ms = max_ms;
    if (seconds > RETRY_AFTER_SECONDS_MAX)
        seconds = RETRY_AFTER_SECONDS_MAX;
    return client->now_ms + seconds * 1000 + BACKOFF_MS_MIN + ota_client_random(client, window_ms);
}

void ota_client_feed(const struct ota_client *client)
{
    client->config->platform->feed(client->config->platform->ctx);
}

/* ---- asking ---- */

const char *ota_client_token(struct ota_client *client)
{
    char *token = client->work.ask.token;

    if (client->config->token != NULL)
        return client->config->token;
    int len =
        ota_journal_read(&client->journal, OTA_RECORD_CREDENTIAL, token, OTA_DEVICE_TOKEN_MAX);
    token[len > 0 ? len : 0] = '\0';
    return len > 0 ? token : NULL;
}

struct ota_http_request *ota_client_ask(struct ota_client *client, const char *method)
{
    struct ota_http_request *request = &client->work.ask.request;

    memset(&client->work.ask, 0, sizeof client->work.ask);
    client->answer_len = 0; /* what was there is overwritten */
    request->method = method;
    request->path = client->work.ask.path;
    request->bearer = ota_client_token(client);
    return request;
}

static void end(struct ota_client *client, int error)
{
    uint8_t exchange = client->exchange;

    client->exchange = EXCHANGE_NONE;
    ends[exchange](client, error);
}

void ota_client_begin(struct ota_client *client, enum client_exchange exchange)
{
    const struct ota_transport *transport = client->config->transport;

    client->exchange = (uint8_t)exchange;
    client->headed = false;
    client->status = 0;
    client->retry_after_seconds = 0;
    client->exchange_ms = client->now_ms;
    int error = transport->start(transport->ctx, &client->work.ask.request);
    if (error != OTA_OK)
        end(client, error);
}

static void give_up(struct ota_client *client, int error)
{
    const struct ota_transport *transport = client->config->transport;

    transport->abort(transport->ctx);
    end(client, error);
}

void ota_client_cancel(struct ota_client *client)
{
    const struct ota_transport *transport = client->config->transport;

    transport->abort(transport->ctx);
    client->exchange = EXCHANGE_NONE;
}

int ota_client_status_error(const struct ota_client *client, int wanted)
{
    if (client->status == wanted)
        return OTA_OK;
    switch (client->status) {
    case 401:
    case 403:
        return OTA_E_UNAUTHORIZED;
    case 404:
    case 410:
        return OTA_E_GONE;
    case 416:
        return OTA_E_HTTP_RANGE;
    default:
        return OTA_E_HTTP_STATUS;
    }
}

/* ---- the answer ---- */

static bool is_firmware(const struct ota_client *client)
{
    return client->exchange == EXCHANGE_FIRMWARE;
}

static int take_head(struct ota_client *client)
{
    const struct ota_http_response *response = &client->work.ask.response;

    client->headed = true;
    client->status = (int16_t)response->status;
    if (response->has_retry_after)
        client->retry_after_seconds = response->retry_after_seconds;
    return is_firmware(client) ? ota_client_firmware_head(client, response) : OTA_OK;
}

static int take_body(struct ota_client *client, size_t len)
{
    if (is_firmware(client))
        return ota_client_firmware_body(client, len);
    if (client->answer_len == sizeof client->work.answer)
        return OTA_E_TOO_LARGE;
    client->answer_len = (uint16_t)(client->answer_len + len);
    return OTA_OK;
}

static int poll_transport(struct ota_client *client, size_t *len)
{
    const struct ota_transport *transport = client->config->transport;
    uint8_t beyond; /* takes the byte that is too many */
    uint8_t *buf = client->work.answer + client->answer_len;

    *len = sizeof client->work.answer - client->answer_len;
    if (*len == 0) {
        buf = &beyond;
        *len = sizeof beyond;
    } else if (is_firmware(client) && *len > OTA_CLIENT_CHUNK_LEN) {
        *len = OTA_CLIENT_CHUNK_LEN;
    }
    return transport->poll(transport->ctx, &client->work.ask.response, buf, len);
}

/* The head of firmware has the same deadline; its body has a rate. */
static bool is_late(const struct ota_client *client)
{
    uint32_t most_ms = OTA_CLIENT_ANSWER_MS_MAX;

    if (client->exchange == EXCHANGE_WAIT)
        most_ms += client->wait_ms;
    return !(is_firmware(client) && client->headed) &&
           client->now_ms - client->exchange_ms >= most_ms;
}

uint32_t ota_client_advance(struct ota_client *client)
{
    size_t len;

    int error = is_firmware(client) ? ota_client_firmware_work(client) : OTA_OK;
    if (error > 0)
        return 0;
    if (error < 0) {
        give_up(client, error);
        return 0;
    }
    int event = poll_transport(client, &len);
    if (event == OTA_HTTP_HEAD)
        error = take_head(client);
    else if (event == OTA_HTTP_BODY)
        error = take_body(client, len);
    else if (event == OTA_HTTP_BUSY && is_firmware(client) && client->headed)
        error = ota_client_firmware_body(client, 0);
    if (error == OTA_OK && is_late(client))
        error = OTA_E_TIMEOUT;

    if (event < 0 || event == OTA_HTTP_DONE)
        end(client, event < 0 ? event : OTA_OK);
    else if (error != OTA_OK)
        give_up(client, error);
    else if (event == OTA_HTTP_BUSY)
        return client->exchange == EXCHANGE_WAIT && !client->headed ? NEWS_MS : WAIT_MS;
    return 0;
}
