#include "tests/unit/rollout/record.h"

#include <assert.h>
#include <string.h>

struct field {
    size_t at;
    size_t size;
};

#define FIELD(type, member)                                                                        \
    {                                                                                              \
        offsetof(type, member), sizeof(((type *)0)->member)                                        \
    }

static const struct field rollout_fields[] = {
    FIELD(struct rollout, state),         FIELD(struct rollout, current),
    FIELD(struct rollout, round),         FIELD(struct rollout, revision),
    FIELD(struct rollout, start_at),      FIELD(struct rollout, started_at),
    FIELD(struct rollout, resumed_at),    FIELD(struct rollout, ended_at),
    FIELD(struct rollout, halt.cause),    FIELD(struct rollout, halt.stage),
    FIELD(struct rollout, halt.failures), FIELD(struct rollout, halt.successes),
    FIELD(struct rollout, halt.devices),  FIELD(struct rollout, halt.at),
};

static const struct field stage_fields[] = {
    FIELD(struct rollout_stage, state),      FIELD(struct rollout_stage, accepted),
    FIELD(struct rollout_stage, started_at), FIELD(struct rollout_stage, met_at),
    FIELD(struct rollout_stage, done_at),
};

static const struct field deployment_fields[] = {
    FIELD(struct deployment, id),         FIELD(struct deployment, rollout_id),
    FIELD(struct deployment, seq),        FIELD(struct deployment, offered_at),
    FIELD(struct deployment, changed_at), FIELD(struct deployment, state),
    FIELD(struct deployment, stage),      FIELD(struct deployment, percent),
    FIELD(struct deployment, attempt),    FIELD(struct deployment, round),
    FIELD(struct deployment, health),     FIELD(struct deployment, inferred),
};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static void save(struct record *record, const void *object, const struct field *fields,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number = 0;

        assert(fields[i].size <= sizeof number && record->count < RECORD_NUMBERS);
        memcpy(&number, (const char *)object + fields[i].at, fields[i].size);
        record->numbers[record->count++] = number;
    }
}

static size_t load(const struct record *record, size_t from, void *object,
                   const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy((char *)object + fields[i].at, &record->numbers[from + i], fields[i].size);
    return from + count;
}

void record_rollout(struct record *record, const struct rollout *rollout)
{
    record->count = 0;
    save(record, rollout, rollout_fields, COUNT(rollout_fields));
    for (size_t i = 0; i < rollout->stage_count; i++)
        save(record, &rollout->stages[i], stage_fields, COUNT(stage_fields));
}

void record_load_rollout(const struct record *record, struct rollout *rollout)
{
    size_t at = load(record, 0, rollout, rollout_fields, COUNT(rollout_fields));

    for (size_t i = 0; i < rollout->stage_count; i++)
        at = load(record, at, &rollout->stages[i], stage_fields, COUNT(stage_fields));
    assert(at == record->count);
}

void record_deployment(struct record *record, const struct deployment *deployment)
{
    record->count = 0;
    save(record, deployment, deployment_fields, COUNT(deployment_fields));
}

void record_load_deployment(const struct record *record, struct deployment *deployment)
{
    memset(deployment, 0, sizeof *deployment);
    load(record, 0, deployment, deployment_fields, COUNT(deployment_fields));
}
