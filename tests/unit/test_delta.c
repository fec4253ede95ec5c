/* Patches: made, applied, fed in pieces, resumed, cut and damaged. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/crc32.h"
#include "protocol/error.h"
#include "server/delta.h"

#define BASE_LEN 70001U
#define RESULT_MAX 80000U

static uint8_t base_bytes[BASE_LEN];
static uint8_t result_bytes[RESULT_MAX];
static struct delta_bytes base = {base_bytes, BASE_LEN};
static struct delta_bytes result = {result_bytes, 0};
static struct delta_bytes patch;

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525U + 1013904223U;
    return random_state >> 8;
}

static void append(const uint8_t *bytes, uint32_t len)
{
    assert_true(result.len + len <= RESULT_MAX);
    memcpy(result_bytes + result.len, bytes, len);
    result.len += len;
}

/* A base with some structure, and a result that has pieces of it, changed and new ones. */
static int make_pair(void **state)
{
    (void)state;
    uint8_t fresh[3000];
    for (uint32_t i = 0; i < BASE_LEN; i++)
        base_bytes[i] = (uint8_t)(i % 16 < 4 ? i / 16 % 251 : next_random() % 61);
    for (uint32_t i = 0; i < sizeof fresh; i++)
        fresh[i] = (uint8_t)(i % 700 < 300 ? next_random() : base_bytes[i * 3 % 1000 + 50]);
    append(base_bytes, 20000);
    append(fresh, sizeof fresh);
    append(base_bytes + 20000, 30001);
    append(base_bytes + 52000, 18001);
    append(result_bytes + 20100, 900);
    for (uint32_t i = 0; i < 200; i++)
        result_bytes[next_random() % result.len]++;
    uint8_t *made = NULL;
    size_t made_len = 0;
    assert_int_equal(delta_make(base, result, &made, &made_len), OTA_OK);
    patch = (struct delta_bytes){made, (uint32_t)made_len};
    return 0;
}

static int drop_pair(void **state)
{
    (void)state;
    free((void *)(uintptr_t)patch.at);
    return 0;
}

/* --- a device that applies a patch: flash in memory, bytes in pieces, resets --- */

struct device {
    struct ota_delta delta;
    uint8_t flash[RESULT_MAX];
    uint32_t written;  /* the highest byte ever written */
    uint32_t programs; /* calls of write */
    uint8_t saved[OTA_DELTA_CHECKPOINT_MAX];
    int saved_len;
};

static int device_read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    assert_true(len > 0 && offset < base.len && len <= base.len - offset);
    memcpy(buf, base.at + offset, len);
    return OTA_OK;
}

static int device_read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    const struct device *device = ctx;
    assert_true(len > 0 && offset < device->written && len <= device->written - offset);
    memcpy(buf, device->flash + offset, len);
    return OTA_OK;
}

static int device_write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    struct device *device = ctx;
    assert_true(offset % OTA_DELTA_WRITE_LEN == 0 && len <= OTA_DELTA_WRITE_LEN);
    assert_true(offset <= device->written && len <= RESULT_MAX - offset);
    memcpy(device->flash + offset, buf, len);
    if (offset + len > device->written)
        device->written = (uint32_t)(offset + len);
    device->programs++;
    return OTA_OK;
}

static struct device *new_device(void)
{
    struct device *device = test_calloc(1, sizeof *device);
    memset(device->flash, 0xa5, sizeof device->flash);
    return device;
}

static const struct ota_delta_io *io_of(struct device *device)
{
    static struct ota_delta_io io = {NULL, device_read_base, device_read_result,
                                     device_write_result};
    io.ctx = device;
    return &io;
}

