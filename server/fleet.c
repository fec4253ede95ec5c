#include "server/fleet.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/fleet_inner.h"

/* ---- life ---- */

struct fleet *fleet_new(void)
{
    struct fleet *fleet = calloc(1, sizeof(*fleet));

    if (fleet == NULL)
        return NULL;
    fleet->free_head = FLEET_NO_INDEX;
    fleet->txn = 1;
    if (RAND_bytes((unsigned char *)&fleet->name_seed, sizeof(fleet->name_seed)) != 1 ||
        !fleet_index_grow(fleet)) {
        free(fleet);
        return NULL;
    }
    pthread_mutex_init(&fleet->lock, NULL);
    return fleet;
}

static void free_tries(struct fleet_try *try)
{
    while (try != NULL) {
        struct fleet_try *next = try->next;
        free(try);
        try = next;
    }
}

void fleet_free(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    journal_undo(&fleet->journal);
    for (uint32_t i = 0; i < fleet->slots; i++) {
        struct fleet_device *device = fleet_slot(fleet, i);
        free_tries(device->tries);
        free(device->name);
    }
    for (uint32_t i = 0; i < FLEET_SLABS_MAX && fleet->slabs[i] != NULL; i++)
        fleet_unmap(fleet->slabs[i], FLEET_SLAB_LEN, sizeof(struct fleet_device));
    for (size_t i = 0; i < fleet->rollout_count; i++)
        free(fleet->rollouts[i]);
    for (size_t i = 0; i < fleet->target_count; i++)
        free(fleet->targets[i]);
    free(fleet->targets);
    tag_pool_clear(&fleet->tags);
    free(fleet->zones);
    free(fleet->rollouts);
    fleet_unmap(fleet->by_token, fleet->buckets, sizeof(*fleet->by_token));
    fleet_unmap(fleet->by_name, fleet->buckets, sizeof(*fleet->by_name));
    free(fleet->alarms);
    pthread_mutex_destroy(&fleet->lock);
    free(fleet);
}

void fleet_lock(struct fleet *fleet)
{
    pthread_mutex_lock(&fleet->lock);
}

void fleet_unlock(struct fleet *fleet)
{
    pthread_mutex_unlock(&fleet->lock);
}

/* ---- the journal's hooks ---- */

static void job_begin(void *ctx)
{
    struct fleet *fleet = ctx;

    fleet->job++;
    journal_mark(&fleet->journal);
}

static void job_undo(void *ctx)
{
    struct fleet *fleet = ctx;

    fleet_lock(fleet);
    journal_undo_to_mark(&fleet->journal);
    fleet_refresh_live(fleet);
    fleet_unlock(fleet);
}

static void group_commit(void *ctx)
{
    struct fleet *fleet = ctx;

    fleet_lock(fleet);
    journal_commit(&fleet->journal);
    fleet->durable = fleet->txn++;
    fleet_unlock(fleet);
}

static void group_undo(void *ctx)
{
    struct fleet *fleet = ctx;

    fleet_lock(fleet);
    journal_undo(&fleet->journal);
    fleet_refresh_live(fleet);
    fleet->txn++;
    fleet_unlock(fleet);
}

struct writer_hooks fleet_hooks(struct fleet *fleet)
{
    return (struct writer_hooks){.job_begin = job_begin,
                                 .job_undo = job_undo,
                                 .group_commit = group_commit,
                                 .group_undo = group_undo,
                                 .ctx = fleet};
}

uint64_t fleet_durable(struct fleet *fleet)
{
    return fleet->durable;
}

uint64_t fleet_txn(struct fleet *fleet)
{
    return fleet->txn;
}

/* ---- reading ---- */

struct fleet_device *fleet_find_token(struct fleet *fleet, const uint8_t hash[DB_HASH_LEN])
{
    uint32_t index = fleet->by_token[fleet_token_bucket(fleet, hash)];

    while (index != FLEET_NO_INDEX) {
        struct fleet_device *device = fleet_slot(fleet, index);
        /* All of it at once from memory, and its name: the caller is about to read them. */
        __builtin_prefetch((const char *)device + 64);
        __builtin_prefetch((const char *)device + 128);
        __builtin_prefetch(device->name);
        if (CRYPTO_memcmp(device->token_hash, hash, DB_HASH_LEN) == 0)
            return device;
        index = device->next_by_token;
    }
    return NULL;
}

