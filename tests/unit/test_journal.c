#include "device/core/journal.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "tests/powercut/flash_sim.h"
#include "tests/support/support.h"

#define WRITES 3000
#define JOURNAL_LEN(sim) (2 * (sim)->geometry->journal_sector_len)

static const struct flash_geometry geometries[] = {
    {"words", 4096, 4096, 1, 4, false, 0, 0},
    {"bytes", 4096, 4096, 1, 1, false, 0, 0},
    {"double words", 8192, 4096, 1, 8, false, 0, 0},
    {"ecc", 8192, 8192, 1, 32, true, 0, 0},
};
#define GEOMETRIES (sizeof geometries / sizeof geometries[0])

/* What the journal should hold, type by type. */
struct model {
    uint8_t bytes[OTA_RECORD_TYPES][128];
    size_t len[OTA_RECORD_TYPES];
};

struct fixture {
    struct flash_sim sim;
    struct ota_journal journal;
    struct model model;
    jmp_buf power_off;
};

static void open_on(struct fixture *fixture, const struct flash_geometry *geometry)
{
    memset(&fixture->model, 0, sizeof fixture->model);
    flash_sim_open(&fixture->sim, geometry);
    fixture->sim.power_off = &fixture->power_off;
    assert_int_equal(ota_journal_mount(&fixture->journal, &fixture->sim.flash, &fixture->sim.map),
                     OTA_OK);
}

static int mount(struct fixture *fixture)
{
    return ota_journal_mount(&fixture->journal, &fixture->sim.flash, &fixture->sim.map);
}

static bool holds(struct fixture *fixture, unsigned type, const uint8_t *bytes, size_t len)
{
    uint8_t have[OTA_RECORD_LEN_MAX];
    int have_len = ota_journal_read(&fixture->journal, (enum ota_record)type, have, sizeof have);

    if (have_len == OTA_E_NOT_FOUND)
        return len == 0;
    return have_len == (int)len && memcmp(have, bytes, len) == 0;
}

static bool holds_all(struct fixture *fixture)
{
    for (unsigned type = 1; type < OTA_RECORD_TYPES; type++) {
        if (!holds(fixture, type, fixture->model.bytes[type], fixture->model.len[type]))
            return false;
    }
    return true;
}

static void fill(struct fixture *fixture, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)flash_sim_random(&fixture->sim);
}

static int put(struct fixture *fixture, unsigned type, size_t len)
{
    uint8_t bytes[128];

    fill(fixture, bytes, len);
    int error = ota_journal_write(&fixture->journal, (enum ota_record)type, bytes, len);
    if (error == OTA_OK) {
        memcpy(fixture->model.bytes[type], bytes, len);
        fixture->model.len[type] = len;
    }
    return error;
}

static void new_flash_is_empty(void **state)
{
    (void)state;
    struct fixture fixture;
    uint8_t buf[16];

    open_on(&fixture, &geometries[0]);
    assert_int_equal(ota_journal_read(&fixture.journal, OTA_RECORD_BOOT, buf, sizeof buf),
                     OTA_E_NOT_FOUND);
    assert_true(fixture.sim.erases[0] + fixture.sim.erases[1] == 1);
    assert_int_equal(mount(&fixture), OTA_OK);
    assert_true(fixture.sim.erases[0] + fixture.sim.erases[1] == 1);
    flash_sim_close(&fixture.sim);
}

static void keeps_newest_of_each_type(void **state)
{
    (void)state;
    struct fixture fixture;

    for (size_t g = 0; g < GEOMETRIES; g++) {
        open_on(&fixture, &geometries[g]);
        for (int i = 0; i < WRITES; i++) {
            unsigned type = 1 + (unsigned)(flash_sim_random(&fixture.sim) % 12);
            size_t len = flash_sim_random(&fixture.sim) % 120;
            assert_int_equal(put(&fixture, type, len), OTA_OK);
            if (i % 17 == 0)
                assert_int_equal(mount(&fixture), OTA_OK);
            if (i % 5 == 0)
                assert_true(holds_all(&fixture));
        }
        assert_int_equal(fixture.sim.violations, 0);
        assert_true(fixture.sim.erases[0] > 10 && fixture.sim.erases[1] > 10);
        flash_sim_close(&fixture.sim);
    }
}

/* Wear: a sector is erased once for the bytes that fit into it, not once a write. */
static void wear_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture;

    open_on(&fixture, &geometries[0]);
    for (int i = 0; i < WRITES; i++)
        assert_int_equal(put(&fixture, OTA_RECORD_SEQUENCE, 8), OTA_OK);
    /* 20 bytes a record, 4096 a sector. */
    assert_true(fixture.sim.erases[0] + fixture.sim.erases[1] <= WRITES * 20 / 4000 + 2);
    flash_sim_close(&fixture.sim);
}

