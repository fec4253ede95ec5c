#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api.h"
#include "server/steer_explain.h"

static const char *action_name(enum rollout_action action)
{
    static const char *const names[] = {
        [ROLLOUT_ACTION_NONE] = "none",         [ROLLOUT_ACTION_OFFER] = "offer",
        [ROLLOUT_ACTION_CONTINUE] = "continue", [ROLLOUT_ACTION_HOLD] = "hold",
        [ROLLOUT_ACTION_CANCEL] = "cancel",
    };
    return names[action];
}

/* A halted rollout's own reason, "Stage 2: ..." or "Halted by mia: ...", ends the sentence. */
static void put_halt(struct json_writer *out, const char *halt)
{
    char text[DB_DETAIL_MAX + 32];
    bool by_hand = strncmp(halt, "Halted", strlen("Halted")) == 0;
    const char *end = halt[strlen(halt) - 1] == '.' ? "" : ".";

    snprintf(text, sizeof(text), "The rollout %s %c%s%s", by_hand ? "was" : "has halted in",
             tolower((unsigned char)halt[0]), halt + 1, end);
    json_put_string(out, "sentence", text);
}

static void put_verdict(struct json_writer *out, const struct steer_explained *e)
{
    json_put_string(out, "action", action_name(e->action));
    json_put_string(out, "reason", rollout_reason_name(e->reason));
    if (e->reason == ROLLOUT_REASON_HALTED && e->halt[0] != '\0')
        put_halt(out, e->halt);
    else
        json_put_string(out, "sentence", rollout_reason_sentence(e->reason));
    json_put_time(out, "not_before", (int64_t)e->not_before);
}

static void put_rollout(struct json_writer *out, const struct steer_explained *e)
{
    char version[DB_VERSION_MAX + 1];

    ota_version_format(&e->version, version, sizeof(version));
    json_object(out);
    json_put_int(out, "rollout", (int64_t)e->rollout);
    json_put_string(out, "name", e->name);
    json_put_string(out, "version", version);
    json_put_string(out, "state", rollout_state_name(e->state));
    if (e->member)
        json_put_int(out, "stage", e->stage + 1);
    else
        json_put_null(out, "stage");
    put_verdict(out, e);
    if (e->halt[0] != '\0')
        json_put_string(out, "halt_reason", e->halt);
    else
        json_put_null(out, "halt_reason");
    json_object_end(out);
}

static void put_explanation(struct request *rq, const struct steer_explanation *explanation)
{
    struct json_writer *out = request_json(rq, 200);

    json_object(out);
    json_put_string(out, "device", rq->params[0]);
    if (explanation->whole.rollout != 0)
        json_put_int(out, "rollout", (int64_t)explanation->whole.rollout);
    else
        json_put_null(out, "rollout");
    put_verdict(out, &explanation->whole);
    json_key(out, "rollouts");
    json_array(out);
    for (size_t i = 0; i < explanation->count; i++)
        put_rollout(out, &explanation->each[i]);
    json_array_end(out);
    json_object_end(out);
}

/* The rollout that the query names: 0 for none, -1 when the problem is set. */
static int64_t asked_rollout(struct request *rq)
{
    static const char *const names[] = {"rollout", NULL};
    char text[12];
    char *end;
    int found =
        request_check_query(rq, names) ? request_query(rq, "rollout", text, sizeof(text)) : -1;
    int64_t id;

    if (found <= 0)
        return found;
    id = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : 0;
    if (id > 0 && *end == '\0')
        return id;
    request_problem(rq, 400, "query_invalid", "rollout must be the id of a rollout.");
    return -1;
}

static bool explain(struct request *rq, int64_t id, struct steer_explanation *out)
{
    struct fleet *fleet = rq->app->fleet;
    struct fleet_device *device = fleet_find_name(fleet, rq->params[0]);
    struct fleet_rollout *asked = id > 0 ? fleet_find_rollout(fleet, (uint64_t)id) : NULL;

    if (device != NULL && (id == 0 || asked != NULL)) {
        steer_explain(fleet, device, asked, app_now(), out);
        return true;
    }
    request_problem(rq, 404, "not_found", "There is no %s with this id.",
                    device == NULL ? "device" : "rollout");
    return false;
}

void api_device_explain(struct request *rq)
{
    struct steer_explanation *explanation;
    int64_t id = asked_rollout(rq);
    bool found;

    if (id < 0)
        return;
    explanation = malloc(sizeof(*explanation));
    if (explanation == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    fleet_lock(rq->app->fleet);
    found = explain(rq, id, explanation);
    fleet_unlock(rq->app->fleet);
    if (found)
        put_explanation(rq, explanation);
    free(explanation);
}
