#include "server/patches.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "db/patches.h"

#define BUCKETS 1024U /* a power of two */

enum entry_state {
    ENTRY_WANTED,
    ENTRY_READY,
    ENTRY_USELESS,
};

struct entry {
    struct patch_pair pair;
    enum entry_state state;
    uint8_t sha256[OTA_HASH_LEN];
    uint32_t len;
    uint32_t devices; /* that would take it, as far as was heard */
    struct entry *next;
    struct entry *next_file; /* of those that are ready */
};

struct patches {
    pthread_mutex_t lock;
    struct entry *buckets[BUCKETS]; /* by pair */
    struct entry *files[BUCKETS];   /* by file, of those that are ready */
    size_t count;
};

static const uint8_t NO_HASH[OTA_HASH_LEN];

bool patch_is_packed(const struct patch_pair *pair)
{
    return memcmp(pair->base, NO_HASH, OTA_HASH_LEN) == 0;
}

struct patches *patches_new(void)
{
    struct patches *patches = calloc(1, sizeof(*patches));

    if (patches != NULL)
        pthread_mutex_init(&patches->lock, NULL);
    return patches;
}

void patches_free(struct patches *patches)
{
    if (patches == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (patches->buckets[i] != NULL) {
            struct entry *next = patches->buckets[i]->next;
            free(patches->buckets[i]);
            patches->buckets[i] = next;
        }
    }
    pthread_mutex_destroy(&patches->lock);
    free(patches);
}

/* ---- with the lock ---- */

/* The link that holds the pair's entry, or where it would be added. Hashes need no hashing. */
static struct entry **find(struct patches *patches, const struct patch_pair *pair)
{
    unsigned mixed = (unsigned)(pair->base[0] ^ pair->image[0]) << 8 |
                     (unsigned)(pair->base[1] ^ pair->image[1]);
    struct entry **link = &patches->buckets[mixed % BUCKETS];

    while (*link != NULL && memcmp(&(*link)->pair, pair, sizeof(*pair)) != 0)
        link = &(*link)->next;
    return link;
}

static struct entry **file_bucket(struct patches *patches, const uint8_t sha256[OTA_HASH_LEN])
{
    return &patches->files[((unsigned)sha256[0] << 8 | sha256[1]) % BUCKETS];
}

static struct entry *find_file(struct patches *patches, const uint8_t sha256[OTA_HASH_LEN])
{
    struct entry *entry = *file_bucket(patches, sha256);

    while (entry != NULL && memcmp(entry->sha256, sha256, OTA_HASH_LEN) != 0)
        entry = entry->next_file;
    return entry;
}

/* Does nothing for an entry that is not ready. */
static void unlink_file(struct patches *patches, const struct entry *entry)
{
    struct entry **link = file_bucket(patches, entry->sha256);

    while (*link != NULL && *link != entry)
        link = &(*link)->next_file;
    if (*link != NULL)
        *link = entry->next_file;
}

static void link_file(struct patches *patches, struct entry *entry)
{
    struct entry **link = file_bucket(patches, entry->sha256);

    entry->next_file = *link;
    *link = entry;
}

static struct entry *find_or_add(struct patches *patches, const struct patch_pair *pair)
{
    struct entry **link = find(patches, pair);

    if (*link == NULL && patches->count < PATCHES_MAX) {
        *link = calloc(1, sizeof(**link));
        if (*link != NULL) {
            (*link)->pair = *pair;
            patches->count++;
        }
    }
    return *link;
}

static bool take_ready(const struct entry *entry, struct patch *patch)
{
    if (entry == NULL || entry->state != ENTRY_READY)
        return false;
    memcpy(patch->base, entry->pair.base, OTA_HASH_LEN);
    memcpy(patch->sha256, entry->sha256, OTA_HASH_LEN);
    patch->len = entry->len;
    return true;
}

static struct patch_pair packed_pair(const uint8_t image[OTA_HASH_LEN])
{
    struct patch_pair pair = {.base = {0}};

    memcpy(pair.image, image, OTA_HASH_LEN);
    return pair;
}

static bool goes_before(const struct entry *a, const struct entry *b)
{
    if (b == NULL || patch_is_packed(&a->pair) != patch_is_packed(&b->pair))
        return b == NULL || patch_is_packed(&a->pair);
    return a->devices > b->devices;
}

static struct entry *want(struct patches *patches, const struct patch_pair *pair, uint32_t devices)
{
    struct entry *entry = find_or_add(patches, pair);

    if (entry != NULL && entry->state == ENTRY_WANTED)
        entry->devices += devices;
    return entry;
}

