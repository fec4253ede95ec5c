#include "device/core/client_download.h"

#include <string.h>

#include "device/core/client_log.h"
#include "device/core/client_report.h"
#include "device/core/client_slot.h"
#include "device/core/client_update.h"
#include "device/port/crypto.h"
#include "protocol/error.h"

#define PERCENT_STEP 25U

/* ---- the offer ---- */

static bool is_released(const struct ota_client *client, const struct ota_manifest *manifest)
{
    const struct ota_release_keys *keys = &client->config->release_keys;
    const struct ota_platform *platform = client->config->platform;

    for (uint32_t i = 0; i < keys->count; i++) {
        platform->feed(platform->ctx);
        if (ota_p256_verify_der(keys->keys[i], manifest->hash, manifest->sig, manifest->sig_len))
            return true;
    }
    return false;
}

/* The counter that an image must have at least. A device fresh from the factory runs an image that
 * no trial ever confirmed. */
static uint32_t counter_min(const struct ota_client *client)
{
    return client->counter > client->counter_floor ? client->counter : client->counter_floor;
}

/* May this image run on this device? All that can be known without its bytes. */
static int check_offer(const struct ota_client *client, const struct ota_manifest *manifest)
{
    if (!ota_text_is(manifest->product, client->config->product))
        return OTA_E_PRODUCT;
    if (!ota_text_is(manifest->hardware, client->config->hardware))
        return OTA_E_HARDWARE;
    if (manifest->counter < counter_min(client))
        return OTA_E_COUNTER_LOW;
    if (manifest->counter - counter_min(client) > OTA_COUNTER_JUMP_MAX)
        return OTA_E_COUNTER_JUMP;
    if (manifest->image_len < OTA_IMAGE_HEADER_LEN ||
        manifest->image_len > ota_client_slot_area(client).len)
        return OTA_E_SIZE;
    return is_released(client, manifest) ? OTA_OK : OTA_E_SIGNATURE;
}

static void copy_text(char *to, struct ota_text from)
{
    memcpy(to, from.at, from.len);
    to[from.len] = '\0';
}

static void fill_update(struct ota_update *update, const struct ota_manifest *manifest)
{
    memset(update, 0, sizeof *update);
    update->layout = OTA_UPDATE_LAYOUT;
    update->stage = OTA_UPDATE_ACTIVE;
    update->image_len = manifest->image_len;
    update->counter = manifest->counter;
    update->version = manifest->version;
    memcpy(update->hash, manifest->hash, OTA_HASH_LEN);
    copy_text(update->deployment, manifest->deployment);
    copy_text(update->url, manifest->url);
}

static bool is_same_image(const struct ota_update *update, const struct ota_manifest *manifest)
{
    return update->stage == OTA_UPDATE_ACTIVE && update->image_len == manifest->image_len &&
           memcmp(update->hash, manifest->hash, OTA_HASH_LEN) == 0;
}

static void forget_tries(struct ota_client *client)
{
    client->failures = 0;
    client->strikes = 0;
    client->slow = 0;
    client->told_percent = UINT8_MAX;
    client->download_due_ms = client->now_ms;
}

/* Take up a deployment. One that names the image which is half here already keeps the bytes. */
static int take_up(struct ota_client *client, const struct ota_update *old,
                   const struct ota_manifest *manifest)
{
    struct ota_update update;
    bool keep = is_same_image(old, manifest);

    fill_update(&update, manifest);
    if (keep) {
        memcpy(update.etag, old->etag, sizeof update.etag);
        update.restarts = old->restarts;
    } else {
        client->ready = false;
        client->located = false;
        if (ota_client_slot_forget(client) != OTA_OK)
            return OTA_E_FLASH;
    }
    forget_tries(client);
    return ota_client_update_store(client, &update);
}

/* The report first: when power goes between the two, it is made twice, and never lost. */
static void install(struct ota_client *client, struct ota_update *update)
{
    ota_client_log_number(client, "install, counter", update->counter);
    ota_client_report(client, ota_client_update_name(update), OTA_EVENT_INSTALLED, OTA_OK);
    int error = ota_client_slot_request(client, update);
    if (error != OTA_OK) {
        ota_client_update_end(client, update, OTA_EVENT_FAILED, error);
        return;
    }
    client->resetting = true;
    client->reset_due_ms = client->now_ms + OTA_CLIENT_INSTALL_REPORT_MS;
}

static void go_on(struct ota_client *client, struct ota_update *update)
{
    client->image_len = update->image_len;
    client->wanted = true;
    if (client->ready)
        install(client, update);
}

