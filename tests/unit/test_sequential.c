#include "tests/support/support.h"

#include <math.h>

#include "server/sequential.h"

/* Wald's statistic in floating point: the other way to compute the limit. */
static double limit_by_floats(const struct sequential *test, double successes)
{
    double allowed = test->allowed_bp / 1e4, suspect = test->suspect_bp / 1e4;

    return (log(1e4 / test->error_bp) + successes * log((1 - allowed) / (1 - suspect))) /
           log(suspect / allowed);
}

static void limits(void **state)
{
    static const struct sequential tests[] = {
        {100, 500, 500}, {100, 200, 100}, {1, 2, 1},     {5000, 9999, 5000},
        {9998, 9999, 1}, {1, 9999, 500},  {50, 300, 10},
    };
    static const uint32_t successes[] = {0, 1, 2, 10, 99, 1000, 54321, 1000000};

    (void)state;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        for (size_t j = 0; j < sizeof successes / sizeof successes[0]; j++) {
            double exact = limit_by_floats(&tests[i], successes[j]);
            double limit = sequential_limit(&tests[i], successes[j]);

            if (exact > UINT32_MAX) {
                assert_true(limit >= UINT32_MAX);
                continue;
            }
            /* Rounded up, and no coarser than the fixed point makes it. */
            assert_true(limit >= exact * (1 - 1e-12));
            assert_true(limit < exact * (1 + 5e-4) + 1.001);
        }
    }
}

static void exceeded(void **state)
{
    const struct sequential test = {100, 500, 500};

    (void)state;
    for (uint32_t successes = 0; successes < 500; successes++) {
        uint32_t limit = sequential_limit(&test, successes);

        assert_false(sequential_exceeded(&test, limit - 1, successes));
        assert_true(sequential_exceeded(&test, limit, successes));
    }
}

static void none(void **state)
{
    const struct sequential test = {0};

    (void)state;
    assert_false(sequential_exceeded(&test, UINT32_MAX, 0));
    assert_int_equal(sequential_limit(&test, 0), UINT32_MAX);
}

static void extremes(void **state)
{
    const struct sequential test = {1, 9999, 1};

    (void)state;
    assert_true(sequential_limit(&test, UINT32_MAX) > UINT32_MAX / 2);
    assert_true(sequential_exceeded(&test, UINT32_MAX, 0));
}

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*state >> 33) % SEQUENTIAL_WHOLE_BP;
}

#define RUNS 500

/* How many of RUNS stages of 1000 devices are stopped at a true rate of `rate_bp`. */
static unsigned stopped(const struct sequential *test, uint32_t rate_bp, uint64_t seed)
{
    unsigned count = 0;

    for (unsigned run = 0; run < RUNS; run++) {
        uint32_t failures = 0;

        for (uint32_t device = 1; device <= 1000; device++) {
            if (draw(&seed) >= rate_bp)
                continue;
            failures++;
            if (sequential_exceeded(test, failures, device - failures)) {
                count++;
                break;
            }
        }
    }
    return count;
}

static void false_alarms(void **state)
{
    const struct sequential test = {100, 300, 500};

    (void)state;
    assert_in_range(stopped(&test, 100, 1), 2,
                    RUNS * 5 / 100); /* 5 % at most, and not just never */
    assert_in_range(stopped(&test, 50, 2), 0, RUNS / 100);
}

static void detection(void **state)
{
    const struct sequential test = {100, 300, 500};

    (void)state;
    assert_in_range(stopped(&test, 300, 3), RUNS * 97 / 100, RUNS);
    assert_in_range(stopped(&test, 1000, 4), RUNS, RUNS);
}

static void valid(void **state)
{
    (void)state;
    assert_true(sequential_valid(&(struct sequential){0, 0, 0}));
    assert_true(sequential_valid(&(struct sequential){1, 2, 1}));
    assert_true(sequential_valid(&(struct sequential){9998, 9999, 5000}));
    assert_false(sequential_valid(&(struct sequential){100, 100, 500}));
    assert_false(sequential_valid(&(struct sequential){100, 50, 500}));
    assert_false(sequential_valid(&(struct sequential){100, 10000, 500}));
    assert_false(sequential_valid(&(struct sequential){100, 200, 0}));
    assert_false(sequential_valid(&(struct sequential){100, 200, 5001}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("limits in fixed point are those of floating point, rounded up", limits)},
        {TEST("the limit exceeds, one failure less does not", exceeded)},
        {TEST("no test never exceeds", none)},
        {TEST("the largest counts do not overflow", extremes)},
        {TEST("at the allowed rate, false alarms stay below the stated error", false_alarms)},
        {TEST("at the suspect rate, nearly every stage is stopped", detection)},
        {TEST("rates and errors out of order are not valid", valid)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
