#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/rollouts.h"
#include "server/api.h"
#include "server/body.h"
#include "server/rollout_store.h"
#include "server/time_text.h"

/* ---- create ---- */

int api_add_rollout(struct request *rq, struct fleet_rollout *rollout)
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
    error = api_add_rollout(rq, rollout);
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

void api_refuse_order(struct request *rq, const struct fleet_rollout *rollout,
                      enum rollout_command command, int refusal)
{
    const char *sentence;

    if (refusal == STEER_CROWDED) {
        request_problem(rq, 409, "too_many_rollouts",
                        "%d rollouts are under way; end one of them first.", FLEET_LIVE_MAX);
        return;
    }
    sentence = rollout_refusal_sentence((enum rollout_refusal)refusal, command, rollout->r.state);
    if (refusal == ROLLOUT_REFUSED_REVISION)
        request_problem(rq, 412, "revision_changed", "%s", sentence);
    else
        request_problem(rq, 409, "rollout_state", "%s", sentence);
}

struct fleet_rollout *api_find_rollout(struct request *rq)
{
    int64_t id = request_id(rq, 0, "rollout");
    struct fleet_rollout *rollout =
        id != 0 ? fleet_find_rollout(rq->app->fleet, (uint64_t)id) : NULL;

    if (id != 0 && rollout == NULL)
        request_problem(rq, 404, "not_found", "There is no rollout with this id.");
    return rollout;
}

/* The revision that the order was decided on, if it says so. */
static bool read_revision(struct request *rq, struct rollout_order *order)
{
    const char *header = request_header(rq, "If-Match");
    unsigned long long revision = 0;
    char end = '\0';

    if (header == NULL || strcmp(header, "*") == 0)
        return true;
    if (strlen(header) < 20 && sscanf(header, "\"%llu\"%c", &revision, &end) == 1 && revision > 0) {
        order->if_revision = revision;
        return true;
    }
    request_problem(rq, 412, "revision_changed",
                    "If-Match is not the ETag of a rollout; read the rollout again.");
    return false;
}

/* What an order takes in its body; a body is needed only where a field is. */
static bool read_order(struct request *rq, const struct body_field *field,
                       struct rollout_order *order)
{
    bool is_needed = field != NULL && field->required;

    if ((rq->len > 0 || is_needed) &&
        (!body_parse(rq) || !body_read(rq, NULL, "", field, field != NULL ? 1 : 0)))
        return false;
    return read_revision(rq, order);
}

static void obey(struct request *rq, const struct rollout_order *order, const char *reason)
{
    struct fleet_rollout *rollout = api_find_rollout(rq);
    int refusal;
    int error;

    if (rollout == NULL)
        return;
    error = steer_order(&rq->app->steer, rq->db, rollout, order, reason, rq->who.name, app_now(),
                        &refusal);
    if (error != DB_OK) {
        request_fail(rq, error);
    } else if (refusal != ROLLOUT_ALLOWED) {
        api_refuse_order(rq, rollout, order->command, refusal);
    } else {
        api_put_rollout(rq, request_json(rq, 200), rollout);
        api_add_revision(rq, rollout);
    }
}

static void obey_plain(struct request *rq, enum rollout_command command)
{
    struct rollout_order order = {.command = command};

    if (read_order(rq, NULL, &order))
        obey(rq, &order, "");
}

static void obey_forcible(struct request *rq, enum rollout_command command)
{
    struct rollout_order order = {.command = command};
    const struct body_field force = {"force", BODY_BOOL, false, &order.force, 0, 0, 0, NULL, false};

    if (read_order(rq, &force, &order))
        obey(rq, &order, "");
}

void api_rollout_start(struct request *rq)
{
    obey_plain(rq, ROLLOUT_START);
}

void api_rollout_schedule(struct request *rq)
{
    struct rollout_order order = {.command = ROLLOUT_SCHEDULE};
    char text[32] = "";
    const struct body_field start_at = {"start_at", BODY_STRING, true, text, sizeof(text),
                                        1,          0,           NULL, false};
    int64_t at;

    if (!read_order(rq, &start_at, &order))
        return;
    if (!time_text_parse(text, &at)) {
        body_invalid(rq, "", "start_at", "must be a time such as 2030-01-31T04:00:00Z");
        return;
    }
    order.start_at = (uint64_t)at;
    obey(rq, &order, "");
}

void api_rollout_pause(struct request *rq)
{
    obey_plain(rq, ROLLOUT_PAUSE);
}

void api_rollout_resume(struct request *rq)
{
    obey_forcible(rq, ROLLOUT_RESUME);
}

void api_rollout_advance(struct request *rq)
{
    obey_forcible(rq, ROLLOUT_ADVANCE);
}

void api_rollout_halt(struct request *rq)
{
    struct rollout_order order = {.command = ROLLOUT_HALT};
    char reason[STEER_REASON_MAX + 1] = "";
    const struct body_field field = {"reason", BODY_STRING, true, reason, sizeof(reason),
                                     1,        0,           NULL, false};

    if (read_order(rq, &field, &order))
        obey(rq, &order, reason);
}

void api_rollout_cancel(struct request *rq)
{
    obey_plain(rq, ROLLOUT_CANCEL);
}
