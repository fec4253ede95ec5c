/* The update client against manifests that must not be believed, or not be followed. */
#include "device/core/client.h"

#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

static void put_product(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->product = ota_text_of("demo-hub2");
}

static void put_hardware(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->hardware = ota_text_of("stm32f429");
}

static void put_counter(struct world *world, struct ota_manifest *manifest)
{
    manifest->counter = world->server.twist;
}

static void put_size(struct world *world, struct ota_manifest *manifest)
{
    manifest->image_len = world->server.twist;
}

static void put_other_signature(struct world *world, struct ota_manifest *manifest)
{
    memcpy(manifest->sig, world->other.der, world->other.der_len);
    manifest->sig_len = world->other.der_len;
}

static void put_other_hash(struct world *world, struct ota_manifest *manifest)
{
    memcpy(manifest->hash, world->other.hash, OTA_HASH_LEN);
}

static void sign_hash_with(const struct p256_key *key, struct ota_manifest *manifest)
{
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];

    p256_sign(key, manifest->hash, raw);
    manifest->sig_len = p256_der(raw, manifest->sig);
}

static void put_unknown_release(struct world *world, struct ota_manifest *manifest)
{
    sign_hash_with(&world->release2, manifest);
}

static void put_server_release(struct world *world, struct ota_manifest *manifest)
{
    sign_hash_with(&world->server_key, manifest);
}

static void put_raw_signature(struct world *world, struct ota_manifest *manifest)
{
    p256_sign(&world->release, manifest->hash, manifest->sig);
    manifest->sig_len = OTA_SIGNATURE_RAW_LEN;
}

static void put_flipped_signature(struct world *world, struct ota_manifest *manifest)
{
    manifest->sig[world->server.twist / 8] ^= (uint8_t)(1U << world->server.twist % 8);
}

static void put_short_signature(struct world *world, struct ota_manifest *manifest)
{
    manifest->sig_len = world->server.twist;
}

static void assert_refused(struct world *world, const char *reason)
{
    world_boot(world);
    world_run(world, world_never, 20 * WORLD_MINUTE_MS);
    assert_int_equal(world_slot_erases(world), 0);
    assert_int_equal(world->server.fetches, 0);
    assert_int_equal(world->server.report_count, 1);
    assert_int_equal(world->server.reports[0].event, OTA_EVENT_FAILED);
    assert_string_equal(world->server.reports[0].reason, reason);
    assert_non_null(strstr(world->server.reports[0].log, reason));
    assert_true(world->server.polls > 5); /* it goes on asking */
    assert_int_equal(world->resets, 0);
}

static void test_offers(void **state)
{
    static const struct {
        void (*twist)(struct world *world, struct ota_manifest *manifest);
        unsigned number;
        const char *reason;
    } rows[] = {
        {put_product, 0, "product"},
        {put_hardware, 0, "hardware"},
        {put_counter, 4, "counter_low"},
        {put_counter, 0, "counter_low"},
        {put_counter, 5 + OTA_COUNTER_JUMP_MAX + 1, "counter_jump"},
        {put_counter, UINT32_MAX, "counter_jump"},
        {put_size, 6 * 4096 + 1, "size"},
        {put_size, UINT32_MAX, "size"},
        {put_size, 1, "size"},
        {put_other_signature, 0, "signature"},
        {put_other_hash, 0, "signature"},
        {put_unknown_release, 0, "signature"},
        {put_server_release, 0, "signature"},
        {put_raw_signature, 0, "signature"},
        {put_short_signature, 1, "signature"},
        {put_short_signature, 69, "signature"},
    };
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_restart(world);
        world->server.twist_fields = rows[i].twist;
        world->server.twist = rows[i].number;
        assert_refused(world, rows[i].reason);
    }
}

static void test_release_flips(void **state)
{
    struct world *world = *state;

    for (unsigned bit = 0; bit < world->next.der_len * 8; bit++) {
        world_restart(world);
        world->server.twist_fields = put_flipped_signature;
        world->server.twist = bit;
        world_boot(world);
        world_run(world, world_never, 2 * WORLD_MINUTE_MS);
        assert_int_equal(world_slot_erases(world), 0);
        assert_int_equal(world->server.fetches, 0);
        assert_string_equal(world->server.reports[0].reason, "signature");
    }
}

static void test_counters(void **state)
{
    static const struct {
        unsigned counter;
        bool taken;
    } rows[] = {{4, false}, {5, true}, {6, true}, {21, true}, {22, false}};
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world_image image;
        world_restart(world);
        world_image_make(&image, &world->release, (struct ota_version){2, 0, 0, 0}, rows[i].counter,
                         400, 9);
        world->server.image = &image;
        world_boot(world);
        world_run(world, world_reset_asked, 10 * WORLD_MINUTE_MS);
        assert_int_equal(world->reset_asked, rows[i].taken);
        assert_int_equal(world_slot_erases(world) > 0, rows[i].taken);
        world_image_free(&image);
    }
}

