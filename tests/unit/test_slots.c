#include "device/core/slots.h"

#include <stdlib.h>
#include <string.h>

#include "device/port/platform.h"
#include "protocol/error.h"
#include "tests/powercut/flash_sim.h"
#include "tests/support/vectors.h"
#include "tests/vectors/p256.h"

#define BODY_LEN 1000U
#define HEADER_LEN 0x200U
#define COUNTER 7U

static const struct flash_geometry geometry = {"words", 4096, 4096, 4, 4, false, 0, 0};

struct fixture {
    struct flash_sim sim;
    struct ota_journal journal;
    struct p256_key key;
    uint8_t points[2][OTA_PUBLIC_KEY_LEN]; /* what keys says */
    struct ota_release_keys keys;
    uint8_t image[8192];
    uint32_t image_len;
    unsigned feeds;
};

static void feed(void *ctx)
{
    struct fixture *fixture = ctx;
    fixture->feeds++;
}

/* An image signed by the demo release key. */
static void make_image(struct fixture *fixture, uint32_t body_len)
{
    struct ota_image_fields fields = {
        .header_len = HEADER_LEN,
        .body_len = body_len,
        .version = {1, 2, 3, 4},
        .counter = COUNTER,
        .product = {"lamp", 4},
        .hardware = {"rev2", 4},
    };
    uint8_t hash[OTA_HASH_LEN];
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX];
    uint8_t *at = fixture->image;

    at += ota_image_encode_header(&fields, at, HEADER_LEN);
    for (uint32_t i = 0; i < body_len; i++)
        *at++ = (uint8_t)(i * 7 + 1);
    at += ota_image_encode_protected(&fields, at, OTA_IMAGE_TLV_MAX);
    p256_sha256(fixture->image, (size_t)(at - fixture->image), hash);
    p256_sign(&fixture->key, hash, raw);
    at += ota_image_encode_unprotected(hash, fixture->key.key_hash, der, p256_der(raw, der), at,
                                       OTA_IMAGE_TLV_MAX);
    fixture->image_len = (uint32_t)(at - fixture->image);
}

/* The device knows this key and no other. */
static void know_key(struct fixture *fixture, const struct p256_key *key)
{
    memcpy(fixture->points[0], key->point, OTA_PUBLIC_KEY_LEN);
    fixture->keys =
        (struct ota_release_keys){(const uint8_t(*)[OTA_PUBLIC_KEY_LEN])fixture->points, 1};
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    flash_sim_open(&fixture->sim, &geometry);
    ota_journal_mount(&fixture->journal, &fixture->sim.flash, &fixture->sim.map);
    p256_load(&fixture->key, "tests/keys/release.pem");
    know_key(fixture, &fixture->key);
    make_image(fixture, BODY_LEN);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    flash_sim_close(&fixture->sim);
    free(fixture);
    return 0;
}

static uint32_t primary(const struct fixture *fixture)
{
    return fixture->sim.map.primary.addr;
}

/* The image as it is now, straight into the simulated cells. */
static void place(struct fixture *fixture, uint32_t addr)
{
    memcpy(fixture->sim.bytes + (addr - FLASH_SIM_ADDR), fixture->image, fixture->image_len);
}

static int verify(struct fixture *fixture, uint32_t area_len, struct ota_image_info *info)
{
    return ota_slots_verify(&fixture->sim.flash, primary(fixture), area_len, &fixture->keys, feed,
                            fixture, info);
}

static void good_image_verifies(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;

    place(fixture, primary(fixture));
    assert_int_equal(verify(fixture, fixture->sim.map.primary.len, &info), OTA_OK);
    assert_int_equal(info.counter, COUNTER);
    assert_int_equal(info.image_len, fixture->image_len);
    assert_int_equal(info.header.version.revision, 3);
    assert_string_equal(info.product, "lamp");
    assert_string_equal(info.hardware, "rev2");
    assert_true(fixture->feeds >= 1);
    /* The area may end with the image, not before. */
    assert_int_equal(verify(fixture, fixture->image_len, &info), OTA_OK);
    for (uint32_t len = 0; len < fixture->image_len; len += 7)
        assert_true(verify(fixture, len, &info) < 0);
    assert_true(verify(fixture, fixture->image_len - 1, &info) < 0);
}