struct fleet_device *fleet_find_name(struct fleet *fleet, const char *name)
{
    uint32_t index = fleet->by_name[fleet_name_bucket(fleet, name)];

    while (index != FLEET_NO_INDEX) {
        struct fleet_device *device = fleet_slot(fleet, index);
        if (strcmp(device->name, name) == 0)
            return device;
        index = device->next_by_name;
    }
    return NULL;
}

struct fleet_device *fleet_device(struct fleet *fleet, struct fleet_ref ref)
{
    struct fleet_device *device = ref.index < fleet->slots ? fleet_slot(fleet, ref.index) : NULL;

    return device != NULL && device->id == ref.id && ref.id != 0 ? device : NULL;
}

struct fleet_ref fleet_ref(struct fleet *fleet, const struct fleet_device *device)
{
    return (struct fleet_ref){.index = fleet_index_of(fleet, device), .id = device->id};
}

uint32_t fleet_slots(struct fleet *fleet)
{
    return fleet->slots;
}

struct fleet_device *fleet_at(struct fleet *fleet, uint32_t index)
{
    struct fleet_device *device = index < fleet->slots ? fleet_slot(fleet, index) : NULL;

    return device != NULL && device->id != 0 ? device : NULL;
}

uint32_t fleet_count(struct fleet *fleet)
{
    return fleet->count;
}

const char *fleet_product(struct fleet *fleet, const struct fleet_device *device)
{
    return fleet->targets[device->target]->product;
}

const char *fleet_hardware(struct fleet *fleet, const struct fleet_device *device)
{
    return fleet->targets[device->target]->hardware;
}

static struct ota_text text_of(const char *text)
{
    return (struct ota_text){text, strlen(text)};
}

/* The version that the device's active try brings, NULL if it has none. */
static const struct ota_version *heading_of(struct fleet *fleet, const struct fleet_device *device)
{
    for (const struct fleet_try *try = device->tries; try != NULL; try = try->next) {
        struct fleet_rollout *rollout;

        if (try->superseded || !deployment_active(&try->d))
            continue;
        rollout = fleet_find_rollout(fleet, try->d.rollout_id);
        if (rollout != NULL)
            return &rollout->r.release.version;
    }
    return NULL;
}

struct rollout_device fleet_view(struct fleet *fleet, const struct fleet_device *device,
                                 const struct fleet_facts *facts)
{
    if (facts == NULL)
        facts = &device->facts;
    return (struct rollout_device){
        .id = {device->name, device->name_len},
        .product = text_of(fleet_product(fleet, device)),
        .hardware = text_of(fleet_hardware(fleet, device)),
        .group = device->group,
        .accepted = device->state == DB_DEVICE_ACCEPTED,
        .seen = facts->seen,
        .trial = facts->trial,
        .version = facts->version,
        .counter = facts->counter,
        .hash = facts->hash,
        .heading = heading_of(fleet, device),
        .newest_deployment = device->newest,
        .opted_out = facts->opted_out,
        .postponed_until = facts->postponed_until,
        .utc_offset_minutes =
            facts->has_offset ? facts->utc_offset : fleet_zone_of(fleet, device->group),
        .tags = device->tags->tags,
        .tag_count = device->tags->count,
    };
}

void fleet_note_seen(struct fleet *fleet, struct fleet_device *device, uint32_t now)
{
    (void)fleet;
    device->last_seen = now;
    device->dirty = true;
}

size_t fleet_take_dirty(struct fleet *fleet, uint32_t *cursor, struct fleet_ref *refs, size_t max)
{
    uint32_t end =
        fleet->slots - *cursor > FLEET_WALK_MAX ? *cursor + FLEET_WALK_MAX : fleet->slots;
    size_t count = 0;

    for (; *cursor < end && count < max; (*cursor)++) {
        struct fleet_device *device = fleet_slot(fleet, *cursor);

        if (!device->dirty)
            continue;
        device->dirty = false;
        if (device->id != 0)
            refs[count++] = fleet_ref(fleet, device);
    }
    return count;
}

/* ---- changing devices ---- */

bool fleet_touch_device(struct fleet *fleet, struct fleet_device *device)
{
    return journal_save(&fleet->journal, device, offsetof(struct fleet_device, dirty));
}

