/* The fleet's insides, shared by its files: fleet.c, fleet_index.c, fleet_load.c,
 * fleet_rollouts.c and fleet_tries.c. */
#ifndef OTAD_FLEET_INNER_H
#define OTAD_FLEET_INNER_H

#include <pthread.h>

#include "server/fleet.h"
#include "server/journal.h"

#define FLEET_SLAB_LEN 65536U    /* devices; a power of two */
#define FLEET_SLABS_MAX 256U     /* so that at most 16,777,216 devices fit */
#define FLEET_WALK_MAX 4096U     /* slots that are looked at while the lock is held */
#define FLEET_TARGETS_MAX 65535U /* pairs of product and hardware */

struct fleet_target {
    char product[DB_NAME_MAX + 1];
    char hardware[DB_NAME_MAX + 1];
};

/* Minutes east of UTC. */
struct fleet_zone {
    uint32_t group;
    int minutes;
};

struct fleet_alarm {
    uint32_t at;
    uint32_t index;
};

struct fleet {
    pthread_mutex_t lock;
    struct fleet_device *slabs[FLEET_SLABS_MAX];
    uint32_t slots; /* used or free */
    uint32_t count; /* used */
    uint32_t free_head;

    uint32_t *by_token; /* heads of chains; `buckets` of them */
    uint32_t *by_name;
    uint32_t buckets; /* a power of two */
    uint64_t name_seed;

    struct fleet_target **targets;
    size_t target_count;
    size_t target_cap;

    struct tag_pool tags;
    struct fleet_zone *zones; /* of groups that have one; few */
    size_t zone_count;

    struct fleet_rollout **rollouts; /* ascending by id */
    size_t rollout_count;
    size_t rollout_cap;
    struct fleet_rollout *live[FLEET_LIVE_MAX];
    size_t live_count;
    uint64_t last_deployment;

    struct fleet_alarm *alarms; /* a binary heap, the earliest first */
    size_t alarm_count;
    size_t alarm_cap;

    struct journal journal;
    uint64_t job;     /* number of the running job */
    uint64_t txn;     /* number of the transaction being made */
    uint64_t durable; /* the last one on the disk */
};

static inline struct fleet_device *fleet_slot(const struct fleet *fleet, uint32_t index)
{
    return &fleet->slabs[index / FLEET_SLAB_LEN][index % FLEET_SLAB_LEN];
}

/* fleet_index.c: slots and hash tables. */
uint32_t fleet_index_of(const struct fleet *fleet, const struct fleet_device *device);
uint32_t fleet_token_bucket(const struct fleet *fleet, const uint8_t hash[DB_HASH_LEN]);
uint32_t fleet_name_bucket(const struct fleet *fleet, const char *name);
/* Give back one of the large arrays; NULL is fine. */
void fleet_unmap(void *memory, size_t count, size_t size);
bool fleet_index_grow(struct fleet *fleet);
void fleet_link(struct fleet *fleet, struct fleet_device *device);
void fleet_unlink(struct fleet *fleet, struct fleet_device *device);
void fleet_slot_free(struct fleet *fleet, struct fleet_device *device);
/* A device in a new slot, linked; NULL when out of memory or full. */
struct fleet_device *fleet_insert(struct fleet *fleet, const struct db_device *row);
/* fleet_zones.c. 0 for a group without one. */
int fleet_zone_of(const struct fleet *fleet, uint32_t group);
bool fleet_append_rollout(struct fleet *fleet, struct fleet_rollout *rollout);

#endif