/* Images that others have made, imgtool's forms among them. What stands behind an image in a slot
 * does not matter, unlike in a file. */
static void vectors_verify_or_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned taken = 0;

    vectors_open(&vectors, "images/index.txt");
    while (vectors_next(&vectors, &vector)) {
        flash_sim_reset(&fixture->sim);
        assert_true(vector.bytes.len <= sizeof fixture->image);
        memcpy(fixture->image, vector.bytes.at, vector.bytes.len);
        fixture->image_len = (uint32_t)vector.bytes.len;
        place(fixture, primary(fixture));
        bool is_good =
            strcmp(vector.word, "ok") == 0 || strstr(vector.name, "/trailing-bytes.img") != NULL;
        int result = verify(fixture, fixture->sim.map.primary.len, &info);
        if ((result == OTA_OK) != is_good)
            fail_msg("%s: %s", vector.name, ota_error_name(result));
        taken += is_good;
    }
    assert_int_equal(taken, 7);
}

static void any_flipped_bit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;

    place(fixture, primary(fixture));
    for (uint32_t bit = 0; bit < fixture->image_len * 8; bit += bit < 320 ? 1 : 23) {
        flash_sim_flip(&fixture->sim, primary(fixture) + bit / 8, bit % 8);
        assert_true(verify(fixture, fixture->sim.map.primary.len, &info) < 0);
        flash_sim_flip(&fixture->sim, primary(fixture) + bit / 8, bit % 8);
    }
    assert_int_equal(verify(fixture, fixture->sim.map.primary.len, &info), OTA_OK);
}

static void errors_tell_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;
    struct p256_key other;

    assert_int_equal(verify(fixture, 4096, &info), OTA_E_SYNTAX); /* erased */
    place(fixture, primary(fixture));
    flash_sim_flip(&fixture->sim, primary(fixture) + HEADER_LEN + 5, 0);
    assert_int_equal(verify(fixture, 4096, &info), OTA_E_HASH);
    flash_sim_flip(&fixture->sim, primary(fixture) + HEADER_LEN + 5, 0);
    flash_sim_flip(&fixture->sim, primary(fixture) + fixture->image_len - 1, 0);
    assert_int_equal(verify(fixture, 4096, &info), OTA_E_SIGNATURE);
    flash_sim_flip(&fixture->sim, primary(fixture) + fixture->image_len - 1, 0);
    p256_load(&other, "tests/keys/release2.pub.pem");
    know_key(fixture, &other);
    assert_int_equal(verify(fixture, 4096, &info), OTA_E_UNKNOWN_KEY);
    fixture->keys.count = 0;
    assert_int_equal(verify(fixture, 4096, &info), OTA_E_UNKNOWN_KEY);
}

static void any_of_several_keys_will_do(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;
    struct p256_key other;

    place(fixture, primary(fixture));
    p256_load(&other, "tests/keys/release2.pub.pem");
    know_key(fixture, &other);
    memcpy(fixture->points[1], fixture->key.point, OTA_PUBLIC_KEY_LEN);
    fixture->keys.count = 2;
    assert_int_equal(verify(fixture, 4096, &info), OTA_OK);
}

/* A counter that nobody signed for. */
static void unsigned_counter_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;
    uint32_t total_at = fixture->image_len;
    static const uint8_t counter[] = {0x50, 0, 4, 0, 9, 0, 0, 0};

    /* Find the unprotected area: it holds hash, key hash and signature. */
    while (fixture->image[total_at] != 0x07 || fixture->image[total_at + 1] != 0x69)
        total_at--;
    memcpy(fixture->image + fixture->image_len, counter, sizeof counter);
    fixture->image[total_at + 2] = (uint8_t)(fixture->image[total_at + 2] + sizeof counter);
    fixture->image_len += sizeof counter;
    place(fixture, primary(fixture));
    assert_int_equal(verify(fixture, 4096, &info), OTA_E_UNSUPPORTED);
}

