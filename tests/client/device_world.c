#include "tests/client/device_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/core/slots.h"
#include "protocol/error.h"
#include "protocol/image.h"
#include "tests/support/support.h"

#define HEADER_LEN 512U
#define POLL_SECONDS 60U
#define NOW 1750000000U

const struct flash_geometry world_small = {
    .name = "small",
    .journal_sector_len = 8192,
    .slot_sector_len = 4096,
    .slot_sectors = 6,
    .write_len = 4,
    .erase_us = 100000,
    .program_us = 100,
};

const struct flash_geometry world_f407 = {
    .name = "STM32F407",
    .journal_sector_len = 16384,
    .slot_sector_len = 131072,
    .slot_sectors = 3,
    .write_len = 4,
    .erase_us = 2000000,
    .program_us = 100,
};

/* ---- images ---- */

/* A byte that no other place of any body tells. */
static uint8_t noise(uint32_t place, unsigned seed)
{
    uint32_t mixed = (place + 1) * 2654435761U ^ seed * 0x9e3779b9U;

    mixed = (mixed ^ mixed >> 15) * 0x2c1b3c6dU;
    mixed = (mixed ^ mixed >> 12) * 0x297a2d39U;
    return (uint8_t)(mixed >> 24);
}

void world_image_make(struct world_image *image, const struct p256_key *release,
                      struct ota_version version, uint32_t counter, uint32_t body_len,
                      unsigned seed)
{
    const struct ota_image_fields fields = {
        .header_len = HEADER_LEN,
        .body_len = body_len,
        .version = version,
        .counter = counter,
        .product = ota_text_of(WORLD_PRODUCT),
        .hardware = ota_text_of(WORLD_HARDWARE),
    };
    size_t cap = HEADER_LEN + body_len + OTA_IMAGE_TLV_MAX;
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];

    *image = (struct world_image){.version = version, .counter = counter};
    image->bytes = malloc(cap);
    assert_non_null(image->bytes);
    uint8_t *at = image->bytes + ota_image_encode_header(&fields, image->bytes, cap);
    for (uint32_t i = 0; i < body_len; i++)
        *at++ = noise(i, seed);
    at += ota_image_encode_protected(&fields, at, OTA_IMAGE_TLV_MAX);
    p256_sha256(image->bytes, (size_t)(at - image->bytes), image->hash);
    p256_sign(release, image->hash, sig);
    image->der_len = p256_der(sig, image->der);
    at += ota_image_encode_unprotected(image->hash, release->key_hash, image->der, image->der_len,
                                       at, OTA_IMAGE_TLV_MAX);
    image->len = (uint32_t)(at - image->bytes);
    snprintf(image->etag, sizeof image->etag, "\"file-%u\"", seed);
    snprintf(image->url, sizeof image->url, "/device/v1/firmware/%u", seed);
}

void world_image_free(struct world_image *image)
{
    free(image->bytes);
}

/* ---- the server ---- */

static void answer_status(struct world_answer *answer, int status)
{
    answer->head.status = status;
    answer->head.has_length = true;
}

static void answer_body(struct world *world, struct world_answer *answer, int status, size_t len)
{
    answer_status(answer, status);
    answer->head.length = (uint32_t)len;
    answer->body = (const uint8_t *)world->server.body;
    answer->len = len;
}

/* The value of `name` in a query, "" when it is not there. */
static void query_value(const char *path, const char *name, char *value, size_t cap)
{
    const char *at = strchr(path, '?');
    size_t len = strlen(name);

    value[0] = '\0';
    while (at != NULL) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=') {
            snprintf(value, cap, "%.*s", (int)strcspn(at + len + 1, "&"), at + len + 1);
            return;
        }
        at = strchr(at, '&');
    }
}

static const struct world_image *running(const struct world *world)
{
    if (world_runs(world, &world->next))
        return &world->next;
    return world_runs(world, &world->other) ? &world->other : &world->old;
}

