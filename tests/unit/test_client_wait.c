/* The update client waiting for news: polls that the server holds, between those of the interval.
 */
#include "device/core/client.h"

#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

#define WAITS_MAX 4096

/* How the server, or what stands before it, treats a poll that may wait. */
enum treatment {
    HOLDS,   /* 204 at the end */
    AT_ONCE, /* as any poll */
    CUTS,    /* the connection, after CUT_MS */
    LOSES,   /* it: nothing ever comes */
};
#define CUT_MS 20000U

static struct {
    enum treatment treatment;
    uint32_t wanted;  /* `wait` of the manifests */
    uint32_t news_ms; /* when it has an install to tell, 0 for never */
    bool waiting;
    unsigned waits;
    uint32_t seconds[WAITS_MAX];
    uint32_t begun[WAITS_MAX];
    bool holds_last; /* the last one said `last=hold` */
} book;

static void want(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->wait_seconds = book.wanted;
    if (book.waiting && book.news_ms != 0)
        manifest->action = OTA_ACTION_INSTALL;
}

static void answer_waits(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    (void)world;
    (void)request;
    if (!book.waiting)
        return;
    book.waits++;
    if (book.treatment == AT_ONCE)
        return;
    answer->silent = true;
    if (book.news_ms == 0) {
        answer->head = (struct ota_http_response){.status = 204};
        answer->len = 0;
    }
}

static int (*start_exchange)(void *ctx, const struct ota_http_request *request);

static int start_and_note(void *ctx, const struct ota_http_request *request)
{
    struct world *world = ctx;

    book.waiting = request->wait_seconds > 0;
    if (book.waiting) {
        assert_true(book.waits < WAITS_MAX);
        book.seconds[book.waits] = request->wait_seconds;
        book.begun[book.waits] = world->now_ms;
        book.holds_last = strstr(request->path, "&last=hold") != NULL;
    }
    return start_exchange(ctx, request);
}

static uint32_t waited_ms(const struct world *world)
{
    return world->now_ms - book.begun[book.waits - 1];
}

/* For world_run(): the server's clock. */
static bool pass_time(struct world *world)
{
    struct world_answer *answer = &world->server.answer;

    if (!world->server.active || !answer->silent || book.waits == 0)
        return false;
    if (book.treatment == CUTS && waited_ms(world) >= CUT_MS) {
        answer->refused = OTA_E_TRANSPORT;
        answer->silent = false;
    } else if (book.treatment == HOLDS && book.news_ms != 0) {
        answer->silent = (int32_t)(world->now_ms - book.news_ms) < 0;
        world->server.action = answer->silent ? OTA_ACTION_NONE : OTA_ACTION_INSTALL;
    } else if (book.treatment == HOLDS) {
        answer->silent = waited_ms(world) < book.seconds[book.waits - 1] * 1000;
    }
    return false;
}

static bool has_fetched(struct world *world)
{
    pass_time(world);
    return world->server.fetches > 0;
}

static bool is_updated(struct world *world)
{
    pass_time(world);
    return world_runs(world, &world->next) && world_idle(world);
}

static struct world *begin(void **state, enum treatment treatment)
{
    struct world *world = world_fresh(state);

    memset(&book, 0, sizeof book);
    book.treatment = treatment;
    book.wanted = 300;
    start_exchange = world->transport.start;
    world->transport.start = start_and_note;
    world->config.wait_seconds = 300;
    world->server.action = OTA_ACTION_NONE;
    world->server.poll_seconds = 3600;
    world->server.twist_fields = want;
    world->server.twist_answer = answer_waits;
    world_boot(world);
    return world;
}

/* Polls that were no waits. */
static unsigned plain_polls(const struct world *world)
{
    return world->server.polls - book.waits;
}

static void test_waits(void **state)
{
    struct world *world = begin(state, HOLDS);

    world_run(world, pass_time, 10 * WORLD_HOUR_MS);
    assert_in_range(book.waits, 10 * 11, 10 * 17);
    assert_in_range(plain_polls(world), 8, 14);
    for (unsigned i = 0; i < book.waits; i++)
        assert_true(book.seconds[i] <= 300 && book.seconds[i] >= 1);
    assert_true(world_idle(world)); /* also while it waits */
    assert_int_equal(world->client.poll_failures, 0);
}

