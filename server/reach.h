/*
 * Ways to reach a device now: a ring that is walked in turn, and a table to find one by its device.
 *
 *     ring:  front --> next to be looked at --> ... --> back
 *
 * No lock and no thread of its own, and no memory but the table: a struct reach lies within its
 * owner's struct and must be taken out before that goes. At most one of a kind for each device.
 */
#ifndef OTAD_REACH_H
#define OTAD_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/fleet.h"

enum reach_kind {
    REACH_WAIT,   /* a long poll is held */
    REACH_ONLINE, /* listens on the broker */
};
#define REACH_KINDS 2

struct reach {
    struct reach *next; /* in the ring */
    struct reach *previous;
    struct reach *chain; /* in the table */
    struct fleet_ref device;
    enum reach_kind kind;
};

struct reach_set {
    struct reach *front;
    size_t counts[REACH_KINDS];
    struct reach **table;
    size_t table_len; /* a power of two */
};

bool reach_init(struct reach_set *set);
/* Nothing may be in it any more. */
void reach_free(struct reach_set *set);

/* At the front: it is the next to be looked at. Its `device` and `kind` are set. */
void reach_add(struct reach_set *set, struct reach *reach);
void reach_remove(struct reach_set *set, struct reach *reach);
struct reach *reach_find(struct reach_set *set, uint32_t device_index, enum reach_kind kind);
/* The one at the front, which goes to the back. NULL: empty. */
struct reach *reach_turn(struct reach_set *set);
size_t reach_count(const struct reach_set *set);

#endif
