/* The update client and time: when it asks, when it waits, when nobody answers. */
#include "device/core/client.h"

#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

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

static void silent_server(struct world *world, const struct ota_http_request *request,
                          struct world_answer *answer)
{
    (void)world;
    (void)request;
    answer->silent = true;
}

static bool is_stale(const struct world *world)
{
    struct ota_client_status status;

    ota_client_status(&world->client, &status);
    return status.stale;
}

static void check_stale(struct world *world)
{
    world_boot(world);
    world_run(world, world_never, WORLD_DAY_MS - WORLD_HOUR_MS);
    assert_false(is_stale(world));
    world_run(world, world_never, 2 * WORLD_HOUR_MS);
    assert_true(is_stale(world));
    assert_non_null(strstr(world->log, "stale"));
    world_run(world, world_never, 60 * WORLD_DAY_MS); /* the clock wraps; it stays so */
    assert_true(is_stale(world));
    world->server.twist_answer = NULL;
    world->server.twist_envelope = NULL;
    world->server.action = OTA_ACTION_NONE;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    assert_false(is_stale(world));
}

static void test_stale(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = silent_server;
    check_stale(world);
    world_restart(world);
    world->server.twist_answer = answer_204;
    check_stale(world);
    world_restart(world);
    world->server.twist_envelope = replay;
    check_stale(world);
}

static void test_not_stale(void **state)
{
    struct world *world = world_fresh(state);

    world->server.action = OTA_ACTION_NONE;
    world->server.poll_seconds = 3600;
    world_boot(world);
    world_run(world, world_never, 10 * WORLD_DAY_MS);
    assert_false(is_stale(world));
}

static void unavailable(struct world *world, const struct ota_http_request *request,
                        struct world_answer *answer)
{
    (void)request;
    answer->head.status = 503;
    answer->head.has_retry_after = world->server.twist != 0;
    answer->head.retry_after_seconds = world->server.twist;
    answer->head.length = 0;
    answer->len = 0;
}

static uint32_t gap(const struct world *world, unsigned n)
{
    return world->server.poll_at[n % 64] - world->server.poll_at[(n - 1) % 64];
}

static void test_backoff(void **state)
{
    struct world *world = *state;
    uint64_t sum[12] = {0};

    for (unsigned run = 0; run < 200; run++) {
        world_restart(world);
        world->random = run * 7919 + 1;
        world->server.twist_answer = unavailable;
        world_boot(world);
        while (world->server.polls < 13)
            world_run(world, world_never, 1000);
        for (unsigned n = 1; n <= 12; n++) {
            uint32_t window = n < 10 ? 2000U << (n - 1) : OTA_CLIENT_BACKOFF_MS_MAX;
            window = window < OTA_CLIENT_BACKOFF_MS_MAX ? window : OTA_CLIENT_BACKOFF_MS_MAX;
            assert_in_range(gap(world, n), 250, 250 + window + 60);
            sum[n - 1] += (uint64_t)gap(world, n) * 1000 / window;
        }
    }
    /* Full jitter: evenly over the window, so half of it on average. */
    for (unsigned n = 2; n < 12; n++)
        assert_in_range(sum[n] / 200, 400, 650);
}

static void test_retry_after(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = unavailable;
    world->server.twist = 500;
    world_boot(world);
    while (world->server.polls < 6)
        world_run(world, world_never, 1000);
    for (unsigned n = 1; n <= 5; n++)
        assert_in_range(gap(world, n), 500000, 500000 + (2000U << (n - 1)) + 400);
    world_restart(world);
    world->server.twist_answer = unavailable;
    world->server.twist = UINT32_MAX; /* bounded to a day */
    world_boot(world);
    while (world->server.polls < 2)
        world_run(world, world_never, 1000);
    assert_in_range(gap(world, 1), WORLD_DAY_MS, WORLD_DAY_MS + 3000);
}

static void test_poll_interval(void **state)
{
    static const uint32_t intervals[] = {1, 60, 604800};
    struct world *world = *state;

    for (unsigned i = 0; i < 3; i++) {
        uint32_t ms = intervals[i] * 1000;
        uint32_t low = UINT32_MAX, high = 0;
        world_restart(world);
        world->server.action = OTA_ACTION_NONE;
        world->server.poll_seconds = intervals[i];
        world_boot(world);
        while (world->server.polls < 40)
            world_run(world, world_never, ms);
        for (unsigned n = 1; n < 40; n++) {
            low = gap(world, n) < low ? gap(world, n) : low;
            high = gap(world, n) > high ? gap(world, n) : high;
            assert_in_range(gap(world, n), ms - ms / 4, ms + ms / 4 + 60);
        }
        assert_true(high - low > ms / 4);
    }
}

static void test_wear(void **state)
{
    struct world *world = world_fresh(state);

    world_update(world);
    world->server.action = OTA_ACTION_NONE;
    world->server.poll_seconds = 60;
    world_run(world, world_never, 10 * WORLD_MINUTE_MS);
    uint64_t operations = world->sim.operations;
    unsigned polls = world->server.polls;
    while (world->server.polls < polls + 10000)
        world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->sim.operations, operations); /* no program, no erase */
}

static void test_no_random(void **state)
{
    struct world *world = world_fresh(state);

    world_boot(world);
    world->random_fails = true;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.requests, 0);
    world->random_fails = false;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    world_assert_updated(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a day without a verified manifest is stale", test_stale)},
        {TEST("a week of polls is not stale", test_not_stale)},
        {TEST("the backoff doubles, with full jitter", test_backoff)},
        {TEST("Retry-After is honoured, up to a day", test_retry_after)},
        {TEST("the manifest's poll interval is honoured, with jitter", test_poll_interval)},
        {TEST("10,000 polls erase and program nothing", test_wear)},
        {TEST("without randomness nothing is asked", test_no_random)},
    };
    return cmocka_run_group_tests_name("client_time", tests, world_setup, world_teardown);
}
