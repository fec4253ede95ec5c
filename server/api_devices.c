#include <stdlib.h>
#include <string.h>

#include "db/deployments.h"
#include "db/devices.h"
#include "db/events.h"
#include "protocol/text.h"
#include "server/api.h"
#include "server/body.h"

static const char *const STATE_NAMES[] = {
    [DB_DEVICE_ACCEPTED] = "accepted",
    [DB_DEVICE_PENDING] = "pending",
    [DB_DEVICE_REJECTED] = "rejected",
};

const char *api_device_state_name(enum db_device_state state)
{
    return STATE_NAMES[state];
}

static bool parse_state(const char *name, enum db_device_state *state)
{
    for (int i = DB_DEVICE_ACCEPTED; i <= DB_DEVICE_REJECTED; i++) {
        if (strcmp(STATE_NAMES[i], name) == 0) {
            *state = (enum db_device_state)i;
            return true;
        }
    }
    return false;
}

/* ---- writing out ---- */

static void put_deployment(struct json_writer *out, struct db *db, int64_t device_id)
{
    char reason[DB_EVENT_REASON_MAX + 1];
    struct db_deployment d;

    json_key(out, "deployment");
    if (db_deployment_of_device(db, device_id, &d) != DB_OK) {
        json_null(out);
        return;
    }
    if (db_event_last_reason(db, device_id, d.id, reason) != DB_OK)
        reason[0] = '\0';
    json_object(out);
    json_put_int(out, "id", d.id);
    json_put_int(out, "rollout", d.rollout_id);
    json_put_string(out, "state", deployment_state_name((enum deployment_state)d.state));
    json_put_int(out, "percent", d.percent);
    json_put_int(out, "attempt", d.attempt);
    if (reason[0] != '\0')
        json_put_string(out, "reason", reason);
    else
        json_put_null(out, "reason");
    json_put_time(out, "updated_at", d.changed_at);
    json_object_end(out);
}

/* What memory knows better than the row: when it was seen, and how its update stands. */
struct overlay {
    int64_t last_seen;
    enum presence presence;
    enum progress progress;
};

static struct overlay look(struct request *rq, const struct db_device *row)
{
    struct overlay overlay = {.last_seen = row->last_seen};
    struct fleet *fleet = rq->app->fleet;
    struct fleet_device *device;

    fleet_lock(fleet);
    device = fleet_find_name(fleet, row->name);
    if (device != NULL) {
        overlay.last_seen = device->last_seen;
        overlay.presence = census_presence(device, rq->app->census.online_seconds, app_now());
        overlay.progress = census_progress(fleet, device);
    }
    fleet_unlock(fleet);
    return overlay;
}

static void put_fields(struct request *rq, struct json_writer *out, const struct db_device *row)
{
    char group[DB_LABEL_MAX + 1];
    struct overlay overlay = look(rq, row);
    const char *progress = api_progress_name(overlay.progress);

    api_group_name(rq->db, row->group_id, group);
    json_put_string(out, "id", row->name);
    json_put_string(out, "product", row->product);
    json_put_string(out, "hardware", row->hardware);
    if (group[0] != '\0')
        json_put_string(out, "group", group);
    else
        json_put_null(out, "group");
    api_put_tags(out, row->tags);
    json_put_string(out, "state", api_device_state_name(row->state));
    if (row->version[0] != '\0') {
        json_put_string(out, "version", row->version);
        json_put_hex(out, "hash", row->hash, DB_HASH_LEN);
        json_put_int(out, "counter", row->counter);
    } else {
        json_put_null(out, "version");
        json_put_null(out, "hash");
        json_put_null(out, "counter");
    }
    json_put_bool(out, "trial", row->trial);
    json_put_bool(out, "opted_out", row->opted_out);
    json_put_time(out, "postponed_until", row->postponed_until);
    if (row->has_offset)
        json_put_int(out, "utc_offset_minutes", row->utc_offset);
    else
        json_put_null(out, "utc_offset_minutes");
    json_put_time(out, "created_at", row->created_at);
    json_put_time(out, "last_seen", overlay.last_seen);
    json_put_string(out, "presence", api_presence_name(overlay.presence));
    if (progress != NULL)
        json_put_string(out, "progress", progress);
    else
        json_put_null(out, "progress");
    api_put_reach(rq, out, row->name);
}

void api_put_device(struct request *rq, struct json_writer *out, const struct db_device *device)
{
    json_object(out);
    put_fields(rq, out, device);
    put_deployment(out, rq->db, device->id);
    json_object_end(out);
}

/* ---- reading ---- */

