#include "server/sequential.h"

/* Logarithms to base 2 with 26 bits behind the point: the largest, log2(9999) = 13.3, times 2^32
 * results stays below 2^62. */
#define FRACTION_BITS 26

/* The upper 64 bits of a * a. */
static uint64_t square_high(uint64_t a)
{
    uint64_t high = a >> 32, low = a & 0xffffffffU;
    uint64_t middle = high * low;
    uint64_t carry = ((low * low >> 32) + 2 * (middle & 0x7fffffffU)) >> 32;

    return high * high + (middle >> 31) + carry;
}

/* log2(x) for x >= 1, rounded down: squaring the mantissa doubles its logarithm, whose next bit is
 * then the one before the point. */
static int64_t log2_fixed(uint32_t x)
{
    uint64_t mantissa = x;
    int64_t whole = 63;

    while (mantissa >> 63 == 0) {
        mantissa <<= 1;
        whole--;
    }
    int64_t result = whole;
    for (int bit = 0; bit < FRACTION_BITS; bit++) {
        uint64_t square = square_high(mantissa);
        bool carry = square >> 63 != 0;

        mantissa = carry ? square : square << 1;
        result = result * 2 + (carry ? 1 : 0);
    }
    return result;
}

bool sequential_valid(const struct sequential *test)
{
    if (test->allowed_bp == 0)
        return true;
    return test->allowed_bp < test->suspect_bp && test->suspect_bp < SEQUENTIAL_WHOLE_BP &&
           test->error_bp >= 1 && test->error_bp <= SEQUENTIAL_WHOLE_BP / 2;
}

uint32_t sequential_limit(const struct sequential *test, uint32_t successes)
{
    if (test->allowed_bp == 0)
        return UINT32_MAX;
    /* The last digit of a difference may be wrong by one; it errs on the side of no alarm. */
    int64_t failure = log2_fixed(test->suspect_bp) - log2_fixed(test->allowed_bp) - 1;
    int64_t success = log2_fixed(SEQUENTIAL_WHOLE_BP - test->allowed_bp) -
                      log2_fixed(SEQUENTIAL_WHOLE_BP - test->suspect_bp) + 1;
    int64_t bound = log2_fixed(SEQUENTIAL_WHOLE_BP) - log2_fixed(test->error_bp) + 1;
    int64_t needed = (bound + success * (int64_t)successes + failure - 1) / failure;

    return needed < (int64_t)UINT32_MAX ? (uint32_t)needed : UINT32_MAX;
}

bool sequential_exceeded(const struct sequential *test, uint32_t failures, uint32_t successes)
{
    return test->allowed_bp != 0 && failures >= sequential_limit(test, successes);
}
