#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/rollouts.h"
#include "server/api.h"
#include "server/body.h"
#include "server/rollout_store.h"

/* ---- create ---- */

struct settings {
    char name[DB_LABEL_MAX + 1];
    int64_t firmware;
    const cJSON *groups;
    const cJSON *stages;
    int64_t timeout;
    bool allow_downgrade;
};

static bool read_settings(struct request *rq, struct settings *s)
{
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, s->name, sizeof(s->name), 1, 0, NULL, false},
        {"firmware", BODY_INTEGER, true, &s->firmware, 0, 1, UINT32_MAX, NULL, false},
        {"groups", BODY_ARRAY, false, &s->groups, 0, 0, ROLLOUT_GROUPS_MAX, NULL, true},
        {"stages", BODY_ARRAY, true, &s->stages, 0, 0, ROLLOUT_STAGES_MAX, NULL, false},
        {"timeout_seconds", BODY_INTEGER, false, &s->timeout, 0, 1, ROLLOUT_SECONDS_MAX, NULL,
         false},
        {"allow_downgrade", BODY_BOOL, false, &s->allow_downgrade, 0, 0, 0, NULL, false},
    };

    *s = (struct settings){.timeout = ROLLOUT_TIMEOUT_DEFAULT};
    return body_read(rq, NULL, "", fields, sizeof(fields) / sizeof(fields[0])) &&
           body_check_label(rq, "name", s->name);
}

static bool read_groups(struct request *rq, const cJSON *groups, struct rollout *r)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, groups)
    {
        int64_t id;

        if (!cJSON_IsString(item)) {
            request_problem(rq, 400, "field_invalid", "groups must be names of groups.");
            return false;
        }
        id = api_group_id(rq, rq->db, item->valuestring);
        if (id == 0)
            return false;
        r->target.groups[r->target.group_count++] = (uint32_t)id;
    }
    return true;
}

static bool read_stage(struct request *rq, const cJSON *object, int position,
                       struct rollout_stage *stage)
{
    char where[24];
    char group[DB_LABEL_MAX + 1] = "";
    int64_t percent = 0;
    int64_t success = 100;
    int64_t failure_percent = 0;
    int64_t failure_count = 0;
    int64_t soak = 0;
    const struct body_field fields[] = {
        {"group", BODY_STRING, false, group, sizeof(group), 1, 0, NULL, false},
        {"percent", BODY_INTEGER, false, &percent, 0, 1, 100, NULL, false},
        {"success_percent", BODY_INTEGER, false, &success, 0, 0, 100, NULL, false},
        {"failure_percent", BODY_INTEGER, false, &failure_percent, 0, 1, 100, NULL, true},
        {"failure_count", BODY_INTEGER, false, &failure_count, 0, 1, UINT32_MAX, NULL, true},
        {"soak_seconds", BODY_INTEGER, false, &soak, 0, 0, ROLLOUT_SECONDS_MAX, NULL, false},
    };

    snprintf(where, sizeof(where), "stages[%d]", position);
    if (!body_read(rq, object, where, fields, sizeof(fields) / sizeof(fields[0])))
        return false;
    if ((group[0] != '\0') == (percent != 0)) {
        request_problem(rq, 400, "rollout_invalid", "%s must have either group or percent.", where);
        return false;
    }
    *stage = (struct rollout_stage){.rule = percent != 0 ? ROLLOUT_RULE_SHARE : ROLLOUT_RULE_GROUP,
                                    .share_bp = (uint16_t)(percent * 100),
                                    .success_percent = (uint8_t)success,
                                    .failure_percent = (uint8_t)failure_percent,
                                    .failure_count = (uint32_t)failure_count,
                                    .soak_seconds = (uint32_t)soak};
    if (group[0] != '\0')
        stage->group = (uint32_t)api_group_id(rq, rq->db, group);
    return !request_is_over(rq);
}

static bool read_stages(struct request *rq, const cJSON *stages, struct rollout *r)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, stages)
    {
        if (!read_stage(rq, item, r->stage_count, &r->stages[r->stage_count]))
            return false;
        r->stage_count++;
    }
    return true;
}

static bool check(struct request *rq, const struct rollout *r)
{
    uint8_t stage = 0;
    enum rollout_flaw flaw = rollout_check(r, &stage);

    if (flaw == ROLLOUT_FLAW_NONE)
        return true;
    request_problem(rq, 400, "rollout_invalid", "Stage %d: %s", stage + 1,
                    rollout_flaw_sentence(flaw));
    return false;
}

/* Everything of the body into *rollout; false when the problem is set. */
static bool read_rollout(struct request *rq, struct fleet_rollout *rollout)
{
    struct settings settings;
    struct db_firmware firmware;
    int error;

    if (!read_settings(rq, &settings))
        return false;
    error = db_firmware_get(rq->db, settings.firmware, &firmware);
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 400, "firmware_unknown", "There is no firmware with the id %lld.",
                        (long long)settings.firmware);
    else if (error != DB_OK)
        request_fail(rq, error);
    if (error != DB_OK)
        return false;
    rollout_init(&rollout->r, 0);
    rollout_set_timeouts(&rollout->r, (uint32_t)settings.timeout);
    rollout->r.allow_downgrade = settings.allow_downgrade;
    rollout->created_at = (int64_t)app_now();
    memcpy(rollout->name, settings.name, sizeof(settings.name));
    if (!rollout_set_firmware(rollout, &firmware)) {
        request_fail(rq, DB_E_CORRUPT);
        return false;
    }
    return read_groups(rq, settings.groups, &rollout->r) &&
           read_stages(rq, settings.stages, &rollout->r) && check(rq, &rollout->r);
}

static int add_rollout(struct request *rq, struct fleet_rollout *rollout)
{
    struct fleet *fleet = rq->app->fleet;
    struct db_rollout row;
    bool added;
    int error;

    rollout_to_row(rollout, &row);
    row.seed = 0; /* its id, once it has one */
    error = db_rollout_add(rq->db, &row);
    if (error != DB_OK)
        return error;
    rollout->r.id = (uint64_t)row.id;
    rollout->r.seed = rollout->r.id;
    error = db_rollout_set_seed(rq->db, row.id, row.id);
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
    if (!read_rollout(rq, rollout)) {
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
