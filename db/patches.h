/*
 * Patches: one row for each pair of images that was tried, so that none is made twice; and what
 * they have saved.
 */
#ifndef OTAD_DB_PATCHES_H
#define OTAD_DB_PATCHES_H

#include "db/db.h"
#include "db/keys.h"

struct db_patch {
    uint8_t base[DB_HASH_LEN];   /* image hash; all zero: no base, the image packed by itself */
    uint8_t image[DB_HASH_LEN];  /* image hash of the result */
    uint8_t sha256[DB_HASH_LEN]; /* of the file: its name in the blob store */
    uint32_t size;               /* bytes of the file; 0: it is of no use, there is no file */
    int64_t made_at;
};

/* Adds the row, or replaces the one of the same pair. */
int db_patch_put(struct db *db, const struct db_patch *patch);
int db_patches_each(struct db *db, int (*each)(void *ctx, const struct db_patch *patch), void *ctx);
/* Every patch from or to this image. */
int db_patches_delete(struct db *db, const uint8_t image[DB_HASH_LEN]);
/* 1 when a row has this file, 0 when none has, or an error. */
int db_patch_has_file(struct db *db, const uint8_t sha256[DB_HASH_LEN]);

/* One more device of a rollout fetched a patch instead of the image, `bytes` less. */
int db_patch_saving_add(struct db *db, int64_t rollout_id, int64_t bytes);
/* Zeroes for a rollout without any. */
int db_patch_saving_get(struct db *db, int64_t rollout_id, int64_t *devices, int64_t *bytes);

#endif
