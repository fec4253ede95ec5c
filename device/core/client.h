/*
 * The update client: a step function that polls, verifies, downloads, installs, confirms and
 * reports.
 *
 *     enrol --> poll --> verify manifest --> download ranges --> verify flash --> poll again
 *                ^                                                                   |
 *                |            confirm <-- self-test, poll <-- trial boot <-- reset <-+
 *                +---------------+
 *
 * Call ota_client_step() from the main loop: when the network has something new, and no later than
 * it asked for. It never blocks longer than one sector erase or one verification. No heap:
 * everything is in struct ota_client, which is the caller's. Not reentrant. Power may go at any
 * point: what must last is in the journal, and where a download stands is read from the flash that
 * it fills.
 *
 * Trial: after a boot of an unconfirmed image the client must reach the server (a verified
 * manifest) and config.self_test must return 1; only then it confirms. The deadline is
 * trial_ms_max.
 *
 * docs/device.md tells the states, and what is written to flash when.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_H
#define OTA_DEVICE_CORE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "device/core/journal.h"
#include "device/core/slots.h"
#include "device/port/platform.h"
#include "device/port/transport.h"
#include "protocol/manifest.h"
#include "protocol/report.h"

#define OTA_CLIENT_POLL_MS_DEFAULT 1800000U /* until a manifest says otherwise */
#define OTA_CLIENT_TRIAL_MS_DEFAULT 600000U /* a trial without a confirm */
#define OTA_CLIENT_RANGE_DEFAULT 65536U     /* bytes asked for at a time */
#define OTA_CLIENT_RATE_WINDOW_MS 60000U    /* over which the rate of a download is taken */
#define OTA_CLIENT_RATE_BYTES_MIN 2048U     /* in each such window, or the transfer is slow */
#define OTA_CLIENT_STALE_MS 86400000U       /* without a verified manifest: stale */
#define OTA_CLIENT_ANSWER_MS_MAX 30000U     /* an exchange that isn't a download */
#define OTA_CLIENT_BACKOFF_MS_MAX 900000U   /* between two tries of the same thing */
#define OTA_CLIENT_INSTALL_REPORT_MS 10000U /* to deliver reports before the reset */
#define OTA_CLIENT_STRIKES_MAX 3            /* broken answers for the firmware without progress */
#define OTA_CLIENT_SLOW_MAX 8               /* slow windows in a row */
#define OTA_CLIENT_RESTARTS_MAX 3           /* of one deployment's download from byte 0 */

#define OTA_CLIENT_POSTPONE_SECONDS_MAX 1209600U /* two weeks */

#define OTA_CLIENT_REPORTS 4      /* kept until the server has them */
#define OTA_CLIENT_REPORT_MAX 640 /* bytes of one, encoded */
#define OTA_CLIENT_LOG_MAX 240    /* bytes of log text kept in RAM for the reports */
#define OTA_CLIENT_CHUNK_LEN 512  /* bytes of a download taken and programmed at a time */
#define OTA_CLIENT_PATH_MAX 352   /* characters of a request's path and query */

struct ota_client_delta;
struct ota_out;

struct ota_client_config {
    const char *device_id;
    const char *product;
    const char *hardware;
    const char *token; /* provisioned device token, or NULL: the one in the journal, or enrol */
    const char *enrolment_key; /* NULL when the device is provisioned */
    bool certified; /* the transport shows a certificate that is the identity: no token needed */
    const uint8_t (*server_keys)[OTA_PUBLIC_KEY_LEN]; /* manifest keys */
    uint32_t server_key_count;
    struct ota_release_keys release_keys;

    /* Memory for patches (device/core/client_delta.h); NULL: whole images only. */
    struct ota_client_delta *delta;

    const struct ota_flash *flash;
    const struct ota_flash_map *map;
    const struct ota_platform *platform;
    const struct ota_transport *transport;
    const struct ota_boot_report *boot_report; /* goes into the log of the reports; may be NULL */

    /* The application's self-test, called during a trial until it returns 1 (fit) or a negative
     * error (unfit: revert at once); 0 is "not yet". NULL: reaching the server is the whole test.
     */
    int (*self_test)(void *ctx);
    void *self_test_ctx;

