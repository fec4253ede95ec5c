/*
 * What unit tests share: cmocka with what it needs, whole files, and buffers of exactly the size
 * that is meant, so that AddressSanitizer sees one byte too far.
 */
#ifndef OTA_TESTS_SUPPORT_H
#define OTA_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/* A row of a test table: `{TEST("a sentence that it proves", function)}`. */
#define TEST(sentence, function) .name = (sentence), .test_func = (function)

/* Bytes on the heap, exactly `len` of them. */
struct blob {
    uint8_t *at;
    size_t len;
};

/* The file at `path` (from the root of the tree); the test fails when there is none. */
struct blob blob_read(const char *path);
struct blob blob_copy(const void *bytes, size_t len);
void blob_free(struct blob *blob);

/* Flip bit `bit` of the blob, counted from the lowest of the first byte. */
void blob_flip(struct blob *blob, size_t bit);

#endif
