#include <stdio.h>
#include <string.h>

#include "db/events.h"
#include "db/rollouts.h"
#include "server/deployment.h"
#include "server/hooks.h"
#include "server/rollout_store.h"
#include "server/steer_inner.h"
#include "server/time_text.h"

#define ALARMS_A_TICK 256U /* devices whose deadlines are looked at in one job */
#define COUNT_A_JOB 4096U  /* devices that are counted in one job */
#define HELD_SECONDS 60U   /* how often a deadline that stands still is looked at again */

/* ---- seats ---- */

static bool is_counted(const struct fleet_rollout *rollout, const struct fleet_device *device)
{
    return fleet_counts_members(&rollout->r) &&
           (rollout->r.counted || device->index < rollout->cursor);
}

static struct rollout_place place_of(struct fleet *fleet, const struct fleet_rollout *rollout,
                                     const struct fleet_device *device)
{
    struct rollout_device view = fleet_view(fleet, device, NULL);
    struct fleet_try *try = fleet_newest_try(device, rollout->r.id);

    return rollout_place(&rollout->r, &view, try != NULL ? &try->d : NULL);
}

void steer_take_seats(struct fleet *fleet, const struct fleet_device *device,
                      struct steer_seats *seats)
{
    size_t count;
    struct fleet_rollout *const *live = fleet_live(fleet, &count);

    seats->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_counted(live[i], device))
            continue;
        seats->at[seats->count].rollout = live[i];
        seats->at[seats->count].moved = false;
        seats->at[seats->count++].place = place_of(fleet, live[i], device);
    }
}

static bool same_place(struct rollout_place a, struct rollout_place b)
{
    return a.member == b.member && a.excluded == b.excluded && a.stage == b.stage;
}

int steer_move_seats(struct fleet *fleet, const struct fleet_device *device,
                     struct steer_seats *seats)
{
    for (size_t i = 0; i < seats->count; i++) {
        struct fleet_rollout *rollout = seats->at[i].rollout;
        struct rollout_place place = place_of(fleet, rollout, device);

        if (same_place(place, seats->at[i].place))
            continue;
        if (!fleet_touch_rollout(fleet, rollout))
            return DB_E_INTERNAL;
        rollout_place_move(&rollout->r, seats->at[i].place, place);
        seats->at[i].moved = true;
    }
    return DB_OK;
}

int steer_advance_seats(const struct steer *steer, struct db *db, const struct steer_seats *seats,
                        uint64_t now)
{
    int error = DB_OK;

    for (size_t i = 0; i < seats->count && error == DB_OK; i++)
        if (seats->at[i].moved)
            error = steer_advance(steer, db, seats->at[i].rollout, now);
    return error;
}

/* ---- history ---- */

static void copy_text(char *to, size_t cap, struct ota_text from)
{
    size_t len = from.len < cap - 1 ? from.len : cap - 1;

    if (len > 0)
        memcpy(to, from.at, len);
    to[len] = '\0';
}

int steer_write_event(struct db *db, const struct fleet_device *device, struct fleet_try *try,
                      int event, const struct ota_report *report, uint64_t now)
{
    struct db_event row = {.device_id = device->id,
                           .deployment_id = (int64_t)try->d.id,
                           .at = (int64_t)now,
                           .event = event,
                           .percent = try->d.percent};

    if (try->events >= FLEET_EVENTS_MAX)
        return DB_OK;
    try->events++;
    if (report != NULL) {
        row.seq = (int64_t)report->seq;
        row.percent = (int)report->percent;
        copy_text(row.reason, sizeof(row.reason), report->reason);
        copy_text(row.log, sizeof(row.log), report->log);
        if (report->event == OTA_EVENT_HEALTH && report->log.len == 0)
            snprintf(row.log, sizeof(row.log), "%u bad events", report->events);
    }
    return db_event_add(db, &row);
}

int steer_write_facts(struct fleet *fleet, struct db *db, const struct fleet_device *device)
{
    struct db_device row;

    fleet_lock(fleet); /* last_seen is other threads' to write */
    fleet_to_row(fleet, device, &row);
    fleet_unlock(fleet);
    return db_device_seen(db, &row);
}

