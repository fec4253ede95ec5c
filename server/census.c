#include "server/census.h"

#include <stdlib.h>
#include <string.h>

#include "server/app.h"

#define CHUNK 4096U
#define POLLS_MISSED 3   /* so many in a row make a device stale, */
#define SLACK_SECONDS 30 /* and the time that requests may take */
#define COST_FACTOR 20

void census_init(struct census_taker *taker, struct fleet *fleet, uint32_t poll_seconds)
{
    taker->fleet = fleet;
    taker->online_seconds = POLLS_MISSED * poll_seconds + SLACK_SECONDS;
    pthread_mutex_init(&taker->lock, NULL);
}

void census_close(struct census_taker *taker)
{
    if (taker->fleet != NULL)
        pthread_mutex_destroy(&taker->lock);
}

enum presence census_presence(const struct fleet_device *device, uint32_t online_seconds,
                              uint64_t now)
{
    if (device->last_seen == 0)
        return PRESENCE_NEVER;
    return device->last_seen + (uint64_t)online_seconds >= now ? PRESENCE_ONLINE : PRESENCE_STALE;
}

enum progress census_progress(struct fleet *fleet, const struct fleet_device *device)
{
    const struct fleet_try *try = device->tries;
    struct fleet_rollout *rollout;

    while (try != NULL && try->d.id != device->newest)
        try = try->next;
    if (try == NULL)
        return PROGRESS_NONE;
    rollout = fleet_find_rollout(fleet, try->d.rollout_id);
    if (rollout == NULL || !fleet_is_live(&rollout->r))
        return PROGRESS_NONE;
    if (deployment_active(&try->d))
        return PROGRESS_UPDATING;
    return deployment_failure(try->d.state) || try->d.state == DEPLOYMENT_RETRY ? PROGRESS_FAILING
                                                                                : PROGRESS_NONE;
}

/* ---- counting ---- */

static struct census_row *find_row(struct census *census, const struct fleet_device *device)
{
    bool known = device->facts.seen;

    for (size_t i = 0; i < census->row_count; i++) {
        struct census_row *row = &census->rows[i];
        if (row->target == device->target && row->known == known &&
            (!known || ota_version_compare(&row->version, &device->facts.version) == 0))
            return row;
    }
    return NULL;
}

static struct census_row *add_row(struct census *census, struct fleet *fleet,
                                  const struct fleet_device *device)
{
    const char *product = fleet_product(fleet, device);
    struct census_row *row;

    if (census->row_count == CENSUS_ROWS_MAX)
        return NULL;
    row = &census->rows[census->row_count++];
    *row = (struct census_row){
        .target = device->target, .known = device->facts.seen, .version = device->facts.version};
    memcpy(row->product, product, strnlen(product, DB_NAME_MAX));
    if (row->known)
        ota_version_format(&row->version, row->text, sizeof(row->text));
    return row;
}

static void count_device(struct census *census, struct census_taker *taker,
                         const struct fleet_device *device)
{
    struct census_row *row;

    if (device->state != DB_DEVICE_ACCEPTED) {
        if (device->state == DB_DEVICE_PENDING)
            census->pending++;
        else
            census->rejected++;
        return;
    }
    census->devices++;
    switch (census_presence(device, taker->online_seconds, census->at)) {
    case PRESENCE_NEVER:
        census->never++;
        break;
    case PRESENCE_STALE:
        census->stale++;
        break;
    case PRESENCE_ONLINE:
        census->online++;
        break;
    }
    switch (census_progress(taker->fleet, device)) {
    case PROGRESS_UPDATING:
        census->updating++;
        break;
    case PROGRESS_FAILING:
        census->failing++;
        break;
    case PROGRESS_NONE:
        break;
    }
    row = find_row(census, device);
    if (row == NULL)
        row = add_row(census, taker->fleet, device);
    if (row != NULL)
        row->devices++;
    else
        census->others++;
}

static int by_product(const void *left, const void *right)
{
    const struct census_row *a = left;
    const struct census_row *b = right;
    int order = strcmp(a->product, b->product);

    if (order == 0 && a->known == b->known)
        order = ota_version_compare(&a->version, &b->version);
    else if (order == 0)
        order = a->known ? 1 : -1;
    return order;
}

static int by_devices(const void *left, const void *right)
{
    const struct census_row *a = left;
    const struct census_row *b = right;
    int order = strcmp(a->product, b->product);

    if (order == 0)
        order = (a->devices < b->devices) - (a->devices > b->devices);
    return order != 0 ? order : -by_product(left, right);
}

/* One row for a product's version, whatever the hardware. */
static void merge_rows(struct census *census)
{
    size_t count = 0;

    if (census->row_count == 0)
        return;
    qsort(census->rows, census->row_count, sizeof(census->rows[0]), by_product);
    for (size_t i = 1; i < census->row_count; i++) {
        if (by_product(&census->rows[count], &census->rows[i]) == 0)
            census->rows[count].devices += census->rows[i].devices;
        else
            census->rows[++count] = census->rows[i];
    }
    census->row_count = count + 1;
    qsort(census->rows, census->row_count, sizeof(census->rows[0]), by_devices);
}

static void count_all(struct census_taker *taker, struct census *census)
{
    struct fleet *fleet = taker->fleet;
    uint32_t slots = 1;

    memset(census, 0, sizeof(*census));
    census->at = app_now();
    for (uint32_t i = 0; i < slots;) {
        fleet_lock(fleet);
        slots = fleet_slots(fleet);
        for (uint32_t end = i + CHUNK; i < slots && i < end; i++) {
            const struct fleet_device *device = fleet_at(fleet, i);
            if (device != NULL)
                count_device(census, taker, device);
        }
        fleet_unlock(fleet);
    }
    merge_rows(census);
}

void census_read(struct census_taker *taker, struct census *census)
{
    uint64_t now;
    uint64_t age;

    pthread_mutex_lock(&taker->lock);
    now = app_clock_ms();
    age = now - taker->counted_ms;
    if (taker->counted_ms == 0 || (age >= CENSUS_MS && age >= COST_FACTOR * taker->cost_ms)) {
        count_all(taker, &taker->last);
        taker->counted_ms = app_clock_ms();
        taker->cost_ms = taker->counted_ms - now;
    }
    *census = taker->last;
    pthread_mutex_unlock(&taker->lock);
}