static void test_news(void **state)
{
    struct world *world = begin(state, HOLDS);

    book.news_ms = world->now_ms + 1000 * 1000;
    assert_true(world_run(world, has_fetched, WORLD_HOUR_MS / 2));
    assert_true(world->now_ms - book.news_ms <= 2000);
    assert_true(world_run(world, is_updated, WORLD_HOUR_MS));
    world_assert_updated(world);
}

static void test_both_want(void **state)
{
    struct world *world = begin(state, HOLDS);

    book.wanted = 0;
    world_run(world, pass_time, 3 * WORLD_HOUR_MS);
    assert_int_equal(book.waits, 0);
    world = begin(state, HOLDS);
    world->config.wait_seconds = 0;
    world_run(world, pass_time, 3 * WORLD_HOUR_MS);
    assert_int_equal(book.waits, 0);
    world = begin(state, HOLDS);
    world->config.wait_seconds = 10;
    world_run(world, pass_time, WORLD_HOUR_MS);
    assert_true(book.waits > 200);
    for (unsigned i = 0; i < book.waits; i++)
        assert_true(book.seconds[i] <= 10);
}

/* Whatever cuts or does not hold costs few polls, and the interval's go on. */
static void check_spaced(struct world *world)
{
    world_run(world, pass_time, WORLD_DAY_MS);
    assert_in_range(book.waits, 24, 24 * 14);
    assert_true(world->server.polls >= 18); /* an answer at once is as good as one to a poll */
    if (book.treatment != AT_ONCE)
        assert_in_range(plain_polls(world), 18, 34);
    struct ota_client_status status;
    ota_client_status(&world->client, &status);
    assert_false(status.stale);
    assert_int_equal(status.failures, 0);
}

static void test_not_held(void **state)
{
    check_spaced(begin(state, AT_ONCE));
    check_spaced(begin(state, CUTS));
}

static void test_lost(void **state)
{
    struct world *world = begin(state, LOSES);

    check_spaced(world);
    for (unsigned i = 1; i < book.waits; i++)
        assert_true(book.begun[i] - book.begun[i - 1] >= book.seconds[i - 1] * 1000);
}

static bool waits_for_a_minute(struct world *world)
{
    pass_time(world);
    return book.waits > 0 && world->server.active && waited_ms(world) >= WORLD_MINUTE_MS;
}

static void test_poll_now(void **state)
{
    struct world *world = begin(state, HOLDS);

    assert_true(world_run(world, waits_for_a_minute, WORLD_HOUR_MS));
    unsigned polls = plain_polls(world);
    ota_client_poll_now(&world->client);
    world_run(world, pass_time, 1000);
    assert_int_equal(plain_polls(world), polls + 1);
}

static void test_hold(void **state)
{
    struct world *world = begin(state, HOLDS);

    world->server.action = OTA_ACTION_HOLD;
    world_run(world, pass_time, WORLD_HOUR_MS);
    assert_true(book.waits > 5);
    assert_true(book.holds_last);
}

static void test_trial(void **state)
{
    struct world *world = begin(state, HOLDS);

    world->server.action = OTA_ACTION_INSTALL;
    world->fit = 0; /* not yet: the trial goes on */
    assert_true(world_run(world, world_reset_asked, WORLD_HOUR_MS));
    unsigned waits = book.waits;
    world_run(world, pass_time, OTA_CLIENT_TRIAL_MS_DEFAULT / 2);
    assert_int_equal(world->client.boot_phase, OTA_BOOT_TRIAL);
    assert_int_equal(book.waits, waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("an idle client waits between its polls, and is idle while it does", test_waits)},
        {TEST("news ends the wait, and the download begins at once", test_news)},
        {TEST("it waits only when it may and the server wants it", test_both_want)},
        {TEST("who does not hold, or cuts, is asked less and less", test_not_held)},
        {TEST("a connection that went dead unseen costs one wait", test_lost)},
        {TEST("a poll that is wanted now ends the wait", test_poll_now)},
        {TEST("a device on hold waits for what comes after", test_hold)},
        {TEST("a trial does not wait", test_trial)},
    };
    return cmocka_run_group_tests_name("client_wait", tests, world_setup, world_teardown);
}