/* Feed `bytes` in pieces of `piece` until `programs` writes were made (0: to the end). */
static int run_device(struct device *device, struct delta_bytes bytes, size_t piece,
                      uint32_t programs)
{
    for (;;) {
        int event = ota_delta_run(&device->delta);
        if (event < 0 || event == OTA_DELTA_DONE)
            return event;
        if (event == OTA_DELTA_WANTS) {
            uint32_t from = ota_delta_wants(&device->delta);
            if (from >= bytes.len)
                return OTA_E_TRUNCATED;
            size_t len = bytes.len - from < piece ? bytes.len - from : piece;
            assert_true(ota_delta_feed(&device->delta, bytes.at + from, len) > 0);
        } else if (event == OTA_DELTA_CHECKPOINT) {
            device->saved_len = ota_delta_save(&device->delta, device->saved, sizeof device->saved);
            assert_true(device->saved_len > 0);
        } else if (event == OTA_DELTA_MORE && programs != 0 && device->programs >= programs) {
            return OTA_DELTA_MORE;
        }
    }
}

static void assert_result(const struct device *device)
{
    assert_int_equal(device->written, result.len);
    assert_memory_equal(device->flash, result.at, result.len);
}

static void a_patch_is_much_smaller_than_the_result(void **state)
{
    (void)state;
    assert_true(patch.len < result.len / 10);
}

static void a_patch_gives_the_result_however_its_bytes_come(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 83, 512, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct device *device = new_device();
        ota_delta_init(&device->delta, io_of(device));
        assert_int_equal(run_device(device, patch, pieces[i], 0), OTA_DELTA_DONE);
        assert_result(device);
        test_free(device);
    }
}

/* A reset after each write: all that is kept is what was programmed and the last checkpoint. */
static void a_reset_anywhere_goes_on_from_the_last_checkpoint(void **state)
{
    (void)state;
    struct device *device = new_device();
    ota_delta_init(&device->delta, io_of(device));
    uint32_t writes = (result.len + OTA_DELTA_WRITE_LEN - 1) / OTA_DELTA_WRITE_LEN;
    for (uint32_t cut = 1; cut < writes; cut += 7) {
        memset(device, 0, sizeof *device);
        ota_delta_init(&device->delta, io_of(device));
        assert_int_equal(run_device(device, patch, 100, cut), OTA_DELTA_MORE);
        uint32_t again = device->programs * OTA_DELTA_WRITE_LEN % OTA_DELTA_CHECKPOINT_STEP;
        memset(&device->delta, 0x5a, sizeof device->delta);
        device->programs = 0;
        if (device->saved_len > 0)
            assert_int_equal(ota_delta_resume(&device->delta, io_of(device), device->saved,
                                              (size_t)device->saved_len),
                             OTA_OK);
        else
            ota_delta_init(&device->delta, io_of(device));
        assert_int_equal(run_device(device, patch, 100, 0), OTA_DELTA_DONE);
        assert_result(device);
        assert_true(device->programs <= writes - cut + again / OTA_DELTA_WRITE_LEN +
                                            OTA_DELTA_CHECKPOINT_STEP / OTA_DELTA_WRITE_LEN);
    }
    test_free(device);
}

static void a_checkpoint_of_another_patch_is_refused(void **state)
{
    (void)state;
    struct device *device = new_device();
    uint8_t *other = NULL;
    size_t other_len = 0;
    ota_delta_init(&device->delta, io_of(device));
    assert_int_equal(run_device(device, patch, 100, 100), OTA_DELTA_MORE);
    assert_true(device->saved_len > 0);
    assert_int_equal(delta_make(base, base, &other, &other_len), OTA_OK);
    assert_int_equal(
        ota_delta_resume(&device->delta, io_of(device), device->saved, (size_t)device->saved_len),
        OTA_OK);
    struct delta_bytes bytes = {other, (uint32_t)other_len};
    assert_int_equal(run_device(device, bytes, 100, 0), OTA_E_DELTA_BLOCK);
    assert_int_equal(ota_delta_resume(&device->delta, io_of(device), device->saved, 3),
                     OTA_E_SYNTAX);
    free(other);
    test_free(device);
}