/* Write one record with a cut at its n-th operation; true when the cut came. */
static bool write_is_cut(struct fixture *fixture, uint64_t n, enum flash_tear tear,
                         const uint8_t *bytes, size_t len)
{
    if (setjmp(fixture->power_off) != 0)
        return true;
    flash_sim_cut(&fixture->sim, n, tear);
    assert_int_equal(ota_journal_write(&fixture->journal, OTA_RECORD_BOOT, bytes, len), OTA_OK);
    flash_sim_cut(&fixture->sim, FLASH_SIM_NEVER, tear);
    return false;
}

static void sweep_cuts_of_one_write(struct fixture *fixture, enum flash_tear tear)
{
    uint8_t *before = flash_sim_copy_new(&fixture->sim);
    const struct model model = fixture->model;
    uint8_t bytes[80];

    flash_sim_save(&fixture->sim, before);
    fill(fixture, bytes, sizeof bytes);
    for (uint64_t n = 0;; n++) {
        flash_sim_load(&fixture->sim, before);
        fixture->model = model;
        assert_int_equal(mount(fixture), OTA_OK);
        bool cut = write_is_cut(fixture, n, tear, bytes, sizeof bytes);
        assert_int_equal(mount(fixture), OTA_OK);
        if (holds(fixture, OTA_RECORD_BOOT, bytes, sizeof bytes)) {
            memcpy(fixture->model.bytes[OTA_RECORD_BOOT], bytes, sizeof bytes);
            fixture->model.len[OTA_RECORD_BOOT] = sizeof bytes;
        } else {
            assert_true(cut);
        }
        assert_true(holds_all(fixture));
        /* And it goes on. */
        assert_int_equal(put(fixture, OTA_RECORD_SEQUENCE, 8), OTA_OK);
        assert_int_equal(mount(fixture), OTA_OK);
        assert_true(holds_all(fixture));
        if (!cut)
            break;
    }
    free(before);
}

static void cut_leaves_old_or_new(void **state)
{
    (void)state;
    struct fixture fixture;

    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (int tear = 0; tear < FLASH_TEAR_KINDS; tear++) {
            open_on(&fixture, &geometries[g]);
            assert_int_equal(put(&fixture, OTA_RECORD_BOOT, 80), OTA_OK);
            assert_int_equal(put(&fixture, OTA_RECORD_CREDENTIAL, 44), OTA_OK);
            sweep_cuts_of_one_write(&fixture, (enum flash_tear)tear);
            /* Now so full that the write needs a compaction. */
            uint32_t end = fixture.sim.map.journal[0].addr + fixture.sim.map.journal[0].len;
            while (fixture.journal.active != 0 || end - fixture.journal.end > 150)
                assert_int_equal(put(&fixture, OTA_RECORD_SEQUENCE, 8), OTA_OK);
            sweep_cuts_of_one_write(&fixture, (enum flash_tear)tear);
            assert_int_equal(fixture.sim.violations, 0);
            flash_sim_close(&fixture.sim);
        }
    }
}

/* A mount on flash where one bit of the journal has rotted: vital records are the newest, others
 * one that was once written. */
static void rot_of_any_bit_is_survived(void **state)
{
    (void)state;
    struct fixture fixture;
    struct model older;

    open_on(&fixture, &geometries[0]);
    assert_int_equal(put(&fixture, OTA_RECORD_UPDATE, 40), OTA_OK);
    older = fixture.model;
    assert_int_equal(put(&fixture, OTA_RECORD_CREDENTIAL, 44), OTA_OK);
    assert_int_equal(put(&fixture, OTA_RECORD_UPDATE, 40), OTA_OK);
    assert_int_equal(put(&fixture, OTA_RECORD_BOOT, 80), OTA_OK);
    uint8_t *sound = flash_sim_copy_new(&fixture.sim);
    flash_sim_save(&fixture.sim, sound);
    uint32_t start = fixture.sim.map.journal[fixture.journal.active].addr;
    uint32_t end = fixture.journal.end;
    for (uint32_t addr = start; addr < end; addr++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            flash_sim_load(&fixture.sim, sound);
            flash_sim_flip(&fixture.sim, addr, bit);
            assert_int_equal(mount(&fixture), OTA_OK);
            assert_true(holds(&fixture, OTA_RECORD_BOOT, fixture.model.bytes[OTA_RECORD_BOOT], 80));
            assert_true(holds(&fixture, OTA_RECORD_CREDENTIAL,
                              fixture.model.bytes[OTA_RECORD_CREDENTIAL], 44));
            assert_true(
                holds(&fixture, OTA_RECORD_UPDATE, fixture.model.bytes[OTA_RECORD_UPDATE], 40) ||
                holds(&fixture, OTA_RECORD_UPDATE, older.bytes[OTA_RECORD_UPDATE], 40));
        }
    }
    free(sound);
    flash_sim_close(&fixture.sim);
}

