/* Taking a release back: one order that ends the bad rollout and starts one of the release before
 * it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/firmware.h"
#include "server/api.h"
#include "server/body.h"
#include "server/rollout_store.h"

#define PAGE 100

void api_rollback_read(struct request *rq)
{
    if (rq->len > 0)
        body_parse(rq);
}

/* The newest release below `release` that a device would take back: the same counter. */
static int find_previous(struct db *db, const struct rollout_release *release,
                         struct db_firmware *previous)
{
    struct db_firmware *page = calloc(PAGE, sizeof(*page));
    struct db_page at = {.limit = PAGE};
    struct ota_version best = {0}, version;
    int error = page != NULL ? DB_E_NOT_FOUND : DB_E_INTERNAL;
    int count = PAGE;

    while (page != NULL && count == PAGE) {
        count = db_firmware_list(db, release->product, release->hardware, &at, page);
        for (int i = 0; i < count; i++) {
            const char *text = page[i].version;
            if (page[i].counter != release->counter ||
                ota_version_parse(&version, text, strlen(text)) != 0 ||
                ota_version_compare(&version, &release->version) >= 0 ||
                (error == DB_OK && ota_version_compare(&version, &best) <= 0))
                continue;
            *previous = page[i];
            best = version;
            error = DB_OK;
        }
        at.after = count > 0 ? page[count - 1].id : 0;
    }
    free(page);
    return count < 0 ? count : error;
}

/* What to go back to: the body's firmware, or the one before. */
static bool find_firmware(struct request *rq, int64_t id, const struct rollout_release *release,
                          struct db_firmware *firmware)
{
    int error =
        id != 0 ? db_firmware_get(rq->db, id, firmware) : find_previous(rq->db, release, firmware);

    if (error == DB_E_NOT_FOUND && id != 0)
        request_problem_in(rq, 400, "firmware_unknown", "firmware",
                           "There is no firmware with the id %lld.", (long long)id);
    else if (error == DB_E_NOT_FOUND)
        request_problem(rq, 409, "no_previous_release",
                        "There is no older release with the same security counter; sign the old "
                        "code anew with a higher version, and go forward.");
    else if (error != DB_OK)
        request_fail(rq, error);
    return error == DB_OK;
}

static bool fill(struct request *rq, struct fleet_rollout *rollback, const struct fleet_rollout *of,
                 const struct db_firmware *firmware, const char *name)
{
    struct rollout_release to;

    if (!rollout_set_firmware(rollback, firmware)) {
        request_fail(rq, DB_E_CORRUPT);
        return false;
    }
    to = rollback->r.release;
    if (rollout_init_rollback(&rollback->r, 0, &of->r, &to) != ROLLOUT_FLAW_NONE) {
        request_problem(rq, 409, "no_previous_release", "%s",
                        rollout_flaw_sentence(ROLLOUT_FLAW_ROLLBACK));
        return false;
    }
    rollback->r.seed = 0;
    rollback->created_at = (int64_t)app_now();
    if (name[0] != '\0')
        snprintf(rollback->name, sizeof(rollback->name), "%s", name);
    else
        snprintf(rollback->name, sizeof(rollback->name), "rollback of %.*s",
                 (int)sizeof(rollback->name) - 13, of->name);
    return true;
}

/* One order; false when the problem is set. */
static bool order(struct request *rq, struct fleet_rollout *rollout, enum rollout_command command,
                  const char *reason)
{
    const struct rollout_order order = {.command = command};
    int refusal;
    int error = steer_order(&rq->app->steer, rq->db, rollout, &order, reason, rq->who.name,
                            app_now(), &refusal);

    if (error != DB_OK)
        request_fail(rq, error);
    else if (refusal != ROLLOUT_ALLOWED)
        api_refuse_order(rq, rollout, command, refusal);
    return !request_is_over(rq);
}

static bool is_ended(const struct rollout *r)
{
    return r->state == ROLLOUT_COMPLETED || r->state == ROLLOUT_CANCELLED;
}

/* Store it, end the bad one, start it: all of that or nothing, as it is one transaction. */
static void begin(struct request *rq, struct fleet_rollout *of, struct fleet_rollout *rollback)
{
    char version[DB_VERSION_MAX + 1];
    char reason[sizeof("taken back to ") + DB_VERSION_MAX];
    int error;

    ota_version_format(&rollback->r.release.version, version, sizeof(version));
    snprintf(reason, sizeof(reason), "taken back to %s", version);
    if (!is_ended(&of->r) && !order(rq, of, ROLLOUT_CANCEL, reason)) {
        free(rollback);
        return;
    }
    error = api_add_rollout(rq, rollback);
    if (error != DB_OK) {
        free(rollback);
        request_fail(rq, error);
        return;
    }
    if (!order(rq, rollback, ROLLOUT_START, ""))
        return;
    api_put_rollout(rq, request_json(rq, 201), rollback);
    api_add_revision(rq, rollback);
    request_add_header(rq, "Location", "%s/api/v1/rollouts/%llu", rq->app->config.public_url,
                       (unsigned long long)rollback->r.id);
}

void api_rollback_write(struct request *rq)
{
    struct fleet_rollout *of = api_find_rollout(rq);
    struct fleet_rollout *rollback;
    struct db_firmware firmware;
    char name[DB_LABEL_MAX + 1] = "";
    int64_t id = 0;
    const struct body_field fields[] = {
        {"firmware", BODY_INTEGER, false, &id, 0, 1, UINT32_MAX, NULL, true},
        {"name", BODY_STRING, false, name, sizeof(name), 1, 0, NULL, true},
    };

    if (of == NULL || (rq->json != NULL && !body_read(rq, NULL, "", fields, 2)) ||
        (name[0] != '\0' && !body_check_label(rq, "name", name)))
        return;
    if (of->r.started_at == 0) {
        request_problem(rq, 409, "rollout_state",
                        "The rollout has not been started; there is nothing to take back.");
        return;
    }
    if (!find_firmware(rq, id, &of->r.release, &firmware))
        return;
    rollback = calloc(1, sizeof(*rollback));
    if (rollback == NULL)
        request_fail(rq, DB_E_INTERNAL);
    else if (fill(rq, rollback, of, &firmware, name))
        begin(rq, of, rollback);
    else
        free(rollback);
}
