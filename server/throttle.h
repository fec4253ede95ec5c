/*
 * How often something may be tried, by key: a leaky bucket for each of the keys seen last.
 *
 * Memory is bounded: a key that must make room is the one that owes least. Any thread.
 */
#ifndef OTAD_THROTTLE_H
#define OTAD_THROTTLE_H

#include <stdint.h>

struct throttle;

/* What a key may do: `burst` tries at once, and one more each `seconds`. */
struct throttle_rate {
    uint32_t burst;
    uint32_t seconds;
};

struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);

/* Take one try: 0, or the seconds to wait, and then nothing was taken. */
uint32_t throttle_take(struct throttle *throttle, const char *key, struct throttle_rate rate,
                       uint64_t now);
/* Give it back: it didn't count. */
void throttle_give(struct throttle *throttle, const char *key, struct throttle_rate rate);

#endif
