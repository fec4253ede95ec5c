/* Telling a device to check now. */
#include "server/api.h"
#include "server/herald.h"

static bool find_device(struct request *rq, struct fleet_ref *ref)
{
    struct fleet *fleet = rq->app->fleet;
    struct fleet_device *device;

    fleet_lock(fleet);
    device = fleet_find_name(fleet, rq->params[0]);
    if (device != NULL)
        *ref = fleet_ref(fleet, device);
    fleet_unlock(fleet);
    if (device == NULL)
        request_problem(rq, 404, "not_found", "There is no device %.64s.", rq->params[0]);
    return device != NULL;
}

void api_device_notify(struct request *rq)
{
    struct json_writer *out;
    struct fleet_ref device;
    bool waited;
    bool queued;

    if (!find_device(rq, &device))
        return;
    herald_check_now(rq->app->herald, device, &waited, &queued);
    out = request_json(rq, 202);
    json_object(out);
    json_put_bool(out, "long_poll", waited);
    json_put_bool(out, "mqtt", queued);
    json_object_end(out);
}

void api_put_reach(struct request *rq, struct json_writer *out, const char *name)
{
    struct fleet *fleet = rq->app->fleet;
    struct fleet_ref ref = {0};
    struct fleet_device *device;

    fleet_lock(fleet);
    device = fleet_find_name(fleet, name);
    if (device != NULL)
        ref = fleet_ref(fleet, device);
    fleet_unlock(fleet);
    json_put_bool(out, "waiting", herald_is_waiting(rq->app->herald, ref));
    if (rq->app->mqtt != NULL)
        json_put_bool(out, "online", herald_is_online(rq->app->herald, ref));
    else
        json_put_null(out, "online");
}
