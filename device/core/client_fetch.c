#include "device/core/client_fetch.h"

#include <string.h>

#include "device/core/client_delta.h"
#include "device/core/client_download.h"
#include "device/core/client_log.h"
#include "device/core/client_slot.h"
#include "protocol/error.h"

/* ---- asking ---- */

static const struct ota_client_delta *delta_of(const struct ota_client *client)
{
    return client->config->delta;
}

/* The byte of the file that is wanted next. */
static uint32_t file_position(const struct ota_client *client)
{
    return client->patched ? delta_of(client)->use->wants(client) : client->position;
}

/* After a reset a patch is read from its head, and goes on somewhere behind: where, its first block
 * tells. */
static uint32_t range_max(const struct ota_client *client)
{
    uint32_t range_len = client->config->range_len;

    if (client->patched && delta_of(client)->resumed)
        return OTA_DELTA_BLOCK_LEN;
    return range_len != 0 ? range_len : OTA_CLIENT_RANGE_DEFAULT;
}

static void ask_range(struct ota_client *client, const struct ota_update *update, uint32_t first)
{
    struct ota_http_request *request = ota_client_ask(client, "GET");
    uint32_t left = update->file_len - first;
    uint32_t range_len = range_max(client);

    memcpy(client->work.ask.path, update->url, sizeof update->url);
    memcpy(client->work.ask.etag, update->etag, sizeof update->etag);
    request->has_range = true;
    request->range_start = first;
    request->range_end = first + (left < range_len ? left : range_len) - 1;
    if (update->etag[0] != '\0')
        request->if_range = client->work.ask.etag;
    client->before = first;
    client->skip = 0;
    client->worked_ms = 0;
    client->range_left = request->range_end - request->range_start + 1;
    ota_client_begin(client, EXCHANGE_FIRMWARE);
}

/* ---- the answer ---- */

/* Exactly the range that we asked for, or the beginning of it. */
static int check_range(struct ota_client *client, const struct ota_http_response *response)
{
    if (!response->has_range || response->range_start != client->before ||
        response->range_total != client->file_len ||
        response->range_end - response->range_start >= client->range_left)
        return OTA_E_HTTP_RANGE;
    client->range_left = response->range_end - response->range_start + 1;
    client->file_at = client->before;
    if (response->has_length && response->length != client->range_left)
        return OTA_E_HTTP_RANGE;
    return OTA_OK;
}

/* The whole file, whatever we asked for. What we have of it is passed over. */
static int check_whole(struct ota_client *client, const struct ota_http_response *response)
{
    if (response->has_length && response->length != client->file_len)
        return OTA_E_SIZE;
    client->skip = client->patched ? 0 : client->position; /* a patch's decoder skips by itself */
    client->range_left = client->file_len;
    client->file_at = 0;
    return OTA_OK;
}

/* Bytes of two files must not be mixed: a file that isn't the one we began with means to begin
 * again, with this very answer when it starts at 0. */
static int check_etag(struct ota_client *client, struct ota_update *update,
                      const struct ota_http_response *response)
{
    if (response->etag[0] == '\0' || strcmp(response->etag, update->etag) == 0)
        return OTA_OK;
    if (client->patched && update->etag[0] != '\0')
        return OTA_E_DELTA_BLOCK; /* its URL names the bytes: there is no other */
    if (client->position > 0 && update->etag[0] != '\0') {
        ota_client_download_start_over(client, update, OTA_CLIENT_RESTARTS_MAX, OTA_E_HTTP_RANGE);
        if (update->stage != OTA_UPDATE_ACTIVE || client->skip == 0)
            return OTA_E_CANCELLED;
        client->position = 0;
        client->erased = 0;
        client->skip = 0;
        client->located = true;
    }
    memcpy(update->etag, response->etag, sizeof update->etag);
    return ota_client_update_store(client, update);
}

int ota_client_firmware_head(struct ota_client *client, const struct ota_http_response *response)
{
    struct ota_update update;

    int error = response->status == 206 ? OTA_OK : ota_client_status_error(client, 200);
    if (error == OTA_OK && response->coded)
        error = OTA_E_HTTP;
    if (error == OTA_OK)
        error =
            response->status == 206 ? check_range(client, response) : check_whole(client, response);
    if (error != OTA_OK)
        return error;
    ota_client_update_load(client, &update);
    client->window_ms = client->now_ms;
    client->window_len = 0;
    return check_etag(client, &update, response);
}

/* Below the floor for a whole window, whatever the reason. */
static int check_rate(struct ota_client *client)
{
    const struct ota_client_config *config = client->config;
    uint32_t window_ms =
        config->rate_window_ms != 0 ? config->rate_window_ms : OTA_CLIENT_RATE_WINDOW_MS;
    uint32_t bytes_min =
        config->rate_bytes_min != 0 ? config->rate_bytes_min : OTA_CLIENT_RATE_BYTES_MIN;

    if (client->now_ms - client->window_ms < window_ms)
        return OTA_OK;
    if (client->window_len < bytes_min)
        return OTA_E_SLOW;
    client->window_ms = client->now_ms;
    client->window_len = 0;
    client->slow = 0;
    return OTA_OK;
}

