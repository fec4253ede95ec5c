#include <stdlib.h>

#include "server/api.h"
#include "server/body.h"
#include "server/steer_explain.h"

#define PLANS_MAX 2 /* at once: each takes a core while it runs */

static void put_samples(struct json_writer *out, const struct steer_tally *tally)
{
    json_put_int(out, "devices", tally->devices);
    json_key(out, "samples");
    json_array(out);
    for (uint32_t i = 0; i < tally->sample_count; i++)
        json_string(out, tally->samples[i]);
    json_array_end(out);
}

static void put_stages(struct json_writer *out, struct db *db, const struct rollout *r,
                       const struct steer_plan *plan)
{
    json_key(out, "stages");
    json_array(out);
    for (int i = 0; i < r->stage_count; i++) {
        json_object(out);
        api_put_stage_settings(out, db, &r->stages[i]);
        put_samples(out, &plan->stages[i]);
        json_object_end(out);
    }
    json_array_end(out);
}

static void put_others(struct json_writer *out, const struct steer_plan *plan)
{
    json_key(out, "others");
    json_array(out);
    for (int i = 0; i < ROLLOUT_REASON_COUNT; i++) {
        if (plan->others[i].devices == 0)
            continue;
        json_object(out);
        json_put_string(out, "reason", rollout_reason_name((enum rollout_reason)i));
        json_put_string(out, "sentence", rollout_reason_sentence((enum rollout_reason)i));
        json_put_int(out, "later", plan->later[i]);
        put_samples(out, &plan->others[i]);
        json_object_end(out);
    }
    json_array_end(out);
}

static void put_plan(struct request *rq, const struct rollout *r, const struct steer_plan *plan)
{
    struct db *db = request_reader(rq);
    struct json_writer *out = request_json(rq, 200);
    int64_t updated = 0;

    for (int i = 0; i < r->stage_count; i++)
        updated += plan->stages[i].devices;
    json_object(out);
    json_put_int(out, "devices", plan->devices);
    json_put_int(out, "updated", updated);
    json_put_int(out, "seed", (int64_t)r->seed);
    put_stages(out, db, r, plan);
    put_others(out, plan);
    json_object_end(out);
}

static void out_of_memory(struct request *rq)
{
    request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
}

/* Scan without the reader, which others wait for. */
static void answer(struct request *rq, const struct rollout *r)
{
    struct steer_plan *plan = malloc(sizeof(*plan));

    if (plan == NULL) {
        out_of_memory(rq);
        return;
    }
    request_reader_release(rq);
    if (atomic_fetch_add(&rq->app->plans, 1) < PLANS_MAX) {
        steer_make_plan(rq->app->fleet, r, plan);
        put_plan(rq, r, plan);
    } else {
        request_problem(rq, 503, "overloaded", "Other dry runs are under way. Try again.");
        rq->answer.retry_after = 1;
    }
    atomic_fetch_sub(&rq->app->plans, 1);
    free(plan);
}

void api_plan_new(struct request *rq)
{
    struct fleet_rollout *rollout = calloc(1, sizeof(*rollout));

    if (rollout == NULL) {
        out_of_memory(rq);
        return;
    }
    request_reader(rq);
    if (body_parse(rq) && api_read_rollout(rq, rollout)) {
        /* Which devices are the first few per cent depends on the number that it is to have. */
        if (rollout->r.seed == 0)
            rollout->r.seed = fleet_next_rollout(rq->app->fleet);
        answer(rq, &rollout->r);
    }
    free(rollout);
}

void api_plan_show(struct request *rq)
{
    struct fleet_rollout *rollout = malloc(sizeof(*rollout));

    if (rollout == NULL)
        out_of_memory(rq);
    else if (api_copy_rollout(rq, rollout))
        answer(rq, &rollout->r);
    free(rollout);
}
