#include "device/core/client_update.h"

#include <string.h>

#include "device/core/client_log.h"
#include "device/core/client_report.h"
#include "protocol/error.h"

_Static_assert(sizeof(struct ota_update) == 332, "no padding on flash");

void ota_client_update_load(struct ota_client *client, struct ota_update *update)
{
    int len = ota_journal_read(&client->journal, OTA_RECORD_UPDATE, update, sizeof *update);

    if (len != (int)sizeof *update || update->layout != OTA_UPDATE_LAYOUT)
        memset(update, 0, sizeof *update);
}

int ota_client_update_store(struct ota_client *client, const struct ota_update *update)
{
    int error = ota_journal_write(&client->journal, OTA_RECORD_UPDATE, update, sizeof *update);

    if (error != OTA_OK)
        ota_client_log_error(client, "update record", error);
    return error;
}

void ota_client_update_copy(char *to, struct ota_text from)
{
    memcpy(to, from.at, from.len);
    to[from.len] = '\0';
}

/* The report first: when power goes between the two, it is made twice, and never lost. */
void ota_client_update_end(struct ota_client *client, struct ota_update *update,
                           enum ota_event event, int reason)
{
    const char *word = "";

    if (ota_event_has_reason(event)) {
        word = ota_error_name(reason);
        ota_client_log_error(client, ota_event_name(event), reason);
    } else {
        ota_client_log_number(client, ota_event_name(event), client->counter);
    }
    (void)ota_client_report(client, update, event, 0, word);
    update->stage = OTA_UPDATE_ENDED;
    (void)ota_client_update_store(client, update);
    client->wanted = false;
    client->ready = false;
    client->image_len = 0;
}