const char *steer_event_name(int event)
{
    const char *name;

    if (event >= STEER_EVENT_STATE)
        name = deployment_state_name((enum deployment_state)(event - STEER_EVENT_STATE));
    else
        name = ota_event_name((enum ota_event)event);
    return name != NULL ? name : "unknown";
}

int steer_note(struct db *db, const struct fleet_rollout *rollout, const char *event,
               const char *detail, const char *actor, uint64_t now)
{
    struct db_rollout_event row = {
        .rollout_id = (int64_t)rollout->r.id, .at = (int64_t)now, .stage = rollout->r.current};
    int error;

    snprintf(row.event, sizeof(row.event), "%s", event);
    snprintf(row.detail, sizeof(row.detail), "%s", detail);
    snprintf(row.actor, sizeof(row.actor), "%s", actor);
    error = db_rollout_event_add(db, &row);
    return error != DB_OK ? error : hooks_tell_rollout(db, rollout, event, detail, actor, now);
}

/* ---- rollouts ---- */

static int write_rollout(struct fleet *fleet, struct db *db, struct fleet_rollout *rollout)
{
    struct db_rollout row;

    fleet_lock(fleet);
    rollout->txn = fleet_txn(fleet);
    fleet_refresh_live(fleet);
    fleet_unlock(fleet);
    rollout_to_row(rollout, &row);
    return db_rollout_update(db, &row);
}

static int note_event(const struct steer *steer, struct db *db, const struct fleet_rollout *rollout,
                      enum rollout_event event, uint64_t now)
{
    char detail[DB_DETAIL_MAX + 1] = "";
    const char *name = rollout_event_name(event);
    struct log_line line;

    if (event == ROLLOUT_EVENT_HALTED)
        rollout_halt_sentence(&rollout->r, detail, sizeof(detail));
    if (log_open(&line, steer->log, event == ROLLOUT_EVENT_HALTED ? LOG_WARN : LOG_INFO,
                 "rollout")) {
        json_put_int(&line.json, "rollout", (int64_t)rollout->r.id);
        json_put_string(&line.json, "what", name);
        json_put_int(&line.json, "stage", rollout->r.current + 1);
        json_put_string(&line.json, "detail", detail);
        log_close(&line);
    }
    return steer_note(db, rollout, name, detail, "", now);
}

static void start_counting(struct fleet_rollout *rollout)
{
    rollout->cursor = 0;
    rollout->r.counted = false;
}

int steer_advance(const struct steer *steer, struct db *db, struct fleet_rollout *rollout,
                  uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    enum rollout_event event;
    bool acted = false;
    int error = DB_OK;

    do {
        fleet_lock(fleet);
        if (!fleet_touch_rollout(fleet, rollout)) {
            fleet_unlock(fleet);
            return DB_E_INTERNAL;
        }
        event = rollout_tick(&rollout->r, now, &rollout->next_at);
        if (event == ROLLOUT_EVENT_STARTED)
            start_counting(rollout);
        fleet_unlock(fleet);
        if (event == ROLLOUT_EVENT_NONE)
            break;
        acted = true;
        error = note_event(steer, db, rollout, event, now);
    } while (error == DB_OK);
    return error == DB_OK && acted ? write_rollout(fleet, db, rollout) : error;
}

static const char *order_name(enum rollout_command command)
{
    switch (command) {
    case ROLLOUT_START:
        return "start";
    case ROLLOUT_SCHEDULE:
        return "schedule";
    case ROLLOUT_PAUSE:
        return "pause";
    case ROLLOUT_RESUME:
        return "resume";
    case ROLLOUT_CANCEL:
        return "cancel";
    case ROLLOUT_ADVANCE:
        return "advance";
    case ROLLOUT_HALT:
        return "halt";
    }
    return "unknown";
}

static bool is_crowded(struct fleet *fleet, const struct fleet_rollout *rollout,
                       enum rollout_command command)
{
    size_t count;

