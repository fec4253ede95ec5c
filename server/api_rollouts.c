#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/deployments.h"
#include "db/patches.h"
#include "db/rollouts.h"
#include "server/api.h"
#include "server/rollout_store.h"

/* ---- writing out ---- */

static void put_counts(struct json_writer *out, const struct rollout_stage *stage)
{
    static const enum deployment_state states[] = {
        DEPLOYMENT_OFFERED,   DEPLOYMENT_DOWNLOADING, DEPLOYMENT_INSTALLING, DEPLOYMENT_TRIAL,
        DEPLOYMENT_RETRY,     DEPLOYMENT_SUCCEEDED,   DEPLOYMENT_FAILED,     DEPLOYMENT_REVERTED,
        DEPLOYMENT_TIMED_OUT, DEPLOYMENT_UNHEALTHY,   DEPLOYMENT_SKIPPED};

    json_put_int(out, "targeted", rollout_stage_devices(stage));
    json_put_int(out, "excluded", stage->counts.excluded);
    json_put_int(out, "waiting", rollout_stage_waiting(stage));
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        json_put_int(out, deployment_state_name(states[i]), stage->counts.by_state[states[i]]);
}

static void put_stage(struct json_writer *out, struct db *db, const struct rollout_stage *stage)
{
    json_object(out);
    api_put_stage_settings(out, db, stage);
    json_put_string(out, "state", rollout_stage_state_name(stage->state));
    json_put_time(out, "started_at", (int64_t)stage->started_at);
    json_put_time(out, "done_at", (int64_t)stage->done_at);
    put_counts(out, stage);
    json_object_end(out);
}

static void put_state(struct json_writer *out, const struct fleet_rollout *rollout)
{
    const struct rollout *r = &rollout->r;
    char sentence[DB_DETAIL_MAX + 1];

    json_put_string(out, "state", rollout_state_name(r->state));
    fleet_halt_reason(rollout, sentence, sizeof(sentence));
    if (sentence[0] != '\0')
        json_put_string(out, "halt_reason", sentence);
    else
        json_put_null(out, "halt_reason");
    json_put_int(out, "current_stage", r->current + 1);
    json_put_int(out, "revision", (int64_t)r->revision);
    json_put_bool(out, "counted", r->counted || !fleet_counts_members(r));
    json_put_time(out, "created_at", rollout->created_at);
    json_put_time(out, "start_at", r->state == ROLLOUT_SCHEDULED ? (int64_t)r->start_at : 0);
    json_put_time(out, "started_at", (int64_t)r->started_at);
    json_put_time(out, "ended_at", (int64_t)r->ended_at);
}

static void put_saving(struct json_writer *out, struct db *db, const struct fleet_rollout *rollout)
{
    int64_t devices;
    int64_t bytes;

    if (db_patch_saving_get(db, (int64_t)rollout->r.id, &devices, &bytes) != DB_OK)
        devices = bytes = 0; /* a figure for people, not worth an error */
    json_put_int(out, "patched_devices", devices);
    json_put_int(out, "bytes_saved", bytes);
}

void api_put_rollout(struct request *rq, struct json_writer *out,
                     const struct fleet_rollout *rollout)
{
    json_object(out);
    api_put_settings(out, rq->db, rollout);
    put_state(out, rollout);
    put_saving(out, rq->db, rollout);
    json_key(out, "stages");
    json_array(out);
    for (int i = 0; i < rollout->r.stage_count; i++)
        put_stage(out, rq->db, &rollout->r.stages[i]);
    json_array_end(out);
    json_object_end(out);
}

/* What an order names in If-Match. */
void api_add_revision(struct request *rq, const struct fleet_rollout *rollout)
{
    request_add_header(rq, "ETag", "\"%llu\"", (unsigned long long)rollout->r.revision);
}

/* ---- reading ---- */

/* A copy, so that the lock is not held while text is made of it. */
bool api_copy_rollout(struct request *rq, struct fleet_rollout *copy)
{
    struct fleet *fleet = rq->app->fleet;
    int64_t id = request_id(rq, 0, "rollout");
    struct fleet_rollout *rollout;

    if (id == 0)
        return false;
    fleet_lock(fleet);
    rollout = fleet_find_rollout(fleet, (uint64_t)id);
    if (rollout != NULL)
        *copy = *rollout;
    fleet_unlock(fleet);
    if (rollout == NULL)
        request_problem(rq, 404, "not_found", "There is no rollout with this id.");
    return rollout != NULL;
}

