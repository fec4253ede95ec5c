#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/fleet_inner.h"

#define BUCKETS_MIN 1024U

/* Zeroed memory that is looked into at random: in large pages, where the system has them, each look
 * costs one miss of the caches rather than three. They are taken as they are touched. It begins on
 * a page, so that no device lies in one cache line more than it must. */
static void *fleet_map(size_t count, size_t size)
{
    void *memory =
        mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, count * size, MADV_HUGEPAGE);
    return memory;
}

void fleet_unmap(void *memory, size_t count, size_t size)
{
    if (memory != NULL)
        munmap(memory, count * size);
}

/* ---- hash tables ---- */

uint32_t fleet_token_bucket(const struct fleet *fleet, const uint8_t hash[DB_HASH_LEN])
{
    uint32_t word;

    memcpy(&word, hash, sizeof(word)); /* SHA-256: as good as random */
    return word & (fleet->buckets - 1);
}

/* FNV-1a from a random start, finished so that high bits reach low ones. */
uint32_t fleet_name_bucket(const struct fleet *fleet, const char *name)
{
    uint64_t hash = fleet->name_seed;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3U;
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15U;
    return (uint32_t)(hash >> 32) & (fleet->buckets - 1);
}

static void link_at(uint32_t *head, uint32_t *next, uint32_t index)
{
    *next = *head;
    *head = index;
}

void fleet_link(struct fleet *fleet, struct fleet_device *device)
{
    uint32_t index = fleet_index_of(fleet, device);

    link_at(&fleet->by_token[fleet_token_bucket(fleet, device->token_hash)], &device->next_by_token,
            index);
    link_at(&fleet->by_name[fleet_name_bucket(fleet, device->name)], &device->next_by_name, index);
    fleet->count++;
}

void fleet_unlink(struct fleet *fleet, struct fleet_device *device)
{
    uint32_t index = fleet_index_of(fleet, device);
    uint32_t *link = &fleet->by_token[fleet_token_bucket(fleet, device->token_hash)];

    while (*link != index)
        link = &fleet_slot(fleet, *link)->next_by_token;
    *link = device->next_by_token;
    link = &fleet->by_name[fleet_name_bucket(fleet, device->name)];
    while (*link != index)
        link = &fleet_slot(fleet, *link)->next_by_name;
    *link = device->next_by_name;
    fleet->count--;
}

/* Twice as many buckets, or the first ones. */
bool fleet_index_grow(struct fleet *fleet)
{
    uint32_t buckets = fleet->buckets > 0 ? fleet->buckets * 2 : BUCKETS_MIN;
    uint32_t *by_token = fleet_map(buckets, sizeof(*by_token));
    uint32_t *by_name = fleet_map(buckets, sizeof(*by_name));

    if (by_token == NULL || by_name == NULL) {
        fleet_unmap(by_token, buckets, sizeof(*by_token));
        fleet_unmap(by_name, buckets, sizeof(*by_name));
        return false;
    }
    memset(by_token, 0xff, buckets * sizeof(*by_token));
    memset(by_name, 0xff, buckets * sizeof(*by_name));
    fleet_unmap(fleet->by_token, fleet->buckets, sizeof(*by_token));
    fleet_unmap(fleet->by_name, fleet->buckets, sizeof(*by_name));
    fleet->by_token = by_token;
    fleet->by_name = by_name;
    fleet->buckets = buckets;
    fleet->count = 0;
    for (uint32_t i = 0; i < fleet->slots; i++)
        if (fleet_slot(fleet, i)->id != 0)
            fleet_link(fleet, fleet_slot(fleet, i));
    return true;
}

/* ---- slots ---- */

uint32_t fleet_index_of(const struct fleet *fleet, const struct fleet_device *device)
{
    (void)fleet;
    return device->index;
}

static struct fleet_device *new_slot(struct fleet *fleet)
{
    struct fleet_device *device;
    uint32_t index = fleet->slots;
    uint32_t slab = index / FLEET_SLAB_LEN;

    if (slab == FLEET_SLABS_MAX)
        return NULL;
    if (fleet->slabs[slab] == NULL) {
        fleet->slabs[slab] = fleet_map(FLEET_SLAB_LEN, sizeof(struct fleet_device));
        if (fleet->slabs[slab] == NULL)
            return NULL;
    }
    fleet->slots++;
    device = fleet_slot(fleet, index);
    device->index = index;
    return device;
}

static struct fleet_device *take_slot(struct fleet *fleet)
{
    struct fleet_device *device;
    uint32_t index = fleet->free_head;

    if (index == FLEET_NO_INDEX)
        return new_slot(fleet);
    device = fleet_slot(fleet, index);
    fleet->free_head = device->next_by_token;
    return device;
}

void fleet_slot_free(struct fleet *fleet, struct fleet_device *device)
{
    uint32_t index = device->index;

    memset(device, 0, sizeof(*device));
    device->index = index;
    device->next_by_token = fleet->free_head;
    fleet->free_head = index;
}

/* The number of a pair of product and hardware; FLEET_TARGETS_MAX when there is no room. */
static size_t intern_target(struct fleet *fleet, const char *product, const char *hardware)
{
    struct fleet_target *target;
    size_t i;

    for (i = 0; i < fleet->target_count; i++)
        if (strcmp(fleet->targets[i]->product, product) == 0 &&
            strcmp(fleet->targets[i]->hardware, hardware) == 0)
            return i;
    if (i == FLEET_TARGETS_MAX)
        return i;
    if (i == fleet->target_cap) {
        size_t cap = fleet->target_cap > 0 ? fleet->target_cap * 2 : 16;
        struct fleet_target **grown = realloc(fleet->targets, cap * sizeof(struct fleet_target *));
        if (grown == NULL)
            return FLEET_TARGETS_MAX;
        fleet->targets = grown;
        fleet->target_cap = cap;
    }
    target = calloc(1, sizeof(*target));
    if (target == NULL)
        return FLEET_TARGETS_MAX;
    memcpy(target->product, product, strlen(product));
    memcpy(target->hardware, hardware, strlen(hardware));
    fleet->targets[fleet->target_count++] = target;
    return i;
}

