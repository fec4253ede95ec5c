#include "protocol/error.h"
#include "protocol/json.h"
#include "protocol/report.h"

const char *ota_event_name(enum ota_event event)
{
    switch (event) {
    case OTA_EVENT_DOWNLOADING:
        return "downloading";
    case OTA_EVENT_INSTALLED:
        return "installed";
    case OTA_EVENT_TRIAL:
        return "trial";
    case OTA_EVENT_CONFIRMED:
        return "confirmed";
    case OTA_EVENT_REVERTED:
        return "reverted";
    case OTA_EVENT_FAILED:
        return "failed";
    case OTA_EVENT_HEALTH:
        return "health";
    default:
        return NULL;
    }
}

bool ota_event_has_reason(enum ota_event event)
{
    return event == OTA_EVENT_REVERTED || event == OTA_EVENT_FAILED;
}

/* What the decoder would refuse is not written. */
static bool is_valid(const struct ota_report *report)
{
    if (!ota_text_is_deployment(report->deployment) || report->seq > OTA_JSON_INT_MAX ||
        ota_event_name(report->event) == NULL || report->log.len > OTA_REPORT_LOG_MAX)
        return false;
    if (report->event == OTA_EVENT_DOWNLOADING && report->percent > 100)
        return false;
    if (report->event == OTA_EVENT_HEALTH &&
        (report->events < 1 || report->events > OTA_HEALTH_EVENTS_MAX))
        return false;
    if (report->reason.len == 0)
        return !ota_event_has_reason(report->event);
    return ota_text_is_word(report->reason);
}

int ota_report_encode(const struct ota_report *report, char *buf, size_t cap)
{
    struct ota_out out;

    if (!is_valid(report))
        return OTA_E_RANGE;
    ota_out_open(&out, buf, cap);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_text(&out, "deployment", report->deployment);
    ota_json_out_integer(&out, "seq", report->seq);
    ota_json_out_text(&out, "event", ota_text_of(ota_event_name(report->event)));
    if (report->event == OTA_EVENT_DOWNLOADING)
        ota_json_out_integer(&out, "percent", report->percent);
    if (report->event == OTA_EVENT_HEALTH)
        ota_json_out_integer(&out, "events", report->events);
    if (report->event == OTA_EVENT_INSTALLED && report->fetched > 0)
        ota_json_out_integer(&out, "fetched", report->fetched);
    ota_json_out_version(&out, "version", &report->version);
    ota_json_out_hex(&out, "hash", report->hash, OTA_HASH_LEN);
    if (report->reason.len > 0)
        ota_json_out_text(&out, "reason", report->reason);
    if (report->log.len > 0)
        ota_json_out_text(&out, "log", report->log);
    ota_json_out_close(&out, '}');
    return ota_out_end(&out);
}
