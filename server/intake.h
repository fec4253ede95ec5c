/*
 * One firmware upload: bytes go to a temporary file while they are hashed and read, in one pass.
 *
 *     intake_open -> intake_write ... -> intake_check -> intake_keep -> (row inserted) ->
 * intake_free
 *
 * Nothing is visible before intake_keep(), and a file without its row is swept at the next start.
 * Whatever ends early, intake_free() removes the temporary file. One thread at a time.
 */
#ifndef OTAD_INTAKE_H
#define OTAD_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/firmware.h"
#include "protocol/image.h"
#include "server/blobs.h"

struct intake;

enum intake_error {
    INTAKE_OK = 0,
    INTAKE_E_TOO_LARGE = -1,   /* over the configured bound */
    INTAKE_E_MALFORMED = -2,   /* not an image of our kind; intake_detail() says where */
    INTAKE_E_TRUNCATED = -3,   /* the file ends before the image does */
    INTAKE_E_UNSIGNED = -4,    /* no signature in it */
    INTAKE_E_UNKNOWN_KEY = -5, /* signed, but by no registered key */
    INTAKE_E_SIGNATURE = -6,   /* a registered key's signature that does not verify */
    INTAKE_E_HASH = -7,        /* the bytes are not those the image promises */
    INTAKE_E_FULL = -8,        /* the disk is full */
    INTAKE_E_IO = -9,
    INTAKE_E_MEMORY = -10,
};

/* NULL and *error when no temporary file can be made. */
struct intake *intake_open(struct blobs *blobs, uint64_t len_max, int *error);
void intake_free(struct intake *intake);

/* Take bytes. Errors are sticky; bytes after one are dropped. */
int intake_write(struct intake *intake, const void *bytes, size_t len);

/* The whole file is there: check format, hash and signature, and fill `firmware` (all but id and
 * created_at). `find_key` gives the PEM of a registered key, or false. */
typedef bool intake_find_key(void *ctx, const uint8_t key_hash[OTA_HASH_LEN],
                             char pem[DB_PEM_MAX + 1]);
int intake_check(struct intake *intake, intake_find_key *find_key, void *ctx,
                 struct db_firmware *firmware);
/* Make the file durable under its name. */
int intake_keep(struct intake *intake);
/* Undo intake_keep(), when its row was refused and no other has the file. */
void intake_drop(struct intake *intake);

/* One sentence about the last error; never NULL. */
const char *intake_detail(const struct intake *intake);

#endif
