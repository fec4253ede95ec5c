#include "db/groups.h"

#include <stdio.h>
#include <string.h>

#include "db/devices.h"
#include "server/api.h"
#include "server/body.h"

#define NO_OFFSET (OTA_UTC_OFFSET_MAX + 1) /* minutes: no value of the API's */

struct json_writer *api_list_begin(struct request *rq)
{
    struct json_writer *out = request_json(rq, 200);

    json_object(out);
    json_key(out, "items");
    json_array(out);
    return out;
}

void api_list_end(struct request *rq, int64_t next)
{
    char cursor[24];

    json_array_end(&rq->out);
    if (next == 0) {
        json_put_null(&rq->out, "next");
    } else {
        snprintf(cursor, sizeof(cursor), "%lld", (long long)next);
        json_put_string(&rq->out, "next", cursor);
    }
    json_object_end(&rq->out);
}

void api_group_name(struct db *db, int64_t id, char name[DB_LABEL_MAX + 1])
{
    struct db_group group;

    name[0] = '\0';
    if (id != 0 && db_group_get(db, id, &group) == DB_OK)
        memcpy(name, group.name, sizeof(group.name));
}

int64_t api_group_id(struct request *rq, struct db *db, const char *field, const char *name)
{
    struct db_group group;
    int error = db_group_find(db, name, &group);

    if (error == DB_OK)
        return group.id;
    if (error == DB_E_NOT_FOUND || error == DB_E_LIMIT)
        request_problem_in(rq, 400, "group_unknown", field,
                           "There is no group %.64s. Make it first, as with otactl group add.",
                           name);
    else
        request_db_problem(rq, error);
    return 0;
}

static void put_group(struct json_writer *out, struct db *db, const struct db_group *group)
{
    json_object(out);
    json_put_int(out, "id", group->id);
    json_put_string(out, "name", group->name);
    json_put_int(out, "devices", db_devices_in_group(db, group->id));
    if (group->has_offset)
        json_put_int(out, "utc_offset_minutes", group->utc_offset);
    else
        json_put_null(out, "utc_offset_minutes");
    json_put_time(out, "created_at", group->created_at);
    json_object_end(out);
}

void api_groups_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_group groups[DB_PAGE_MAX];
    struct db *db = request_reader(rq);
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    count = db_groups_list(db, &page, groups);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_group(out, db, &groups[i]);
    api_list_end(rq, count == page.limit ? groups[count - 1].id : 0);
}

void api_group_read(struct request *rq)
{
    body_parse(rq);
}

static int set_zone(struct request *rq, const struct db_group *group)
{
    bool set;

    fleet_lock(rq->app->fleet);
    set = fleet_set_zone(rq->app->fleet, (uint32_t)group->id, group->has_offset, group->utc_offset);
    fleet_unlock(rq->app->fleet);
    return set ? DB_OK : DB_E_INTERNAL;
}

void api_group_patch_write(struct request *rq)
{
    int64_t id = request_id(rq, 0, "group");
    int64_t offset = NO_OFFSET;
    bool given = false;
    struct db_group group;
    const struct body_field fields[] = {{"utc_offset_minutes", BODY_INTEGER, false, &offset, 0,
                                         -OTA_UTC_OFFSET_MAX, OTA_UTC_OFFSET_MAX, &given, true}};
    int error = id != 0 ? db_group_get(rq->db, id, &group) : DB_OK;

    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no group with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    if (request_is_over(rq) || !body_read(rq, NULL, "", fields, 1))
        return;
    if (given) {
        group.has_offset = offset != NO_OFFSET;
        group.utc_offset = group.has_offset ? (int)offset : 0;
        error = db_group_set_offset(rq->db, id, group.has_offset, group.utc_offset);
        if (error == DB_OK)
            error = set_zone(rq, &group);
    }
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_group(request_json(rq, 200), rq->db, &group);
}

void api_group_write(struct request *rq)
{
    struct db_group group = {.created_at = (int64_t)app_now()};
    int64_t offset = NO_OFFSET;
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, group.name, sizeof(group.name), 1, 0, NULL, false},
        {"utc_offset_minutes", BODY_INTEGER, false, &offset, 0, -OTA_UTC_OFFSET_MAX,
         OTA_UTC_OFFSET_MAX, NULL, true},
    };
    int error;

    if (!body_read(rq, NULL, "", fields, 2) || !body_check_label(rq, "name", group.name))
        return;
    group.has_offset = offset != NO_OFFSET;
    group.utc_offset = group.has_offset ? (int)offset : 0;
    error = db_group_add(rq->db, &group);
    if (error == DB_OK && group.has_offset)
        error = set_zone(rq, &group);
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "group_exists", "There is a group %s already.", group.name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        put_group(request_json(rq, 201), rq->db, &group);
}

void api_group_delete(struct request *rq)
{
    int64_t id = request_id(rq, 0, "group");
    int error = id != 0 ? db_group_delete(rq->db, id) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no group with this id.");
    else if (error == DB_E_IN_USE)
        request_problem(
            rq, 409, "group_in_use",
            "Devices, enrolment keys or rollouts refer to this group; move them first.");
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}
