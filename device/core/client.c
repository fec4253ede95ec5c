#include "device/core/client.h"

#include <string.h>

#include "device/core/client_download.h"
#include "device/core/client_exchange.h"
#include "device/core/client_log.h"
#include "device/core/client_poll.h"
#include "device/core/client_report.h"
#include "device/core/client_trial.h"
#include "device/core/client_update.h"
#include "device/core/client_wait.h"
#include "protocol/error.h"

#define STEP_MS_MAX 60000U /* stale and trial are looked at that often, whatever else is due */
#define SELF_TEST_MS 1000U /* a self-test that is not over is asked again that often */

static bool is_usable(const struct ota_client_config *config)
{
    return ota_text_is_device_id(ota_text_of(config->device_id)) &&
           ota_text_is_name(ota_text_of(config->product)) &&
           ota_text_is_name(ota_text_of(config->hardware)) && config->server_key_count > 0 &&
           config->release_keys.count > 0;
}

/* What runs; zero when the primary holds no image that says so. */
static void read_running(struct ota_client *client)
{
    const struct ota_flash_area *primary = &client->config->map->primary;
    struct ota_image_info info;

    int error = ota_slots_inspect(client->config->flash, primary->addr, primary->len, &info);
    if (error != OTA_OK) {
        ota_client_log_error(client, "running image", error);
        return;
    }
    client->version = info.header.version;
    client->counter = info.counter;
    memcpy(client->hash, info.hash, OTA_HASH_LEN);
}

/* What the bootloader did and why. No-init RAM may hold anything. */
static void log_boot(struct ota_client *client)
{
    const struct ota_boot_report *report = client->config->boot_report;

    if (report == NULL || report->magic != OTA_BOOT_REPORT_MAGIC)
        return;
    ota_client_log_number(client, "boot phase", report->phase);
    if (report->error != OTA_OK)
        ota_client_log_error(client, "boot", report->error);
}

int ota_client_init(struct ota_client *client, const struct ota_client_config *config,
                    uint32_t now_ms)
{
    memset(client, 0, sizeof *client);
    if (!is_usable(config))
        return OTA_E_RANGE;
    client->config = config;
    client->now_ms = now_ms;
    client->poll_ms = config->poll_ms != 0 ? config->poll_ms : OTA_CLIENT_POLL_MS_DEFAULT;
    client->slot = ota_slots_download_area(config->flash, config->map);
    client->sector_len = config->flash->sector_len(config->flash->ctx, client->slot.addr);
    log_boot(client);
    int error = ota_journal_mount(&client->journal, config->flash, config->map);
    if (error != OTA_OK)
        return error;
    read_running(client);
    client->enrol = ota_client_token(client) == NULL && !config->certified;
    if (client->enrol && config->enrolment_key == NULL)
        return OTA_E_RANGE;
    error = ota_client_report_init(client);
    if (error == OTA_OK)
        error = ota_client_trial_init(client);
    ota_client_poll_init(client);
    return error;
}

/* The daily proof that the server is there and is ours. */
static void watch_freshness(struct ota_client *client)
{
    if (!client->stale && client->now_ms - client->verified_ms >= OTA_CLIENT_STALE_MS) {
        client->stale = true;
        ota_client_log_error(client, "stale, no manifest for a day", OTA_E_TIMEOUT);
    }
}

/* What is to be begun now, NULL for nothing, and in how many milliseconds to look again. */
struct next {
    void (*begin)(struct ota_client *client);
    uint32_t wait_ms;
};

static void consider(const struct ota_client *client, struct next *next, uint32_t due_ms,
                     void (*begin)(struct ota_client *client))
{
    uint32_t left_ms = ota_client_is_due(client, due_ms) ? 0 : due_ms - client->now_ms;

    if (left_ms == 0 && next->begin == NULL)
        next->begin = begin;
    if (left_ms < next->wait_ms)
        next->wait_ms = left_ms;
}

/* The most pressing first. */
static struct next find_next(const struct ota_client *client)
{
    struct next next = {NULL, STEP_MS_MAX};
    bool reports = ota_client_report_count(client) > 0;

    if (client->boot_phase == OTA_BOOT_TRIAL)
        consider(client, &next, client->now_ms + SELF_TEST_MS, NULL);
    if (client->resetting)
        consider(client, &next, reports ? client->reset_due_ms : client->now_ms, ota_client_reset);
    if (client->enrol) {
        consider(client, &next, client->poll_due_ms, ota_client_enrol);
        return next;
    }
    if (reports)
        consider(client, &next, client->report_due_ms, ota_client_report_send);
    if (client->resetting)
        return next;
    consider(client, &next, client->poll_due_ms, ota_client_poll);
    if (client->wanted && !client->ready)
        consider(client, &next, client->download_due_ms, ota_client_download_step);
    if (!reports && !client->wanted && ota_client_may_wait(client))
        consider(client, &next, client->wait_due_ms, ota_client_wait);
    return next;
}

uint32_t ota_client_step(struct ota_client *client, uint32_t now_ms)
{
    client->now_ms = now_ms;
    if (!client->halted) {
        watch_freshness(client);
        if (client->boot_phase == OTA_BOOT_TRIAL)
            ota_client_trial_step(client);
    }
    if (client->halted)
        return STEP_MS_MAX;
    struct next next = find_next(client);
    if (client->exchange == EXCHANGE_WAIT && !client->headed && next.begin != NULL &&
        next.begin != ota_client_wait)
        ota_client_cancel(client); /* it stands in the way */
    if (client->exchange != EXCHANGE_NONE)
        return ota_client_advance(client);
    if (next.begin == NULL)
        return next.wait_ms;
    next.begin(client);
    return 0; /* to what follows from it */
}

void ota_client_poll_now(struct ota_client *client)
{
    client->poll_due_ms = client->now_ms;
}

int ota_client_report_health(struct ota_client *client, uint32_t events, const char *reason)
{
    struct ota_text word = ota_text_of(reason);
    struct ota_update update;

    if (events == 0 || events > OTA_HEALTH_EVENTS_MAX || (word.len != 0 && !ota_text_is_word(word)))
        return OTA_E_RANGE;
    ota_client_update_load(client, &update);
    if (update.stage != OTA_UPDATE_ENDED || client->boot_phase == OTA_BOOT_TRIAL ||
        memcmp(update.hash, client->hash, OTA_HASH_LEN) != 0)
        return OTA_E_MISSING;
    return ota_client_report(client, &update, OTA_EVENT_HEALTH, events, reason);
}

void ota_client_status(const struct ota_client *client, struct ota_client_status *status)
{
    *status = (struct ota_client_status){
        .enrolled = !client->enrol,
        .verified = client->verified,
        .stale = client->stale,
        .trial = client->boot_phase == OTA_BOOT_TRIAL,
        .position = client->position,
        .image_len = client->image_len,
        .failures = client->poll_failures,
        .reports = ota_client_report_count(client),
        .server_now = client->server_now,
    };
    status->idle = status->verified && !status->trial && !client->wanted && !client->resetting &&
                   status->reports == 0 &&
                   (client->exchange == EXCHANGE_NONE || client->exchange == EXCHANGE_WAIT);
}
