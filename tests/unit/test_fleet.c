#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "server/fleet.h"

#define MANY 5000

/* What the writer thread does around each job and group. */
static void begin(const struct writer_hooks *hooks)
{
    hooks->job_begin(hooks->ctx);
}

static struct db_device row(uint32_t id)
{
    struct db_device device = {.id = id, .state = DB_DEVICE_ACCEPTED};

    snprintf(device.name, sizeof(device.name), "device-%u", id);
    snprintf(device.product, sizeof(device.product), "p%u", id % 3);
    snprintf(device.hardware, sizeof(device.hardware), "h%u", id % 2);
    memcpy(device.token_hash, &id, sizeof(id));
    device.token_hash[31] = 0x77;
    return device;
}

static struct fleet_device *find(struct fleet *fleet, uint32_t id)
{
    struct db_device device = row(id);
    struct fleet_device *by_token = fleet_find_token(fleet, device.token_hash);

    assert_ptr_equal(by_token, fleet_find_name(fleet, device.name));
    return by_token;
}

static void add(struct fleet *fleet, uint32_t id)
{
    struct db_device device = row(id);

    assert_true(fleet_add_device(fleet, &device));
}

static void finds_devices(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);

    (void)state;
    begin(&hooks);
    for (uint32_t id = 1; id <= MANY; id++)
        add(fleet, id);
    hooks.group_commit(hooks.ctx);
    assert_int_equal(fleet_count(fleet), MANY);
    for (uint32_t id = 1; id <= MANY; id++) {
        struct fleet_device *device = find(fleet, id);
        struct db_device expected = row(id);
        assert_non_null(device);
        assert_int_equal(device->id, id);
        assert_string_equal(fleet_product(fleet, device), expected.product);
        assert_string_equal(fleet_hardware(fleet, device), expected.hardware);
        assert_ptr_equal(fleet_device(fleet, fleet_ref(fleet, device)), device);
    }
    assert_null(find(fleet, MANY + 1));
    fleet_free(fleet);
}

static void undoes_additions(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);

    (void)state;
    begin(&hooks);
    add(fleet, 1);
    hooks.group_commit(hooks.ctx);
    begin(&hooks);
    add(fleet, 2);
    begin(&hooks);
    add(fleet, 3);
    hooks.job_undo(hooks.ctx);
    assert_non_null(find(fleet, 2));
    assert_null(find(fleet, 3));
    hooks.group_undo(hooks.ctx);
    assert_non_null(find(fleet, 1));
    assert_null(find(fleet, 2));
    assert_int_equal(fleet_count(fleet), 1);
    begin(&hooks);
    add(fleet, 2);
    hooks.group_commit(hooks.ctx);
    assert_non_null(find(fleet, 2));
    fleet_free(fleet);
}

static void undoes_removals(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    struct fleet_ref ref;

    (void)state;
    begin(&hooks);
    for (uint32_t id = 1; id <= 100; id++)
        add(fleet, id);
    hooks.group_commit(hooks.ctx);
    ref = fleet_ref(fleet, find(fleet, 50));
    begin(&hooks);
    assert_true(fleet_remove_device(fleet, find(fleet, 50)));
    assert_null(find(fleet, 50));
    assert_null(fleet_device(fleet, ref));
    /* The tables grow while it is out: it still comes back. */
    for (uint32_t id = 101; id <= MANY; id++)
        add(fleet, id);
    hooks.group_undo(hooks.ctx);
    assert_non_null(find(fleet, 50));
    assert_int_equal(fleet_count(fleet), 100);
    assert_ptr_equal(fleet_device(fleet, ref), find(fleet, 50));
    begin(&hooks);
    assert_true(fleet_remove_device(fleet, find(fleet, 50)));
    hooks.group_commit(hooks.ctx);
    assert_null(find(fleet, 50));
    begin(&hooks);
    add(fleet, 200);
    hooks.group_commit(hooks.ctx);
    assert_null(fleet_device(fleet, ref)); /* another device in its slot is not taken for it */
    fleet_free(fleet);
}

static void changes_tokens(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    uint8_t hash[DB_HASH_LEN] = {9, 9, 9};
    struct fleet_device *device;

    (void)state;
    begin(&hooks);
    add(fleet, 1);
    hooks.group_commit(hooks.ctx);
    device = find(fleet, 1);
    begin(&hooks);
    assert_true(fleet_set_token(fleet, device, hash));
    assert_ptr_equal(fleet_find_token(fleet, hash), device);
    hooks.group_undo(hooks.ctx);
    assert_null(fleet_find_token(fleet, hash));
    assert_ptr_equal(find(fleet, 1), device);
    begin(&hooks);
    assert_true(fleet_set_token(fleet, device, hash));
    hooks.group_commit(hooks.ctx);
    assert_ptr_equal(fleet_find_token(fleet, hash), device);
    fleet_free(fleet);
}

