/*
 * Firmware files: kept by the SHA-256 of their bytes, served from memory.
 *
 *     DIR/tmp/up-XXXXXX            while an upload comes in
 *     DIR/blobs/ab/ab12...         whole, checked, never changed again
 *
 * A file is read once, checked against its name, and then served from memory to all: neither a cut
 * nor a changed file on the disk can reach a device or kill the server (a mapped file would do
 * both). The cache holds BLOBS_CACHE_MAX bytes; what is being sent is kept beyond that. Any thread.
 */
#ifndef OTAD_BLOBS_H
#define OTAD_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"

#define BLOBS_CACHE_MAX (64U << 20) /* bytes */

struct blobs;

struct blob {
    uint8_t sha256[OTA_HASH_LEN];
    uint8_t *bytes;
    size_t len;
    unsigned holders; /* guarded by the store's lock */
    struct blobs *blobs;
    struct blob *next;
};

enum blobs_error {
    BLOBS_OK = 0,
    BLOBS_E_IO = -1,
    BLOBS_E_FULL = -2,    /* no space on the disk */
    BLOBS_E_MISSING = -3, /* no such file */
    BLOBS_E_DAMAGED = -4, /* its bytes are not those of its name */
    BLOBS_E_MEMORY = -5,
};

/* Create the directories that are missing. NULL on failure, errno tells. */
struct blobs *blobs_open(const char *dir);
void blobs_free(struct blobs *blobs);

/* Take hold of a file's bytes; give them back with blob_release(). */
int blobs_get(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN], struct blob **blob);
void blob_release(struct blob *blob);

/* Where the file of this digest is, or would be. */
void blobs_path(const struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN], char *path,
                size_t cap);

/* A new temporary file: its descriptor and path. Negative on failure. */
int blobs_create_temporary(struct blobs *blobs, char *path, size_t cap);
/* Make the temporary file durable under its name. When this returns BLOBS_OK a power cut cannot
 * take it back; otherwise the temporary file is still there. */
int blobs_keep(struct blobs *blobs, int fd, const char *temporary,
               const uint8_t sha256[OTA_HASH_LEN]);
bool blobs_exist(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN]);
void blobs_delete(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN]);

/* Remove all temporary files, and each file that `wanted` does not want (1 wanted, 0 not, negative:
 * not known, keep). The number removed. Only at start, before uploads. */
int blobs_sweep(struct blobs *blobs, int (*wanted)(void *ctx, const uint8_t sha256[OTA_HASH_LEN]),
                void *ctx);

#endif