static void check_query(struct world *world, const char *path)
{
    char value[80];
    char hash[2 * OTA_HASH_LEN + 1];

    query_value(path, "product", value, sizeof value);
    assert_string_equal(value, WORLD_PRODUCT);
    query_value(path, "hardware", value, sizeof value);
    assert_string_equal(value, WORLD_HARDWARE);
    query_value(path, "version", value, sizeof value);
    assert_string_equal(value, running(world) == &world->old    ? "1.0.0"
                               : running(world) == &world->next ? "1.1.0%2B7"
                                                                : "1.2.0");
    ota_hex_encode(running(world)->hash, OTA_HASH_LEN, hash);
    query_value(path, "hash", value, sizeof value);
    assert_string_equal(value, hash);
    query_value(path, "trial", value, sizeof value);
    assert_string_equal(value, world->client.boot_phase == OTA_BOOT_TRIAL ? "1" : "");
    query_value(path, "delta", value, sizeof value);
    assert_string_equal(value, world->config.delta != NULL ? "1" : "");
}

static void fill_manifest(struct world *world, struct ota_manifest *manifest)
{
    const struct world_server *server = &world->server;
    const struct world_image *image = server->image;

    *manifest = (struct ota_manifest){
        .device = ota_text_of(WORLD_DEVICE),
        .now = server->now,
        .action = server->action,
        .poll_seconds = server->poll_seconds,
        .deployment = ota_text_of(server->deployment),
        .product = ota_text_of(WORLD_PRODUCT),
        .hardware = ota_text_of(WORLD_HARDWARE),
        .version = image->version,
        .counter = image->counter,
        .image_len = image->len,
        .sig_len = image->der_len,
        .url = ota_text_of(image->url),
    };
    memcpy(manifest->hash, image->hash, OTA_HASH_LEN);
    memcpy(manifest->sig, image->der, image->der_len);
    if (world->server.patch == NULL)
        return;
    memcpy(manifest->delta.base_hash, world->server.patch->base_hash, OTA_HASH_LEN);
    manifest->delta.patch_len = world->server.patch->len;
    manifest->delta.url = ota_text_of(world->server.patch->url);
}

static size_t sign_manifest(struct world *world, const struct ota_manifest *manifest)
{
    struct world_server *server = &world->server;
    const struct p256_key *key = server->sign_with != NULL ? server->sign_with : &world->server_key;
    char payload[OTA_MANIFEST_MAX];
    uint8_t pae[OTA_MANIFEST_MAX + 64];
    uint8_t hash[OTA_HASH_LEN];
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];

    int len = ota_manifest_encode_payload(manifest, payload, sizeof payload);
    assert_true(len > 0);
    int pae_len = ota_manifest_pae(payload, (size_t)len, pae, sizeof pae);
    assert_true(pae_len > 0);
    p256_sha256(pae, (size_t)pae_len, hash);
    p256_sign(key, hash, sig);
    int envelope_len = ota_manifest_encode_envelope(payload, (size_t)len, ota_text_of(key->key_id),
                                                    sig, server->envelope, sizeof server->envelope);
    assert_true(envelope_len > 0);
    return (size_t)envelope_len;
}

static void answer_manifest(struct world *world, const struct ota_http_request *request,
                            struct world_answer *answer)
{
    struct world_server *server = &world->server;
    struct ota_manifest manifest;
    char nonce[2 * OTA_NONCE_LEN + 1];

    server->poll_at[server->polls++ % 64] = world->now_ms;
    check_query(world, request->path);
    if (server->pending) {
        answer_status(answer, 403);
        answer->head.has_retry_after = true;
        answer->head.retry_after_seconds = 120;
        return;
    }
    fill_manifest(world, &manifest);
    query_value(request->path, "nonce", nonce, sizeof nonce);
    assert_int_equal(ota_hex_decode(manifest.nonce, OTA_NONCE_LEN, ota_text_of(nonce)), OTA_OK);
    if (server->twist_fields != NULL)
        server->twist_fields(world, &manifest);
    size_t len = sign_manifest(world, &manifest);
    if (server->twist_envelope != NULL)
        server->twist_envelope(world, server->envelope, &len);
    memcpy(server->body, server->envelope, len);
    answer_body(world, answer, 200, len);
}

static void copy_text(char *to, struct ota_text from)
{
    if (from.len > 0)
        memcpy(to, from.at, from.len);
}

