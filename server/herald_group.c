/* Groups are told as a whole, when the stage that is theirs begins and holds nobody back. */
#include <string.h>

#include "server/api.h"
#include "server/herald_inner.h"
#include "server/mqtt.h"

/* A stage with a rate or a limit would send most of the group away again. */
static bool tells_group(const struct rollout *r)
{
    const struct rollout_stage *stage = &r->stages[r->current];

    return r->state == ROLLOUT_RUNNING && stage->rule == ROLLOUT_RULE_GROUP &&
           stage->offers_a_minute == 0 && stage->in_flight_max == 0;
}

static bool is_new(struct herald *herald, const struct rollout *r)
{
    const struct announced now = {
        .rollout = r->id, .resumed_at = r->resumed_at, .stage = r->current};

    for (size_t i = 0; i < FLEET_LIVE_MAX && i < herald->announced_count; i++) {
        const struct announced *at = &herald->announced[i];
        if (at->rollout == now.rollout && at->resumed_at == now.resumed_at &&
            at->stage == now.stage)
            return false;
    }
    herald->announced[herald->announced_count++ % FLEET_LIVE_MAX] = now;
    return true;
}

size_t herald_find_announcements(struct herald *herald, struct announcement *found)
{
    struct fleet *fleet = herald->app->fleet;
    struct fleet_rollout *const *live;
    size_t count;
    size_t found_count = 0;

    if (herald->app->mqtt == NULL)
        return 0;
    fleet_lock(fleet);
    live = fleet_live(fleet, &count);
    for (size_t i = 0; i < count; i++) {
        const struct rollout *r = &live[i]->r;
        if (live[i]->txn > fleet_durable(fleet) || !tells_group(r) || !is_new(herald, r))
            continue;
        found[found_count].group = r->stages[r->current].group;
        memcpy(found[found_count++].product, r->release.product, sizeof(r->release.product));
    }
    fleet_unlock(fleet);
    return found_count;
}

void herald_announce(struct herald *herald, const struct announcement *found, size_t count)
{
    struct app *app = herald->app;
    char name[DB_LABEL_MAX + 1];

    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&app->reader_lock);
        api_group_name(app->reader, found[i].group, name);
        pthread_mutex_unlock(&app->reader_lock);
        if (name[0] != '\0')
            mqtt_put(app->mqtt, MQTT_GROUP, found[i].product, name, MQTT_NOTIFY_PAYLOAD);
    }
}
