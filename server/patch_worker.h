/*
 * The thread that has patches made: looks what the fleet runs when a rollout starts, takes the
 * wanted pairs one after the other, and has each made by a process of its own (patch_make.h), at
 * low priority and within PATCH_SECONDS_MAX, so that neither a poll nor the server's memory depends
 * on it. What came out is kept like a firmware file before anybody is offered it.
 */
#ifndef OTAD_PATCH_WORKER_H
#define OTAD_PATCH_WORKER_H

#include "server/app.h"

#define PATCH_SECONDS_MAX 120 /* a process that makes a patch */
/* A delta is offered only below this share of the packed image, a packed image only below this
 * share of the image: what is saved must be worth a device's work. */
#define PATCH_DELTA_PERCENT_MAX 60
#define PATCH_PACKED_PERCENT_MAX 95

struct patch_worker;

/* NULL when the thread cannot be started. `db` is its own connection, and closed by it. */
struct patch_worker *patch_worker_start(struct app *app, struct db *db);
/* Ends a process that is under way. */
void patch_worker_stop(struct patch_worker *worker);

#endif