static void answer_report(struct world *world, const struct ota_http_request *request,
                          struct world_answer *answer)
{
    struct world_server *server = &world->server;
    struct ota_report report;
    char text[OTA_REPORT_MAX];

    assert_true(request->body_len <= sizeof text);
    memcpy(text, request->body, request->body_len);
    assert_int_equal(ota_report_decode(&report, text, request->body_len), OTA_OK);
    struct world_report *kept = &server->reports[server->report_count % WORLD_REPORTS_MAX];
    server->report_count++;
    memset(kept, 0, sizeof *kept);
    copy_text(kept->deployment, report.deployment);
    copy_text(kept->reason, report.reason);
    copy_text(kept->log, report.log);
    kept->seq = report.seq;
    kept->event = report.event;
    kept->events = report.events;
    kept->percent = report.percent;
    kept->fetched = report.fetched;
    kept->version = report.version;
    answer_status(answer, server->report_status != 0 ? (int)server->report_status : 204);
}

static void answer_enrolment(struct world *world, const struct ota_http_request *request,
                             struct world_answer *answer)
{
    struct world_server *server = &world->server;

    server->enrolments++;
    if (strcmp(request->bearer, WORLD_ENROLMENT_KEY) != 0) {
        answer_status(answer, 401);
        return;
    }
    int len = snprintf(server->body, sizeof server->body,
                       "{\"token\":\"%s\",\"state\":\"accepted\"}", server->token);
    answer_body(world, answer, 201, (size_t)len);
}

static const struct world_image *find_image(const struct world *world, const char *url)
{
    const struct world_image *const images[] = {world->server.image, &world->next, &world->other};

    for (unsigned i = 0; i < sizeof images / sizeof images[0]; i++)
        if (strcmp(url, images[i]->url) == 0)
            return images[i];
    return NULL;
}

static void answer_file(const struct ota_http_request *request, const uint8_t *bytes, uint32_t len,
                        const char *etag, struct world_answer *answer)
{
    bool same = request->if_range == NULL || strcmp(request->if_range, etag) == 0;

    answer->head.has_length = true;
    strcpy(answer->head.etag, etag);
    answer->body = bytes;
    answer->len = len;
    answer->head.status = 200;
    if (request->has_range && same) {
        assert_true(request->range_start <= request->range_end && request->range_end < len);
        answer->head.status = 206;
        answer->head.has_range = true;
        answer->head.range_start = request->range_start;
        answer->head.range_end = request->range_end;
        answer->head.range_total = len;
        answer->body += request->range_start;
        answer->len = request->range_end - request->range_start + 1;
    }
    answer->head.length = (uint32_t)answer->len;
}

static bool is_patch(const struct world *world, const char *url)
{
    return world->server.patch != NULL && strcmp(url, world->server.patch->url) == 0;
}

static void answer_firmware(struct world *world, const struct ota_http_request *request,
                            struct world_answer *answer)
{
    struct world_server *server = &world->server;
    const struct world_image *image = find_image(world, request->path);

    server->fetches++;
    server->firmware = true;
    answer_file(request, image->bytes, image->len, image->etag, answer);
}

static void answer_patch(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    const struct world_patch *patch = world->server.patch;

    world->server.fetches++;
    world->server.patched = true;
    answer_file(request, patch->bytes, patch->len, patch->etag, answer);
}

static void answer(struct world *world, const struct ota_http_request *request,
                   struct world_answer *out)
{
    struct world_server *server = &world->server;
    bool known = request->bearer != NULL && strcmp(request->bearer, server->token) == 0;

    *out = (struct world_answer){.cut_at = WORLD_WHOLE, .stop_at = WORLD_WHOLE};
    server->requests++;
    server->firmware = false;
    server->patched = false;
    if (strcmp(request->path, "/device/v1/enroll") == 0)
        answer_enrolment(world, request, out);
    else if (!known)
        answer_status(out, 401);
    else if (strncmp(request->path, "/device/v1/manifest?", 20) == 0)
        answer_manifest(world, request, out);
    else if (strcmp(request->path, "/device/v1/reports") == 0)
        answer_report(world, request, out);
    else if (find_image(world, request->path) != NULL)
        answer_firmware(world, request, out);
    else if (is_patch(world, request->path))
        answer_patch(world, request, out);
    else {
        snprintf(server->foreign, sizeof server->foreign, "%.63s", request->path);
        answer_status(out, 404);
    }
    if (server->twist_answer != NULL)
        server->twist_answer(world, request, out);
}