static void rot_since_the_mount_is_told(void **state)
{
    (void)state;
    struct fixture fixture;
    uint8_t buf[128];

    open_on(&fixture, &geometries[0]);
    assert_int_equal(put(&fixture, OTA_RECORD_UPDATE, 40), OTA_OK);
    flash_sim_flip(&fixture.sim, fixture.journal.newest[OTA_RECORD_UPDATE] + 20, 3);
    assert_int_equal(ota_journal_read(&fixture.journal, OTA_RECORD_UPDATE, buf, sizeof buf),
                     OTA_E_FLASH);
    flash_sim_close(&fixture.sim);
}

/* As if the years had passed: no two seals are half the range of sequence numbers apart. */
static void let_years_pass(struct fixture *fixture, const uint32_t *years, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fixture->journal.sequence = years[i];
        while (put(fixture, 1, 80) == OTA_OK && fixture->journal.active == i % 2)
            ;
    }
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    static const uint32_t years[] = {0x60000000U, 0xc0000000U, UINT32_MAX - 300};
    struct fixture fixture;

    open_on(&fixture, &geometries[0]);
    let_years_pass(&fixture, years, 3);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(put(&fixture, 1 + (unsigned)i % 4, 30), OTA_OK);
        assert_int_equal(mount(&fixture), OTA_OK);
        assert_true(holds_all(&fixture));
    }
    assert_true(fixture.journal.sequence < 5000);
    flash_sim_close(&fixture.sim);
}

/* A compaction that was cut leaves records, but no seal: however high their numbers. */
static void unsealed_sector_never_counts(void **state)
{
    (void)state;
    static const uint32_t years[] = {0x60000000U, 0xc0000000U};
    struct fixture fixture;

    open_on(&fixture, &geometries[0]);
    let_years_pass(&fixture, years, 2);
    assert_int_equal(fixture.journal.active, 0);
    assert_int_equal(put(&fixture, OTA_RECORD_CREDENTIAL, 44), OTA_OK);
    uint32_t end = fixture.sim.map.journal[0].addr + fixture.sim.map.journal[0].len;
    while (end - fixture.journal.end > 150)
        assert_int_equal(put(&fixture, OTA_RECORD_SEQUENCE, 8), OTA_OK);
    for (int tear = 0; tear < FLASH_TEAR_KINDS; tear++)
        sweep_cuts_of_one_write(&fixture, (enum flash_tear)tear);
    flash_sim_close(&fixture.sim);
}

/* A report may hold any bytes, those of an old boot record among them. When its own header rots,
 * they must not be found inside it. */
static void copy_inside_a_record_is_no_record(void **state)
{
    (void)state;
    struct fixture fixture;
    uint8_t copy[100];

    open_on(&fixture, &geometries[0]);
    assert_int_equal(put(&fixture, OTA_RECORD_BOOT, 80), OTA_OK);
    uint32_t old = fixture.journal.newest[OTA_RECORD_BOOT];
    memcpy(copy, fixture.sim.bytes + (old - FLASH_SIM_ADDR), sizeof copy);
    assert_int_equal(put(&fixture, OTA_RECORD_BOOT, 80), OTA_OK);
    assert_int_equal(ota_journal_write(&fixture.journal, OTA_RECORD_REPORT_0, copy, sizeof copy),
                     OTA_OK);
    flash_sim_flip(&fixture.sim, fixture.journal.newest[OTA_RECORD_REPORT_0], 0);
    assert_int_equal(mount(&fixture), OTA_OK);
    assert_true(holds(&fixture, OTA_RECORD_BOOT, fixture.model.bytes[OTA_RECORD_BOOT], 80));
    flash_sim_close(&fixture.sim);
}

static void place_that_fails_is_left_behind(void **state)
{
    (void)state;
    struct fixture fixture;

    open_on(&fixture, &geometries[0]);
    fixture.sim.defects[fixture.journal.active] = FLASH_BAD_PROGRAM;
    for (int i = 0; i < 200; i++) {
        int error = put(&fixture, OTA_RECORD_BOOT, 20);
        assert_true(error == OTA_OK || error == OTA_E_FLASH);
        assert_int_equal(mount(&fixture), OTA_OK);
        assert_true(holds_all(&fixture));
    }
    flash_sim_close(&fixture.sim);
}