int ota_client_download_offer(struct ota_client *client, const struct ota_manifest *manifest)
{
    struct ota_update update;
    bool known;

    ota_client_update_load(client, &update);
    known = update.stage != OTA_UPDATE_NONE &&
            ota_text_equal(manifest->deployment, ota_client_update_name(&update));
    if (known && update.stage != OTA_UPDATE_ACTIVE)
        return OTA_OK;

    int error = check_offer(client, manifest);
    if (error == OTA_OK && !(known && is_same_image(&update, manifest))) {
        error = take_up(client, &update, manifest);
        if (error != OTA_OK)
            return error;
        ota_client_update_load(client, &update);
    }
    if (error != OTA_OK) {
        fill_update(&update, manifest);
        ota_client_update_end(client, &update, OTA_EVENT_FAILED, error);
    } else if (memcmp(manifest->hash, client->hash, OTA_HASH_LEN) == 0) {
        ota_client_update_end(client, &update, OTA_EVENT_CONFIRMED, OTA_OK);
    } else {
        go_on(client, &update);
    }
    return error;
}

void ota_client_download_cancel(struct ota_client *client, struct ota_text deployment)
{
    struct ota_update update;

    ota_client_update_load(client, &update);
    if (update.stage == OTA_UPDATE_NONE ||
        !ota_text_equal(deployment, ota_client_update_name(&update))) {
        /* Withdrawn before we heard of it: say so once, and remember. */
        memset(&update, 0, sizeof update);
        update.layout = OTA_UPDATE_LAYOUT;
        copy_text(update.deployment, deployment);
    } else if (update.stage != OTA_UPDATE_ACTIVE) {
        return;
    }
    ota_client_update_end(client, &update, OTA_EVENT_FAILED, OTA_E_CANCELLED);
}

/* ---- the next piece ---- */

bool ota_client_download_waits(const struct ota_client *client)
{
    return client->wanted && !client->ready && ota_client_is_due(client, client->download_due_ms);
}

static void try_again(struct ota_client *client, int error)
{
    ota_client_log_error(client, "download", error);
    client->failures = ota_client_one_more(client->failures);
    client->download_due_ms = ota_client_retry_ms(client, client->failures);
}

/* Throw away what is in flash. A deployment gets so many tries in its whole life, resets included;
 * that bounds the wear which a bad server can cause. */
static void start_over(struct ota_client *client, struct ota_update *update, unsigned tries,
                       int reason)
{
    if (update->restarts >= tries || ota_client_slot_forget(client) != OTA_OK) {
        ota_client_update_end(client, update, OTA_EVENT_FAILED, reason);
        return;
    }
    ota_client_log_error(client, "download from 0", reason);
    update->restarts++;
    update->etag[0] = '\0';
    if (ota_client_update_store(client, update) != OTA_OK)
        ota_client_update_end(client, update, OTA_EVENT_FAILED, OTA_E_FLASH);
    client->located = false;
}

static void verify(struct ota_client *client, struct ota_update *update)
{
    bool bytes_wrong;
    int error = ota_client_slot_verify(client, update, &bytes_wrong);

    if (error == OTA_OK) {
        ota_client_log_number(client, "verified, bytes", update->image_len);
        client->ready = true;
        client->poll_due_ms = client->now_ms; /* does the server still want it? */
    } else if (bytes_wrong) {
        start_over(client, update, 1, error);
    } else {
        ota_client_update_end(client, update, OTA_EVENT_FAILED, error);
    }
}

static void ask_range(struct ota_client *client, const struct ota_update *update)
{
    struct ota_http_request *request = ota_client_ask(client, "GET");
    uint32_t left = update->image_len - client->position;
    uint32_t range_len = client->config->range_len;

    if (range_len == 0)
        range_len = OTA_CLIENT_RANGE_DEFAULT;
    memcpy(client->work.ask.path, update->url, sizeof update->url);
    memcpy(client->work.ask.etag, update->etag, sizeof update->etag);
    request->has_range = true;
    request->range_start = client->position;
    request->range_end = client->position + (left < range_len ? left : range_len) - 1;
    if (update->etag[0] != '\0')
        request->if_range = client->work.ask.etag;
    client->before = client->position;
    client->skip = 0;
    client->range_left = request->range_end - request->range_start + 1;
    ota_client_begin(client, EXCHANGE_FIRMWARE);
}

/* In 32 bits: of images beyond 42 MB a little less than exact. */
static uint32_t percent_of(uint32_t position, uint32_t len)
{
    if (len > UINT32_MAX / 100)
        return position / (len / 100);
    return position * 100 / len;
}

void ota_client_download_step(struct ota_client *client)
{
    struct ota_update update;

    ota_client_update_load(client, &update);
    if (update.stage != OTA_UPDATE_ACTIVE) {
        client->wanted = false; /* its record rotted; the next manifest brings it back */
        return;
    }
    if (!client->located) {
        int error = ota_client_slot_locate(client, update.image_len);
        if (error != OTA_OK) {
            start_over(client, &update, 1, error);
            return;
        }
        if (client->position > 0)
            ota_client_log_number(client, "download goes on at", client->position);
    }
    uint32_t percent = percent_of(client->position, update.image_len);
    uint8_t quarter = (uint8_t)(percent / PERCENT_STEP);
    if (client->position == update.image_len) {
        verify(client, &update);
    } else if (quarter != client->told_percent) {
        client->told_percent = quarter;
        ota_client_report_progress(client, ota_client_update_name(&update), percent);
    } else {
        ask_range(client, &update);
    }
}