static int transport_start(void *ctx, const struct ota_http_request *request)
{
    struct world *world = ctx;
    struct world_server *server = &world->server;

    if (server->active)
        return OTA_E_STATE;
    answer(world, request, &server->answer);
    server->active = true;
    server->headed = false;
    server->sent = 0;
    server->begun_ms = world->now_ms;
    return OTA_OK;
}

/* Bytes of body that may be given now. */
static uint64_t open_len(const struct world *world)
{
    const struct world_server *server = &world->server;
    const struct world_answer *out = &server->answer;
    uint64_t end = out->endless ? UINT64_MAX : out->len;

    end = out->cut_at < end ? out->cut_at : end;
    end = out->stop_at < end ? out->stop_at : end;
    if (out->byte_ms != 0) {
        uint64_t paced = (world->now_ms - server->begun_ms) / out->byte_ms;
        end = paced < end ? paced : end;
    }
    return end - server->sent;
}

static size_t give_body(struct world *world, uint8_t *buf, size_t cap)
{
    struct world_server *server = &world->server;
    uint64_t open = open_len(world);
    size_t len = open < cap ? (size_t)open : cap;

    if (world->piece != 0 && len > world->piece)
        len = world->piece;
    for (size_t i = 0; i < len; i++)
        buf[i] = server->answer.body != NULL
                     ? server->answer.body[server->sent++ % server->answer.len]
                     : (uint8_t)server->sent++;
    if (server->firmware)
        server->firmware_taken += len;
    if (server->patched)
        server->patch_taken += len;
    return len;
}

static int transport_poll(void *ctx, struct ota_http_response *response, void *buf, size_t *len)
{
    struct world *world = ctx;
    struct world_server *server = &world->server;
    const struct world_answer *out = &server->answer;
    size_t cap = *len;

    *len = 0;
    assert_true(server->active);
    if (out->refused != 0) {
        server->active = false;
        return out->refused;
    }
    if (out->silent)
        return OTA_HTTP_BUSY;
    if (!server->headed) {
        *response = out->head;
        server->headed = true;
        return OTA_HTTP_HEAD;
    }
    *len = give_body(world, buf, cap);
    if (*len > 0)
        return OTA_HTTP_BODY;
    if (server->sent == out->cut_at) {
        server->active = false;
        return OTA_E_TRANSPORT;
    }
    if (server->sent < out->len || out->endless)
        return OTA_HTTP_BUSY;
    server->active = false;
    return OTA_HTTP_DONE;
}

static void transport_abort(void *ctx)
{
    struct world *world = ctx;

    world->server.active = false;
}

/* ---- the platform ---- */

static uint64_t next_random(struct world *world)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random;
}

static int platform_random(void *ctx, void *buf, size_t len)
{
    struct world *world = ctx;
    uint8_t *at = buf;

    if (world->random_fails)
        return OTA_E_STATE;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(next_random(world) >> 24);
    return OTA_OK;
}

static void platform_feed(void *ctx)
{
    struct world *world = ctx;

    flash_sim_feed(&world->sim);
}

static void platform_reset(void *ctx)
{
    struct world *world = ctx;

    world->reset_asked = true;
}

static void platform_log(void *ctx, const char *line)
{
    struct world *world = ctx;
    size_t room = sizeof world->log - world->log_len;

    assert_null(strpbrk(line, "|\"\\"));
    int len = snprintf(world->log + world->log_len, room, "%s\n", line);
    world->log_len += (size_t)len < room ? (size_t)len : room - 1;
}

static int self_test(void *ctx)
{
    const struct world *world = ctx;

    return world->fit;
}

/* ---- the world ---- */

static void load_keys(struct world *world)
{
    p256_load(&world->release, "tests/keys/release.pem");
    p256_load(&world->release2, "tests/keys/release2.pem");
    p256_load(&world->server_key, "tests/keys/server.pem");
    memcpy(world->release_points[0], world->release.point, OTA_PUBLIC_KEY_LEN);
    memcpy(world->server_points[0], world->server_key.point, OTA_PUBLIC_KEY_LEN);
}

