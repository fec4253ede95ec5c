/* Devices by what memory knows of them: a part of the id, version, tags, presence, progress. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/api.h"
#include "server/selector.h"

#define CHUNK 4096U            /* devices looked at in one hold of the fleet's lock */
#define SCAN_MAX (64U * CHUNK) /* in one request; the page may be short then, and has a next */

static const char *const PRESENCES[] = {
    [PRESENCE_NEVER] = "never", [PRESENCE_STALE] = "stale", [PRESENCE_ONLINE] = "online"};
static const char *const PROGRESSES[] = {
    [PROGRESS_NONE] = NULL, [PROGRESS_UPDATING] = "updating", [PROGRESS_FAILING] = "failing"};

const char *api_presence_name(enum presence presence)
{
    return PRESENCES[presence];
}

const char *api_progress_name(enum progress progress)
{
    return PROGRESSES[progress];
}

struct wanted {
    char part[DB_DEVICE_NAME_MAX + 1];
    int64_t group_id; /* 0: any, likewise below */
    int state;
    struct selector tags;
    struct ota_version version;
    bool by_version;
    int presence; /* negative: any, likewise below */
    int progress;
    uint32_t online_seconds;
    uint64_t now;
};

/* ---- the filters ---- */

/* The place of a word, or -2 and the problem is set; -1 when the parameter is not there. */
static int read_word(struct request *rq, const char *name, const char *const *words, int count)
{
    char text[16];
    int found = request_query(rq, name, text, sizeof(text));

    if (found <= 0)
        return found == 0 ? -1 : -2;
    for (int i = 0; i < count; i++)
        if (words[i] != NULL && strcmp(words[i], text) == 0)
            return i;
    request_problem(rq, 400, "query_invalid", "%s must be %s.", name,
                    words == PRESENCES ? "online, stale or never" : "updating or failing");
    return -2;
}

static bool read_version(struct request *rq, struct wanted *wanted)
{
    char text[OTA_VERSION_TEXT_MAX + 1];
    int found = request_query(rq, "version", text, sizeof(text));

    if (found <= 0)
        return found == 0;
    wanted->by_version = true;
    if (ota_version_parse(&wanted->version, text, strlen(text)) == 0)
        return true;
    request_problem(rq, 400, "query_invalid", "version must be like 1.2.3 or 1.2.3+4.");
    return false;
}

static bool read_tags(struct request *rq, struct wanted *wanted)
{
    char text[SELECTOR_TEXT_MAX + 1];
    size_t at = 0;
    int found = request_query(rq, "tags", text, sizeof(text));

    if (found <= 0)
        return found == 0;
    if (selector_parse(&wanted->tags, ota_text_of(text), &at) == SELECTOR_OK)
        return true;
    request_problem(rq, 400, "query_invalid",
                    "tags is no selector from character %zu on; it is like site=berlin,!lab.",
                    at + 1);
    return false;
}

static bool read_wanted(struct request *rq, struct wanted *wanted)
{
    if (request_query(rq, "q", wanted->part, sizeof(wanted->part)) < 0 ||
        !read_version(rq, wanted) || !read_tags(rq, wanted))
        return false;
    wanted->presence = read_word(rq, "presence", PRESENCES, 3);
    wanted->progress = wanted->presence < -1 ? -2 : read_word(rq, "progress", PROGRESSES, 3);
    wanted->online_seconds = rq->app->census.online_seconds;
    wanted->now = app_now();
    return wanted->progress > -2;
}

/* ---- the search ---- */

static bool contains(const char *text, const char *part)
{
    size_t len = strlen(part);

    for (; strlen(text) >= len; text++)
        if (strncasecmp(text, part, len) == 0)
            return true;
    return false;
}

static bool fits(struct fleet *fleet, const struct fleet_device *device,
                 const struct wanted *wanted)
{
    if ((wanted->group_id != 0 && device->group != (uint32_t)wanted->group_id) ||
        (wanted->state != 0 && device->state != wanted->state))
        return false;
    if (wanted->by_version &&
        (!device->facts.seen || ota_version_compare(&device->facts.version, &wanted->version) != 0))
        return false;
    if ((wanted->presence >= 0 || wanted->progress >= 0) && device->state != DB_DEVICE_ACCEPTED)
        return false;
    if (wanted->presence >= 0 && census_presence(device, wanted->online_seconds, wanted->now) !=
                                     (enum presence)wanted->presence)
        return false;
    if (wanted->progress >= 0 && census_progress(fleet, device) != (enum progress)wanted->progress)
        return false;
    return contains(device->name, wanted->part) &&
           selector_matches(&wanted->tags, device->tags->tags, device->tags->count);
}

struct found {
    int64_t ids[DB_PAGE_MAX];
    int count;
    uint32_t next; /* slot to go on at, 0: the end was reached */
};

static void scan(struct fleet *fleet, const struct wanted *wanted, const struct db_page *page,
                 struct found *found)
{
    uint32_t i = page->after < UINT32_MAX ? (uint32_t)page->after : UINT32_MAX;
    uint32_t looked = 0;
    uint32_t slots = UINT32_MAX;

    while (found->count < page->limit && i < slots && looked < SCAN_MAX) {
        fleet_lock(fleet);
        slots = fleet_slots(fleet);
        for (uint32_t n = 0; n < CHUNK && i < slots && found->count < page->limit; n++, i++) {
            const struct fleet_device *device = fleet_at(fleet, i);
            if (device != NULL && fits(fleet, device, wanted))
                found->ids[found->count++] = device->id;
        }
        fleet_unlock(fleet);
        looked += CHUNK;
    }
    found->next = i < slots ? i : 0;
}

void api_devices_search(struct request *rq, const struct db_page *page, int64_t group_id, int state)
{
    struct wanted wanted = {.group_id = group_id, .state = state};
    struct found found = {.count = 0};
    struct json_writer *out;
    struct db_device row;

    if (!read_wanted(rq, &wanted))
        return;
    request_reader_release(rq);
    scan(rq->app->fleet, &wanted, page, &found);
    request_reader(rq);
    out = api_list_begin(rq);
    for (int i = 0; i < found.count; i++)
        if (db_device_get(rq->db, found.ids[i], &row) == DB_OK)
            api_put_device(rq, out, &row);
    api_list_end(rq, found.next);
}