/* Undo of an addition, and commit of a removal. */
static void forget_device(void *ctx, void *arg)
{
    struct fleet *fleet = ctx;
    struct fleet_device *device = arg;

    free_tries(device->tries);
    free(device->name);
    tag_pool_give(&fleet->tags, device->tags);
    fleet_slot_free(fleet, device);
}

static void undo_add(void *ctx, void *arg)
{
    fleet_unlink(ctx, arg);
    forget_device(ctx, arg);
}

static void undo_remove(void *ctx, void *arg)
{
    fleet_link(ctx, arg);
}

bool fleet_add_device(struct fleet *fleet, const struct db_device *row)
{
    struct fleet_device *device = fleet_insert(fleet, row);

    if (device == NULL)
        return false;
    if (!journal_call(&fleet->journal, undo_add, NULL, fleet, device)) {
        undo_add(fleet, device);
        return false;
    }
    return true;
}

bool fleet_remove_device(struct fleet *fleet, struct fleet_device *device)
{
    if (!fleet_touch_device(fleet, device) ||
        !journal_call(&fleet->journal, undo_remove, forget_device, fleet, device))
        return false;
    fleet_unlink(fleet, device);
    device->id = 0;
    return true;
}

struct token_change {
    struct fleet_device *device;
    uint8_t old[DB_HASH_LEN];
};

static void put_token(struct fleet *fleet, struct fleet_device *device,
                      const uint8_t hash[DB_HASH_LEN])
{
    fleet_unlink(fleet, device);
    memcpy(device->token_hash, hash, DB_HASH_LEN);
    fleet_link(fleet, device);
}

static void undo_token(void *ctx, void *arg)
{
    struct token_change *change = arg;

    put_token(ctx, change->device, change->old);
    free(change);
}

static void commit_token(void *ctx, void *arg)
{
    (void)ctx;
    free(arg);
}

bool fleet_set_token(struct fleet *fleet, struct fleet_device *device,
                     const uint8_t hash[DB_HASH_LEN])
{
    struct token_change *change = malloc(sizeof(*change));

    if (change == NULL)
        return false;
    change->device = device;
    memcpy(change->old, device->token_hash, DB_HASH_LEN);
    if (!journal_call(&fleet->journal, undo_token, commit_token, fleet, change)) {
        free(change);
        return false;
    }
    put_token(fleet, device, hash);
    return true;
}

static void give_tags(void *ctx, void *arg)
{
    struct fleet *fleet = ctx;

    tag_pool_give(&fleet->tags, arg);
}

bool fleet_set_tags(struct fleet *fleet, struct fleet_device *device, const char *text)
{
    struct tag_set *old = device->tags;
    struct tag_set *new = tag_pool_take(&fleet->tags, text);

    if (new == NULL)
        return false;
    if (!journal_call(&fleet->journal, give_tags, NULL, fleet, new)) {
        give_tags(fleet, new);
        return false;
    }
    if (!journal_call(&fleet->journal, NULL, give_tags, fleet, old) ||
        !fleet_touch_device(fleet, device))
        return false;
    device->tags = new;
    return true;
}

void fleet_to_row(struct fleet *fleet, const struct fleet_device *device, struct db_device *row)
{
    memset(row, 0, sizeof(*row));
    row->id = device->id;
    memcpy(row->name, device->name, strlen(device->name));
    memcpy(row->token_hash, device->token_hash, DB_HASH_LEN);
    memcpy(row->product, fleet_product(fleet, device), strlen(fleet_product(fleet, device)));
    memcpy(row->hardware, fleet_hardware(fleet, device), strlen(fleet_hardware(fleet, device)));
    row->group_id = device->group;
    row->state = (enum db_device_state)device->state;
    row->enrolment_key_id = device->enrolment_key;
    if (device->facts.seen)
        ota_version_format(&device->facts.version, row->version, sizeof(row->version));
    memcpy(row->hash, device->facts.hash, DB_HASH_LEN);
    row->counter = device->facts.counter;
    row->trial = device->facts.trial;
    row->opted_out = device->facts.opted_out;
    row->postponed_until = device->facts.postponed_until;
    row->has_offset = device->facts.has_offset;
    row->utc_offset = device->facts.utc_offset;
    memcpy(row->tags, device->tags->text, strlen(device->tags->text));
    row->last_seen = device->last_seen;
}
