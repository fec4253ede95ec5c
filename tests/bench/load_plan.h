/*
 * What the load generator sends: requests of the bench's devices, made before the clock starts, so
 * that making them is not measured. Reports are made as they go, each with a new number.
 */
#ifndef OTAD_BENCH_LOAD_PLAN_H
#define OTAD_BENCH_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_REQUEST_MAX 1024 /* bytes of one request */

enum load_kind {
    LOAD_POLL,  /* a poll without a nonce */
    LOAD_NONCE, /* a poll with one: the answer is signed */
    LOAD_REPORT,
};

struct load_plan_options {
    enum load_kind kind;
    bool close;       /* a connection of its own for each request */
    uint32_t first;   /* number of the first device */
    uint32_t count;   /* of devices */
    uint32_t pool;    /* how many of them, drawn at random; 0: all, in order */
    uint64_t seq;     /* of reports: beyond all before */
    const char *list; /* LOAD_REPORT: a file with lines `DEVICE DEPLOYMENT` */
};

struct load_plan;

struct load_plan *load_plan_new(const struct load_plan_options *options);
void load_plan_free(struct load_plan *plan);
/* The next request: kept by the plan, or written into `buf`. */
const char *load_plan_next(struct load_plan *plan, char buf[LOAD_REQUEST_MAX], size_t *len);

#endif