    fleet_live(fleet, &count);
    return rollout->r.state == ROLLOUT_DRAFT && count == FLEET_LIVE_MAX &&
           (command == ROLLOUT_START || command == ROLLOUT_SCHEDULE);
}

/* What the rollout's log says beside the order's word. */
static void put_detail(const struct rollout_order *order, const char *reason, char *buf, size_t cap)
{
    char time[TIME_TEXT_CAP];

    if (order->command == ROLLOUT_SCHEDULE && time_text_format((int64_t)order->start_at, time))
        snprintf(buf, cap, "for %s", time);
    else
        snprintf(buf, cap, "%s", order->force ? "forced" : reason);
}

int steer_order(const struct steer *steer, struct db *db, struct fleet_rollout *rollout,
                const struct rollout_order *order, const char *reason, const char *actor,
                uint64_t now, int *refusal)
{
    char detail[DB_DETAIL_MAX + 1];
    struct fleet *fleet = steer->fleet;
    bool was_counted = fleet_counts_members(&rollout->r);
    int error;

    *refusal = STEER_CROWDED;
    if (is_crowded(fleet, rollout, order->command))
        return DB_OK;
    fleet_lock(fleet);
    if (!fleet_touch_rollout(fleet, rollout)) {
        fleet_unlock(fleet);
        return DB_E_INTERNAL;
    }
    *refusal = rollout_command(&rollout->r, order, now);
    if (!was_counted && fleet_counts_members(&rollout->r))
        start_counting(rollout);
    if (*refusal == ROLLOUT_ALLOWED && order->command == ROLLOUT_HALT)
        snprintf(rollout->halt_note, sizeof(rollout->halt_note), "Halted by %s: %.*s", actor,
                 STEER_REASON_MAX, reason);
    fleet_unlock(fleet);
    if (*refusal != ROLLOUT_ALLOWED)
        return DB_OK;
    put_detail(order, reason, detail, sizeof(detail));
    error = write_rollout(fleet, db, rollout);
    if (error == DB_OK)
        error = steer_note(db, rollout, order_name(order->command), detail, actor, now);
    /* The first part of the counting at once: for most fleets it is all. */
    if (error == DB_OK && steer_counting(fleet))
        error = steer_count(steer, db, now);
    return error != DB_OK ? error : steer_advance(steer, db, rollout, now);
}

/* ---- counting ---- */

static struct fleet_rollout *find_uncounted(struct fleet *fleet)
{
    size_t count;
    struct fleet_rollout *const *live = fleet_live(fleet, &count);

    for (size_t i = 0; i < count; i++)
        if (fleet_counts_members(&live[i]->r) && !live[i]->r.counted)
            return live[i];
    return NULL;
}

bool steer_counting(struct fleet *fleet)
{
    bool counting;

    fleet_lock(fleet);
    counting = find_uncounted(fleet) != NULL;
    fleet_unlock(fleet);
    return counting;
}

int steer_count(const struct steer *steer, struct db *db, uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_rollout *rollout;
    uint32_t end;

    fleet_lock(fleet);
    rollout = find_uncounted(fleet);
    if (rollout == NULL || !fleet_touch_rollout(fleet, rollout)) {
        fleet_unlock(fleet);
        return rollout == NULL ? DB_OK : DB_E_INTERNAL;
    }
    end = rollout->cursor + COUNT_A_JOB;
    for (; rollout->cursor < end && rollout->cursor < fleet_slots(fleet); rollout->cursor++) {
        struct fleet_device *device = fleet_at(fleet, rollout->cursor);
        if (device != NULL)
            rollout_place_add(&rollout->r, place_of(fleet, rollout, device));
    }
    rollout->r.counted = rollout->cursor == fleet_slots(fleet);
    fleet_unlock(fleet);
    return rollout->r.counted ? steer_advance(steer, db, rollout, now) : DB_OK;
}

/* ---- time ---- */

