#include "device/boot/boot.h"

#include <stdlib.h>
#include <string.h>

#include "device/boot/describe.h"
#include "device/boot/swap.h"
#include "protocol/error.h"
#include "tests/powercut/world.h"
#include "tests/support/support.h"

/* Five sectors of 4 KB a slot. */
static const struct flash_geometry geometry = {"unit", 8192, 4096, 5, 4, false, 400000, 100};

enum {
    IMAGE_A, /* runs at first */
    IMAGE_B, /* good, as large as can be */
    IMAGE_C, /* hangs */
    IMAGE_D, /* good, small, higher counter */
    IMAGE_FORGED,
    IMAGE_FOREIGN,
    IMAGE_OLD, /* counter below A's */
};

static const struct world_image_plan plans[] = {
    [IMAGE_A] = {'A', 640, 3, WORLD_GOOD, NULL, false},
    [IMAGE_B] = {'B', 980, 3, WORLD_GOOD, NULL, false},
    [IMAGE_C] = {'C', 500, 4, WORLD_HANGS, NULL, false},
    [IMAGE_D] = {'D', 200, 5, WORLD_GOOD, NULL, false},
    [IMAGE_FORGED] = {'F', 400, 6, WORLD_GOOD, NULL, true},
    [IMAGE_FOREIGN] = {'G', 500, 9, WORLD_GOOD, "kettle", false},
    [IMAGE_OLD] = {'O', 500, 2, WORLD_GOOD, NULL, false},
};

static int setup(void **state)
{
    struct world *world = malloc(sizeof *world);

    world_open(world, &geometry);
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        world_add_image(world, &plans[i]);
    world_reset(world, &world->images[IMAGE_A]);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

static uint32_t primary(const struct world *world)
{
    return world->sim.map.primary.addr;
}

static uint32_t saved(const struct world *world)
{
    return world->sim.map.secondary.addr;
}

static uint32_t download(const struct world *world)
{
    return saved(world) + geometry.slot_sector_len;
}

/* Straight into the cells. */
static void place(struct world *world, uint32_t addr, const struct world_image *image)
{
    memcpy(world->sim.bytes + (addr - FLASH_SIM_ADDR), image->bytes, image->len);
}

static void rot(struct world *world, uint32_t addr)
{
    flash_sim_flip(&world->sim, addr + 0x200, 1);
}

static bool runs(const struct world *world, const struct world_image *image)
{
    return memcmp(world->sim.bytes + (primary(world) - FLASH_SIM_ADDR), image->bytes, image->len) ==
           0;
}

static int boot(struct world *world)
{
    return ota_boot_run(&world->config, &world->report, &world->info);
}

static void load(struct world *world, struct ota_boot_record *record)
{
    struct ota_journal journal;
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_load(&journal, record), OTA_OK);
}

static void store(struct world *world, const struct ota_boot_record *record)
{
    struct ota_journal journal;
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_store(&journal, record), OTA_OK);
}

static void request(struct world *world, const struct world_image *image)
{
    struct ota_journal journal;
    struct ota_image_info info;
    const uint8_t old_hash[OTA_HASH_LEN] = {0};

    place(world, download(world), image);
    assert_int_equal(
        ota_slots_inspect(&world->sim.flash, download(world), world->sim.map.primary.len, &info),
        OTA_OK);
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_request_install(&journal, info.counter, info.hash, old_hash),
                     OTA_OK);
}

static void confirm(struct world *world)
{
    struct ota_journal journal;
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_confirm(&journal), OTA_OK);
}

/* --- One boot at a time ----------------------------------------------------------------------- */

static void new_device_starts_its_image(void **state)
{
    struct world *world = *state;

    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.magic, OTA_BOOT_REPORT_MAGIC);
    assert_int_equal(world->report.phase, OTA_BOOT_IDLE);
    assert_int_equal(world->report.error, OTA_OK);
    assert_int_equal(world->report.start, primary(world));
    assert_int_equal(world->info.header.body_offset, 0x200);
}

