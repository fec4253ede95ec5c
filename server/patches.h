/*
 * Patches in memory: which pairs of images are wanted, which are made, which are of no use.
 *
 *     a rollout starts --> survey of what the fleet runs --+
 *     a device polls ------------------------------------> wanted --> patch_worker.h --> ready
 *                                                                                   \--> useless
 *
 * A patch turns the image that a device runs (its base) into the release, or, with no base, is the
 * release packed by itself. Polls look up, and never wait for one to be made. Any thread; one lock,
 * held for microseconds.
 */
#ifndef OTAD_PATCHES_H
#define OTAD_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

#define PATCHES_MAX 4096 /* pairs remembered; wants beyond are dropped */

struct db;
struct patches;

/* Image hashes; a base of zeros is none. */
struct patch_pair {
    uint8_t base[OTA_HASH_LEN];
    uint8_t image[OTA_HASH_LEN];
};

struct patch {
    uint8_t base[OTA_HASH_LEN];
    uint8_t sha256[OTA_HASH_LEN]; /* of the file */
    uint32_t len;                 /* bytes of the file */
};

/* It has no base: the image packed by itself. */
bool patch_is_packed(const struct patch_pair *pair);

struct patches *patches_new(void);
void patches_free(struct patches *patches);
/* Read the rows; an error of db/. */
int patches_load(struct patches *patches, struct db *db);

/* For a device that runs `base` and is to get `image`: the delta if there is one, else the packed
 * image, else false. What is not there yet is wanted from now on. */
bool patches_find(struct patches *patches, const struct patch_pair *pair, struct patch *patch);
/* `devices` more would take this one. */
void patches_want(struct patches *patches, const struct patch_pair *pair, uint32_t devices);
/* The next one to make: packed images first, since deltas are measured against them, then what most
 * devices want. False: none. */
bool patches_next(struct patches *patches, struct patch_pair *pair);
/* It was made (on the disk, with its row), or is of no use (`sha256` NULL). */
void patches_settle(struct patches *patches, const struct patch_pair *pair, uint32_t len,
                    const uint8_t *sha256);
/* Bytes of the packed image; 0 when there is none. */
uint32_t patches_packed_len(struct patches *patches, const uint8_t image[OTA_HASH_LEN]);
/* The image that the patch in this file makes. */
bool patches_image(struct patches *patches, const uint8_t sha256[OTA_HASH_LEN],
                   uint8_t image[OTA_HASH_LEN]);
/* The image is gone: take out one patch from or to it, and tell its file. False: none is left. A
 * patch without a file gives a digest of zeros. */
bool patches_forget(struct patches *patches, const uint8_t image[OTA_HASH_LEN],
                    uint8_t sha256[OTA_HASH_LEN]);
/* How many are ready. */
uint32_t patches_count(struct patches *patches);

#endif