    /* 0 in any of these: the default above. */
    uint32_t poll_ms;
    uint32_t trial_ms_max; /* a trial without a confirm this long ends in a reset */
    uint32_t range_len;    /* bytes; UINT32_MAX asks for all that is missing at once */
    uint32_t rate_window_ms;
    uint32_t rate_bytes_min;

    /* How long to hold a poll open for news, as far as the server wants it: up to
     * OTA_WAIT_SECONDS_MAX. 0: never. Costs a connection that stays, and the radio that it needs.
     */
    uint32_t wait_seconds;
};

/* What the device's owner wishes, and where it is; all zero is nothing of it. */
struct ota_client_wishes {
    bool opt_out;               /* no updates at all */
    bool has_utc_offset;        /* the next is known: maintenance windows go by it */
    int16_t utc_offset_minutes; /* of local time, east of UTC: -1080 to 1080 */
    uint32_t postpone_seconds;  /* from now on no update is wanted for so long */
};

/* A report as the journal keeps it. */
struct ota_client_kept {
    uint32_t seq;
    char body[OTA_CLIENT_REPORT_MAX];
};

/* One piece of memory for what never lives at the same time: a request with the head of its answer,
 * and the body of the answer (a manifest, or a piece of firmware). */
union ota_client_work {
    struct {
        struct ota_http_request request;
        struct ota_http_response response;
        char path[OTA_CLIENT_PATH_MAX + 1];
        char token[OTA_DEVICE_TOKEN_MAX + 1];
        char etag[OTA_HTTP_ETAG_MAX + 1];
        struct ota_client_kept kept; /* its body is that of each request that has one */
    } ask;
    uint8_t answer[OTA_MANIFEST_MAX];
};

/* Private to device/core/client*.c; callers use the functions. Small fields first: a Cortex-M
 * reaches the first 32 bytes, and the words up to 124, by its short instructions. */
struct ota_client {
    uint8_t exchange;   /* enum client_exchange: the one under way */
    uint8_t boot_phase; /* enum ota_boot_phase */
    uint8_t action;     /* enum ota_action of the last verified manifest */
    bool headed;        /* the head of the answer came */
    bool halted;        /* reset was asked for */
    bool enrol;         /* the token is missing, or the server doesn't know it any more */
    bool verified;      /* a manifest was, since boot */
    bool stale;
    bool wanted;    /* the last manifest wants the download */
    bool located;   /* `position` and `erased` are known */
    bool patched;   /* the file that is fetched is a patch */
    bool ready;     /* verified in flash; waits for the manifest that says so again */
    bool fit;       /* the self-test has passed */
    bool resetting; /* waits for the reports to be delivered */
    uint8_t poll_failures;
    uint8_t report_failures;
    uint8_t failures; /* of the download, in a row */
    uint8_t strikes;
    uint8_t slow;
    uint8_t told_percent; /* last reported quarter, or UINT8_MAX */
    uint8_t told;         /* `action` when the wait under way began */
    uint8_t wait_failures;
    uint16_t wait_seconds; /* wanted by the server */
    int16_t status;
    uint16_t answer_len; /* bytes of work.answer in use */
    uint16_t log_len;

    const struct ota_client_config *config;
    uint32_t now_ms;
    uint32_t exchange_ms;         /* when it began */
    uint32_t retry_after_seconds; /* 0 for none */

    /* Download; the rest of it is in the journal's update record. */
    uint32_t image_len;
    uint32_t file_len;   /* bytes of the file that is fetched: the image, or a patch */
    uint32_t file_at;    /* byte of it that comes next in the answer under way */
    uint32_t position;   /* bytes in flash, a multiple of the flash's write_len or image_len */
    uint32_t erased;     /* sectors */
    uint32_t range_left; /* bytes still expected of this answer */
    uint32_t skip;       /* bytes of this answer that are in flash already */
    uint32_t before;     /* byte of the file that the exchange asked for first */
    uint32_t window_ms;
    uint32_t worked_ms;  /* when it was left with a patch to go on decoding; 0 for not */
    uint32_t window_len; /* bytes taken in this window */
    uint32_t download_due_ms;