static void a_patch_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    struct device *device = new_device();
    for (uint32_t len = 0; len < patch.len; len += len < 200 ? 1 : 97) {
        ota_delta_init(&device->delta, io_of(device));
        device->written = 0;
        struct delta_bytes cut = {patch.at, len};
        assert_true(run_device(device, cut, 512, 0) < 0);
    }
    test_free(device);
}

static void a_flipped_bit_never_gives_a_wrong_result(void **state)
{
    (void)state;
    struct device *device = new_device();
    uint8_t *bad = test_malloc(patch.len);
    struct delta_bytes bytes = {bad, patch.len};
    for (int i = 0; i < 300; i++) {
        memcpy(bad, patch.at, patch.len);
        uint32_t bit = next_random() % (patch.len * 8);
        bad[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ota_delta_init(&device->delta, io_of(device));
        device->written = 0;
        assert_true(run_device(device, bytes, 512, 0) < 0);
    }
    test_free(bad);
    test_free(device);
}

static void the_wrong_base_is_refused(void **state)
{
    (void)state;
    uint8_t *out = NULL;
    size_t out_len = 0;
    assert_int_equal(delta_apply(result, patch, &out, &out_len), OTA_E_DELTA_BASE);
    base_bytes[77]++;
    assert_int_equal(delta_apply(base, patch, &out, &out_len), OTA_E_DELTA_BASE);
    base_bytes[77]--;
    assert_int_equal(delta_apply(base, patch, &out, &out_len), OTA_OK);
    assert_int_equal(out_len, result.len);
    free(out);
}

static void empty_and_tiny_images_work(void **state)
{
    (void)state;
    static const uint8_t text[] = "abcabcabcabc";
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t j = 1; j < sizeof text; j++) {
            struct delta_bytes from = {text, i};
            struct delta_bytes to = {text, j};
            uint8_t *made = NULL;
            size_t made_len = 0;
            assert_int_equal(delta_make(from, to, &made, &made_len), OTA_OK);
            free(made);
        }
    }
}

/* A search for matches in long runs can take time that grows with their square. */
static void an_image_of_long_runs_is_made_in_time(void **state)
{
    (void)state;
    const uint32_t len = 100000;
    uint8_t *runs = malloc(len);
    uint8_t *made = NULL;
    size_t made_len = 0;
    assert_non_null(runs);
    for (uint32_t i = 0; i < len; i++)
        runs[i] = i % 900 == 0 ? (uint8_t)next_random() : 5;
    clock_t before = clock();
    assert_int_equal(delta_make(base, (struct delta_bytes){runs, len}, &made, &made_len), OTA_OK);
    assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
    free(made);
    free(runs);
}

/* --- the vector: two builds of one program for a Cortex-M4 --- */

struct vector {
    struct blob old;
    struct blob new;
    struct blob patch;
};

static struct vector read_vector(void)
{
    return (struct vector){blob_read("tests/vectors/delta/old.bin"),
                           blob_read("tests/vectors/delta/new.bin"),
                           blob_read("tests/vectors/delta/old-new.patch")};
}

static void free_vector(struct vector *vector)
{
    blob_free(&vector->old);
    blob_free(&vector->new);
    blob_free(&vector->patch);
}

static struct delta_bytes bytes_of(const struct blob *blob)
{
    return (struct delta_bytes){blob->at, (uint32_t)blob->len};
}

/* What a patch gives: OTA_OK when it is the right image. */
static int apply(const struct vector *vector, struct delta_bytes bytes)
{
    uint8_t *out = NULL;
    size_t out_len = 0;
    int error = delta_apply(bytes_of(&vector->old), bytes, &out, &out_len);
    if (error == OTA_OK) {
        assert_int_equal(out_len, vector->new.len);
        assert_memory_equal(out, vector->new.at, out_len);
    }
    free(out);
    return error;
}

