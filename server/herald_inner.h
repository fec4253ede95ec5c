/* The herald's insides, shared by herald.c (who is held, and the thread) and herald_look.c (whom to
 * tell). */
#ifndef OTAD_HERALD_INNER_H
#define OTAD_HERALD_INNER_H

#include <pthread.h>

#include "server/app.h"
#include "server/herald.h"

#define TOLD_MAX 256U /* devices that were told and are not back yet, where a rate counts them */

/* A device that listens on the broker. */
struct online {
    struct reach reach; /* first */
    uint64_t told_at;   /* seconds; 0: never */
    uint8_t action;     /* enum ota_action: what a poll would have brought when last looked at */
};

/* What a rollout may still offer in this pass. */
struct room {
    const struct fleet_rollout *rollout;
    uint32_t left;
};

/* Told over the broker, so that it will poll: it is as good as offered. */
struct told {
    struct fleet_ref device;
    const struct fleet_rollout *rollout;
    uint64_t at;
};

/* A stage of a rollout, once: its group is told when it begins. */
struct announced {
    uint64_t rollout;
    uint64_t resumed_at;
    uint8_t stage;
};

struct announcement {
    char product[OTA_NAME_MAX + 1];
    uint32_t group;
};

struct herald {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool draining;
    bool stopping;
    struct reach_set set;
    struct herald_counts counts;
    uint64_t swept_txn; /* commits up to here are looked at */
    uint64_t look_at;   /* seconds: when there may be more without a commit */
    size_t left;        /* entries still to be looked at */
    uint64_t expire_ms;
    struct room rooms[FLEET_LIVE_MAX];
    size_t room_count;
    struct told told[TOLD_MAX]; /* a ring */
    size_t told_count;          /* of all that ever were */
    struct announced announced[FLEET_LIVE_MAX];
    size_t announced_count; /* of all that ever were */
};

/* With the lock: end one, and hand it back. */
void herald_end_hold(struct herald *herald, struct hold *hold, enum hold_end end);
/* With the lock: look at a part of the ring, if there is reason to. */
void herald_look(struct herald *herald);
/* With the lock: which groups are to be told now that their stage began. The count. */
size_t herald_find_announcements(struct herald *herald, struct announcement *found);
/* Without any lock: tell them. */
void herald_announce(struct herald *herald, const struct announcement *found, size_t count);
/* With both locks: queue a notification for the broker. */
bool herald_tell(struct herald *herald, const struct fleet_device *device);

static inline struct hold *herald_hold_of(struct reach *reach)
{
    return (struct hold *)(void *)reach;
}

static inline struct online *herald_online_of(struct reach *reach)
{
    return (struct online *)(void *)reach;
}

#endif