static void test_refused_then_good(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_fields = put_counter;
    world->server.twist = UINT32_MAX;
    world_boot(world);
    world_run(world, world_never, 5 * WORLD_MINUTE_MS);
    assert_int_equal(world_slot_erases(world), 0);

    world->server.twist_fields = NULL;
    world_run(world, world_never, 5 * WORLD_MINUTE_MS);
    assert_int_equal(world->server.fetches, 0); /* not the deployment that failed */
    world->server.deployment = "43";
    assert_false(world_run(world, world_never, 20 * WORLD_MINUTE_MS));
    world_assert_updated(world);
}

/* Offers that change each time are answered ever more slowly. */
static void put_new_deployment(struct world *world, struct ota_manifest *manifest)
{
    static char name[16];

    strcpy(name, "d00000");
    for (unsigned i = 5, n = world->server.polls; n > 0; n /= 10)
        name[i--] = (char)('0' + n % 10);
    manifest->deployment = ota_text_of(name);
    manifest->product = ota_text_of("another");
}

static void test_offer_flood(void **state)
{
    struct world *world = world_fresh(state);

    world->server.poll_seconds = 1;
    world->server.twist_fields = put_new_deployment;
    world_boot(world);
    world_run(world, world_never, WORLD_DAY_MS);
    assert_in_range(world->server.polls, 50, 600);
    assert_true(world->sim.erases[0] + world->sim.erases[1] < 100);
    assert_int_equal(world_slot_erases(world), 0);
}

static void assert_not_believed(struct world *world, const char *reason)
{
    world_boot(world);
    world_run(world, world_never, 20 * WORLD_MINUTE_MS);
    assert_int_equal(world_slot_erases(world), 0);
    assert_int_equal(world->server.fetches, 0);
    assert_int_equal(world->server.report_count, 0);
    assert_false(world->client.verified);
    assert_non_null(strstr(world->log, reason));
    assert_int_equal(world->resets, 0);

    world->server.twist_fields = NULL;
    world->server.twist_envelope = NULL;
    world->server.twist_answer = NULL;
    world->server.sign_with = NULL;
    assert_true(world_run(world, world_idle, 2 * WORLD_HOUR_MS));
    world_assert_updated(world);
}

static void put_device(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->device = ota_text_of("dev-0002");
}

static void put_nonce(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->nonce[OTA_NONCE_LEN - 1] ^= 1;
}

static void put_no_nonce(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    memset(manifest->nonce, 0, OTA_NONCE_LEN);
}

static void cut_envelope(struct world *world, char *envelope, size_t *len)
{
    (void)world;
    (void)envelope;
    *len = *len - 1;
}

static void drop_signatures(struct world *world, char *envelope, size_t *len)
{
    char *at = strstr(envelope, "\"signatures\":[");

    (void)world;
    strcpy(at, "\"signatures\":[]}");
    *len = strlen(envelope);
}

static void rename_type(struct world *world, char *envelope, size_t *len)
{
    (void)world;
    (void)len;
    memcpy(strstr(envelope, "manifest+json"), "manifold+json", 13);
}

static void overfill(struct world *world, char *envelope, size_t *len)
{
    (void)world;
    memset(envelope + *len, ' ', OTA_MANIFEST_MAX + 1 - *len);
    *len = OTA_MANIFEST_MAX + 1;
}

static void empty_answer(struct world *world, char *envelope, size_t *len)
{
    (void)world;
    (void)envelope;
    *len = 0;
}

/* The answer to the first poll, for ever. */
static void replay(struct world *world, char *envelope, size_t *len)
{
    static char first[OTA_MANIFEST_MAX];
    static size_t first_len;

    if (world->server.polls == 1) {
        memcpy(first, envelope, *len);
        first_len = *len;
        *len = 0; /* and the device didn't get it */
    } else {
        memcpy(envelope, first, first_len);
        *len = first_len;
    }
}

static void answer_204(struct world *world, const struct ota_http_request *request,
                       struct world_answer *answer)
{
    (void)world;
    if (strstr(request->path, "manifest") != NULL) {
        answer->head.status = 204;
        answer->head.length = 0;
        answer->len = 0;
    }
}