static void broken_spare_sector_loses_nothing(void **state)
{
    (void)state;
    static const uint8_t defects[] = {FLASH_NO_ERASE, FLASH_NO_PROGRAM, FLASH_HALF_ERASE};

    for (size_t d = 0; d < sizeof defects; d++) {
        struct fixture fixture;
        open_on(&fixture, &geometries[0]);
        fixture.sim.defects[fixture.journal.active ^ 1U] = defects[d];
        int refused = 0;
        for (int i = 0; i < 300; i++) {
            refused += put(&fixture, OTA_RECORD_BOOT, 20) == OTA_E_FLASH;
            assert_true(holds_all(&fixture));
            assert_int_equal(mount(&fixture), OTA_OK);
            assert_true(holds_all(&fixture));
        }
        assert_true(refused > 100);
        flash_sim_close(&fixture.sim);
    }
}

static void too_much_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    uint8_t bytes[OTA_RECORD_LEN_MAX + 1] = {7};

    open_on(&fixture, &geometries[0]);
    assert_int_equal(ota_journal_write(&fixture.journal, OTA_RECORD_UPDATE, bytes, sizeof bytes),
                     OTA_E_RANGE);
    assert_int_equal(
        ota_journal_write(&fixture.journal, (enum ota_record)OTA_RECORD_TYPES, bytes, 1),
        OTA_E_RANGE);
    assert_int_equal(ota_journal_write(&fixture.journal, (enum ota_record)0, bytes, 1),
                     OTA_E_RANGE);
    /* Three of these fit into 4 KB, four don't. */
    for (unsigned type = OTA_RECORD_REPORT_0; type < OTA_RECORD_REPORT_0 + 3; type++)
        assert_int_equal(ota_journal_write(&fixture.journal, (enum ota_record)type, bytes, 1024),
                         OTA_OK);
    assert_int_equal(ota_journal_write(&fixture.journal, OTA_RECORD_REPORT_LAST, bytes, 1024),
                     OTA_E_JOURNAL_FULL);
    uint8_t back[OTA_RECORD_LEN_MAX];
    assert_int_equal(ota_journal_read(&fixture.journal, OTA_RECORD_REPORT_0, back, sizeof back),
                     1024);
    assert_int_equal(ota_journal_read(&fixture.journal, OTA_RECORD_REPORT_0, back, 1023),
                     OTA_E_NO_SPACE);
    flash_sim_close(&fixture.sim);
}

static void reserve_makes_room(void **state)
{
    (void)state;
    struct fixture fixture;

    open_on(&fixture, &geometries[0]);
    uint32_t end = fixture.sim.map.journal[0].addr + fixture.sim.map.journal[0].len;
    while (end - fixture.journal.end > 1000)
        assert_int_equal(put(&fixture, OTA_RECORD_BOOT, 80), OTA_OK);
    assert_int_equal(ota_journal_reserve(&fixture.journal, 1000 - 200), OTA_OK);
    assert_int_equal(fixture.journal.active, 0);
    assert_int_equal(ota_journal_reserve(&fixture.journal, 2000), OTA_OK);
    assert_int_equal(fixture.journal.active, 1);
    assert_true(holds_all(&fixture));
    assert_int_equal(ota_journal_reserve(&fixture.journal, 4096), OTA_E_JOURNAL_FULL);
    flash_sim_close(&fixture.sim);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("new flash is formatted once and holds nothing", new_flash_is_empty)},
        {TEST("the newest record of each type is kept over many compactions",
              keeps_newest_of_each_type)},
        {TEST("a sector is erased once for what fits into it", wear_is_bounded)},
        {TEST("a cut at any operation of a write leaves the old record or the new one",
              cut_leaves_old_or_new)},
        {TEST("one rotten bit anywhere costs no boot record and no credential",
              rot_of_any_bit_is_survived)},
        {TEST("a record that rots after the mount is told of", rot_since_the_mount_is_told)},
        {TEST("sequence numbers may wrap", sequence_numbers_wrap)},
        {TEST("a sector without a seal never counts", unsealed_sector_never_counts)},
        {TEST("a copy of a record inside another one is no record",
              copy_inside_a_record_is_no_record)},
        {TEST("a place that can't be programmed is left behind", place_that_fails_is_left_behind)},
        {TEST("a broken spare sector refuses writes and loses nothing",
              broken_spare_sector_loses_nothing)},
        {TEST("records too long, unknown, or too many are refused", too_much_is_refused)},
        {TEST("reserved room is there without a further compaction", reserve_makes_room)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