/* One of the patches from or to an image. */
static struct entry *find_image(struct patches *patches, const uint8_t image[OTA_HASH_LEN])
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = patches->buckets[i]; entry != NULL; entry = entry->next)
            if (memcmp(entry->pair.image, image, OTA_HASH_LEN) == 0 ||
                memcmp(entry->pair.base, image, OTA_HASH_LEN) == 0)
                return entry;
    return NULL;
}

/* ---- for all ---- */

static int load_row(void *ctx, const struct db_patch *row)
{
    struct patches *patches = ctx;
    struct patch_pair pair;

    memcpy(pair.base, row->base, OTA_HASH_LEN);
    memcpy(pair.image, row->image, OTA_HASH_LEN);
    if (find_or_add(patches, &pair) == NULL)
        return DB_OK; /* more than is remembered: it will be wanted again */
    patches_settle(patches, &pair, row->size, row->size > 0 ? row->sha256 : NULL);
    return DB_OK;
}

int patches_load(struct patches *patches, struct db *db)
{
    return db_patches_each(db, load_row, patches);
}

bool patches_find(struct patches *patches, const struct patch_pair *pair, struct patch *patch)
{
    const struct patch_pair packed = packed_pair(pair->image);
    bool found;

    pthread_mutex_lock(&patches->lock);
    found =
        take_ready(want(patches, pair, 1), patch) || take_ready(want(patches, &packed, 1), patch);
    pthread_mutex_unlock(&patches->lock);
    return found;
}

void patches_want(struct patches *patches, const struct patch_pair *pair, uint32_t devices)
{
    const struct patch_pair packed = packed_pair(pair->image);

    pthread_mutex_lock(&patches->lock);
    want(patches, &packed, devices);
    want(patches, pair, devices);
    pthread_mutex_unlock(&patches->lock);
}

bool patches_next(struct patches *patches, struct patch_pair *pair)
{
    const struct entry *best = NULL;

    pthread_mutex_lock(&patches->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *entry = patches->buckets[i]; entry != NULL; entry = entry->next)
            if (entry->state == ENTRY_WANTED && goes_before(entry, best))
                best = entry;
    if (best != NULL)
        *pair = best->pair;
    pthread_mutex_unlock(&patches->lock);
    return best != NULL;
}

void patches_settle(struct patches *patches, const struct patch_pair *pair, uint32_t len,
                    const uint8_t *sha256)
{
    struct entry *entry;

    pthread_mutex_lock(&patches->lock);
    entry = *find(patches, pair);
    if (entry != NULL) {
        unlink_file(patches, entry);
        entry->state = sha256 != NULL ? ENTRY_READY : ENTRY_USELESS;
        entry->len = len;
        memcpy(entry->sha256, sha256 != NULL ? sha256 : NO_HASH, OTA_HASH_LEN);
        if (entry->state == ENTRY_READY)
            link_file(patches, entry);
    }
    pthread_mutex_unlock(&patches->lock);
}

uint32_t patches_packed_len(struct patches *patches, const uint8_t image[OTA_HASH_LEN])
{
    const struct patch_pair packed = packed_pair(image);
    struct patch patch = {.len = 0};

    pthread_mutex_lock(&patches->lock);
    take_ready(*find(patches, &packed), &patch);
    pthread_mutex_unlock(&patches->lock);
    return patch.len;
}

bool patches_image(struct patches *patches, const uint8_t sha256[OTA_HASH_LEN],
                   uint8_t image[OTA_HASH_LEN])
{
    const struct entry *entry;

    pthread_mutex_lock(&patches->lock);
    entry = find_file(patches, sha256);
    if (entry != NULL)
        memcpy(image, entry->pair.image, OTA_HASH_LEN);
    pthread_mutex_unlock(&patches->lock);
    return entry != NULL;
}

bool patches_forget(struct patches *patches, const uint8_t image[OTA_HASH_LEN],
                    uint8_t sha256[OTA_HASH_LEN])
{
    struct entry *entry;

    pthread_mutex_lock(&patches->lock);
    entry = find_image(patches, image);
    if (entry != NULL) {
        unlink_file(patches, entry);
        *find(patches, &entry->pair) = entry->next;
        memcpy(sha256, entry->sha256, OTA_HASH_LEN);
        patches->count--;
    }
    pthread_mutex_unlock(&patches->lock);
    free(entry);
    return entry != NULL;
}

uint32_t patches_count(struct patches *patches)
{
    uint32_t count = 0;

    pthread_mutex_lock(&patches->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct entry *entry = patches->buckets[i]; entry != NULL; entry = entry->next)
            count += entry->state == ENTRY_READY;
    pthread_mutex_unlock(&patches->lock);
    return count;
}
