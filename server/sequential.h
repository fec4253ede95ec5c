/*
 * A sequential test of a failure rate: is it above what is allowed, looked at after every result?
 *
 * Wald's probability ratio test without the accepting side. With f failures and s successes,
 *
 *     L = f * ln(suspect / allowed) - s * ln((1 - allowed) / (1 - suspect))
 *
 * and the answer is yes once L >= ln(1 / error), error = 1 - confidence. If the true rate is at or
 * below `allowed`, the test says yes at any time with a probability of at most `error`, however
 * often one looks (Ville's inequality). Fixed point throughout: the same numbers on every machine.
 * docs/rollouts.md works an example.
 */
#ifndef OTAD_SERVER_SEQUENTIAL_H
#define OTAD_SERVER_SEQUENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SEQUENTIAL_WHOLE_BP 10000U /* basis points in one */

struct sequential {
    uint16_t allowed_bp; /* failure rate that is still fine, 1 to 9998 basis points; 0 = no test */
    uint16_t suspect_bp; /* the rate to tell it from: above allowed_bp, at most 9999 */
    uint16_t error_bp;   /* 1 - confidence: chance of a false alarm, 1 to 5000 basis points */
};

bool sequential_valid(const struct sequential *test); /* true as well for no test */

/* Whether the results so far show a rate above the allowed one. false for no test. */
bool sequential_exceeded(const struct sequential *test, uint32_t failures, uint32_t successes);

/* The smallest number of failures that exceeds, beside `successes`. UINT32_MAX for no test. */
uint32_t sequential_limit(const struct sequential *test, uint32_t successes);

#endif
