#include "protocol/report.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/fields.h"

static int take_event(struct ota_json *json, void *out)
{
    struct ota_text word;

    if (ota_json_string(json, &word) != OTA_OK)
        return json->error;
    for (enum ota_event event = OTA_EVENT_DOWNLOADING; event <= OTA_EVENT_LAST; event++) {
        if (ota_text_is(word, ota_event_name(event))) {
            *(enum ota_event *)out = event;
            return OTA_OK;
        }
    }
    return OTA_E_UNSUPPORTED;
}

static int take_percent(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 0, 100);
}

static int take_events(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 1, OTA_HEALTH_EVENTS_MAX);
}

static int take_fetched(struct ota_json *json, void *out)
{
    return ota_take_bounded(json, out, 0, UINT32_MAX);
}

static int take_reason(struct ota_json *json, void *out)
{
    struct ota_text *text = out;

    if (ota_json_string(json, text) != OTA_OK)
        return json->error;
    return text->len == 0 || ota_text_is_word(*text) ? OTA_OK : OTA_E_SYNTAX;
}

static int take_log(struct ota_json *json, void *out)
{
    struct ota_text *text = out;

    if (ota_json_string(json, text) != OTA_OK)
        return json->error;
    return text->len <= OTA_REPORT_LOG_MAX ? OTA_OK : OTA_E_RANGE;
}

/* The first FIELDS_REQUIRED of them stand in every report. */
static const struct ota_field report_fields[] = {
    {"deployment", ota_take_deployment, offsetof(struct ota_report, deployment)},
    {"seq", ota_take_integer, offsetof(struct ota_report, seq)},
    {"event", take_event, offsetof(struct ota_report, event)},
    {"version", ota_take_version, offsetof(struct ota_report, version)},
    {"hash", ota_take_hash, offsetof(struct ota_report, hash)},

    {"percent", take_percent, offsetof(struct ota_report, percent)},
    {"events", take_events, offsetof(struct ota_report, events)},
    {"reason", take_reason, offsetof(struct ota_report, reason)},
    {"log", take_log, offsetof(struct ota_report, log)},
    {"fetched", take_fetched, offsetof(struct ota_report, fetched)},
};
#define FIELDS_REQUIRED 5U
#define SEEN_PERCENT (1U << FIELDS_REQUIRED)
#define SEEN_EVENTS (1U << (FIELDS_REQUIRED + 1))

static bool is_complete(const struct ota_report *report, uint32_t seen)
{
    uint32_t required = (1U << FIELDS_REQUIRED) - 1;

    if (report->event == OTA_EVENT_DOWNLOADING)
        required |= SEEN_PERCENT;
    if (report->event == OTA_EVENT_HEALTH)
        required |= SEEN_EVENTS;
    if ((seen & required) != required)
        return false;
    return !ota_event_has_reason(report->event) || report->reason.len > 0;
}

static int parse(struct ota_report *report, const char *buf, size_t len)
{
    uint32_t seen;

    int error = ota_fields_read(buf, len, report_fields,
                                sizeof(report_fields) / sizeof(report_fields[0]), report, &seen);
    if (error != OTA_OK)
        return error;
    return is_complete(report, seen) ? OTA_OK : OTA_E_MISSING;
}

int ota_report_decode(struct ota_report *report, const char *buf, size_t len)
{
    memset(report, 0, sizeof(*report));
    if (len > OTA_REPORT_MAX)
        return OTA_E_TOO_LARGE;
    int error = parse(report, buf, len);
    if (error != OTA_OK)
        memset(report, 0, sizeof(*report));
    return error;
}