static void empty_device_starts_nothing(void **state)
{
    struct world *world = *state;

    flash_sim_reset(&world->sim);
    assert_int_equal(boot(world), OTA_E_SYNTAX);
    assert_int_equal(world->report.error, OTA_E_SYNTAX);
}

static void trial_counts_its_boots(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_C]);
    for (int attempt = 1; attempt <= OTA_TRIAL_ATTEMPTS_MAX; attempt++) {
        assert_int_equal(boot(world), OTA_OK);
        assert_int_equal(world->report.phase, OTA_BOOT_TRIAL);
        assert_int_equal(world->report.attempts, attempt);
        assert_true(runs(world, &world->images[IMAGE_C]));
    }
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REVERTED);
    assert_int_equal(world->report.error, OTA_E_NOT_CONFIRMED);
    assert_int_equal(world->report.counter, 0);
    assert_true(runs(world, &world->images[IMAGE_A]));
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REVERTED);
}

static void reverted_image_has_the_end_of_its_last_attempt_as_the_reason(void **state)
{
    struct world *world = *state;
    const int ends[OTA_TRIAL_ATTEMPTS_MAX] = {OTA_E_POWER, OTA_E_FAULT, OTA_E_WATCHDOG};
    struct ota_boot_record record;

    request(world, &world->images[IMAGE_C]);
    for (int attempt = 0; attempt < OTA_TRIAL_ATTEMPTS_MAX; attempt++) {
        assert_int_equal(boot(world), OTA_OK);
        world->report.ended = (int16_t)ends[attempt];
    }
    assert_int_equal(boot(world), OTA_OK);
    world->report.ended = OTA_E_POWER; /* of a later run: nobody's reason any more */
    assert_int_equal(boot(world), OTA_OK);
    load(world, &record);
    assert_int_equal(record.phase, OTA_BOOT_REVERTED);
    assert_int_equal(record.error, OTA_E_WATCHDOG);
}

static void reason_of_a_rejected_image_is_its_own(void **state)
{
    struct world *world = *state;
    struct ota_journal journal;
    struct ota_boot_record record;

    request(world, &world->images[IMAGE_C]);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_reject(&journal, OTA_E_SELF_TEST), OTA_OK);
    world->report.ended = OTA_E_POWER;
    assert_int_equal(boot(world), OTA_OK);
    load(world, &record);
    assert_int_equal(record.phase, OTA_BOOT_REVERTED);
    assert_int_equal(record.error, OTA_E_SELF_TEST);
}

static void confirm_ends_the_trial(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_D]);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.counter, 0);
    confirm(world);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(boot(world), OTA_OK);
        assert_int_equal(world->report.phase, OTA_BOOT_IDLE);
        assert_int_equal(world->report.counter, 5);
        assert_true(runs(world, &world->images[IMAGE_D]));
    }
}

static void is_refused(struct world *world, const struct world_image *image, int error)
{
    request(world, image);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REFUSED);
    assert_int_equal(world->report.error, error);
    assert_true(runs(world, &world->images[IMAGE_A]));
}

static void wrong_images_are_refused(void **state)
{
    struct world *world = *state;
    struct ota_boot_record record;

    is_refused(world, &world->images[IMAGE_FORGED], OTA_E_SIGNATURE);
    is_refused(world, &world->images[IMAGE_FOREIGN], OTA_E_PRODUCT);
    load(world, &record);
    record.counter = 3;
    store(world, &record);
    is_refused(world, &world->images[IMAGE_OLD], OTA_E_COUNTER_LOW);
    world->config.hardware = "rev1";
    request(world, &world->images[IMAGE_B]);
    assert_int_equal(boot(world), OTA_E_HARDWARE); /* not even the one that ran so far */
}

