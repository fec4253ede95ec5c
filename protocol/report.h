/*
 * What a device tells the server about a deployment: one JSON object a POST.
 *
 * Idempotent by (deployment, seq): seq rises by one with every report a device ever makes and is
 * kept across resets. SPEC.md, "Report".
 */
#ifndef OTA_PROTOCOL_REPORT_H
#define OTA_PROTOCOL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"
#include "protocol/text.h"
#include "protocol/version.h"

enum ota_event {
    OTA_EVENT_DOWNLOADING = 1, /* percent tells how far */
    OTA_EVENT_INSTALLED,       /* verified in the spare slot; about to reboot */
    OTA_EVENT_TRIAL,           /* the new image runs, not yet confirmed */
    OTA_EVENT_CONFIRMED,       /* final: the new image is confirmed */
    OTA_EVENT_REVERTED,        /* final: the old image runs again; reason says why */
    OTA_EVENT_FAILED,          /* final: given up before a boot; reason says why */
    OTA_EVENT_HEALTH,          /* after a confirm: the application misbehaved `events` times */
};
#define OTA_EVENT_LAST OTA_EVENT_HEALTH

/* The wire word ("downloading", ...), NULL for a value that is none. */
const char *ota_event_name(enum ota_event event);
/* REVERTED and FAILED: `reason` must be given. */
bool ota_event_has_reason(enum ota_event event);

struct ota_report {
    struct ota_text deployment;
    uint64_t seq;
    enum ota_event event;
    uint32_t percent; /* DOWNLOADING: 0 to 100 */
    uint32_t fetched; /* INSTALLED: bytes of the patch that the image was made from; else 0 */
    struct ota_version version; /* running now */
    uint8_t hash[OTA_HASH_LEN]; /* image hash running now */
    uint32_t events;            /* HEALTH: 1 to OTA_HEALTH_EVENTS_MAX crashes, watchdog resets... */
    struct ota_text reason; /* REVERTED and FAILED: a word of ota_error_name(); DOWNLOADING: one,
                               why a patch was given up, or empty; HEALTH: one of the
                               application's, or empty. The decoder takes any
                               ota_text_is_word() of newer devices */
    struct ota_text log;    /* lines joined by '|' on the wire; may be empty */
};

/* report_encode.c. Bytes written, OTA_E_NO_SPACE, or OTA_E_RANGE for a report that the decoder
 * would refuse. In the log, characters outside the JSON subset become '?'. */
int ota_report_encode(const struct ota_report *report, char *buf, size_t cap);
/* report.c. OTA_OK, or a negative error and *report is all zero; strings point into buf.
 * OTA_E_UNSUPPORTED for an event that is none of ours. */
int ota_report_decode(struct ota_report *report, const char *buf, size_t len);

#endif
