#include "tests/support/support.h"

#include "server/window.h"

#define MONDAY 1704067200U /* 2024-01-01 00:00 UTC, a Monday */
#define HOUR 3600U
#define DAY (24U * HOUR)

static void no_window(void **state)
{
    struct window window = {0};

    (void)state;
    assert_true(window_open(&window, 0, MONDAY));
    assert_int_equal(window_next_open(&window, 0, MONDAY + 17), MONDAY + 17);
}

static void within_a_day(void **state)
{
    struct window window = {.days = 1 << 0, .from_minute = 120, .to_minute = 240};

    (void)state;
    assert_false(window_open(&window, 0, MONDAY + 2 * HOUR - 1));
    assert_true(window_open(&window, 0, MONDAY + 2 * HOUR));
    assert_true(window_open(&window, 0, MONDAY + 4 * HOUR - 1));
    assert_false(window_open(&window, 0, MONDAY + 4 * HOUR));
    assert_false(window_open(&window, 0, MONDAY + DAY + 3 * HOUR));
    assert_true(window_open(&window, 0, MONDAY + 7 * DAY + 3 * HOUR));
    assert_int_equal(window_next_open(&window, 0, MONDAY), MONDAY + 2 * HOUR);
    assert_int_equal(window_next_open(&window, 0, MONDAY + 4 * HOUR), MONDAY + 7 * DAY + 2 * HOUR);
}

static void past_midnight(void **state)
{
    /* Opens on Sunday at 23:00, so runs into Monday, the next week. */
    struct window window = {.days = 1 << 6, .from_minute = 23 * 60, .to_minute = 60};

    (void)state;
    assert_true(window_open(&window, 0, MONDAY));
    assert_true(window_open(&window, 0, MONDAY + HOUR - 1));
    assert_false(window_open(&window, 0, MONDAY + HOUR));
    assert_false(window_open(&window, 0, MONDAY + DAY));
    assert_true(window_open(&window, 0, MONDAY + 6 * DAY + 23 * HOUR));
}

static void whole_day(void **state)
{
    struct window window = {.days = 1 << 2, .from_minute = 600, .to_minute = 600};

    (void)state;
    assert_false(window_open(&window, 0, MONDAY + 2 * DAY + 10 * HOUR - 1));
    assert_true(window_open(&window, 0, MONDAY + 2 * DAY + 10 * HOUR));
    assert_true(window_open(&window, 0, MONDAY + 3 * DAY + 10 * HOUR - 1));
    assert_false(window_open(&window, 0, MONDAY + 3 * DAY + 10 * HOUR));
}

static void local_time(void **state)
{
    struct window window = {.days = 1 << 0, .from_minute = 120, .to_minute = 180};

    (void)state;
    assert_true(window_open(&window, 60, MONDAY + 1 * HOUR)); /* Berlin in winter: 02:00 there */
    assert_false(window_open(&window, 60, MONDAY + 2 * HOUR));
    assert_true(window_open(&window, -480, MONDAY + 10 * HOUR));    /* Los Angeles */
    assert_true(window_open(&window, 13 * 60, MONDAY - 11 * HOUR)); /* Tonga: Sunday in UTC */
    assert_true(window_open(&window, -WINDOW_OFFSET_MINUTES_MAX, MONDAY + 20 * HOUR));
    assert_true(window_open(&window, WINDOW_OFFSET_MINUTES_MAX, MONDAY - 16 * HOUR));
}

/* Against stepping through two weeks minute by minute. */
static void next_is_the_first(void **state)
{
    static const struct window windows[] = {
        {.days = 0x7f, .from_minute = 120, .to_minute = 240},
        {.days = 0x15, .from_minute = 1380, .to_minute = 90},
        {.days = 0x41, .from_minute = 0, .to_minute = 1},
        {.days = 0x02, .from_minute = 1439, .to_minute = 1439},
    };

    (void)state;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        for (uint64_t now = MONDAY; now < MONDAY + 8 * DAY; now += 1741) {
            uint64_t next = window_next_open(&windows[i], 90, now);
            uint64_t step = now;

            while (!window_open(&windows[i], 90, step))
                step += step % 60 == 0 ? 60 : 60 - step % 60;
            assert_int_equal(next, step);
        }
    }
}

static void valid(void **state)
{
    (void)state;
    assert_true(window_valid(&(struct window){0}));
    assert_true(window_valid(&(struct window){0x7f, 1439, 0}));
    assert_false(window_valid(&(struct window){0x80, 0, 0}));
    assert_false(window_valid(&(struct window){1, 1440, 0}));
    assert_false(window_valid(&(struct window){1, 0, 1440}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("no window is always open", no_window)},
        {TEST("a window is open from its first minute to its last, on its days", within_a_day)},
        {TEST("a window past midnight belongs to the day on which it opened", past_midnight)},
        {TEST("a window from a minute to the same minute lasts 24 hours", whole_day)},
        {TEST("a window is in the device's local time, on either side of UTC", local_time)},
        {TEST("the next opening is the first open second", next_is_the_first)},
        {TEST("days and minutes that do not exist are not valid", valid)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