static void image_that_was_not_asked_for_is_refused(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_B]);
    place(world, download(world), &world->images[IMAGE_D]);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REFUSED);
    assert_int_equal(world->report.error, OTA_E_HASH);
    assert_true(runs(world, &world->images[IMAGE_A]));
}

static void image_that_runs_already_is_not_swapped(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_A]);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_IDLE);
    for (unsigned sector = 2; sector < 2 + 5; sector++)
        assert_int_equal(world->sim.erases[sector], 0);
}

static void older_image_comes_back_when_the_primary_rots(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_B]);
    assert_int_equal(boot(world), OTA_OK);
    confirm(world);
    rot(world, primary(world));
    assert_int_equal(boot(world), OTA_OK);
    assert_true(runs(world, &world->images[IMAGE_A]));
    assert_int_equal(world->report.error, OTA_E_HASH);
    assert_int_equal(world->report.counter, 3);
}

static void image_below_the_counter_does_not_come_back(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_D]);
    assert_int_equal(boot(world), OTA_OK);
    confirm(world);
    rot(world, primary(world));
    assert_int_equal(boot(world), OTA_E_HASH);
}

static void download_comes_in_when_the_primary_rots(void **state)
{
    struct world *world = *state;

    assert_int_equal(boot(world), OTA_OK);
    place(world, download(world), &world->images[IMAGE_B]);
    rot(world, primary(world));
    assert_int_equal(boot(world), OTA_OK);
    assert_true(runs(world, &world->images[IMAGE_B]));
}

static void reverted_image_never_comes_back(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_C]);
    for (int i = 0; i <= OTA_TRIAL_ATTEMPTS_MAX; i++)
        assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REVERTED);
    place(world, download(world), &world->images[IMAGE_C]);
    rot(world, primary(world));
    rot(world, saved(world));
    assert_true(boot(world) < 0);
    /* Nor after the client has taken note. */
    struct ota_journal journal;
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    assert_int_equal(ota_slots_acknowledge(&journal), OTA_OK);
    assert_true(boot(world) < 0);
}

static void new_image_stays_when_the_old_is_lost(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_C]);
    assert_int_equal(boot(world), OTA_OK);
    rot(world, saved(world));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(boot(world), OTA_OK);
        assert_true(runs(world, &world->images[IMAGE_C]));
    }
    assert_int_equal(world->report.error, OTA_E_NOT_CONFIRMED);
    confirm(world);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_IDLE);
}

static void trial_image_that_rots_is_reverted(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_C]);
    assert_int_equal(boot(world), OTA_OK);
    rot(world, primary(world));
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_REVERTED);
    assert_int_equal(world->report.error, OTA_E_HASH);
    assert_true(runs(world, &world->images[IMAGE_A]));
}

static void install_over_a_rotten_primary_works(void **state)
{
    struct world *world = *state;

    rot(world, primary(world));
    request(world, &world->images[IMAGE_B]);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->report.phase, OTA_BOOT_TRIAL);
    assert_true(runs(world, &world->images[IMAGE_B]));
}

/* --- Wear and time -----------------------------------------------------------------------------
 */

static void each_sector_is_erased_once(void **state)
{
    struct world *world = *state;
    const unsigned first = 2; /* sectors 0 and 1 are the journal's */

    request(world, &world->images[IMAGE_B]);
    memset(world->sim.erases, 0, sizeof world->sim.erases);
    world->sim.bytes_programmed = 0;
    assert_int_equal(boot(world), OTA_OK);
    for (unsigned i = 0; i < geometry.slot_sectors; i++) {
        assert_int_equal(world->sim.erases[first + i], 1);                         /* primary */
        assert_int_equal(world->sim.erases[first + geometry.slot_sectors + i], 1); /* secondary */
    }
    assert_int_equal(world->sim.erases[first + 2 * geometry.slot_sectors], 0);
    assert_true(world->sim.bytes_programmed <=
                2 * geometry.slot_sectors * geometry.slot_sector_len);
}