static void test_manifests(void **state)
{
    static const struct {
        void (*fields)(struct world *world, struct ota_manifest *manifest);
        void (*envelope)(struct world *world, char *envelope, size_t *len);
        const char *reason;
    } rows[] = {
        {put_device, NULL, "poll: device"},
        {put_nonce, NULL, "poll: nonce"},
        {put_no_nonce, NULL, "poll: nonce"},
        {NULL, cut_envelope, "poll: truncated"},
        {NULL, drop_signatures, "poll: signature"},
        {NULL, rename_type, "poll: unsupported"},
        {NULL, overfill, "poll: too_large"},
        {NULL, empty_answer, "poll: truncated"},
        {NULL, replay, "poll: nonce"},
    };
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_restart(world);
        world->server.twist_fields = rows[i].fields;
        world->server.twist_envelope = rows[i].envelope;
        assert_not_believed(world, rows[i].reason);
    }
}

static void test_foreign_signers(void **state)
{
    struct world *world = world_fresh(state);

    world->server.sign_with = &world->release;
    assert_not_believed(world, "poll: signature");
    world_restart(world);
    world->server.sign_with = &world->release2;
    assert_not_believed(world, "poll: signature");
}

static void test_unsigned_nothing(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = answer_204;
    assert_not_believed(world, "poll: http_status");
}

static void flip_envelope(struct world *world, char *envelope, size_t *len)
{
    unsigned bit = world->server.twist;

    if (bit / 8 < *len)
        envelope[bit / 8] = (char)(envelope[bit / 8] ^ (1 << bit % 8));
    else
        world->server.twist = UINT32_MAX; /* that was the last */
}

/* The key id is a hint and not signed: a bit of it may change, and the manifest is still the one
 * that the server signed. */
static bool in_key_id(const char *envelope, unsigned bit)
{
    const char *at = strstr(envelope, "\"keyid\":\"");
    size_t byte = bit / 8;

    return at != NULL && byte >= (size_t)(at - envelope) + 9 &&
           byte < (size_t)(at - envelope) + 9 + OTA_KEY_ID_LEN;
}

static void test_manifest_flips(void **state)
{
    struct world *world = *state;
    unsigned believed = 0;

    for (unsigned bit = 0;; bit += 5) {
        world_restart(world);
        world->server.twist_envelope = flip_envelope;
        world->server.twist = bit;
        world->server.action = OTA_ACTION_NONE;
        world_boot(world);
        while (world->server.polls == 0 || world->server.active)
            world_run(world, world_never, 1);
        if (world->server.twist == UINT32_MAX)
            break;
        if (world->client.verified) {
            assert_true(in_key_id(world->server.envelope, bit));
            believed++;
        }
        assert_int_equal(world_slot_erases(world), 0);
    }
    assert_in_range(believed, 1, OTA_KEY_ID_LEN * 8 / 5 + 1);
}

static void put_later(struct world *world, struct ota_manifest *manifest)
{
    manifest->now = world->server.now;
}

static void test_clocks(void **state)
{
    static const uint64_t nows[] = {0, 1, OTA_JSON_INT_MAX};
    struct world *world = *state;

    for (unsigned i = 0; i < 3; i++) {
        struct ota_client_status status;
        world_restart(world);
        world->server.now = nows[i];
        world->server.twist_fields = put_later;
        world_update(world);
        ota_client_status(&world->client, &status);
        assert_int_equal(status.server_now, nows[i]);
        world->server.now = 0;
        ota_client_poll_now(&world->client);
        world_run(world, world_never, WORLD_MINUTE_MS);
        ota_client_status(&world->client, &status);
        assert_int_equal(status.server_now, nows[i]);
    }
}

static void endless_manifest(struct world *world, const struct ota_http_request *request,
                             struct world_answer *answer)
{
    (void)world;
    if (strstr(request->path, "manifest") != NULL) {
        answer->endless = true;
        answer->head.has_length = false;
    }
}

static void test_endless_manifest(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = endless_manifest;
    assert_not_believed(world, "poll: too_large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("what must not run here is refused before a sector is erased", test_offers)},
        {TEST("every bit of the release signature counts", test_release_flips)},
        {TEST("counters from the stored one to 16 above are taken, no others", test_counters)},
        {TEST("a refused offer leaves the next one a fair chance", test_refused_then_good)},
        {TEST("a flood of bad offers slows down and does not wear the journal", test_offer_flood)},
        {TEST("manifests for others, of old, cut or overlong are not believed", test_manifests)},
        {TEST("a manifest by another key is not believed", test_foreign_signers)},
        {TEST("an unsigned nothing is no answer to a nonce", test_unsigned_nothing)},
        {TEST("an endless manifest is stopped at 2048 bytes", test_endless_manifest)},
        {TEST("a manifest with one bit changed is not believed", test_manifest_flips)},
        {TEST("no time of day keeps an update away", test_clocks)},
    };
    return cmocka_run_group_tests_name("client_manifest", tests, world_setup, world_teardown);
}