/* ---- the answer ---- */

static int status_error(int status)
{
    switch (status) {
    case 200:
    case 206:
        return OTA_OK;
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

/* Exactly the range that we asked for, or the beginning of it. */
static int check_range(struct ota_client *client, const struct ota_http_response *response)
{
    if (!response->has_range || response->range_start != client->position ||
        response->range_total != client->image_len ||
        response->range_end - response->range_start >= client->range_left)
        return OTA_E_HTTP_RANGE;
    client->range_left = response->range_end - response->range_start + 1;
    if (response->has_length && response->length != client->range_left)
        return OTA_E_HTTP_RANGE;
    return OTA_OK;
}

/* The whole file, whatever we asked for. What we have of it is passed over. */
static int check_whole(struct ota_client *client, const struct ota_http_response *response)
{
    if (response->has_length && response->length != client->image_len)
        return OTA_E_SIZE;
    client->skip = client->position;
    client->range_left = client->image_len;
    return OTA_OK;
}

/* Bytes of two files must not be mixed: a file that isn't the one we began with means to begin
 * again, with this very answer when it starts at 0. */
static int check_etag(struct ota_client *client, struct ota_update *update,
                      const struct ota_http_response *response)
{
    if (response->etag[0] == '\0' || ota_text_is(ota_text_of(response->etag), update->etag))
        return OTA_OK;
    if (client->position > 0 && update->etag[0] != '\0') {
        start_over(client, update, OTA_CLIENT_RESTARTS_MAX, OTA_E_HTTP_RANGE);
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

static int firmware_head(struct ota_client *client, const struct ota_http_response *response)
{
    struct ota_update update;

    int error = status_error(response->status);
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

static int firmware_body(struct ota_client *client, size_t len)
{
    uint32_t excess = len > client->range_left ? (uint32_t)len - client->range_left : 0;
    uint32_t take = (uint32_t)len - excess;
    uint32_t skip = take < client->skip ? take : client->skip;
    int error = OTA_OK;

    client->range_left -= take;
    client->window_len += take;
    if (skip > 0) {
        client->skip -= skip;
        take -= skip;
        memmove(client->work.answer, client->work.answer + skip, take);
    }
    if (take > 0)
        error = ota_client_slot_program(client, take);
    if (error == OTA_OK && excess > 0)
        error = OTA_E_TOO_LARGE;
    return error == OTA_OK ? check_rate(client) : error;
}

/* ---- the end of it ---- */

enum verdict {
    VERDICT_AGAIN,  /* the network's or the server's trouble: as often as it takes */
    VERDICT_SLOW,   /* a few times */
    VERDICT_STRIKE, /* an answer that breaks the rules: a few times */
    VERDICT_FLASH,  /* once more from the beginning */
    VERDICT_FAIL,
};

static enum verdict judge(const struct ota_client *client, int error)
{
    switch (error) {
    case OTA_E_SLOW:
        return VERDICT_SLOW;
    case OTA_E_FLASH:
        return VERDICT_FLASH;
    case OTA_E_GONE:
        return VERDICT_FAIL;
    case OTA_E_HTTP:
    case OTA_E_HTTP_RANGE:
    case OTA_E_TOO_LARGE:
    case OTA_E_SIZE:
        return VERDICT_STRIKE;
    case OTA_E_HTTP_STATUS:
        return client->status >= 500 || client->status == 408 || client->status == 429
                   ? VERDICT_AGAIN
                   : VERDICT_STRIKE;
    default:
        return VERDICT_AGAIN;
    }
}

static void firmware_failed(struct ota_client *client, int error)
{
    struct ota_update update;
    enum verdict verdict = judge(client, error);

    client->slow = (uint8_t)(client->slow + (verdict == VERDICT_SLOW));
    client->strikes = (uint8_t)(client->strikes + (verdict == VERDICT_STRIKE));
    if (verdict == VERDICT_FAIL || client->slow >= OTA_CLIENT_SLOW_MAX ||
        client->strikes >= OTA_CLIENT_STRIKES_MAX) {
        ota_client_update_load(client, &update);
        ota_client_update_end(client, &update, OTA_EVENT_FAILED, error);
    } else if (verdict == VERDICT_FLASH) {
        ota_client_update_load(client, &update);
        start_over(client, &update, 1, error);
    } else {
        try_again(client, error);
    }
}

static void firmware_end(struct ota_client *client, int error)
{
    if (error == OTA_E_CANCELLED)
        return; /* start_over() has said what comes next */
    bool came_on = client->position > client->before;
    if (came_on) {
        client->failures = 0;
        client->strikes = 0;
    }
    /* An orderly answer without a byte for us is as bad as none. */
    if (error == OTA_OK && !came_on)
        error = OTA_E_HTTP_RANGE;
    if (error != OTA_OK)
        firmware_failed(client, error);
}

const struct ota_client_kind ota_client_firmware_kind = {
    .head = firmware_head, .body = firmware_body, .end = firmware_end, .streams = true};