/* The header of a patch with the numbers at `numbers`, in place of those of the vector. */
static int decode_numbers(const uint8_t *numbers, size_t len)
{
    struct ota_delta_header header;
    uint8_t bytes[64] = {OTA_DELTA_MAGIC & 0xff, OTA_DELTA_MAGIC >> 8,
                         OTA_DELTA_VERSION << 4 | OTA_DELTA_PLAIN};
    memcpy(bytes + 3 + 2 * OTA_DELTA_HASH_LEN, numbers, len);
    return ota_delta_header_decode(&header, bytes, 3 + 2 * OTA_DELTA_HASH_LEN + len);
}

static void a_header_has_one_spelling_and_lengths_that_can_be(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        uint8_t len;
        int expected;
    } cases[] = {
        {{100, 10, 2}, 3, 14},                                     /* a result of 11 bytes */
        {{100, 10, 19}, 3, OTA_E_RANGE},                           /* of none */
        {{100, 10, 21}, 3, OTA_E_RANGE},                           /* of less */
        {{17, 10, 2}, 3, OTA_E_RANGE},                             /* a patch without a CRC */
        {{100, 0x8a, 0x00, 2}, 4, OTA_E_SYNTAX},                   /* 10 with a byte too many */
        {{100, 0xff, 0xff, 0xff, 0x0f, 2}, 6, OTA_E_RANGE},        /* over 16 MB */
        {{100, 0x8a, 0x80, 0x80, 0x80, 0x00, 2}, 7, OTA_E_SYNTAX}, /* five bytes */
        {{100, 10}, 2, OTA_E_TRUNCATED},
        {{100, 10, 0x82}, 3, OTA_E_TRUNCATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(decode_numbers(cases[i].bytes, cases[i].len), cases[i].expected);
}

static void the_vector_is_applied_and_is_relocated(void **state)
{
    (void)state;
    struct vector vector = read_vector();
    struct ota_delta_header header;
    uint8_t *made = NULL;
    size_t made_len = 0;
    assert_int_equal(apply(&vector, bytes_of(&vector.patch)), OTA_OK);
    assert_int_equal(delta_make(bytes_of(&vector.old), bytes_of(&vector.new), &made, &made_len),
                     OTA_OK);
    assert_true(ota_delta_header_decode(&header, made, made_len) > 0);
    assert_int_equal(header.mode, OTA_DELTA_THUMB2);
    assert_int_equal(header.base_address, 0x08020000);
    assert_true(made_len <= vector.patch.len);
    free(made);
    free_vector(&vector);
}

static void every_cut_and_every_flipped_bit_of_the_vector_is_an_error(void **state)
{
    (void)state;
    struct vector vector = read_vector();
    for (uint32_t len = 0; len < vector.patch.len; len++) {
        struct blob cut = blob_copy(vector.patch.at, len);
        assert_int_not_equal(apply(&vector, bytes_of(&cut)), OTA_OK);
        blob_free(&cut);
    }
    for (size_t bit = 0; bit < 8 * vector.patch.len; bit++) {
        blob_flip(&vector.patch, bit);
        assert_int_not_equal(apply(&vector, bytes_of(&vector.patch)), OTA_OK);
        blob_flip(&vector.patch, bit);
    }
    free_vector(&vector);
}

static void flip_some(struct blob *bad, unsigned flips)
{
    struct ota_delta_header header;
    size_t from = (size_t)ota_delta_header_decode(&header, bad->at, bad->len);
    size_t stream = bad->len - from - OTA_DELTA_BLOCK_CRC_LEN;
    for (unsigned i = 0; i < flips; i++)
        blob_flip(bad, 8 * from + next_random() % (8 * stream));
    uint32_t crc = ota_crc32(0, bad->at, bad->len - OTA_DELTA_BLOCK_CRC_LEN);
    for (unsigned i = 0; i < OTA_DELTA_BLOCK_CRC_LEN; i++)
        bad->at[bad->len - OTA_DELTA_BLOCK_CRC_LEN + i] = (uint8_t)(crc >> 8 * i);
}

/* An attacker sets the CRC right: then it is the bounds, and at last the hash, that hold. */
static void a_false_stream_with_good_crcs_never_gives_another_image(void **state)
{
    (void)state;
    struct vector vector = read_vector();
    for (unsigned i = 0; i < 10000; i++) {
        struct blob bad = blob_copy(vector.patch.at, vector.patch.len);
        flip_some(&bad, 1 + i % 3);
        apply(&vector, bytes_of(&bad));
        blob_free(&bad);
    }
    free_vector(&vector);
}

/* A checkpoint holds the model exactly: what was rounded once stays as it is. */
static void a_rounded_model_is_saved_and_loaded_without_loss(void **state)
{
    (void)state;
    struct ota_delta_model *model = test_calloc(2, sizeof *model);
    struct ota_delta_model *copy = model + 1;
    uint8_t saved[OTA_DELTA_MODEL_SAVED(OTA_DELTA_COARSE)];
    for (unsigned round = 0; round < 80; round++) {
        ota_delta_model_init(model);
        ota_delta_model_init(copy);
        for (unsigned i = 0; i < OTA_DELTA_FINE; i++) {
            model->fine[i] =
                (uint16_t)(1 + (round * OTA_DELTA_FINE + i) * 65534 / (80 * OTA_DELTA_FINE));
            model->seen[i] = (uint8_t)(next_random() % 61);
        }
        for (unsigned i = 0; i < OTA_DELTA_COARSE; i++)
            model->coarse[i] = (uint16_t)(next_random() % 5 == 0 ? 0x8000U : next_random());
        ota_delta_model_round(model, OTA_DELTA_FINE, OTA_DELTA_SLOTS);
        ota_delta_model_save(model, OTA_DELTA_FINE, OTA_DELTA_SLOTS, saved);
        ota_delta_model_load(copy, OTA_DELTA_FINE, OTA_DELTA_SLOTS, saved);
        assert_memory_equal(copy->fine, model->fine, sizeof model->fine);
        assert_memory_equal(copy->seen, model->seen, sizeof model->seen);
        assert_memory_equal(copy->coarse, model->coarse, sizeof model->coarse);
    }
    test_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a patch is much smaller than the result", a_patch_is_much_smaller_than_the_result)},
        {TEST("a patch gives the result however its bytes come",
              a_patch_gives_the_result_however_its_bytes_come)},
        {TEST("a reset anywhere goes on from the last checkpoint",
              a_reset_anywhere_goes_on_from_the_last_checkpoint)},
        {TEST("a checkpoint of another patch is refused",
              a_checkpoint_of_another_patch_is_refused)},
        {TEST("a patch cut anywhere is an error", a_patch_cut_anywhere_is_an_error)},
        {TEST("a flipped bit never gives a wrong result",
              a_flipped_bit_never_gives_a_wrong_result)},
        {TEST("the wrong base is refused", the_wrong_base_is_refused)},
        {TEST("empty and tiny images work", empty_and_tiny_images_work)},
        {TEST("an image of long runs is made in time", an_image_of_long_runs_is_made_in_time)},
        {TEST("a header has one spelling, and lengths that can be",
              a_header_has_one_spelling_and_lengths_that_can_be)},
        {TEST("the vector is applied, and made again by relocation",
              the_vector_is_applied_and_is_relocated)},
        {TEST("every cut and every flipped bit of the vector is an error",
              every_cut_and_every_flipped_bit_of_the_vector_is_an_error)},
        {TEST("10,000 false streams with good CRCs never give another image",
              a_false_stream_with_good_crcs_never_gives_another_image)},
        {TEST("a rounded model is saved and loaded without loss",
              a_rounded_model_is_saved_and_loaded_without_loss)},
    };
    return cmocka_run_group_tests_name("delta", tests, make_pair, drop_pair);
}
