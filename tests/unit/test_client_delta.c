/* Updates from patches: taken when they fit, resumed, and given up for the image when they don't.
 */
#include "device/core/client_delta.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/delta.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

#define SMALL_BODY_LEN 5000U /* bytes: two sectors of the small flash */
#define LARGE_BODY_LEN 200000U

/* A world whose device takes patches, and a release that is the old one with more behind it. */
struct bench {
    struct world *world;
    const struct world_image *near; /* world.other, made anew */
    struct world_patch patch;
};

static struct delta_bytes bytes_of(const struct world_image *image)
{
    return image != NULL ? (struct delta_bytes){image->bytes, image->len}
                         : (struct delta_bytes){NULL, 0};
}

/* The patch from `base` (NULL: none, the image packed by itself) to `image`. */
static void patch_make(struct world_patch *patch, const struct world_image *base,
                       const struct world_image *image)
{
    size_t len;

    memset(patch, 0, sizeof *patch);
    assert_int_equal(delta_make(bytes_of(base), bytes_of(image), &patch->bytes, &len), OTA_OK);
    patch->len = (uint32_t)len;
    if (base != NULL)
        memcpy(patch->base_hash, base->hash, OTA_HASH_LEN);
    strcpy(patch->etag, "\"patch\"");
    strcpy(patch->url, "/device/v1/patches/1");
}

static void offer(struct bench *bench, const struct world_image *image)
{
    bench->world->config.delta = &bench->world->delta;
    bench->world->server.image = image;
    bench->world->server.patch = &bench->patch;
}

static void make_near(struct world *world, uint32_t body_len, unsigned seed)
{
    world_image_free(&world->other);
    world_image_make(&world->other, &world->release, (struct ota_version){1, 2, 0, 0}, 6, body_len,
                     seed);
}

static void bench_open(struct bench *bench, const struct flash_geometry *geometry,
                       uint32_t body_len)
{
    bench->world = world_new(geometry, body_len);
    bench->near = &bench->world->other;
    make_near(bench->world, body_len, 1);
    patch_make(&bench->patch, &bench->world->old, bench->near);
    offer(bench, bench->near);
}

static void bench_close(struct bench *bench)
{
    free(bench->patch.bytes);
    world_free(bench->world);
}

static void replace_patch(struct bench *bench, const struct world_image *base,
                          const struct world_image *image)
{
    free(bench->patch.bytes);
    patch_make(&bench->patch, base, image);
}

static void live(struct bench *bench)
{
    assert_true(world_live_through(bench->world, WORLD_HOUR_MS));
    assert_true(world_runs(bench->world, bench->world->server.image));
    assert_int_equal(world_count(bench->world, OTA_EVENT_FAILED), 0);
    assert_int_equal(world_count(bench->world, OTA_EVENT_REVERTED), 0);
    assert_true(world_count(bench->world, OTA_EVENT_CONFIRMED) >= 1);
    assert_string_equal(bench->world->server.foreign, "");
}

static uint32_t told_fetched(const struct bench *bench)
{
    const struct world_report *report = world_report_of(bench->world, OTA_EVENT_INSTALLED, 0);

    assert_non_null(report);
    return report->fetched;
}

/* The one report that says why a patch was given up. */
static void check_detour(const struct bench *bench, const char *reason)
{
    const struct world_report *report;
    unsigned detours = 0;

    for (unsigned n = 0; (report = world_report_of(bench->world, OTA_EVENT_DOWNLOADING, n)) != NULL;
         n++) {
        if (report->reason[0] == '\0')
            continue;
        assert_string_equal(report->reason, reason);
        detours++;
    }
    assert_int_equal(detours, 1);
    assert_int_equal(told_fetched(bench), 0);
}

static void test_delta(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    live(&bench);
    assert_true(bench.patch.len < bench.near->len);
    assert_int_equal(bench.world->server.patch_taken, bench.patch.len);
    assert_int_equal(bench.world->server.firmware_taken, 0);
    assert_int_equal(told_fetched(&bench), bench.patch.len);
    bench_close(&bench);
}

static void test_packed(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    replace_patch(&bench, NULL, bench.near);
    live(&bench);
    assert_int_equal(bench.world->server.firmware_taken, 0);
    assert_int_equal(told_fetched(&bench), bench.patch.len);
    bench_close(&bench);
}

static void test_without_memory(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    bench.world->config.delta = NULL;
    live(&bench);
    assert_int_equal(bench.world->server.patch_taken, 0);
    assert_int_equal(bench.world->server.firmware_taken, bench.near->len);
    assert_int_equal(told_fetched(&bench), 0);
    bench_close(&bench);
}

