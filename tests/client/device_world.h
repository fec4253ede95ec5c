/*
 * A device and its server in one process: the client over a simulated flash, the real bootloader at
 * each reset, and a server that is a struct ota_transport, with a real signing key. Time is a
 * counter that the loop moves on.
 *
 * The server behaves unless a test twists it: the manifest's fields before they are signed, the
 * envelope afterwards, or any answer on its way. It keeps books of all it was asked.
 */
#ifndef OTA_TESTS_DEVICE_WORLD_H
#define OTA_TESTS_DEVICE_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/boot/boot.h"
#include "device/core/client.h"
#include "device/core/client_delta.h"
#include "tests/powercut/flash_sim.h"
#include "tests/vectors/p256.h"

#define WORLD_DEVICE "dev-0001"
#define WORLD_PRODUCT "demo-hub"
#define WORLD_HARDWARE "stm32f407"
#define WORLD_TOKEN "otd_0123456789012345678901234567890123456789abc"
#define WORLD_ENROLMENT_KEY "ote_0123456789012345678901234567890123456789abc"

#define WORLD_BODY_LEN 10000U /* bytes: three sectors of the small flash */

#define WORLD_MINUTE_MS 60000U
#define WORLD_HOUR_MS (60U * WORLD_MINUTE_MS)
#define WORLD_DAY_MS (24U * WORLD_HOUR_MS)

#define WORLD_REPORTS_MAX 256
#define WORLD_LOG_MAX 16384

struct world_image {
    uint8_t *bytes;
    uint32_t len;
    struct ota_version version;
    uint32_t counter;
    uint8_t hash[OTA_HASH_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX];
    size_t der_len;
    char etag[OTA_HTTP_ETAG_MAX + 1];
    char url[OTA_URL_MAX + 1];
};

/* Build and sign one. `body_len` bytes of body, from `seed`. */
void world_image_make(struct world_image *image, const struct p256_key *release,
                      struct ota_version version, uint32_t counter, uint32_t body_len,
                      unsigned seed);
void world_image_free(struct world_image *image);

/* A patch that the manifest offers beside the image; a test makes it. */
struct world_patch {
    uint8_t *bytes;
    uint32_t len;
    uint8_t base_hash[OTA_HASH_LEN];
    char etag[OTA_HTTP_ETAG_MAX + 1];
    char url[OTA_URL_MAX + 1];
};

/* An answer on its way to the device. A twist may change all of it. */
struct world_answer {
    struct ota_http_response head;
    const uint8_t *body;
    uint64_t len;     /* bytes of body; beyond what `body` has it repeats when endless */
    bool endless;     /* never DONE */
    int refused;      /* this error instead of any answer */
    uint64_t cut_at;  /* OTA_E_TRANSPORT after so many bytes of body; WORLD_WHOLE */
    uint64_t stop_at; /* silence after so many bytes */
    bool silent;      /* no head ever comes */
    uint32_t byte_ms; /* so slow; 0 for at once */
};
#define WORLD_WHOLE UINT64_MAX

struct world_report {
    char deployment[OTA_DEPLOYMENT_MAX + 1];
    char reason[OTA_WORD_MAX + 1];
    char log[OTA_REPORT_LOG_MAX + 1];
    uint64_t seq;
    enum ota_event event;
    uint32_t percent;
    uint32_t events;
    uint32_t fetched;
    struct ota_version version;
};

struct world;

struct world_server {
    enum ota_action action;
    const char *deployment;
    const struct world_image *image;
    const struct world_patch *patch; /* NULL: none is offered */
    uint32_t poll_seconds;
    uint64_t now;
    bool pending;      /* 403 with Retry-After for the manifest */
    const char *token; /* the one that is believed */

    void (*twist_fields)(struct world *world, struct ota_manifest *manifest);
    const struct p256_key *sign_with; /* NULL: the server key */
    void (*twist_envelope)(struct world *world, char *envelope, size_t *len);
    void (*twist_answer)(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer);
    unsigned twist;         /* a number for the twists to go by */
    unsigned report_status; /* 0: 204 */