void api_rollout_show(struct request *rq)
{
    struct fleet_rollout rollout;

    if (!api_copy_rollout(rq, &rollout))
        return;
    request_reader(rq);
    api_put_rollout(rq, request_json(rq, 200), &rollout);
    api_add_revision(rq, &rollout);
}

void api_rollouts_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct fleet *fleet = rq->app->fleet;
    struct json_writer *out;
    struct db_page page;
    uint64_t last = 0;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    request_reader(rq);
    out = api_list_begin(rq);
    last = (uint64_t)page.after;
    for (count = 0; count < page.limit; count++) {
        struct fleet_rollout copy;
        struct fleet_rollout *rollout;

        fleet_lock(fleet);
        rollout = fleet_rollout_at(fleet, fleet_rollout_after(fleet, last));
        if (rollout != NULL)
            copy = *rollout;
        fleet_unlock(fleet);
        if (rollout == NULL)
            break;
        last = copy.r.id;
        api_put_rollout(rq, out, &copy);
    }
    api_list_end(rq, count == page.limit ? (int64_t)last : 0);
}

static void put_device(struct json_writer *out, const struct db_rollout_device *device)
{
    const struct db_deployment *d = &device->deployment;

    json_object(out);
    json_put_string(out, "device", device->device);
    json_put_int(out, "deployment", d->id);
    json_put_int(out, "stage", d->stage + 1);
    json_put_string(out, "state", deployment_state_name((enum deployment_state)d->state));
    json_put_int(out, "percent", d->percent);
    json_put_int(out, "attempt", d->attempt);
    if (device->reason[0] != '\0')
        json_put_string(out, "reason", device->reason);
    else
        json_put_null(out, "reason");
    json_put_time(out, "offered_at", d->offered_at);
    json_put_time(out, "updated_at", d->changed_at);
    json_object_end(out);
}

/* The number of a state's word, 0 when there is none. */
static int parse_state(const char *name)
{
    for (int i = 1; i < DEPLOYMENT_STATE_COUNT; i++)
        if (strcmp(deployment_state_name((enum deployment_state)i), name) == 0)
            return i;
    return 0;
}

void api_rollout_devices(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", "state", NULL};
    struct fleet_rollout rollout;
    struct db_rollout_device *devices;
    struct json_writer *out;
    struct db_page page;
    char text[24] = "";
    int state = 0;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) ||
        !api_copy_rollout(rq, &rollout) || request_query(rq, "state", text, sizeof(text)) < 0)
        return;
    if (text[0] != '\0' && (state = parse_state(text)) == 0) {
        request_problem(rq, 400, "query_invalid", "state must be a deployment's state.");
        return;
    }
    devices = calloc((size_t)page.limit, sizeof(*devices));
    if (devices == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count =
        db_rollout_devices_list(request_reader(rq), (int64_t)rollout.r.id, state, &page, devices);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++)
            put_device(out, &devices[i]);
        api_list_end(rq, count == page.limit ? devices[count - 1].deployment.id : 0);
    }
    free(devices);
}

void api_rollout_events(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct fleet_rollout rollout;
    struct db_rollout_event *events;
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) ||
        !api_copy_rollout(rq, &rollout))
        return;
    events = calloc((size_t)page.limit, sizeof(*events));
    if (events == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count = db_rollout_events_list(request_reader(rq), (int64_t)rollout.r.id, &page, events);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++) {
            json_object(out);
            json_put_int(out, "id", events[i].id);
            json_put_time(out, "time", events[i].at);
            json_put_string(out, "event", events[i].event);
            json_put_int(out, "stage", events[i].stage + 1);
            json_put_string(out, "detail", events[i].detail);
            json_put_string(out, "actor", events[i].actor);
            json_object_end(out);
        }
        api_list_end(rq, count == page.limit ? events[count - 1].id : 0);
    }
    free(events);
}