static void test_named_base(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    bench.patch.base_hash[7] ^= 1;
    live(&bench);
    check_detour(&bench, "delta_base");
    assert_int_equal(bench.world->server.patch_taken, 0);
    bench_close(&bench);
}

static void test_true_base(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    replace_patch(&bench, &bench.world->next, bench.near);
    memcpy(bench.patch.base_hash, bench.world->old.hash, OTA_HASH_LEN);
    live(&bench);
    check_detour(&bench, "delta_base");
    assert_int_equal(bench.world->server.firmware_taken, bench.near->len);
    bench_close(&bench);
}

/* The bytes of the blocks before the damage are kept. */
static void test_damage(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    replace_patch(&bench, NULL, bench.near);
    bench.patch.bytes[bench.patch.len / 2] ^= 0x10;
    live(&bench);
    check_detour(&bench, "delta_block");
    assert_true(bench.world->server.firmware_taken < bench.near->len * 3 / 4);
    bench_close(&bench);
}

static void test_every_block(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, SMALL_BODY_LEN);
    for (uint32_t at = 0; at < bench.patch.len; at += 97) {
        world_restart(bench.world);
        offer(&bench, bench.near);
        bench.patch.bytes[at] ^= 0x40;
        live(&bench);
        assert_int_equal(told_fetched(&bench), 0);
        bench.patch.bytes[at] ^= 0x40;
    }
    bench_close(&bench);
}

static void test_wrong_result(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    /* Signatures differ in length: try until both images are of one length. */
    unsigned seed = 10;
    do
        make_near(bench.world, WORLD_BODY_LEN, seed++);
    while (bench.near->len != bench.world->next.len);
    replace_patch(&bench, &bench.world->old, bench.near);
    offer(&bench, &bench.world->next);
    live(&bench);
    check_detour(&bench, "hash");
    assert_int_equal(bench.world->server.firmware_taken, bench.world->next.len);
    bench_close(&bench);
}

static void answer_gone(struct world *world, const struct ota_http_request *request,
                        struct world_answer *answer)
{
    if (strcmp(request->path, world->server.patch->url) == 0) {
        *answer = (struct world_answer){.cut_at = WORLD_WHOLE, .stop_at = WORLD_WHOLE};
        answer->head.status = 404;
    }
}

static void test_gone(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    bench.world->server.twist_answer = answer_gone;
    live(&bench);
    check_detour(&bench, "gone");
    bench_close(&bench);
}

static void answer_endless(struct world *world, const struct ota_http_request *request,
                           struct world_answer *answer)
{
    if (strcmp(request->path, world->server.patch->url) != 0)
        return;
    answer->endless = true;
    answer->head.has_length = false;
}

static void test_endless(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    bench.world->server.twist_answer = answer_endless;
    live(&bench);
    assert_true(bench.world->server.patch_taken <= 4 * (bench.patch.len + OTA_CLIENT_CHUNK_LEN));
    bench_close(&bench);
}

static void answer_whole(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    const struct world_patch *patch = world->server.patch;

    if (strcmp(request->path, patch->url) != 0)
        return;
    answer->head.status = 200;
    answer->head.has_range = false;
    answer->head.length = patch->len;
    answer->body = patch->bytes;
    answer->len = patch->len;
}

/* A proxy that doesn't know ranges: each answer is the whole patch. */
static void test_no_ranges(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    replace_patch(&bench, NULL, bench.near);
    bench.world->config.range_len = 1500;
    bench.world->server.twist_answer = answer_whole;
    live(&bench);
    assert_int_equal(told_fetched(&bench), bench.patch.len);
    bench_close(&bench);
}

/* Small ranges, and a transport that gives a few bytes at a time. */
static void test_pieces(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_small, WORLD_BODY_LEN);
    replace_patch(&bench, NULL, bench.near);
    bench.world->config.range_len = 100;
    bench.world->piece = 7;
    live(&bench);
    assert_int_equal(bench.world->server.patch_taken, bench.patch.len);
    bench_close(&bench);
}

/* ---- power ---- */

static bool cut_once(struct bench *bench, uint64_t at, enum flash_tear tear)
{
    struct world *world = bench->world;

    world_restart(world);
    offer(bench, bench->near);
    flash_sim_cut(&world->sim, at, tear);
    live(bench);
    assert_int_equal(world->dead, 0);
    assert_int_equal(world->sim.violations, 0);
    assert_int_equal(world->server.firmware_taken, 0);
    assert_int_equal(told_fetched(bench), bench->patch.len);
    return world->sim.cuts > 0;
}

