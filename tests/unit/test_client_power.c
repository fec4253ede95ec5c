/* Power may go at any flash operation of an update: the client goes on, and says so only once. */
#include "device/core/client.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

#define BODY_LEN 5000U /* bytes: two sectors */

/* No number for two different reports, and each event of the update at least once. */
static void check_reports(const struct world *world)
{
    const struct world_report *reports = world->server.reports;

    for (unsigned i = 0; i < world->server.report_count; i++) {
        assert_string_equal(reports[i].deployment, "42");
        for (unsigned j = 0; j < i; j++)
            if (reports[i].seq == reports[j].seq)
                assert_int_equal(reports[i].event, reports[j].event);
    }
    assert_in_range(world_count(world, OTA_EVENT_INSTALLED), 1, 3);
    assert_in_range(world_count(world, OTA_EVENT_TRIAL), 1, 3);
    assert_in_range(world_count(world, OTA_EVENT_CONFIRMED), 1, 2);
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 0);
    assert_int_equal(world_count(world, OTA_EVENT_REVERTED), 0);
}

/* What a cut may cost: what was taken and not yet programmed, the torn unit, and on flash that is
 * written once the sector. */
static uint64_t extra_max(const struct world *world)
{
    const struct flash_geometry *geometry = world->sim.geometry;

    return OTA_CLIENT_CHUNK_LEN + 2 * geometry->write_len +
           (geometry->write_once ? geometry->slot_sector_len : 0);
}

static void check_end(struct world *world)
{
    assert_true(world_runs(world, &world->next));
    assert_int_equal(world->client.boot_phase, OTA_BOOT_IDLE);
    assert_int_equal(world->client.counter_floor, world->next.counter);
    assert_int_equal(world->dead, 0);
    assert_int_equal(world->sim.violations, 0);
    check_reports(world);
}

/* One update with a cut at operation `at`; false when it was over before. */
static bool cut_once(struct world *world, uint64_t at, enum flash_tear tear)
{
    world_restart(world);
    flash_sim_cut(&world->sim, at, tear);
    assert_true(world_live_through(world, WORLD_HOUR_MS));
    check_end(world);
    assert_true(world->server.firmware_taken <= world->next.len + extra_max(world));
    return world->sim.cuts > 0;
}

static void sweep(const struct flash_geometry *geometry, uint64_t stride)
{
    struct world *world = world_new(geometry, BODY_LEN);
    unsigned cuts = 0;

    for (enum flash_tear tear = FLASH_TEAR_NOTHING; tear < FLASH_TEAR_KINDS; tear++)
        for (uint64_t at = (uint64_t)tear; cut_once(world, at, tear); at += stride)
            cuts++;
    print_message("             %s: %u cuts\n", geometry->name, cuts);
    assert_true(cuts > 200);
    world_free(world);
}

static struct flash_geometry of_unit(uint32_t write_len, bool write_once, const char *name)
{
    struct flash_geometry geometry = world_small;

    geometry.write_len = write_len;
    geometry.write_once = write_once;
    geometry.name = name;
    return geometry;
}

static void test_every_operation(void **state)
{
    struct flash_geometry geometry = of_unit(32, false, "units of 32 bytes");
    (void)state;

    sweep(&geometry, 1);
}

static void test_write_once(void **state)
{
    struct flash_geometry geometry = of_unit(32, true, "units of 32 bytes, written once");
    (void)state;

    sweep(&geometry, 1);
}

static void test_words(void **state)
{
    struct flash_geometry geometry = of_unit(4, false, "words, sampled");
    (void)state;

    sweep(&geometry, 23);
}

/* Cuts one after another, each a little into what follows the last. */
static void test_many_cuts(void **state)
{
    struct flash_geometry geometry = of_unit(16, false, "units of 16 bytes");
    struct world *world = world_new(&geometry, BODY_LEN);
    uint64_t cuts = 0;
    (void)state;

    for (unsigned run = 0; run < 150; run++) {
        world_restart(world);
        world->sim.random = run * 2654435761U + 1;
        world->cuts_left = 1 + run % 5;
        world->cut_span = 20 + run * 3;
        world_next_cut(world);
        assert_true(world_live_through(world, 4 * WORLD_HOUR_MS));
        assert_int_equal(world->dead, 0);
        assert_int_equal(world->sim.violations, 0);
        /* A trial that is cut each time may end in the old image; never in none. */
        assert_true(world_runs(world, &world->next) || world_runs(world, &world->old));
        if (world_runs(world, &world->next))
            check_reports(world);
        else
            assert_int_equal(world_count(world, OTA_EVENT_REVERTED) > 0, 1);
        cuts += world->sim.cuts;
    }
    print_message("             %u cuts in 150 updates\n", (unsigned)cuts);
    assert_true(cuts > 200);
    world_free(world);
}

static bool half_way(struct world *world)
{
    return world->client.position >= world->next.len / 2;
}

/* A bit of the journal rots while the device is off, in the middle of a download. */
static void test_rot(void **state)
{
    struct world *world = world_new(&world_small, BODY_LEN);
    uint32_t len = world->sim.map.journal[0].len * 2;
    uint8_t *copy = flash_sim_copy_new(&world->sim);
    unsigned flips = 0;
    (void)state;

    world_boot(world);
    assert_true(world_run(world, half_way, WORLD_HOUR_MS));
    flash_sim_save(&world->sim, copy);
    for (uint32_t bit = 0; bit < len * 8; bit += 13) {
        if (copy[bit / 8] == 0xff)
            continue;
        world_restart(world);
        flash_sim_load(&world->sim, copy);
        flash_sim_flip(&world->sim, FLASH_SIM_ADDR + bit / 8, bit % 8);
        assert_true(world_live_through(world, WORLD_HOUR_MS));
        check_end(world);
        flips++;
    }
    print_message("             %u bits\n", flips);
    assert_true(flips > 200);
    free(copy);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a power cut at every flash operation of an update", test_every_operation)},
        {TEST("the same on flash that takes one program per erase", test_write_once)},
        {TEST("the same on flash of words, sampled", test_words)},
        {TEST("several power cuts in one update", test_many_cuts)},
        {TEST("rot of any bit of the journal", test_rot)},
    };
    return cmocka_run_group_tests_name("client_power", tests, NULL, NULL);
}