int ota_client_firmware_body(struct ota_client *client, size_t len)
{
    uint32_t excess = len > client->range_left ? (uint32_t)len - client->range_left : 0;
    uint32_t take = (uint32_t)len - excess;
    uint32_t skip = take < client->skip ? take : client->skip;
    int error = OTA_OK;

    client->range_left -= take;
    client->window_len += take;
    client->file_at += take;
    if (skip > 0) {
        client->skip -= skip;
        take -= skip;
        memmove(client->work.answer, client->work.answer + skip, take);
    }
    if (client->patched)
        client->answer_len =
            (uint16_t)(client->answer_len + take); /* ota_client_firmware_work() goes on */
    else if (take > 0)
        error = ota_client_slot_program(client, take);
    if (error == OTA_OK && excess > 0)
        error = OTA_E_TOO_LARGE;
    return error == OTA_OK ? check_rate(client) : error;
}

/* Decoding takes its time, which is not the network's. */
int ota_client_firmware_work(struct ota_client *client)
{
    if (!client->patched || !client->headed)
        return 0;
    if (client->worked_ms != 0)
        client->window_ms += client->now_ms - client->worked_ms;
    int work = delta_of(client)->use->step(client);
    client->worked_ms = work > 0 ? client->now_ms : 0;
    return work;
}

/* ---- the end of it ---- */

enum verdict {
    VERDICT_AGAIN,  /* the network's or the server's trouble: as often as it takes */
    VERDICT_SLOW,   /* a few times */
    VERDICT_STRIKE, /* an answer that breaks the rules: a few times */
    VERDICT_FLASH,  /* once more from the beginning */
    VERDICT_DETOUR, /* the patch is no good */
    VERDICT_FAIL,
};

static enum verdict judge(const struct ota_client *client, int error)
{
    static const struct {
        int8_t error;
        uint8_t verdict;
    } verdicts[] = {
        {OTA_E_SLOW, VERDICT_SLOW},          {OTA_E_FLASH, VERDICT_FLASH},
        {OTA_E_GONE, VERDICT_FAIL},          {OTA_E_DELTA_BASE, VERDICT_DETOUR},
        {OTA_E_DELTA_BLOCK, VERDICT_DETOUR}, {OTA_E_SYNTAX, VERDICT_DETOUR},
        {OTA_E_UNSUPPORTED, VERDICT_DETOUR}, {OTA_E_RANGE, VERDICT_DETOUR},
        {OTA_E_HTTP, VERDICT_STRIKE},        {OTA_E_HTTP_RANGE, VERDICT_STRIKE},
        {OTA_E_TOO_LARGE, VERDICT_STRIKE},   {OTA_E_SIZE, VERDICT_STRIKE},
        {OTA_E_HTTP_STATUS, VERDICT_STRIKE},
    };

    if (error == OTA_E_HTTP_STATUS &&
        (client->status >= 500 || client->status == 408 || client->status == 429))
        return VERDICT_AGAIN;
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (verdicts[i].error == error)
            return (enum verdict)verdicts[i].verdict;
    return VERDICT_AGAIN;
}

static void try_again(struct ota_client *client, int error)
{
    ota_client_log_error(client, "download", error);
    client->download_due_ms = ota_client_retry_ms(client, &client->failures);
}

static void fetch_failed(struct ota_client *client, int error)
{
    struct ota_update update;
    enum verdict verdict = judge(client, error);

    client->slow = (uint8_t)(client->slow + (verdict == VERDICT_SLOW));
    client->strikes = (uint8_t)(client->strikes + (verdict == VERDICT_STRIKE));
    bool hopeless = verdict == VERDICT_FAIL || verdict == VERDICT_DETOUR ||
                    client->slow >= OTA_CLIENT_SLOW_MAX ||
                    client->strikes >= OTA_CLIENT_STRIKES_MAX;

    if (!hopeless && verdict != VERDICT_FLASH) {
        try_again(client, error);
        return;
    }
    ota_client_update_load(client, &update);
    if (!hopeless)
        ota_client_download_start_over(client, &update, 1, error);
    else if (client->patched)
        delta_of(client)->use->detour(client, &update, error);
    else
        ota_client_update_end(client, &update, OTA_EVENT_FAILED, error);
}

/* A patch that is resumed is read from its head, and may go on in a block that was among that. */
static bool has_come_on(const struct ota_client *client)
{
    if (!client->patched)
        return client->position > client->before;
    return file_position(client) > client->before ||
           (delta_of(client)->resumed && client->file_at > client->before);
}

void ota_client_firmware_end(struct ota_client *client, int error)
{
    if (error == OTA_E_CANCELLED)
        return; /* start_over() has said what comes next */
    bool came_on = has_come_on(client);
    if (came_on) {
        client->failures = 0;
        client->strikes = 0;
    }
    /* An orderly answer without a byte for us is as bad as none. */
    if (error == OTA_OK && !came_on)
        error = OTA_E_HTTP_RANGE;
    if (error != OTA_OK)
        fetch_failed(client, error);
}

void ota_client_fetch(struct ota_client *client, const struct ota_update *update)
{
    int work = client->patched ? delta_of(client)->use->step(client) : 0;
    uint32_t first = file_position(client);

    if (work == 0 && client->position < client->image_len && first >= client->file_len)
        work = OTA_E_DELTA_BLOCK;
    if (work < 0)
        fetch_failed(client, work);
    else if (work == 0 && client->position < client->image_len)
        ask_range(client, update, first);
}