static void sweep(uint32_t write_len, bool write_once, uint64_t stride)
{
    struct flash_geometry geometry = world_small;
    struct bench bench;
    unsigned cuts = 0;

    geometry.write_len = write_len;
    geometry.write_once = write_once;
    bench_open(&bench, &geometry, SMALL_BODY_LEN);
    for (enum flash_tear tear = FLASH_TEAR_NOTHING; tear < FLASH_TEAR_KINDS; tear++)
        for (uint64_t at = (uint64_t)tear; cut_once(&bench, at, tear); at += stride)
            cuts++;
    print_message("             units of %u bytes%s: %u cuts\n", write_len,
                  write_once ? ", written once" : "", cuts);
    assert_true(cuts > 100);
    bench_close(&bench);
}

static void test_every_cut(void **state)
{
    (void)state;
    sweep(32, false, 1);
}

static void test_every_cut_write_once(void **state)
{
    (void)state;
    sweep(32, true, 1);
}

static void test_cuts_in_words(void **state)
{
    (void)state;
    sweep(4, false, 23);
}

/* A packed image of many checkpoints, and a reset at each twentieth of it: what is fetched twice is
 * the head of the patch and what lay behind the last checkpoint. */
static void test_resets(void **state)
{
    struct bench bench;
    uint64_t most = 0;
    (void)state;

    bench_open(&bench, &world_f407, LARGE_BODY_LEN);
    replace_patch(&bench, NULL, bench.near);
    for (unsigned part = 1; part < 20; part++) {
        struct world *world = bench.world;
        world_restart(world);
        offer(&bench, bench.near);
        flash_sim_cut(&world->sim, (uint64_t)part * (bench.near->len / 4) / 20, FLASH_TEAR_SOME);
        live(&bench);
        assert_int_equal(world->sim.cuts, 1);
        assert_int_equal(world->server.firmware_taken, 0);
        if (world->server.patch_taken > most)
            most = world->server.patch_taken;
    }
    print_message("             a patch of %u bytes, at most %llu fetched\n", bench.patch.len,
                  (unsigned long long)most);
    assert_true(most <= bench.patch.len + OTA_DELTA_CHECKPOINT_STEP + 4096);
    bench_close(&bench);
}

/* The same with a patch that is a single block: its head is where it goes on. */
static void test_resets_in_one_block(void **state)
{
    struct bench bench;
    (void)state;

    bench_open(&bench, &world_f407, LARGE_BODY_LEN);
    world_image_free(&bench.world->old);
    world_image_make(&bench.world->old, &bench.world->release, (struct ota_version){1, 0, 0, 0}, 5,
                     LARGE_BODY_LEN, 1);
    replace_patch(&bench, &bench.world->old, bench.near);
    assert_true(bench.patch.len < OTA_DELTA_BLOCK_LEN);
    for (unsigned part = 1; part < 8; part++) {
        world_restart(bench.world);
        offer(&bench, bench.near);
        flash_sim_cut(&bench.world->sim, (uint64_t)part * (bench.near->len / 4) / 8,
                      FLASH_TEAR_SOME);
        live(&bench);
        assert_int_equal(bench.world->sim.cuts, 1);
        assert_int_equal(bench.world->server.firmware_taken, 0);
        assert_in_range(bench.world->server.patch_taken, bench.patch.len, 3 * bench.patch.len);
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a patch for the image that runs is fetched instead of the release", test_delta)},
        {TEST("a packed release needs no base", test_packed)},
        {TEST("a device without memory for patches fetches the image", test_without_memory)},
        {TEST("a patch for another base is told and not fetched", test_named_base)},
        {TEST("a patch that was made from other bytes is given up before a write", test_true_base)},
        {TEST("a damaged block is found, and what came before it is kept", test_damage)},
        {TEST("damage anywhere in a patch ends in the right image", test_every_block)},
        {TEST("a patch that makes another image is found out before the boot", test_wrong_result)},
        {TEST("a patch that is gone is replaced by the image", test_gone)},
        {TEST("an endless patch ends", test_endless)},
        {TEST("a proxy that knows no ranges does no harm", test_no_ranges)},
        {TEST("small ranges and small pieces make the same image", test_pieces)},
        {TEST("a power cut at every flash operation ends in the release", test_every_cut)},
        {TEST("the same on flash that is written once", test_every_cut_write_once)},
        {TEST("the same on words", test_cuts_in_words)},
        {TEST("after a reset a patch goes on at its last checkpoint", test_resets)},
        {TEST("after a reset a patch of one block goes on as well", test_resets_in_one_block)},
    };

    return cmocka_run_group_tests_name("client_delta", tests, NULL, NULL);
}