static void only_sectors_with_an_image_are_moved(void **state)
{
    struct world *world = *state;
    const unsigned first = 2;

    world_reset(world, &world->images[IMAGE_D]); /* one sector */
    request(world, &world->images[IMAGE_C]);     /* three */
    memset(world->sim.erases, 0, sizeof world->sim.erases);
    assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->sim.erases[first + 2], 1);
    assert_int_equal(world->sim.erases[first + 3], 0);
    assert_int_equal(world->sim.erases[first + 4], 0);
}

static void boots_wear_nothing(void **state)
{
    struct world *world = *state;

    assert_int_equal(boot(world), OTA_OK);
    world->sim.operations = 0;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(boot(world), OTA_OK);
    assert_int_equal(world->sim.operations, 0);
}

/* One erase, and what is programmed between two feeds. */
static void watchdog_waits_for_one_erase_at_most(void **state)
{
    struct world *world = *state;
    const uint64_t program_us = OTA_FEED_BYTES / geometry.write_len * geometry.program_us;

    request(world, &world->images[IMAGE_B]);
    for (int i = 0; i < 6; i++)
        assert_int_equal(boot(world), OTA_OK);
    assert_true(world->sim.unfed_us_max >= geometry.erase_us);
    assert_true(world->sim.unfed_us_max < geometry.erase_us + program_us);
}

/* Sectors full of data, so that each copy ends in as much programming as may be. */
static void watchdog_is_fed_before_each_erase(void **state)
{
    struct world *world = *state;
    const struct ota_swap swap = {&world->sim.flash, &world->sim.map, &world->platform};

    memset(world->sim.bytes + (primary(world) - FLASH_SIM_ADDR), 0x5a,
           2 * world->sim.map.primary.len + geometry.slot_sector_len);
    for (uint32_t step = 0; step < 2 * geometry.slot_sectors; step++)
        assert_int_equal(ota_swap_step(&swap, step), OTA_OK);
    assert_true(world->sim.unfed_us_max < geometry.erase_us + 10000);
}

/* --- Faults --------------------------------------------------------------------------------------
 */

/* Any sector may refuse to be erased, or to be programmed. Whatever can still run does. */
static void broken_sectors_kill_no_device(void **state)
{
    struct world *world = *state;
    static const uint8_t defects[] = {FLASH_NO_ERASE, FLASH_NO_PROGRAM, FLASH_HALF_ERASE,
                                      FLASH_BAD_PROGRAM};
    const unsigned sectors = 2 + 2 * geometry.slot_sectors + 1;

    for (unsigned image = IMAGE_B; image <= IMAGE_D; image++) {
        for (unsigned sector = 0; sector < sectors; sector++) {
            for (size_t d = 0; d < sizeof defects; d++) {
                world_reset(world, &world->images[IMAGE_A]);
                assert_int_equal(boot(world), OTA_OK);
                world->lenient = true;
                world->goals[0] = &world->images[image];
                world->goal_count = 1;
                world->sim.defects[sector] = defects[d];
                enum world_verdict verdict = world_live(world);
                bool is_primary = sector >= 2 && sector < 2 + geometry.slot_sectors;
                /* A sector of the primary that can't hold anything any more: then nothing can run.
                 */
                if (is_primary && defects[d] != FLASH_NO_ERASE)
                    assert_int_not_equal(verdict, WORLD_WRONG);
                else
                    assert_int_equal(verdict, WORLD_FINE);
            }
        }
    }
}

