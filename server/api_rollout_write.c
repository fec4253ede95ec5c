#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/rollouts.h"
#include "server/api.h"
#include "server/body.h"
#include "server/rollout_store.h"

/* ---- create ---- */

static int add_rollout(struct request *rq, struct fleet_rollout *rollout)
{
    struct fleet *fleet = rq->app->fleet;
    struct db_rollout row;
    bool added;
    int error;

    rollout_to_row(rollout, &row);
    error = db_rollout_add(rq->db, &row);
    if (error != DB_OK)
        return error;
    rollout->r.id = (uint64_t)row.id;
    if (rollout->r.seed == 0) {
        rollout->r.seed = rollout->r.id;
        error = db_rollout_set_seed(rq->db, row.id, row.id);
    }
    if (error == DB_OK)
        error = steer_note(rq->db, rollout, "created", "", rq->who.name, app_now());
    if (error != DB_OK)
        return error;
    fleet_lock(fleet);
    added = fleet_add_rollout(fleet, rollout);
    fleet_unlock(fleet);
    return added ? DB_OK : DB_E_INTERNAL;
}

void api_rollout_read(struct request *rq)
{
    body_parse(rq);
}

void api_rollout_write(struct request *rq)
{
    struct fleet_rollout *rollout = calloc(1, sizeof(*rollout));
    int error;

    if (rollout == NULL) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    if (!api_read_rollout(rq, rollout)) {
        free(rollout);
        return;
    }
    error = add_rollout(rq, rollout);
    if (error != DB_OK) {
        free(rollout);
        request_fail(rq, error);
        return;
    }
    api_put_rollout(rq, request_json(rq, 201), rollout);
    request_add_header(rq, "Location", "%s/api/v1/rollouts/%llu", rq->app->config.public_url,
                       (unsigned long long)rollout->r.id);
}

/* ---- orders ---- */

static void refuse(struct request *rq, const struct fleet_rollout *rollout,
                   enum rollout_command command, int refusal)
{
    if (refusal == STEER_CROWDED)
        request_problem(rq, 409, "too_many_rollouts",
                        "%d rollouts are under way; end one of them first.", FLEET_LIVE_MAX);
    else
        request_problem(
            rq, 409, "rollout_state", "%s",
            rollout_refusal_sentence((enum rollout_refusal)refusal, command, rollout->r.state));
}

static void obey(struct request *rq, enum rollout_command command)
{
    struct rollout_order order = {.command = command};
    int64_t id = request_id(rq, 0, "rollout");
    const struct body_field fields[] = {
        {"force", BODY_BOOL, false, &order.force, 0, 0, 0, NULL, false}};
    struct fleet_rollout *rollout;
    int refusal;
    int error;

    /* A body is not needed; only resume takes a field. */
    if (id == 0 || (rq->len > 0 && !body_parse(rq)) ||
        (rq->json != NULL && !body_read(rq, NULL, "", fields, command == ROLLOUT_RESUME ? 1 : 0)))
        return;
    rollout = fleet_find_rollout(rq->app->fleet, (uint64_t)id);
    if (rollout == NULL) {
        request_problem(rq, 404, "not_found", "There is no rollout with this id.");
        return;
    }
    error =
        steer_order(&rq->app->steer, rq->db, rollout, &order, rq->who.name, app_now(), &refusal);
    if (error != DB_OK)
        request_fail(rq, error);
    else if (refusal != ROLLOUT_ALLOWED)
        refuse(rq, rollout, command, refusal);
    else
        api_put_rollout(rq, request_json(rq, 200), rollout);
}

void api_rollout_start(struct request *rq)
{
    obey(rq, ROLLOUT_START);
}

void api_rollout_pause(struct request *rq)
{
    obey(rq, ROLLOUT_PAUSE);
}

void api_rollout_resume(struct request *rq)
{
    obey(rq, ROLLOUT_RESUME);
}

void api_rollout_cancel(struct request *rq)
{
    obey(rq, ROLLOUT_CANCEL);
}
