#include "server/reach.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_LEN_FIRST 1024U

static size_t slot_of(const struct reach_set *set, uint32_t index, enum reach_kind kind)
{
    uint64_t mixed = ((uint64_t)index * REACH_KINDS + (uint64_t)kind) * 0x9e3779b97f4a7c15U;

    return (size_t)(mixed >> 32) & (set->table_len - 1);
}

bool reach_init(struct reach_set *set)
{
    memset(set, 0, sizeof(*set));
    set->table = calloc(TABLE_LEN_FIRST, sizeof(struct reach *));
    set->table_len = TABLE_LEN_FIRST;
    return set->table != NULL;
}

void reach_free(struct reach_set *set)
{
    free(set->table);
    memset(set, 0, sizeof(*set));
}

size_t reach_count(const struct reach_set *set)
{
    return set->counts[REACH_WAIT] + set->counts[REACH_ONLINE];
}

static void chain(struct reach_set *set, struct reach *reach)
{
    struct reach **slot = &set->table[slot_of(set, reach->device.index, reach->kind)];

    reach->chain = *slot;
    *slot = reach;
}

/* Without memory it stays as small as it is, and is only slower. */
static void grow(struct reach_set *set)
{
    size_t len = set->table_len * 2;
    struct reach **table = calloc(len, sizeof(*table));
    struct reach *at = set->front;

    if (table == NULL)
        return;
    free(set->table);
    set->table = table;
    set->table_len = len;
    for (size_t i = reach_count(set); i > 0; i--, at = at->next)
        chain(set, at);
}

void reach_add(struct reach_set *set, struct reach *reach)
{
    struct reach *front = set->front;

    if (reach_count(set) >= set->table_len)
        grow(set);
    reach->next = front != NULL ? front : reach;
    reach->previous = front != NULL ? front->previous : reach;
    reach->previous->next = reach;
    reach->next->previous = reach;
    set->front = reach;
    set->counts[reach->kind]++;
    chain(set, reach);
}

void reach_remove(struct reach_set *set, struct reach *reach)
{
    struct reach **at = &set->table[slot_of(set, reach->device.index, reach->kind)];

    while (*at != reach)
        at = &(*at)->chain;
    *at = reach->chain;
    reach->previous->next = reach->next;
    reach->next->previous = reach->previous;
    if (set->front == reach)
        set->front = reach->next != reach ? reach->next : NULL;
    set->counts[reach->kind]--;
}

struct reach *reach_find(struct reach_set *set, uint32_t device_index, enum reach_kind kind)
{
    struct reach *at = set->table[slot_of(set, device_index, kind)];

    while (at != NULL && (at->device.index != device_index || at->kind != kind))
        at = at->chain;
    return at;
}

struct reach *reach_turn(struct reach_set *set)
{
    struct reach *front = set->front;

    if (front != NULL)
        set->front = front->next;
    return front;
}