static void inspect_checks_no_hash(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;

    place(fixture, primary(fixture));
    flash_sim_flip(&fixture->sim, primary(fixture) + HEADER_LEN + 5, 0);
    assert_int_equal(ota_slots_inspect(&fixture->sim.flash, primary(fixture), 4096, &info), OTA_OK);
    assert_int_equal(info.counter, COUNTER);
}

static void watchdog_is_fed_while_hashing(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info;

    make_image(fixture, 6000);
    place(fixture, primary(fixture));
    assert_int_equal(verify(fixture, fixture->sim.map.primary.len, &info), OTA_OK);
    assert_int_equal(fixture->feeds, fixture->image_len / OTA_FEED_BYTES + 2);
}

static void store_phase(struct fixture *fixture, enum ota_boot_phase phase)
{
    struct ota_boot_record record;

    assert_int_equal(ota_slots_load(&fixture->journal, &record), OTA_OK);
    record.phase = (uint8_t)phase;
    record.new_counter = COUNTER;
    assert_int_equal(ota_slots_store(&fixture->journal, &record), OTA_OK);
}

static enum ota_boot_phase phase(struct fixture *fixture)
{
    struct ota_boot_record record;
    assert_int_equal(ota_slots_load(&fixture->journal, &record), OTA_OK);
    return (enum ota_boot_phase)record.phase;
}

static void new_device_has_the_factory_record(void **state)
{
    struct fixture *fixture = *state;
    struct ota_boot_record record;

    assert_int_equal(ota_slots_load(&fixture->journal, &record), OTA_OK);
    assert_int_equal(record.phase, OTA_BOOT_IDLE);
    assert_int_equal(record.counter, 0);
}

/* Row: a phase. Column: what each request leads to there, or its error. */
static void requests_keep_to_their_phases(void **state)
{
    struct fixture *fixture = *state;
    struct ota_image_info info = {.counter = COUNTER};
    const uint8_t old_hash[OTA_HASH_LEN] = {1};
    static const struct {
        enum ota_boot_phase from;
        int request;
        int confirm;
        int reject;
        int acknowledge;
    } rows[] = {
        {OTA_BOOT_IDLE, OTA_OK, OTA_E_STATE, OTA_E_STATE, OTA_OK},
        {OTA_BOOT_REQUESTED, OTA_OK, OTA_E_STATE, OTA_E_STATE, OTA_E_STATE},
        {OTA_BOOT_SWAPPING, OTA_E_STATE, OTA_E_STATE, OTA_E_STATE, OTA_E_STATE},
        {OTA_BOOT_TRIAL, OTA_E_STATE, OTA_OK, OTA_OK, OTA_E_STATE},
        {OTA_BOOT_REVERTING, OTA_E_STATE, OTA_E_STATE, OTA_E_STATE, OTA_E_STATE},
        {OTA_BOOT_REVERTED, OTA_OK, OTA_E_STATE, OTA_E_STATE, OTA_OK},
        {OTA_BOOT_REFUSED, OTA_OK, OTA_E_STATE, OTA_E_STATE, OTA_OK},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store_phase(fixture, rows[i].from);
        assert_int_equal(
            ota_slots_request_install(&fixture->journal, info.counter, info.hash, old_hash),
            rows[i].request);
        assert_int_equal(phase(fixture),
                         rows[i].request == OTA_OK ? OTA_BOOT_REQUESTED : rows[i].from);
        store_phase(fixture, rows[i].from);
        assert_int_equal(ota_slots_confirm(&fixture->journal), rows[i].confirm);
        assert_int_equal(phase(fixture), rows[i].confirm == OTA_OK ? OTA_BOOT_IDLE : rows[i].from);
        store_phase(fixture, rows[i].from);
        assert_int_equal(ota_slots_reject(&fixture->journal, OTA_E_SELF_TEST), rows[i].reject);
        assert_int_equal(phase(fixture), rows[i].from);
        store_phase(fixture, rows[i].from);
        assert_int_equal(ota_slots_acknowledge(&fixture->journal), rows[i].acknowledge);
        assert_int_equal(phase(fixture),
                         rows[i].acknowledge == OTA_OK ? OTA_BOOT_IDLE : rows[i].from);
    }
}

