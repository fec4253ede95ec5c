/*
 * The decoder of patches: an old image ("base") and a patch give the new image ("result").
 *
 *     patch bytes --> feed() --> run() --> write_result()  strictly in order
 *                                 ^  ^
 *                       read_base()  read_result()         anywhere in the base, and in what is
 * written
 *
 * SPEC.md, "Delta", has the format, docs/delta.md its reasons. The decoder does no I/O of its own
 * and never blocks: a call to ota_delta_run() writes OTA_DELTA_WRITE_LEN bytes at most. All its
 * memory is struct ota_delta, the caller's; no heap, no recursion. The patch is hostile until the
 * end: whatever it holds, the callbacks are asked for bytes within [0, base_len) and [0, written)
 * only, and nothing is written outside [0, result_len). CRCs find damage, not intent: the caller
 * compares header.base_hash with SHA-256 over its base before it lets the first byte be written,
 * and checks the result's whole hash (and signature) after the last.
 *
 * Use:
 *
 *     ota_delta_init(&delta, &io);              or ota_delta_resume(&delta, &io, saved, saved_len)
 *     for (;;) {
 *         switch (ota_delta_run(&delta)) {
 *         case OTA_DELTA_WANTS: fetch from byte ota_delta_wants(&delta) of the patch on; feed it
 *         case OTA_DELTA_HEADER: check delta.header: base, size, hash
 *         case OTA_DELTA_MORE: call again when convenient
 *         case OTA_DELTA_CHECKPOINT: ota_delta_save() into the journal, if resuming is wanted
 *         case OTA_DELTA_DONE: all of the result is written: check its hash
 *         default: negative, an error: the patch is of no use
 *         }
 *     }
 *
 * Resuming: a checkpoint is offered each OTA_DELTA_CHECKPOINT_STEP bytes of the result and is all
 * that is needed, beside the bytes of the result that were written before it. After
 * ota_delta_resume() the head of the patch is asked for again (its header and map), then the block
 * that the checkpoint lies in: always feed from ota_delta_wants(), which jumps. OTA_DELTA_HEADER is
 * returned again. What was written behind the checkpoint is written again, the same bytes.
 */
#ifndef OTA_PROTOCOL_DELTA_H
#define OTA_PROTOCOL_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/delta_stream.h"

#define OTA_DELTA_MAGIC 0x444fU  /* "OD" */
#define OTA_DELTA_VERSION 1      /* of the format */
#define OTA_DELTA_HEADER_MAX 27U /* bytes */
#define OTA_DELTA_HASH_LEN 4U    /* bytes of a SHA-256 that the header has */
#define OTA_DELTA_BLOCK_LEN 512U /* bytes of the patch; the last 4 are the CRC of the others */
#define OTA_DELTA_BLOCK_CRC_LEN 4U
#define OTA_DELTA_ADDRESS_STEP 256U      /* base addresses are multiples of it */
#define OTA_DELTA_LEN_MAX 0xffffffU      /* bytes of base, result or patch: 16 MB */
#define OTA_DELTA_WRITE_LEN 256U         /* bytes of one write_result(), but for the last */
#define OTA_DELTA_CHECKPOINT_STEP 16384U /* bytes of the result between checkpoints */
#define OTA_DELTA_CHECKPOINT_MAX 1008U   /* bytes that ota_delta_save() needs at most */
#define OTA_DELTA_STATE_MAX 8192U        /* bytes: struct ota_delta is no larger */
#define OTA_DELTA_LOOKAHEAD 192U         /* bytes of the patch that one item can take at most */

enum ota_delta_mode {
    OTA_DELTA_PLAIN = 0,  /* bytes are bytes */
    OTA_DELTA_THUMB2 = 1, /* what moved is predicted by decoding instructions and pointers */
};

struct ota_delta_header {
    uint32_t patch_len;
    uint32_t base_len;
    uint32_t result_len;   /* 1 at least */
    uint32_t base_address; /* where byte 0 of the base lies in the address space, a multiple of
                              OTA_DELTA_ADDRESS_STEP; 0 for plain */
    uint8_t mode;          /* enum ota_delta_mode */
    uint8_t base_hash[OTA_DELTA_HASH_LEN]; /* the first bytes of SHA-256 over the base_len bytes */
    uint8_t result_hash[OTA_DELTA_HASH_LEN];
};

/* Read the header from the first bytes of a patch. Its length, OTA_E_TRUNCATED when there is more
 * of it (up to OTA_DELTA_HEADER_MAX bytes), OTA_E_SYNTAX when it is no patch, OTA_E_UNSUPPORTED
 * (version, mode), OTA_E_RANGE (lengths that can't be). The CRC is not looked at: ota_delta_run()
 * does that. */