static void wire(struct world *world)
{
    world->platform =
        (struct ota_platform){world, platform_random, platform_feed, platform_reset, platform_log};
    world->transport =
        (struct ota_transport){world, transport_start, transport_poll, transport_abort};
    world->config = (struct ota_client_config){
        .device_id = WORLD_DEVICE,
        .product = WORLD_PRODUCT,
        .hardware = WORLD_HARDWARE,
        .token = WORLD_TOKEN,
        .server_keys = (const uint8_t(*)[OTA_PUBLIC_KEY_LEN])world->server_points,
        .server_key_count = 1,
        .release_keys = {(const uint8_t(*)[OTA_PUBLIC_KEY_LEN])world->release_points, 1},
        .flash = &world->sim.flash,
        .map = &world->sim.map,
        .platform = &world->platform,
        .transport = &world->transport,
        .self_test = self_test,
        .self_test_ctx = world,
        .poll_ms = POLL_SECONDS * 1000,
    };
    world->boot = (struct ota_boot_config){
        .flash = &world->sim.flash,
        .map = &world->sim.map,
        .platform = &world->platform,
        .keys = world->config.release_keys,
        .product = WORLD_PRODUCT,
        .hardware = WORLD_HARDWARE,
    };
    world->sim.power_off = &world->power_off;
}

/* What an update before this one left in the spare slot. */
static void fill_secondary(struct world *world)
{
    const struct ota_flash_area *area = &world->sim.map.secondary;
    uint8_t left[256];

    for (uint32_t at = 0; at < area->len; at += (uint32_t)sizeof left) {
        for (uint32_t i = 0; i < sizeof left; i++)
            left[i] = (uint8_t)((at + i) * 2654435761U >> 17);
        assert_int_equal(world->sim.flash.program(&world->sim, area->addr + at, left, sizeof left),
                         OTA_OK);
    }
    world->sim.operations = 0;
    world->sim.bytes_programmed = 0;
    world->sim.unfed_us_max = 0;
    world->sim.unfed_us = 0;
}

void world_restart(struct world *world)
{
    flash_sim_reset(&world->sim);
    fill_secondary(world);
    memcpy(world->sim.bytes + (world->sim.map.primary.addr - FLASH_SIM_ADDR), world->old.bytes,
           world->old.len);
    wire(world);
    memset(&world->server, 0, sizeof world->server);
    world->server.action = OTA_ACTION_INSTALL;
    world->server.deployment = "42";
    world->server.image = &world->next;
    world->server.poll_seconds = POLL_SECONDS;
    world->server.now = NOW;
    world->server.token = WORLD_TOKEN;
    world->now_ms = 0xfffe0000U; /* the clock wraps soon */
    world->random = 88172645463325252U;
    world->random_fails = false;
    world->fit = 1;
    world->reset_asked = false;
    world->resets = 0;
    world->cuts_left = 0;
    world->boots = 0;
    world->dead = 0;
    world->piece = 0;
    world->log_len = 0;
    world->log[0] = '\0';
}

struct world *world_new(const struct flash_geometry *geometry, uint32_t body_len)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    flash_sim_open(&world->sim, geometry);
    load_keys(world);
    world_image_make(&world->old, &world->release, (struct ota_version){1, 0, 0, 0}, 5,
                     body_len / 2, 1);
    world_image_make(&world->next, &world->release, (struct ota_version){1, 1, 0, 7}, 6, body_len,
                     2);
    /* Signatures differ in length: try until the whole image has the length of the other. */
    unsigned seed = 3;
    do {
        world_image_free(&world->other);
        world_image_make(&world->other, &world->release, (struct ota_version){1, 2, 0, 0}, 6,
                         body_len, seed++);
    } while (world->other.len != world->next.len);
    world_restart(world);
    return world;
}

void world_free(struct world *world)
{
    assert_int_equal(world->sim.violations, 0);
    world_image_free(&world->old);
    world_image_free(&world->next);
    world_image_free(&world->other);
    flash_sim_close(&world->sim);
    free(world);
}

