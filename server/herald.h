/*
 * The herald: tells devices that can be reached now to ask, when asking would bring them something.
 *
 *     a poll that may wait --> herald_hold() -------+
 *     a device's presence --> herald_set_online() --+--> ring --> looked at in turn
 *                                                        |            +--> resume: poll again
 *                                                        |            +--> notify by the broker
 *
 * It only hints. What it wakes polls as if it had come by itself, so that the engine decides, and a
 * device woken for nothing is held again. It wakes no more devices for a rollout than the rollout
 * could make offers now (rollout_room()); the others follow as its rate lets them.
 *
 * One thread, which sleeps while nobody can be reached. It looks through the ring again when
 * something was committed, or when the engine named a time; a bounded part of it at a time. The
 * herald's lock is the one that may be held while the fleet's is taken.
 */
#ifndef OTAD_HERALD_H
#define OTAD_HERALD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/manifest.h"
#include "server/reach.h"

#define HOLD_TOKEN_LEN 8 /* bytes */

struct app;
struct herald;

enum hold_end {
    HOLD_NEWS,     /* a poll may find something: look, and be held again if not */
    HOLD_ASKED_TO, /* an operator wants the device to check: answer, whatever there is */
    HOLD_OVER,     /* the time is over, the server stops, or the device asks elsewhere: 204 */
};

/* One long poll. Small: there is one for each device that waits, for as long as it does. */
struct hold {
    struct reach reach; /* first */
    void (*resume)(struct hold *hold);
    struct fleet_facts facts;
    uint8_t token[HOLD_TOKEN_LEN]; /* of its hash, so that a replaced one is noticed */
    uint64_t until_ms;             /* CLOCK_MONOTONIC; 0: it has not been held yet */
    uint64_t number;               /* of the request, and when it began */
    uint64_t began_ms;
    enum ota_action known; /* the answer that is no news */
    enum hold_end end;     /* set before resume() */
};

struct herald_counts {
    size_t waiting;
    size_t online;
    unsigned long long held;  /* all that ever were */
    unsigned long long woken; /* of them by news or by an operator */
    unsigned long long told;  /* notifications over the broker */
};

/* NULL: out of memory. */
struct herald *herald_start(struct app *app);
/* End all holds with HOLD_OVER; none is taken any more. */
void herald_drain(struct herald *herald);
/* End the thread. After herald_drain(), and when no connection calls any more. */
void herald_stop(struct herald *herald);

/* Whether another long poll would be held. */
bool herald_has_room(struct herald *herald);
/* Hold it: `hold` is the herald's until resume() is called, which may be at once, on any thread. A
 * device that has one already gets that one back: HOLD_OVER. */
void herald_hold(struct herald *herald, struct hold *hold);

/* Have a device check now. *waited: a long poll of it was ended; *queued: the broker has, or will
 * have, a notification for it. */
void herald_check_now(struct herald *herald, struct fleet_ref device, bool *waited, bool *queued);

/* What the broker says of a device, and that the broker is gone. */
void herald_set_online(struct herald *herald, struct fleet_ref device, bool online);
void herald_all_offline(struct herald *herald);

bool herald_is_waiting(struct herald *herald, struct fleet_ref device);
bool herald_is_online(struct herald *herald, struct fleet_ref device);
void herald_count(struct herald *herald, struct herald_counts *counts);

#endif