static bool find(struct request *rq, struct db_device *row)
{
    int error = db_device_find(request_reader(rq), rq->params[0], row);

    if (error == DB_OK)
        return true;
    if (error == DB_E_NOT_FOUND || error == DB_E_LIMIT)
        request_problem(rq, 404, "not_found", "There is no device %.64s.", rq->params[0]);
    else
        request_db_problem(rq, error);
    return false;
}

/* The filters; false when the problem is set. */
static bool read_filters(struct request *rq, int64_t *group_id, enum db_device_state *state)
{
    char text[DB_LABEL_MAX + 1];
    int found = request_query(rq, "group", text, sizeof(text));

    if (found < 0)
        return false;
    if (found > 0 && (*group_id = api_group_id(rq, request_reader(rq), "group", text)) == 0)
        return false;
    found = request_query(rq, "state", text, sizeof(text));
    if (found > 0 && !parse_state(text, state)) {
        request_problem(rq, 400, "query_invalid", "state must be accepted, pending or rejected.");
        return false;
    }
    return found >= 0;
}

/* What the database can't answer. */
static bool is_search(struct request *rq)
{
    static const char *const names[] = {"q", "tags", "version", "presence", "progress"};
    char text[SELECTOR_TEXT_MAX + 1];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (request_query(rq, names[i], text, sizeof(text)) != 0)
            return true;
    return false;
}

void api_devices_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor",  "group",    "state",    "q",
                                        "tags",  "version", "presence", "progress", NULL};
    enum db_device_state state = 0;
    struct db_device *devices;
    struct json_writer *out;
    struct db_page page;
    int64_t group_id = 0;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) ||
        !read_filters(rq, &group_id, &state))
        return;
    if (is_search(rq)) {
        api_devices_search(rq, &page, group_id, (int)state);
        return;
    }
    devices = calloc((size_t)page.limit, sizeof(*devices));
    if (devices == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count = db_devices_list(request_reader(rq), group_id, (int)state, &page, devices);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++)
            api_put_device(rq, out, &devices[i]);
        api_list_end(rq, count == page.limit ? devices[count - 1].id : 0);
    }
    free(devices);
}

void api_device_show(struct request *rq)
{
    struct db_device row;

    if (find(rq, &row))
        api_put_device(rq, request_json(rq, 200), &row);
}

static void put_event(struct json_writer *out, const struct db_event *event)
{
    json_object(out);
    json_put_int(out, "id", event->id);
    json_put_time(out, "time", event->at);
    if (event->deployment_id != 0)
        json_put_int(out, "deployment", event->deployment_id);
    else
        json_put_null(out, "deployment");
    json_put_string(out, "event", steer_event_name(event->event));
    json_put_int(out, "percent", event->percent);
    if (event->reason[0] != '\0')
        json_put_string(out, "reason", event->reason);
    else
        json_put_null(out, "reason");
    if (event->log[0] != '\0')
        json_put_string(out, "log", event->log);
    else
        json_put_null(out, "log");
    json_object_end(out);
}

void api_device_events(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_event *events;
    struct json_writer *out;
    struct db_device row;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) || !find(rq, &row))
        return;
    events = calloc((size_t)page.limit, sizeof(*events));
    if (events == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    count = db_events_list(request_reader(rq), row.id, &page, events);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = api_list_begin(rq);
        for (int i = 0; i < count; i++)
            put_event(out, &events[i]);
        api_list_end(rq, count == page.limit ? events[count - 1].id : 0);
    }
    free(events);
}

/* ---- changing ---- */

static void put_with_token(struct request *rq, unsigned status, const struct db_device *row,
                           const struct secret *secret)
{
    struct json_writer *out = request_json(rq, status);

    json_object(out);
    put_fields(rq, out, row);
    put_deployment(out, rq->db, row->id);
    json_put_string(out, "token", secret->text);
    json_object_end(out);
}

void api_device_read(struct request *rq)
{
    body_parse(rq);
}

static bool check_new(struct request *rq, struct db_device *row, const char *group)
{
    if (!ota_text_is_device_id(ota_text_of(row->name)))
        return body_invalid(rq, "", "id",
                            "must be 1 to 64 of A-Z a-z 0-9 . _ : -, beginning with a letter or "
                            "digit");
    if (!body_check_image_name(rq, "product", row->product) ||
        !body_check_image_name(rq, "hardware", row->hardware))
        return false;
    if (group[0] != '\0')
        row->group_id = api_group_id(rq, rq->db, "group", group);
    return !request_is_over(rq);
}

