/*
 * What the device's owner wishes, and where it is. An application that never says links none of it:
 * the polls find it by client->put_wishes.
 */
#include "device/core/client.h"
#include "protocol/error.h"
#include "protocol/out.h"

/* Into the path of a poll. */
static void put_wishes(struct ota_client *client, struct ota_out *path)
{
    struct ota_client_wishes *wishes = &client->wishes;
    int32_t left_ms = (int32_t)(client->postponed_ms - client->now_ms);

    if (left_ms <= 0)
        wishes->postpone_seconds = 0;
    if (wishes->opt_out)
        ota_out_put(path, "&opt_out=1");
    if (wishes->postpone_seconds != 0)
        ota_out_put_number(path, "&postpone=", ((uint32_t)left_ms + 999U) / 1000U);
    if (wishes->has_utc_offset) {
        int minutes = wishes->utc_offset_minutes;

        ota_out_put_number(path, minutes < 0 ? "&utc_offset=-" : "&utc_offset=",
                           (uint32_t)(minutes < 0 ? -minutes : minutes));
    }
}

int ota_client_set_wishes(struct ota_client *client, const struct ota_client_wishes *wishes)
{
    int minutes = wishes->has_utc_offset ? wishes->utc_offset_minutes : 0;

    if (wishes->postpone_seconds > OTA_CLIENT_POSTPONE_SECONDS_MAX ||
        minutes > OTA_UTC_OFFSET_MAX || minutes < -OTA_UTC_OFFSET_MAX)
        return OTA_E_RANGE;
    client->wishes = *wishes;
    client->postponed_ms = client->now_ms + wishes->postpone_seconds * 1000U;
    client->put_wishes = put_wishes;
    ota_client_poll_now(client);
    return OTA_OK;
}
