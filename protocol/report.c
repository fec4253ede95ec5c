#include "protocol/report.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/fields.h"
#include "protocol/json.h"

static int parse_event(void *out, struct ota_text word)
{
    for (enum ota_event event = OTA_EVENT_DOWNLOADING; event <= OTA_EVENT_LAST; event++) {
        if (ota_text_is(word, ota_event_name(event))) {
            *(enum ota_event *)out = event;
            return OTA_OK;
        }
    }
    return OTA_E_UNSUPPORTED;
}

static bool is_reason(struct ota_text text)
{
    return text.len == 0 || ota_text_is_word(text);
}

static int parse_log(void *out, struct ota_text text)
{
    *(struct ota_text *)out = text;
    return text.len <= OTA_REPORT_LOG_MAX ? OTA_OK : OTA_E_RANGE;
}

static const struct ota_bounds percent_bounds = {0, 100};
static const struct ota_bounds events_bounds = {1, OTA_HEALTH_EVENTS_MAX};
static const struct ota_bounds fetched_bounds = {0, UINT32_MAX};

/* The first FIELDS_REQUIRED of them stand in every report. */
#define AT(member) offsetof(struct ota_report, member)
static const struct ota_field report_fields[] = {
    OTA_FIELD_TEXT("deployment", AT(deployment), ota_text_is_deployment),
    OTA_FIELD_INTEGER("seq", AT(seq)),
    OTA_FIELD_PARSED("event", AT(event), parse_event),
    OTA_FIELD_PARSED("version", AT(version), ota_parse_version),
    OTA_FIELD_PARSED("hash", AT(hash), ota_parse_hash),

    OTA_FIELD_NUMBER("percent", AT(percent), percent_bounds),
    OTA_FIELD_NUMBER("events", AT(events), events_bounds),
    OTA_FIELD_TEXT("reason", AT(reason), is_reason),
    OTA_FIELD_PARSED("log", AT(log), parse_log),
    OTA_FIELD_NUMBER("fetched", AT(fetched), fetched_bounds),
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
    struct ota_json json;

    int error = ota_json_read(&json, buf, len, report_fields,
                              sizeof(report_fields) / sizeof(report_fields[0]), report);
    if (error != OTA_OK)
        return error;
    return is_complete(report, json.seen) ? OTA_OK : OTA_E_MISSING;
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
