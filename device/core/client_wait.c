#include "device/core/client_wait.h"

#include "device/core/client_poll.h"
#include "protocol/error.h"

#define PAUSE_MS_MAX 1000U /* between two waits */
#define REST_MS 2000U      /* before the next poll no wait begins or goes on */
#define SECONDS_MIN 1U

static uint32_t wanted_seconds(const struct ota_client *client)
{
    uint32_t most = client->config->wait_seconds;

    return client->wait_seconds < most ? client->wait_seconds : most;
}

/* Until the next poll, less a rest; 0 when that is over. */
static uint32_t left_ms(const struct ota_client *client)
{
    uint32_t left = client->poll_due_ms - client->now_ms;

    return ota_client_is_due(client, client->poll_due_ms) || left < REST_MS ? 0 : left - REST_MS;
}

bool ota_client_may_wait(const struct ota_client *client)
{
    return wanted_seconds(client) > 0 && client->verified && client->poll_failures == 0 &&
           client->boot_phase != OTA_BOOT_TRIAL && left_ms(client) >= SECONDS_MIN * 1000;
}

/* Three quarters of it to all: devices whose waits a server's restart has ended together part. */
void ota_client_wait(struct ota_client *client)
{
    uint32_t ms = wanted_seconds(client) * 1000;

    ms -= ota_client_random(client, ms / 4 + 1);
    if (ms > left_ms(client))
        ms = left_ms(client);
    if (ms < SECONDS_MIN * 1000)
        ms = SECONDS_MIN * 1000;
    client->wait_ms = ms / 1000 * 1000;
    client->told = client->action;
    ota_client_ask_manifest(client, EXCHANGE_WAIT, ms / 1000);
}

/* What ends a wait before half its time without being news is a server that holds nothing, or
 * something in between that cuts: then the waits are spaced more and more. */
void ota_client_wait_end(struct ota_client *client, int error)
{
    bool early = client->now_ms - client->exchange_ms < client->wait_ms / 2;
    bool good = error == OTA_OK && client->status == 204 && !early;

    if (error == OTA_OK && client->status == 200) {
        ota_client_manifest_end(client, error);
        good = client->poll_failures == 0 && (!early || client->action != client->told);
    }
    if (good)
        client->wait_failures = 0;
    client->wait_due_ms = good ? client->now_ms + ota_client_random(client, PAUSE_MS_MAX)
                               : ota_client_retry_ms(client, &client->wait_failures);
}