/* A swap that was given up is not taken up again, even when the sector works the next time. */
static void revert_that_began_is_finished(void **state)
{
    struct world *world = *state;
    const unsigned first = 2; /* sector of the primary */

    for (unsigned i = 0; i < geometry.slot_sectors; i++) {
        world_reset(world, &world->images[IMAGE_A]);
        request(world, &world->images[IMAGE_B]);
        world->sim.defects[first + i] = FLASH_HALF_ERASE;
        int error = boot(world);
        if (i * geometry.slot_sector_len < world->images[IMAGE_A].len)
            assert_int_not_equal(error, OTA_OK); /* A needs the sector */
        world->sim.defects[first + i] = FLASH_SOUND;
        assert_int_equal(boot(world), OTA_OK);
        assert_int_equal(world->report.phase, OTA_BOOT_REVERTED);
        assert_true(runs(world, &world->images[IMAGE_A]));
    }
}

static void rotten_boot_record_changes_nothing(void **state)
{
    struct world *world = *state;
    struct ota_journal journal;

    request(world, &world->images[IMAGE_D]);
    assert_int_equal(boot(world), OTA_OK);
    confirm(world);
    assert_int_equal(ota_journal_mount(&journal, &world->sim.flash, &world->sim.map), OTA_OK);
    uint32_t start = world->sim.map.journal[journal.active].addr;
    uint8_t *sound = flash_sim_copy_new(&world->sim);
    flash_sim_save(&world->sim, sound);
    for (uint32_t addr = start; addr < journal.end; addr++) {
        flash_sim_load(&world->sim, sound);
        flash_sim_flip(&world->sim, addr, addr % 8);
        assert_int_equal(boot(world), OTA_OK);
        assert_int_equal(world->report.phase, OTA_BOOT_IDLE);
        assert_int_equal(world->report.counter, 5);
        assert_true(runs(world, &world->images[IMAGE_D]));
    }
    free(sound);
}

static void dead_journal_stops_updates_not_the_device(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_B]);
    world->sim.defects[0] = FLASH_NO_PROGRAM | FLASH_NO_ERASE;
    world->sim.defects[1] = FLASH_NO_PROGRAM | FLASH_NO_ERASE;
    memset(world->sim.erases, 0, sizeof world->sim.erases);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(boot(world), OTA_OK);
        assert_int_equal(world->report.error, OTA_E_FLASH);
        assert_true(runs(world, &world->images[IMAGE_A]));
    }
    for (unsigned sector = 2; sector < 2 + 2 * geometry.slot_sectors + 1; sector++)
        assert_int_equal(world->sim.erases[sector], 0); /* not even begun */
}

/* The journal dies in the middle of a swap, at each of its operations. */
static void journal_that_dies_in_a_swap_brings_the_old_image(void **state)
{
    struct world *world = *state;

    request(world, &world->images[IMAGE_B]);
    uint8_t *requested = flash_sim_copy_new(&world->sim);
    flash_sim_save(&world->sim, requested);
    for (uint64_t at = 0; at < 2500; at += 53) {
        flash_sim_load(&world->sim, requested);
        memset(world->sim.defects, FLASH_SOUND, sizeof world->sim.defects);
        if (setjmp(world->power_off) == 0) {
            flash_sim_cut(&world->sim, at, FLASH_TEAR_SOME);
            assert_int_equal(boot(world), OTA_OK);
            flash_sim_cut(&world->sim, FLASH_SIM_NEVER, FLASH_TEAR_SOME);
        }
        world->sim.defects[0] = FLASH_NO_PROGRAM | FLASH_NO_ERASE;
        world->sim.defects[1] = FLASH_NO_PROGRAM | FLASH_NO_ERASE;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(boot(world), OTA_OK);
            assert_true(runs(world, &world->images[IMAGE_A]));
        }
    }
    free(requested);
}

/* --- The line ------------------------------------------------------------------------------------
 */

static void line_says_what_happened(void **state)
{
    (void)state;
    const struct ota_boot_report report = {
        OTA_BOOT_REPORT_MAGIC, OTA_BOOT_TRIAL, 2, -61, 40, 0, 0, 0};
    struct ota_image_info info = {.header.version = {1, 20, 300, 0}};
    char line[OTA_BOOT_LINE_MAX];

    ota_boot_describe(&report, &info, line);
    assert_string_equal(line, "boot phase 3 starts 1.20.300, attempt 2, counter 40, error 61");
}

