/*
 * The n-th device of the bench's fleet. Its name and token follow from its number, so that the
 * program that fills the database and the one that speaks for the devices need no list between
 * them.
 */
#ifndef OTAD_BENCH_DEVICE_H
#define OTAD_BENCH_DEVICE_H

#include <stdint.h>

#define BENCH_PRODUCT "bench-hub"
#define BENCH_HARDWARE "r1"
#define BENCH_VERSION "1.0.0"
#define BENCH_HASH "1111111111111111111111111111111111111111111111111111111111111111"
#define BENCH_CANARY 4000U /* devices 1 to this are in the group `canary` */

struct bench_device {
    char name[16];
    char token[48]; /* as a device shows it */
};

void bench_device_make(struct bench_device *device, uint32_t number);

#endif