int ota_delta_header_decode(struct ota_delta_header *header, const uint8_t *buf, size_t len);

/* All return OTA_OK or a negative error, which ends the decoding and is what ota_delta_run()
 * returns. buf never reaches past the bytes that exist, see above. */
struct ota_delta_io {
    void *ctx;
    int (*read_base)(void *ctx, uint32_t offset, void *buf, size_t len);
    /* Of what write_result() got, since the start or before the checkpoint that was resumed. */
    int (*read_result)(void *ctx, uint32_t offset, void *buf, size_t len);
    /* offset is a multiple of OTA_DELTA_WRITE_LEN, and len is it, but for the last piece. */
    int (*write_result)(void *ctx, uint32_t offset, const void *buf, size_t len);
};

enum ota_delta_event {
    OTA_DELTA_WANTS = 1,      /* needs more of the patch */
    OTA_DELTA_HEADER = 2,     /* once: delta->header is known and its block's CRC is good */
    OTA_DELTA_MORE = 3,       /* has worked; there is more to do */
    OTA_DELTA_CHECKPOINT = 4, /* ota_delta_save() would be useful now */
    OTA_DELTA_DONE = 5,
};

struct ota_delta_saved_place {
    uint32_t payload_at; /* next byte of the coded stream, counted without CRCs */
    uint32_t low, high, code;
    uint32_t patch_id;
};

/* Private to protocol/delta.c, but for `header` after OTA_DELTA_HEADER. */
struct ota_delta {
    struct ota_delta_header header;
    const struct ota_delta_io *io;
    int16_t error; /* sticky */
    uint8_t phase;
    bool hungry; /* feed() takes bytes */
    bool resuming;
    bool offered;         /* the checkpoint at `written` */
    uint32_t fed;         /* offset in the patch of the next byte that feed() takes */
    uint32_t input_start; /* what input[0] is of the patch, counted without CRCs */
    uint32_t missing;     /* bytes that were needed behind the patch's end */
    uint32_t written;     /* bytes of the result given to write_result() */
    uint8_t header_len;
    uint16_t block_len;  /* bytes of the block that is coming in */
    uint16_t input_len;  /* checked bytes in input */
    uint16_t input_at;   /* of them, used */
    uint16_t output_len; /* bytes in output */
    uint32_t patch_id;   /* CRC of the first block: tells one patch from another */
    uint8_t input[OTA_DELTA_LOOKAHEAD + OTA_DELTA_BLOCK_LEN];
    uint8_t output[OTA_DELTA_WRITE_LEN + OTA_DELTA_PIECE_MAX];
    struct ota_delta_saved_place resume; /* where the checkpoint lies */
    struct ota_delta_stream stream;
};

/* Begin a patch. *io is kept until the last call. */
void ota_delta_init(struct ota_delta *delta, const struct ota_delta_io *io);

/* Begin at a checkpoint, `len` bytes that ota_delta_save() gave, of which this keeps what it needs.
 * OTA_OK, or OTA_E_SYNTAX when it is none: then begin with ota_delta_init(). Whether it is one of
 * this patch shows with the first block: OTA_E_DELTA_BLOCK from ota_delta_run(). */
int ota_delta_resume(struct ota_delta *delta, const struct ota_delta_io *io, const uint8_t *saved,
                     size_t len);

/* The offset in the patch of the byte that ota_delta_feed() must get next. */
uint32_t ota_delta_wants(const struct ota_delta *delta);

/* Take bytes of the patch from ota_delta_wants() on. Returns how many it took, 0 to len: a block at
 * most, until ota_delta_run() returns OTA_DELTA_WANTS again; the rest is to be given again then (if
 * ota_delta_wants() is where it begins). */
size_t ota_delta_feed(struct ota_delta *delta, const uint8_t *buf, size_t len);

/* Work a bounded step. An event, or a negative error, which stays: OTA_E_DELTA_BLOCK (a CRC, a
 * reference outside base and result, or a patch that ends too early), one of
 * ota_delta_header_decode(), or one of a callback. */
int ota_delta_run(struct ota_delta *delta);

/* After OTA_DELTA_CHECKPOINT, before the next ota_delta_run(): write the checkpoint. Its length, or
 * OTA_E_NO_SPACE; OTA_E_STATE at another time. */
int ota_delta_save(const struct ota_delta *delta, uint8_t *buf, size_t cap);

#endif