    uint32_t poll_ms;
    uint32_t poll_due_ms;
    uint32_t wait_ms; /* of the wait under way */
    uint32_t wait_due_ms;
    uint32_t verified_ms;  /* when the last manifest was verified, or the boot */
    uint32_t trial_ms;     /* when it began */
    uint32_t reset_due_ms; /* when `resetting` */
    uint32_t report_due_ms;
    uint32_t seq;           /* of the last report */
    uint32_t sent_seq;      /* of the report under way, 0 when it is not a kept one */
    uint32_t seq_limit;     /* reserved in the journal up to here */
    uint32_t counter;       /* of the image that runs */
    uint32_t counter_floor; /* confirmed */
    uint64_t server_now; /* floor of the time of day: the highest `now` of a manifest, 0 for none */

    struct ota_client_wishes wishes;
    uint32_t postponed_ms; /* until then, if the wishes postpone */
    /* Puts the wishes into a poll's path; NULL as long as there were none. */
    void (*put_wishes)(struct ota_client *client, struct ota_out *path);

    uint32_t reports[OTA_CLIENT_REPORTS]; /* seq of each kept one, 0 for a free place */
    struct ota_version version;           /* of the image that runs */
    uint8_t hash[OTA_HASH_LEN];
    uint8_t nonce[OTA_NONCE_LEN];
    struct ota_journal journal;
    struct ota_flash_area slot;   /* where downloads go */
    uint32_t sector_len;          /* bytes: of the slots */
    char log[OTA_CLIENT_LOG_MAX]; /* lines joined by '|' */
    union ota_client_work work;
};

/* Read journal and slots, take note of how the last update went, and be ready to step. `config` is
 * kept. OTA_OK; OTA_E_FLASH when the journal can't be read, OTA_E_RANGE for a config that can't
 * work: then the client may not be stepped. */
int ota_client_init(struct ota_client *client, const struct ota_client_config *config,
                    uint32_t now_ms);

/* Do what is due. Returns milliseconds until it wants to be called again at the latest; it may be
 * called earlier, and should be when the network has something new. */
uint32_t ota_client_step(struct ota_client *client, uint32_t now_ms);

/* Poll at the next step. */
void ota_client_poll_now(struct ota_client *client);

/* Said with each poll, the next of which comes at once, and held to by the server: offers wait, and
 * a download under way is held or, after an opt-out, given up. Not kept over a reset: say it again.
 * OTA_OK, or OTA_E_RANGE and nothing changed. */
int ota_client_set_wishes(struct ota_client *client, const struct ota_client_wishes *wishes);

/* The application has counted bad events (crashes, resets by the watchdog) since it last told: a
 * rollout counts them against the release for a time after its confirm. The report is kept in the
 * journal until it is delivered, so count first and tell seldom. `reason` is a word of the
 * application's own ("watchdog") or "". OTA_OK; OTA_E_RANGE for events that are none or over
 * OTA_HEALTH_EVENTS_MAX, or a reason that is no word; OTA_E_MISSING when the image that runs is not
 * a confirmed one of a deployment: there is nobody to tell. */
int ota_client_report_health(struct ota_client *client, uint32_t events, const char *reason);

/* For an application's display and for tests. */
struct ota_client_status {
    bool enrolled;
    bool verified;       /* a manifest was verified since boot */
    bool stale;          /* none was for a day: the server is silent, or somebody stands between */
    bool trial;          /* the image that runs is not confirmed yet */
    bool idle;           /* verified, nothing to fetch, nothing to report, nothing under way */
    uint32_t position;   /* bytes of the download in flash */
    uint32_t image_len;  /* of the download, 0 for none */
    uint32_t failures;   /* polls in a row that failed */
    uint32_t reports;    /* waiting to be delivered */
    uint64_t server_now; /* seconds since 1970, not below; 0 for unknown */
};
void ota_client_status(const struct ota_client *client, struct ota_client_status *status);

#endif