void api_device_write(struct request *rq)
{
    struct db_device row = {.state = DB_DEVICE_ACCEPTED, .created_at = (int64_t)app_now()};
    char group[DB_LABEL_MAX + 1] = "";
    const struct cJSON *tags = NULL;
    struct secret secret;
    const struct body_field fields[] = {
        {"id", BODY_STRING, true, row.name, sizeof(row.name), 1, 0, NULL, false},
        {"product", BODY_STRING, true, row.product, sizeof(row.product), 1, 0, NULL, false},
        {"hardware", BODY_STRING, true, row.hardware, sizeof(row.hardware), 1, 0, NULL, false},
        {"group", BODY_STRING, false, group, sizeof(group), 1, 0, NULL, true},
        {"tags", BODY_OBJECT, false, &tags, 0, 0, 0, NULL, false},
    };
    int error;

    if (!body_read(rq, NULL, "", fields, 5) || !check_new(rq, &row, group) ||
        !api_merge_tags(rq, tags, row.tags))
        return;
    if (!secret_make(&secret, SECRET_DEVICE)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    memcpy(row.token_hash, secret.hash, DB_HASH_LEN);
    error = db_device_add(rq->db, &row);
    if (error == DB_OK)
        error = steer_add_device(&rq->app->steer, rq->db, &row, app_now());
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "device_exists", "There is a device %s already.", row.name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        put_with_token(rq, 201, &row, &secret);
    if (error == DB_OK)
        request_add_header(rq, "Location", "%s/api/v1/devices/%s", rq->app->config.public_url,
                           row.name);
    secret_wipe(&secret);
}

struct fleet_device *api_find_device(struct request *rq, struct db_device *row)
{
    struct fleet_device *device = find(rq, row) ? fleet_find_name(rq->app->fleet, row->name) : NULL;

    if (device == NULL && !request_is_over(rq))
        request_fail(rq, DB_E_INTERNAL);
    return device;
}

static int set_group(struct request *rq, struct fleet_device *device, const char *group)
{
    int64_t id = 0;

    if (group[0] != '\0' && (id = api_group_id(rq, rq->db, "group", group)) == 0)
        return DB_OK;
    return steer_set_group(&rq->app->steer, rq->db, device, (uint32_t)id, app_now());
}

static int set_state(struct request *rq, struct fleet_device *device, const char *name)
{
    enum db_device_state state;

    if (!parse_state(name, &state) || state == DB_DEVICE_PENDING) {
        body_invalid(rq, "", "state", "must be accepted or rejected");
        return DB_OK;
    }
    return steer_set_state(&rq->app->steer, rq->db, device, state, app_now());
}

static int merge_tags(struct request *rq, struct fleet_device *device, const struct cJSON *tags)
{
    char text[TAGS_TEXT_MAX + 1];

    memcpy(text, device->tags->text, strlen(device->tags->text) + 1);
    if (!api_merge_tags(rq, tags, text))
        return DB_OK;
    return steer_set_tags(&rq->app->steer, rq->db, device, text, app_now());
}

void api_device_patch_write(struct request *rq)
{
    char group[DB_LABEL_MAX + 1] = "";
    char state[16] = "";
    bool has_group = false;
    bool has_state = false;
    const struct cJSON *tags = NULL;
    const struct body_field fields[] = {
        {"group", BODY_STRING, false, group, sizeof(group), 1, 0, &has_group, true},
        {"state", BODY_STRING, false, state, sizeof(state), 1, 0, &has_state, false},
        {"tags", BODY_OBJECT, false, &tags, 0, 0, 0, NULL, false},
    };
    struct fleet_device *device;
    struct db_device row;
    int error = DB_OK;

    if (!body_read(rq, NULL, "", fields, 3) || (device = api_find_device(rq, &row)) == NULL)
        return;
    if (has_group)
        error = set_group(rq, device, group);
    if (error == DB_OK && has_state && !request_is_over(rq))
        error = set_state(rq, device, state);
    if (error == DB_OK && tags != NULL && !request_is_over(rq))
        error = merge_tags(rq, device, tags);
    if (error == DB_OK && !request_is_over(rq))
        error = db_device_find(rq->db, row.name, &row);
    if (error != DB_OK)
        request_fail(rq, error);
    else if (!request_is_over(rq))
        api_put_device(rq, request_json(rq, 200), &row);
}

void api_device_delete(struct request *rq)
{
    struct db_device row;
    struct fleet_device *device = api_find_device(rq, &row);
    int error;

    if (device == NULL)
        return;
    error = db_dead_token_add(rq->db, row.token_hash, "revoked", (int64_t)app_now());
    if (error == DB_OK)
        error = steer_remove_device(&rq->app->steer, rq->db, device, app_now());
    if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}

void api_device_token_write(struct request *rq)
{
    struct db_device row;
    struct fleet_device *device = api_find_device(rq, &row);
    struct secret secret;
    int error;

    if (device == NULL)
        return;
    if (!secret_make(&secret, SECRET_DEVICE)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    error = steer_set_token(&rq->app->steer, rq->db, device, secret.hash, app_now());
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_with_token(rq, 200, &row, &secret);
    secret_wipe(&secret);
}
