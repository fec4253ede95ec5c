#include "device/core/client_trial.h"

#include <string.h>

#include "device/core/client_log.h"
#include "device/core/client_report.h"
#include "device/core/client_update.h"
#include "protocol/error.h"

void ota_client_reset(struct ota_client *client)
{
    client->halted = true;
    client->config->platform->reset(client->config->platform->ctx);
}

static bool runs(const struct ota_client *client, const struct ota_update *update)
{
    return memcmp(client->hash, update->hash, OTA_HASH_LEN) == 0;
}

static bool is_open(const struct ota_update *update)
{
    return update->stage == OTA_UPDATE_ACTIVE || update->stage == OTA_UPDATE_TRIAL;
}

/* Once a deployment, however many boots its trial takes. */
static void report_trial(struct ota_client *client, struct ota_update *update)
{
    if (update->stage != OTA_UPDATE_ACTIVE || !runs(client, update))
        return;
    (void)ota_client_report(client, update, OTA_EVENT_TRIAL, 0, "");
    update->stage = OTA_UPDATE_TRIAL;
    (void)ota_client_update_store(client, update);
}

/* The report before the acknowledgement: power may go between them. */
static int take_note(struct ota_client *client, struct ota_update *update, enum ota_event event,
                     int reason)
{
    if (is_open(update))
        ota_client_update_end(client, update, event, reason);
    client->boot_phase = OTA_BOOT_IDLE;
    return ota_slots_acknowledge(&client->journal);
}

int ota_client_trial_init(struct ota_client *client)
{
    struct ota_boot_record boot;
    struct ota_update update;

    int error = ota_slots_load(&client->journal, &boot);
    if (error != OTA_OK)
        return error;
    client->boot_phase = boot.phase;
    client->counter_floor = boot.counter;
    ota_client_update_load(client, &update);

    switch ((enum ota_boot_phase)boot.phase) {
    case OTA_BOOT_TRIAL:
        client->trial_ms = client->now_ms;
        report_trial(client, &update);
        break;
    case OTA_BOOT_REVERTED:
        return take_note(client, &update, OTA_EVENT_REVERTED,
                         boot.error != OTA_OK ? boot.error : OTA_E_NOT_CONFIRMED);
    case OTA_BOOT_REFUSED:
        return take_note(client, &update, OTA_EVENT_FAILED,
                         boot.error != OTA_OK ? boot.error : OTA_E_STATE);
    case OTA_BOOT_IDLE:
        /* Confirmed, and the power went before that could be reported. */
        if (is_open(&update) && runs(client, &update))
            ota_client_update_end(client, &update, OTA_EVENT_CONFIRMED, OTA_OK);
        break;
    case OTA_BOOT_REQUESTED:
    case OTA_BOOT_SWAPPING:
    case OTA_BOOT_REVERTING:
        break; /* the bootloader's business, at the next reset */
    }
    return OTA_OK;
}

static void confirm(struct ota_client *client)
{
    struct ota_update update;

    int error = ota_slots_confirm(&client->journal);
    if (error != OTA_OK) {
        ota_client_log_error(client, "confirm", error);
        client->verified = false; /* try again after the next manifest */
        return;
    }
    client->boot_phase = OTA_BOOT_IDLE;
    if (client->counter > client->counter_floor)
        client->counter_floor = client->counter;
    ota_client_update_load(client, &update);
    if (is_open(&update) && runs(client, &update))
        ota_client_update_end(client, &update, OTA_EVENT_CONFIRMED, OTA_OK);
    else
        ota_client_log_number(client, "confirmed, counter", client->counter);
}

static void reject(struct ota_client *client, int error)
{
    ota_client_log_error(client, "trial", error);
    (void)ota_slots_reject(&client->journal, error);
    ota_client_reset(client);
}

void ota_client_trial_step(struct ota_client *client)
{
    const struct ota_client_config *config = client->config;
    uint32_t max_ms =
        config->trial_ms_max != 0 ? config->trial_ms_max : OTA_CLIENT_TRIAL_MS_DEFAULT;

    if (!client->fit) {
        int result = config->self_test != NULL ? config->self_test(config->self_test_ctx) : 1;
        if (result < 0) {
            reject(client, OTA_E_SELF_TEST);
            return;
        }
        client->fit = result > 0;
    }
    if (client->fit && client->verified) {
        confirm(client);
    } else if (client->now_ms - client->trial_ms >= max_ms) {
        ota_client_log_error(client, "trial", OTA_E_TIMEOUT);
        ota_client_reset(client);
    }
}