static void fill(struct fleet_device *device, const struct db_device *row)
{
    device->id = (uint32_t)row->id;
    memcpy(device->token_hash, row->token_hash, DB_HASH_LEN);
    device->group = (uint32_t)row->group_id;
    device->enrolment_key = (uint32_t)row->enrolment_key_id;
    device->state = (uint8_t)row->state;
    memcpy(device->facts.hash, row->hash, DB_HASH_LEN);
    device->facts.counter = row->counter;
    device->facts.trial = row->trial;
    device->facts.opted_out = row->opted_out;
    device->facts.postponed_until = (uint32_t)row->postponed_until;
    device->facts.has_offset = row->has_offset;
    device->facts.utc_offset = (int16_t)row->utc_offset;
    device->facts.seen =
        ota_version_parse(&device->facts.version, row->version, strlen(row->version)) == 0;
    device->last_seen = (uint32_t)row->last_seen;
}

struct fleet_device *fleet_insert(struct fleet *fleet, const struct db_device *row)
{
    size_t target = intern_target(fleet, row->product, row->hardware);
    struct fleet_device *device;
    struct tag_set *tags;
    char *name;

    if (target == FLEET_TARGETS_MAX || row->id > UINT32_MAX)
        return NULL;
    if (fleet->count >= fleet->buckets && !fleet_index_grow(fleet))
        return NULL;
    name = strdup(row->name);
    tags = tag_pool_take(&fleet->tags, row->tags);
    device = name != NULL && tags != NULL ? take_slot(fleet) : NULL;
    if (device == NULL) {
        free(name);
        tag_pool_give(&fleet->tags, tags);
        return NULL;
    }
    device->name = name;
    device->name_len = (uint8_t)strlen(name);
    device->tags = tags;
    device->target = (uint16_t)target;
    fill(device, row);
    fleet_link(fleet, device);
    return device;
}

bool fleet_append_rollout(struct fleet *fleet, struct fleet_rollout *rollout)
{
    if (fleet->rollout_count == fleet->rollout_cap) {
        size_t cap = fleet->rollout_cap > 0 ? fleet->rollout_cap * 2 : 16;
        struct fleet_rollout **grown =
            realloc(fleet->rollouts, cap * sizeof(struct fleet_rollout *));
        if (grown == NULL)
            return false;
        fleet->rollouts = grown;
        fleet->rollout_cap = cap;
    }
    fleet->rollouts[fleet->rollout_count++] = rollout;
    return true;
}

/* ---- alarms: a binary heap ---- */

static void sift_up(struct fleet *fleet, size_t at)
{
    struct fleet_alarm *heap = fleet->alarms;

    while (at > 0 && heap[(at - 1) / 2].at > heap[at].at) {
        struct fleet_alarm swap = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static void sift_down(struct fleet *fleet)
{
    struct fleet_alarm *heap = fleet->alarms;
    size_t at = 0;

    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < fleet->alarm_count && heap[child].at < heap[least].at)
                least = child;
        if (least == at)
            return;
        struct fleet_alarm swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

void fleet_set_alarm(struct fleet *fleet, struct fleet_device *device, uint64_t at)
{
    uint32_t when = at < UINT32_MAX - 1 ? (uint32_t)at : UINT32_MAX - 1;

    if (device->alarm_at != 0 && device->alarm_at <= when)
        return;
    if (fleet->alarm_count == fleet->alarm_cap) {
        size_t cap = fleet->alarm_cap > 0 ? fleet->alarm_cap * 2 : 256;
        struct fleet_alarm *grown = realloc(fleet->alarms, cap * sizeof(*grown));
        if (grown == NULL)
            return; /* the device's next step sets it again */
        fleet->alarms = grown;
        fleet->alarm_cap = cap;
    }
    device->alarm_at = when;
    fleet->alarms[fleet->alarm_count] = (struct fleet_alarm){when, device->index};
    sift_up(fleet, fleet->alarm_count++);
}

static void restore_alarm(void *ctx, void *arg)
{
    struct fleet_device *device = arg;

    if (device->id != 0)
        fleet_set_alarm(ctx, device, 1);
}

struct fleet_device *fleet_take_alarm(struct fleet *fleet, uint32_t now)
{
    while (fleet->alarm_count > 0 && fleet->alarms[0].at <= now) {
        struct fleet_alarm alarm = fleet->alarms[0];
        struct fleet_device *device = fleet_slot(fleet, alarm.index);

        fleet->alarms[0] = fleet->alarms[--fleet->alarm_count];
        sift_down(fleet);
        if (device->id == 0 || device->alarm_at != alarm.at)
            continue; /* an earlier one replaced it, or the device is gone */
        device->alarm_at = 0;
        journal_call(&fleet->journal, restore_alarm, NULL, fleet, device);
        return device;
    }
    return NULL;
}

uint32_t fleet_next_alarm(struct fleet *fleet)
{
    return fleet->alarm_count > 0 ? fleet->alarms[0].at : UINT32_MAX;
}