/* RAM has no memory of what was: the client's is filled with something else each time. */
void world_boot(struct world *world)
{
    struct ota_image_info info;

    world->boots++;
    world->reset_asked = false;
    world->server.active = false;
    memset(&world->client, (int)(world->boots * 37 + 0xa5), sizeof world->client);
    memset(&world->delta, (int)(world->boots * 37 + 0xa5), sizeof world->delta);
    (void)ota_client_delta_init(&world->delta);
    if (ota_boot_run(&world->boot, &world->boot_report, &info) != OTA_OK) {
        world->dead++;
        return;
    }
    assert_int_equal(ota_client_init(&world->client, &world->config, world->now_ms), OTA_OK);
}

static void live(struct world *world)
{
    if (world->reset_asked) {
        world->resets++;
        world_boot(world);
    }
    flash_sim_feed(&world->sim); /* as a main loop does */
    uint32_t wait_ms = ota_client_step(&world->client, world->now_ms);
    world->now_ms += wait_ms;
}

void world_next_cut(struct world *world)
{
    if (world->cuts_left == 0)
        return;
    world->cuts_left--;
    flash_sim_cut(&world->sim, flash_sim_random(&world->sim) % world->cut_span,
                  (enum flash_tear)(flash_sim_random(&world->sim) % FLASH_TEAR_KINDS));
}

bool world_live_through(struct world *world, uint32_t ms)
{
    world->reset_asked = true; /* the first boot is one like any other: it may be cut */
    return world_run(world, world_idle, ms);
}

bool world_run(struct world *world, bool (*until)(struct world *world), uint32_t ms)
{
    uint32_t begin_ms = world->now_ms;

    if (setjmp(world->power_off) != 0) {
        world_next_cut(world);
        world_boot(world); /* may be cut again: then we are back here */
    }
    while (!until(world)) {
        if (world->now_ms - begin_ms >= ms || world->dead > 0)
            return false;
        live(world);
    }
    return true;
}

bool world_never(struct world *world)
{
    (void)world;
    return false;
}

bool world_idle(struct world *world)
{
    struct ota_client_status status;

    ota_client_status(&world->client, &status);
    return !world->reset_asked && status.idle;
}

bool world_reset_asked(struct world *world)
{
    return world->reset_asked;
}

const struct world_report *world_report_of(const struct world *world, enum ota_event event,
                                           unsigned n)
{
    for (unsigned i = 0; i < world->server.report_count && i < WORLD_REPORTS_MAX; i++)
        if (world->server.reports[i].event == event && n-- == 0)
            return &world->server.reports[i];
    return NULL;
}

unsigned world_count(const struct world *world, enum ota_event event)
{
    unsigned count = 0;

    while (world_report_of(world, event, count) != NULL)
        count++;
    return count;
}

unsigned world_slot_erases(const struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 2; i < FLASH_SIM_SECTORS_MAX; i++)
        count += world->sim.erases[i];
    return count;
}

bool world_runs(const struct world *world, const struct world_image *image)
{
    return memcmp(world->sim.bytes + (world->sim.map.primary.addr - FLASH_SIM_ADDR), image->bytes,
                  image->len) == 0;
}

void world_assert_updated(struct world *world)
{
    assert_true(world_runs(world, &world->next));
    assert_int_equal(world->client.boot_phase, OTA_BOOT_IDLE);
    assert_int_equal(world->client.counter_floor, world->next.counter);
    assert_int_equal(world_count(world, OTA_EVENT_CONFIRMED), 1);
    assert_int_equal(world->dead, 0);
    assert_int_equal(world->sim.violations, 0);
    assert_string_equal(world->server.foreign, "");
    /* No step went on for longer than a sector's erase or two without feeding the watchdog. */
    assert_true(world->sim.unfed_us_max <= 2 * world->sim.geometry->erase_us);
}

void world_update(struct world *world)
{
    world_boot(world);
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    world_assert_updated(world);
}

int world_setup(void **state)
{
    *state = world_new(&world_small, WORLD_BODY_LEN);
    return 0;
}

int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}

struct world *world_fresh(void **state)
{
    world_restart(*state);
    return *state;
}
