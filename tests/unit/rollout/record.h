/*
 * What is durable of a rollout and of a deployment, as a row of numbers: the fields that a database
 * holds, and nothing else.
 */
#ifndef OTA_TESTS_ROLLOUT_RECORD_H
#define OTA_TESTS_ROLLOUT_RECORD_H

#include "server/rollout.h"

#define RECORD_NUMBERS 256

struct record {
    size_t count;
    uint64_t numbers[RECORD_NUMBERS];
};

void record_rollout(struct record *record, const struct rollout *rollout);
/* Into a rollout that has its settings. */
void record_load_rollout(const struct record *record, struct rollout *rollout);

void record_deployment(struct record *record, const struct deployment *deployment);
void record_load_deployment(const struct record *record, struct deployment *deployment);

#endif