static void counter_rises_with_a_confirm_only(void **state)
{
    struct fixture *fixture = *state;
    struct ota_boot_record record;

    store_phase(fixture, OTA_BOOT_TRIAL);
    ota_slots_load(&fixture->journal, &record);
    assert_int_equal(record.counter, 0);
    assert_int_equal(ota_slots_confirm(&fixture->journal), OTA_OK);
    ota_slots_load(&fixture->journal, &record);
    assert_int_equal(record.counter, COUNTER);
    /* And never falls. */
    record.phase = OTA_BOOT_TRIAL;
    record.new_counter = 2;
    ota_slots_store(&fixture->journal, &record);
    assert_int_equal(ota_slots_confirm(&fixture->journal), OTA_OK);
    ota_slots_load(&fixture->journal, &record);
    assert_int_equal(record.counter, COUNTER);
}

static void reject_uses_up_the_attempts(void **state)
{
    struct fixture *fixture = *state;
    struct ota_boot_record record;

    store_phase(fixture, OTA_BOOT_TRIAL);
    assert_int_equal(ota_slots_reject(&fixture->journal, OTA_E_SELF_TEST), OTA_OK);
    ota_slots_load(&fixture->journal, &record);
    assert_int_equal(record.attempts, OTA_TRIAL_ATTEMPTS_MAX);
    assert_int_equal(record.error, OTA_E_SELF_TEST);
}

static void download_goes_behind_the_spare_sector(void **state)
{
    struct fixture *fixture = *state;
    struct ota_flash_area area = ota_slots_download_area(&fixture->sim.flash, &fixture->sim.map);

    assert_int_equal(area.addr, fixture->sim.map.secondary.addr + 4096);
    assert_int_equal(area.len, fixture->sim.map.primary.len);
    assert_int_equal(area.addr + area.len,
                     fixture->sim.map.secondary.addr + fixture->sim.map.secondary.len);
}

int main(void)
{
#define SLOTS_TEST(sentence, function)                                                             \
    {                                                                                              \
        TEST(sentence, function), .setup_func = setup, .teardown_func = teardown                   \
    }
    static const struct CMUnitTest tests[] = {
        SLOTS_TEST("a good image verifies, and what it says is told", good_image_verifies),
        SLOTS_TEST("each image vector verifies or is refused", vectors_verify_or_are_refused),
        SLOTS_TEST("an image with a flipped bit is refused", any_flipped_bit_is_refused),
        SLOTS_TEST("the error tells what is wrong with an image", errors_tell_what_is_wrong),
        SLOTS_TEST("a signature by any of the known keys will do", any_of_several_keys_will_do),
        SLOTS_TEST("a security counter in the unsigned area is refused",
                   unsigned_counter_is_refused),
        SLOTS_TEST("inspecting an image checks no hash", inspect_checks_no_hash),
        SLOTS_TEST("the watchdog is fed every OTA_FEED_BYTES and before the signature",
                   watchdog_is_fed_while_hashing),
        SLOTS_TEST("a device without a record has the factory's",
                   new_device_has_the_factory_record),
        SLOTS_TEST("each request is taken in its phases alone", requests_keep_to_their_phases),
        SLOTS_TEST("the counter rises with a confirm only, and never falls",
                   counter_rises_with_a_confirm_only),
        SLOTS_TEST("a reject uses up the attempts", reject_uses_up_the_attempts),
        SLOTS_TEST("a download lies one sector into the secondary",
                   download_goes_behind_the_spare_sector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