static void longest_line_fits(void **state)
{
    (void)state;
    const struct ota_boot_report report = {
        OTA_BOOT_REPORT_MAGIC, UINT8_MAX, UINT8_MAX, INT16_MIN, UINT32_MAX, 0, 0, 0};
    struct ota_image_info info = {.header.version = {255, 255, 65535, 0}};
    char line[OTA_BOOT_LINE_MAX];

    ota_boot_describe(&report, &info, line);
    assert_string_equal(line, "boot phase 255 starts 255.255.65535, attempt 255, "
                              "counter 4294967295, error 32768");
    assert_true(strlen(line) < OTA_BOOT_LINE_MAX);
}

int main(void)
{
#define BOOT_TEST(sentence, function)                                                              \
    {                                                                                              \
        TEST(sentence, function), .setup_func = setup, .teardown_func = teardown                   \
    }
    static const struct CMUnitTest tests[] = {
        BOOT_TEST("a new device starts its image", new_device_starts_its_image),
        BOOT_TEST("an empty device starts nothing and says why", empty_device_starts_nothing),
        BOOT_TEST("a trial counts its boots, then the old image is back", trial_counts_its_boots),
        BOOT_TEST("a reverted image has the end of its last attempt as the reason",
                  reverted_image_has_the_end_of_its_last_attempt_as_the_reason),
        BOOT_TEST("the reason of an image that rejected itself is its own",
                  reason_of_a_rejected_image_is_its_own),
        BOOT_TEST("a confirm ends the trial and raises the counter", confirm_ends_the_trial),
        BOOT_TEST("forged, foreign and too old images are refused", wrong_images_are_refused),
        BOOT_TEST("an image that was not asked for is refused",
                  image_that_was_not_asked_for_is_refused),
        BOOT_TEST("an image that runs already is not swapped",
                  image_that_runs_already_is_not_swapped),
        BOOT_TEST("the image before comes back when the primary rots",
                  older_image_comes_back_when_the_primary_rots),
        BOOT_TEST("an image below the counter does not come back",
                  image_below_the_counter_does_not_come_back),
        BOOT_TEST("a whole download comes in when the primary rots",
                  download_comes_in_when_the_primary_rots),
        BOOT_TEST("a reverted image never comes back", reverted_image_never_comes_back),
        BOOT_TEST("the new image stays when the old one is lost",
                  new_image_stays_when_the_old_is_lost),
        BOOT_TEST("an image that rots on trial is reverted", trial_image_that_rots_is_reverted),
        BOOT_TEST("an install over a rotten primary works", install_over_a_rotten_primary_works),
        BOOT_TEST("an install erases and copies each sector once", each_sector_is_erased_once),
        BOOT_TEST("only sectors that hold an image are moved",
                  only_sectors_with_an_image_are_moved),
        BOOT_TEST("a boot without an update writes nothing", boots_wear_nothing),
        BOOT_TEST("the watchdog waits for one erase at most", watchdog_waits_for_one_erase_at_most),
        BOOT_TEST("the watchdog is fed before each erase", watchdog_is_fed_before_each_erase),
        BOOT_TEST("a broken sector kills no device that could still run",
                  broken_sectors_kill_no_device),
        BOOT_TEST("a revert that began is finished", revert_that_began_is_finished),
        BOOT_TEST("one rotten bit of the journal changes no decision",
                  rotten_boot_record_changes_nothing),
        BOOT_TEST("a dead journal stops updates, not the device",
                  dead_journal_stops_updates_not_the_device),
        BOOT_TEST("a journal that dies in a swap brings the old image",
                  journal_that_dies_in_a_swap_brings_the_old_image),
        BOOT_TEST("the line says what happened", line_says_what_happened),
        BOOT_TEST("the longest line fits", longest_line_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
