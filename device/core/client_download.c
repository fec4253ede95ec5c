#include "device/core/client_download.h"

#include <string.h>

#include "device/core/client_delta.h"
#include "device/core/client_fetch.h"
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

    for (uint32_t i = 0; i < keys->count; i++) {
        ota_client_feed(client);
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
    if (manifest->image_len < OTA_IMAGE_HEADER_LEN || manifest->image_len > client->slot.len)
        return OTA_E_SIZE;
    return is_released(client, manifest) ? OTA_OK : OTA_E_SIGNATURE;
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
    ota_client_update_copy(update->deployment, manifest->deployment);
    update->file_len = manifest->image_len;
    ota_client_update_copy(update->url, manifest->url);
}

/* Rather the patch that the manifest names, if we can use it. */
static void choose_file(struct ota_client *client, struct ota_update *update,
                        const struct ota_manifest *manifest)
{
    if (client->config->delta != NULL && manifest->delta.url.len > 0)
        client->config->delta->use->choose(client, update, &manifest->delta);
}

static int forget_patch(struct ota_client *client)
{
    return client->config->delta != NULL ? client->config->delta->use->forget(client) : OTA_OK;
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

static int forget_bytes(struct ota_client *client)
{
    client->ready = false;
    client->located = false;
    int error = ota_client_slot_forget(client);
    return error == OTA_OK ? forget_patch(client) : error;
}

static bool is_known(const struct ota_update *update, const struct ota_manifest *manifest)
{
    return update->stage != OTA_UPDATE_NONE &&
           ota_text_is(manifest->deployment, update->deployment);
}

/* Take up a deployment in the place of *update. One that names the image which is half here already
 * keeps the bytes. */
static int take_up(struct ota_client *client, struct ota_update *update,
                   const struct ota_manifest *manifest)
{
    struct ota_update old = *update;
    bool keep = is_same_image(&old, manifest);
    int error = OTA_OK;

    fill_update(update, manifest);
    if (!is_known(&old, manifest) || old.file != OTA_UPDATE_REFUSED)
        choose_file(client, update, manifest);
    if (!keep)
        error = forget_bytes(client);
    else if (strcmp(update->url, old.url) != 0)
        error = forget_patch(client);
    else
        memcpy(update->etag, old.etag, sizeof update->etag);
    if (error != OTA_OK)
        return error;
    if (keep)
        update->restarts = old.restarts;
    forget_tries(client);
    return ota_client_update_store(client, update);
}

/* The report first: when power goes between the two, it is made twice, and never lost. */
static void install(struct ota_client *client, struct ota_update *update)
{
    ota_client_log_number(client, "install, counter", update->counter);
    (void)ota_client_report(client, update, OTA_EVENT_INSTALLED,
                            update->file == OTA_UPDATE_PATCH ? update->file_len : 0, "");
    int error =
        ota_slots_request_install(&client->journal, update->counter, update->hash, client->hash);
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
    client->file_len = update->file_len;
    client->patched = update->file == OTA_UPDATE_PATCH;
    client->wanted = true;
    if (client->ready)
        install(client, update);
}

int ota_client_download_offer(struct ota_client *client, const struct ota_manifest *manifest)
{
    struct ota_update update;

    ota_client_update_load(client, &update);
    bool known = is_known(&update, manifest);
    if (known && update.stage != OTA_UPDATE_ACTIVE)
        return OTA_OK;

    int error = check_offer(client, manifest);
    if (error != OTA_OK) {
        fill_update(&update, manifest);
        ota_client_update_end(client, &update, OTA_EVENT_FAILED, error);
        return error;
    }
    if (!known || !is_same_image(&update, manifest) || update.file == OTA_UPDATE_REFUSED) {
        error = take_up(client, &update, manifest);
        if (error != OTA_OK)
            return error;
    }
    if (memcmp(manifest->hash, client->hash, OTA_HASH_LEN) == 0)
        ota_client_update_end(client, &update, OTA_EVENT_CONFIRMED, OTA_OK);
    else
        go_on(client, &update);
    return OTA_OK;
}

void ota_client_download_cancel(struct ota_client *client, struct ota_text deployment)
{
    struct ota_update update;

    ota_client_update_load(client, &update);
    if (update.stage == OTA_UPDATE_NONE || !ota_text_is(deployment, update.deployment)) {
        /* Withdrawn before we heard of it: say so once, and remember. */
        memset(&update, 0, sizeof update);
        update.layout = OTA_UPDATE_LAYOUT;
        ota_client_update_copy(update.deployment, deployment);
    } else if (update.stage != OTA_UPDATE_ACTIVE) {
        return;
    }
    ota_client_update_end(client, &update, OTA_EVENT_FAILED, OTA_E_CANCELLED);
}

/* ---- the next piece ---- */

/* In 32 bits: of images beyond 42 MB a little less than exact. */
uint32_t ota_client_download_percent(const struct ota_client *client)
{
    if (client->image_len > UINT32_MAX / 100)
        return client->position / (client->image_len / 100);
    return client->position * 100 / client->image_len;
}

void ota_client_download_start_over(struct ota_client *client, struct ota_update *update,
                                    unsigned tries, int reason)
{
    if (update->restarts >= tries || forget_bytes(client) != OTA_OK) {
        ota_client_update_end(client, update, OTA_EVENT_FAILED, reason);
        return;
    }
    ota_client_log_error(client, "download from 0", reason);
    update->restarts++;
    update->etag[0] = '\0';
    if (ota_client_update_store(client, update) != OTA_OK)
        ota_client_update_end(client, update, OTA_EVENT_FAILED, OTA_E_FLASH);
}

static void verify(struct ota_client *client, struct ota_update *update)
{
    bool bytes_wrong;
    int error = ota_client_slot_verify(client, update, &bytes_wrong);

    if (error == OTA_OK) {
        ota_client_log_number(client, "verified, bytes", update->image_len);
        client->ready = true;
        client->poll_due_ms = client->now_ms; /* does the server still want it? */
    } else if (bytes_wrong && client->patched && forget_bytes(client) == OTA_OK) {
        client->config->delta->use->detour(client, update, error);
    } else if (bytes_wrong) {
        ota_client_download_start_over(client, update, 1, error);
    } else {
        ota_client_update_end(client, update, OTA_EVENT_FAILED, error);
    }
}

static int locate(struct ota_client *client, const struct ota_update *update)
{
    if (!client->located) {
        int error = ota_client_slot_locate(client, update->image_len);
        if (error != OTA_OK)
            return error;
        if (client->position > 0)
            ota_client_log_number(client, "download goes on at", client->position);
    }
    if (client->patched && !client->config->delta->open)
        client->config->delta->use->open(client);
    return OTA_OK;
}

void ota_client_download_step(struct ota_client *client)
{
    struct ota_update update;

    ota_client_update_load(client, &update);
    if (update.stage != OTA_UPDATE_ACTIVE) {
        client->wanted = false; /* its record rotted; the next manifest brings it back */
        return;
    }
    if (update.file == OTA_UPDATE_REFUSED) {
        client->download_due_ms = client->poll_due_ms; /* the manifest comes first */
        return;
    }
    int error = locate(client, &update);
    if (error != OTA_OK) {
        ota_client_download_start_over(client, &update, 1, error);
        return;
    }
    uint32_t percent = ota_client_download_percent(client);
    uint8_t quarter = (uint8_t)(percent / PERCENT_STEP);
    if (client->position == update.image_len) {
        verify(client, &update);
    } else if (quarter != client->told_percent) {
        client->told_percent = quarter;
        ota_client_report_progress(client, &update, percent);
    } else {
        ota_client_fetch(client, &update);
    }
}
