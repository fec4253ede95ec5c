/*
 * What the fuzz targets share. libFuzzer gives each input in a heap block of exactly its size.
 */
#ifndef OTA_TESTS_FUZZ_H
#define OTA_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry point; each target defines it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Not assert(): it must hold with NDEBUG as well. */
#define fuzz_require(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
