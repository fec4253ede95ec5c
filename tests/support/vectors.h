/*
 * Reading tests/vectors/, and the sweeps that every decoder gets over them. tests/vectors/README.md
 * describes the files.
 */
#ifndef OTA_TESTS_SUPPORT_VECTORS_H
#define OTA_TESTS_SUPPORT_VECTORS_H

#include <stdbool.h>

#include "tests/support/support.h"

#define VECTOR_WORD_MAX 32
#define VECTOR_NAME_MAX 160

struct vector {
    char word[VECTOR_WORD_MAX]; /* the answer: "ok" or an error's word */
    char name[VECTOR_NAME_MAX]; /* for messages, and the path of an index's file */
    struct blob bytes;
};

struct vectors {
    const char *path;
    struct blob file;
    size_t at;
    unsigned line;
    bool is_index;
};

/* Open "NAME.txt" (a vector a line) or "DIR/index.txt" (a file a line), path from tests/vectors/.
 */
void vectors_open(struct vectors *vectors, const char *path);
/* The next vector, its former bytes freed; false at the end, when all is freed. Begin with {0}. */
bool vectors_next(struct vectors *vectors, struct vector *vector);

/* Call `visit` with each strict prefix, or each single bit flip, of `bytes`, always in a heap block
 * of exactly that size. `index` is the prefix's length, or the number of the flipped bit. */
typedef void vector_visit(void *ctx, struct blob *bytes, size_t index);
void sweep_prefixes(const struct blob *bytes, vector_visit *visit, void *ctx);
void sweep_bit_flips(const struct blob *bytes, vector_visit *visit, void *ctx);

#endif
