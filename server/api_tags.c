#include <cjson/cJSON.h>
#include <string.h>

#include "db/devices.h"
#include "server/api.h"
#include "server/body.h"
#include "server/tags.h"

_Static_assert(TAGS_TEXT_MAX == DB_TAGS_MAX, "the database holds any device's tags");

void api_put_tags(struct json_writer *out, const char *text)
{
    struct tags tags;

    json_key(out, "tags");
    json_object(out);
    if (tags_parse(&tags, text) == TAGS_OK)
        for (size_t i = 0; i < tags.count; i++)
            json_put_string(out, tags.at[i].key, tags.at[i].value);
    json_object_end(out);
}

static bool refuse(struct request *rq, int error)
{
    request_problem(rq, 400, "tags_invalid", "The tags do not fit: %s.",
                    tags_error_sentence(error));
    return false;
}

static bool stands_twice(const cJSON *object)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, object)
    {
        if (cJSON_GetObjectItemCaseSensitive(object, item->string) != item)
            return true;
    }
    return false;
}

bool api_merge_tags(struct request *rq, const cJSON *object, char text[TAGS_TEXT_MAX + 1])
{
    struct tags tags;
    const cJSON *item;
    int error = tags_parse(&tags, text);

    if (cJSON_GetArraySize(object) > 2 * TAGS_MAX)
        return refuse(rq, TAGS_E_MANY);
    if (stands_twice(object))
        return refuse(rq, TAGS_E_TWICE);
    cJSON_ArrayForEach(item, object)
    {
        if (cJSON_IsNull(item))
            tags_remove(&tags, item->string);
        else if (error == TAGS_OK && cJSON_IsString(item))
            error = tags_set(&tags, item->string, item->valuestring);
        else if (error == TAGS_OK)
            error = TAGS_E_WORD;
    }
    if (error == TAGS_OK)
        error = tags_format(&tags, text);
    return error == TAGS_OK || refuse(rq, error);
}

void api_device_tags_write(struct request *rq)
{
    char text[TAGS_TEXT_MAX + 1] = "";
    struct fleet_device *device;
    struct db_device row;
    int error;

    if (!api_merge_tags(rq, rq->json, text) || (device = api_find_device(rq, &row)) == NULL)
        return;
    error = steer_set_tags(&rq->app->steer, rq->db, device, text, app_now());
    if (error != DB_OK) {
        request_fail(rq, error);
        return;
    }
    memcpy(row.tags, text, sizeof(text));
    api_put_device(rq, request_json(rq, 200), &row);
}