static void undoes_tries(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    struct fleet_device *device;
    struct fleet_try *first;
    struct fleet_try *second;

    (void)state;
    begin(&hooks);
    add(fleet, 1);
    device = find(fleet, 1);
    first = fleet_add_try(fleet, device);
    assert_non_null(first);
    first->d.rollout_id = 5;
    first->d.state = DEPLOYMENT_OFFERED;
    hooks.group_commit(hooks.ctx);
    begin(&hooks);
    assert_true(fleet_touch_try(fleet, first));
    first->d.state = DEPLOYMENT_FAILED;
    second = fleet_add_try(fleet, device);
    assert_ptr_equal(device->tries, second);
    second->d.rollout_id = 5;
    assert_ptr_equal(fleet_newest_try(device, 5), second);
    hooks.group_undo(hooks.ctx);
    assert_ptr_equal(device->tries, first);
    assert_int_equal(first->d.state, DEPLOYMENT_OFFERED);
    assert_null(first->next);
    fleet_free(fleet);
}

static void alarms_come_in_order(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    uint32_t last = 0;
    int count = 0;
    struct fleet_device *device;

    (void)state;
    srand(3);
    begin(&hooks);
    for (uint32_t id = 1; id <= 1000; id++) {
        add(fleet, id);
        fleet_set_alarm(fleet, find(fleet, id), 1000 + (uint64_t)(rand() % 500));
        if (id % 3 == 0) /* earlier counts, later does not */
            fleet_set_alarm(fleet, find(fleet, id), 500 + id);
        fleet_set_alarm(fleet, find(fleet, id), 9000);
    }
    assert_int_equal(fleet_next_alarm(fleet), 503);
    assert_null(fleet_take_alarm(fleet, 502));
    for (uint32_t now = 503; now < 1600; now++) {
        while ((device = fleet_take_alarm(fleet, now)) != NULL) {
            assert_true(now >= last);
            assert_int_equal(device->alarm_at, 0);
            last = now;
            count++;
        }
    }
    assert_int_equal(count, 1000);
    /* Taken, and then the transaction failed: it must ring again. */
    hooks.group_undo(hooks.ctx);
    assert_int_equal(fleet_count(fleet), 0);
    fleet_free(fleet);
}

static void alarm_survives_undo(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);

    (void)state;
    begin(&hooks);
    add(fleet, 1);
    hooks.group_commit(hooks.ctx);
    fleet_set_alarm(fleet, find(fleet, 1), 10);
    begin(&hooks);
    assert_ptr_equal(fleet_take_alarm(fleet, 20), find(fleet, 1));
    hooks.group_undo(hooks.ctx);
    assert_ptr_equal(fleet_take_alarm(fleet, 20), find(fleet, 1));
    hooks.group_commit(hooks.ctx);
    assert_null(fleet_take_alarm(fleet, UINT32_MAX));
    fleet_free(fleet);
}

static void dirty_ones_are_taken_once(void **state)
{
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    struct fleet_ref refs[8];
    uint32_t cursor = 0;

    (void)state;
    begin(&hooks);
    for (uint32_t id = 1; id <= 3; id++)
        add(fleet, id);
    hooks.group_commit(hooks.ctx);
    for (int i = 0; i < 10; i++)
        fleet_note_seen(fleet, find(fleet, 2), (uint32_t)(100 + i));
    fleet_note_seen(fleet, find(fleet, 3), 200);
    assert_int_equal(fleet_take_dirty(fleet, &cursor, refs, 1), 1);
    assert_int_equal(refs[0].id, 2);
    assert_true(cursor < fleet_slots(fleet));
    assert_int_equal(fleet_take_dirty(fleet, &cursor, refs, 8), 1);
    assert_int_equal(refs[0].id, 3);
    assert_int_equal(cursor, fleet_slots(fleet));
    cursor = 0;
    assert_int_equal(fleet_take_dirty(fleet, &cursor, refs, 8), 0);
    assert_int_equal(find(fleet, 2)->last_seen, 109);
    fleet_free(fleet);
}

static void stays_small(void **state)
{
    (void)state;
    /* A million of them, their names and tables must fit 256 MB beside everything else. */
    assert_true(sizeof(struct fleet_device) <= 168);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("devices are found by token and by name", finds_devices)},
        {TEST("an addition that was not committed is gone", undoes_additions)},
        {TEST("a removal that was not committed is back, though the tables grew", undoes_removals)},
        {TEST("a token change is undone and done", changes_tokens)},
        {TEST("tries that were not committed are gone, changed ones as they were", undoes_tries)},
        {TEST("alarms ring in order, the earliest of each device", alarms_come_in_order)},
        {TEST("an alarm that was taken in vain rings again", alarm_survives_undo)},
        {TEST("a device that was seen often is flushed once", dirty_ones_are_taken_once)},
        {TEST("a device takes little memory", stays_small)},
    };

    return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
