/* Local times of groups. */
#include <stdlib.h>
#include <string.h>

#include "server/fleet_inner.h"

static struct fleet_zone *find(const struct fleet *fleet, uint32_t group)
{
    for (size_t i = 0; i < fleet->zone_count; i++)
        if (fleet->zones[i].group == group)
            return &fleet->zones[i];
    return NULL;
}

int fleet_zone_of(const struct fleet *fleet, uint32_t group)
{
    const struct fleet_zone *zone = group != 0 ? find(fleet, group) : NULL;

    return zone != NULL ? zone->minutes : 0;
}

/* The table as it was, put back when the job fails. */
struct old_zones {
    struct fleet_zone *zones;
    size_t count;
};

static void undo_zones(void *ctx, void *arg)
{
    struct fleet *fleet = ctx;
    struct old_zones *old = arg;

    free(fleet->zones);
    fleet->zones = old->zones;
    fleet->zone_count = old->count;
    free(old);
}

static void forget_zones(void *ctx, void *arg)
{
    struct old_zones *old = arg;

    (void)ctx;
    free(old->zones);
    free(old);
}

/* A copy of the table with the group's row set, or without it. */
static struct fleet_zone *changed(const struct fleet *fleet, uint32_t group, bool known,
                                  int minutes, size_t *count)
{
    struct fleet_zone *zones = calloc(fleet->zone_count + 1, sizeof(*zones));

    *count = 0;
    if (zones == NULL)
        return NULL;
    for (size_t i = 0; i < fleet->zone_count; i++)
        if (fleet->zones[i].group != group)
            zones[(*count)++] = fleet->zones[i];
    if (known)
        zones[(*count)++] = (struct fleet_zone){group, minutes};
    return zones;
}

bool fleet_set_zone(struct fleet *fleet, uint32_t group, bool known, int minutes)
{
    struct old_zones *old = malloc(sizeof(*old));
    size_t count;
    struct fleet_zone *zones = changed(fleet, group, known, minutes, &count);

    if (old == NULL || zones == NULL) {
        free(old);
        free(zones);
        return false;
    }
    *old = (struct old_zones){fleet->zones, fleet->zone_count};
    if (!journal_call(&fleet->journal, undo_zones, forget_zones, fleet, old)) {
        free(old);
        free(zones);
        return false;
    }
    fleet->zones = zones;
    fleet->zone_count = count;
    return true;
}