    /* Books. */
    unsigned requests;
    unsigned polls;
    unsigned enrolments;
    unsigned fetches;        /* of firmware */
    uint64_t firmware_taken; /* bytes of firmware that the device took */
    uint64_t patch_taken;    /* bytes of the patch, not among those */
    uint32_t poll_at[64];    /* when the last polls came, a ring by polls % 64 */
    struct world_report reports[WORLD_REPORTS_MAX];
    unsigned report_count;
    char envelope[OTA_MANIFEST_MAX + 64]; /* the last */
    char foreign[64];                     /* the first request that was none of ours, "" for none */

    /* The exchange under way. */
    struct world_answer answer;
    char body[OTA_MANIFEST_MAX + 4096];
    uint64_t sent;
    uint32_t begun_ms;
    bool active;
    bool headed;
    bool firmware;
    bool patched;
};

struct world {
    struct flash_sim sim;
    struct ota_platform platform;
    struct ota_transport transport;
    struct ota_client_config config;
    struct ota_boot_config boot;
    struct ota_boot_report boot_report;
    struct ota_client client;
    struct ota_client_delta delta; /* the client has it when config.delta says so */
    struct world_server server;

    struct p256_key release;
    struct p256_key release2;
    struct p256_key server_key;
    uint8_t release_points[1][OTA_PUBLIC_KEY_LEN];
    uint8_t server_points[1][OTA_PUBLIC_KEY_LEN];
    struct world_image old;   /* version 1.0.0, counter 5: what runs at first */
    struct world_image next;  /* version 1.1.0, counter 6 */
    struct world_image other; /* version 1.2.0, counter 6, as long as `next` */

    uint32_t now_ms;
    uint64_t random;
    bool random_fails;
    int fit; /* what the self-test says */
    bool reset_asked;
    unsigned resets;
    unsigned boots;
    unsigned dead;           /* boots that found nothing to start */
    size_t piece;            /* bytes that the transport gives at most at a time; 0: any */
    char log[WORLD_LOG_MAX]; /* of this boot and those before, a line each */
    size_t log_len;
    unsigned cuts_left; /* further power cuts, each up to cut_span operations after the last */
    unsigned cut_span;
    jmp_buf power_off;
};

/* Small: sectors of 4 KB, slots of 24 KB. */
extern const struct flash_geometry world_small;
/* STM32F407: sectors of 128 KB, slots of 384 KB. */
extern const struct flash_geometry world_f407;

/* A new device that runs `old`; the server offers `next` as deployment "42". Not yet booted. */
struct world *world_new(const struct flash_geometry *geometry, uint32_t body_len);
void world_free(struct world *world);
/* The same again: flash, books, server and time as after world_new(). */
void world_restart(struct world *world);

/* For a group of tests: *state is a world of the small flash, fresh for each test by world_fresh().
 */
int world_setup(void **state);
int world_teardown(void **state);
struct world *world_fresh(void **state);

/* Power on: bootloader, then the client's init. */
void world_boot(struct world *world);

/* Live for at most `ms` of the world's time, booting at each reset and after each power cut, until
 * `until` says so. Returns what `until` said last. */
bool world_run(struct world *world, bool (*until)(struct world *world), uint32_t ms);

/* From power on until it is idle. */
bool world_live_through(struct world *world, uint32_t ms);
/* Plan the next of world->cuts_left. */
void world_next_cut(struct world *world);

bool world_never(struct world *world);
bool world_idle(struct world *world);
bool world_reset_asked(struct world *world);

/* The n-th report of `event` (any deployment), NULL for none. */
const struct world_report *world_report_of(const struct world *world, enum ota_event event,
                                           unsigned n);
unsigned world_count(const struct world *world, enum ota_event event);

/* Erases of the slots' sectors since the world began. */
unsigned world_slot_erases(const struct world *world);
/* Boot and live until `next` is confirmed and all is told. */
void world_update(struct world *world);
void world_assert_updated(struct world *world);
bool world_runs(const struct world *world, const struct world_image *image);

#endif