void steer_arm(struct fleet *fleet, struct fleet_device *device, uint64_t now)
{
    struct rollout_device view = fleet_view(fleet, device, NULL);

    for (struct fleet_try *try = device->tries; try != NULL; try = try->next) {
        struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);
        uint64_t at;

        if (rollout == NULL || try->superseded)
            continue;
        at = deployment_deadline(&rollout->r, &view, &try->d);
        if (at == ROLLOUT_NEVER && (deployment_active(&try->d) || try->d.state == DEPLOYMENT_RETRY))
            at = now + HELD_SECONDS;
        if (at != ROLLOUT_NEVER)
            fleet_set_alarm(fleet, device, at);
    }
}

static int expire_try(const struct steer *steer, struct db *db, struct fleet_device *device,
                      struct fleet_try *try, uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);
    struct deployment_change change = {.effect = DEPLOYMENT_UNCHANGED};
    struct rollout_device view;
    struct db_deployment row;
    struct steer_seats seats;
    int error = DB_OK;

    if (rollout == NULL || try->superseded)
        return DB_OK;
    fleet_lock(fleet);
    view = fleet_view(fleet, device, NULL);
    steer_take_seats(fleet, device, &seats);
    if (now >= deployment_deadline(&rollout->r, &view, &try->d)) {
        if (!fleet_touch_try(fleet, try) || !fleet_touch_rollout(fleet, rollout))
            error = DB_E_INTERNAL;
        else
            change = deployment_expire(&rollout->r, &view, &try->d, now);
        if (change.effect == DEPLOYMENT_MOVED)
            fleet_count_skip(rollout, try, 1);
    }
    if (error == DB_OK)
        error = steer_move_seats(fleet, device, &seats);
    fleet_unlock(fleet);
    if (error != DB_OK || change.effect == DEPLOYMENT_UNCHANGED)
        return error;
    error = steer_write_event(db, device, try, STEER_EVENT_STATE + (int)try->d.state, NULL, now);
    deployment_to_row(try, device->id, &row);
    if (error == DB_OK)
        error = db_deployment_update(db, &row);
    if (error == DB_OK)
        error = hooks_tell_try(db, device, try, now);
    if (error == DB_OK)
        error = steer_advance(steer, db, rollout, now);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}

static int expire_device(const struct steer *steer, struct db *db, struct fleet_device *device,
                         uint64_t now)
{
    int error = DB_OK;

    for (struct fleet_try *try = device->tries; try != NULL && error == DB_OK; try = try->next)
        error = expire_try(steer, db, device, try, now);
    fleet_lock(steer->fleet);
    steer_arm(steer->fleet, device, now);
    fleet_unlock(steer->fleet);
    return error;
}

static bool is_rollout_due(const struct fleet_rollout *rollout, uint64_t now)
{
    return rollout->next_at <= now;
}

bool steer_due(struct fleet *fleet, uint64_t now)
{
    struct fleet_rollout *const *live;
    size_t count;
    bool due;

    fleet_lock(fleet);
    due = fleet_next_alarm(fleet) <= now;
    live = fleet_live(fleet, &count);
    for (size_t i = 0; i < count && !due; i++)
        due = is_rollout_due(live[i], now);
    fleet_unlock(fleet);
    return due;
}

int steer_tick(const struct steer *steer, struct db *db, uint64_t now)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_rollout *due[FLEET_LIVE_MAX];
    struct fleet_rollout *const *live;
    struct fleet_device *device;
    size_t count;
    size_t due_count = 0;
    int error = DB_OK;

    /* The list of live ones changes while they act: take those that are due first. */
    live = fleet_live(fleet, &count);
    for (size_t i = 0; i < count; i++)
        if (is_rollout_due(live[i], now))
            due[due_count++] = live[i];
    for (size_t i = 0; i < due_count && error == DB_OK; i++)
        error = steer_advance(steer, db, due[i], now);
    for (unsigned i = 0; i < ALARMS_A_TICK && error == DB_OK; i++) {
        fleet_lock(fleet);
        device = fleet_take_alarm(fleet, (uint32_t)now);
        fleet_unlock(fleet);
        if (device == NULL)
            break;
        error = expire_device(steer, db, device, now);
    }
    return error;
}
