#include "server/steer.h"

#include <stdlib.h>
#include <string.h>

#include "db/events.h"
#include "db/patches.h"
#include "server/deployment.h"
#include "server/hooks.h"
#include "server/rollout_decide.h"
#include "server/rollout_store.h"
#include "server/steer_inner.h"

/* ---- candidates ---- */

static void add_candidate(struct steer_candidates *candidates, struct fleet_rollout *rollout,
                          struct fleet_try *try)
{
    size_t i = candidates->count++;

    candidates->at[i] = (struct rollout_candidate){&rollout->r, try != NULL ? &try->d : NULL};
    candidates->rollouts[i] = rollout;
    candidates->tries[i] = try;
}

void steer_gather(struct fleet *fleet, const struct fleet_device *device,
                  struct steer_candidates *candidates)
{
    const char *product = fleet_product(fleet, device);
    size_t count;
    struct fleet_rollout *const *live = fleet_live(fleet, &count);

    candidates->count = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(live[i]->r.release.product, product) == 0)
            add_candidate(candidates, live[i], fleet_newest_try(device, live[i]->r.id));
    for (struct fleet_try *try = device->tries; try != NULL; try = try->next) {
        struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);

        if (!deployment_active(&try->d) || rollout == NULL || try->superseded)
            continue;
        if (rollout->r.state == ROLLOUT_COMPLETED || rollout->r.state == ROLLOUT_CANCELLED) {
            add_candidate(candidates, rollout, try);
            return;
        }
    }
}

/* ---- answering ---- */

static enum ota_action action_of(enum rollout_action action)
{
    switch (action) {
    case ROLLOUT_ACTION_OFFER:
    case ROLLOUT_ACTION_CONTINUE:
        return OTA_ACTION_INSTALL;
    case ROLLOUT_ACTION_HOLD:
        return OTA_ACTION_HOLD;
    case ROLLOUT_ACTION_CANCEL:
        return OTA_ACTION_CANCEL;
    case ROLLOUT_ACTION_NONE:
        break;
    }
    return OTA_ACTION_NONE;
}

static void fill_answer(struct steer_answer *answer, const struct rollout_decision *decision,
                        const struct fleet_rollout *rollout, const struct fleet_try *try)
{
    answer->action = action_of(decision->action);
    answer->reason = decision->reason;
    answer->not_before = decision->not_before;
    answer->deployment = try != NULL ? try->d.id : 0;
    if (answer->action != OTA_ACTION_INSTALL || rollout == NULL)
        return;
    answer->release = rollout->r.release;
    answer->image_len = rollout->image_len;
    memcpy(answer->sig, rollout->sig, rollout->sig_len);
    answer->sig_len = rollout->sig_len;
}

static bool facts_equal(const struct fleet_facts *a, const struct fleet_facts *b)
{
    return a->seen == b->seen && a->trial == b->trial && a->counter == b->counter &&
           a->opted_out == b->opted_out && a->postponed_until == b->postponed_until &&
           a->has_offset == b->has_offset && a->utc_offset == b->utc_offset &&
           ota_version_compare(&a->version, &b->version) == 0 &&
           memcmp(a->hash, b->hash, OTA_HASH_LEN) == 0;
}

/* Whether what the candidates stand on is on the disk, and whether the device's word moves a try.
 */
static enum steer_sight check_candidates(struct fleet *fleet,
                                         const struct steer_candidates *candidates,
                                         const struct rollout_device *view, uint64_t now)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct fleet_try *try = candidates->tries[i];
        if (candidates->rollouts[i]->txn > fleet_durable(fleet) ||
            (try != NULL && try->txn > fleet_durable(fleet)))
            return STEER_UNSETTLED;
        if (try != NULL && deployment_reconciles(&candidates->rollouts[i]->r, view, &try->d, now))
            return STEER_NEWS;
    }
    return STEER_ANSWERED;
}

enum steer_sight steer_look(struct fleet *fleet, struct fleet_device *device,
                            const struct fleet_facts *facts, uint64_t now,
                            struct steer_answer *answer, struct fleet_rollout **rollout)
{
    struct rollout_device view = fleet_view(fleet, device, facts);
    struct steer_candidates candidates;
    struct rollout_decision decision;
    enum steer_sight sight;

    memset(answer, 0, sizeof(*answer));
    *rollout = NULL;
    if (facts != NULL && !facts_equal(facts, &device->facts))
        return STEER_NEWS;
    steer_gather(fleet, device, &candidates);
    sight = check_candidates(fleet, &candidates, &view, now);
    if (sight != STEER_ANSWERED)
        return sight;
    decision = rollout_decide(candidates.at, candidates.count, &view, now);
    if (decision.candidate == ROLLOUT_NO_CANDIDATE) {
        fill_answer(answer, &decision, NULL, NULL);
        return STEER_ANSWERED;
    }
    *rollout = candidates.rollouts[decision.candidate];
    if (decision.action == ROLLOUT_ACTION_OFFER)
        return STEER_OFFERS;
    fill_answer(answer, &decision, *rollout, candidates.tries[decision.candidate]);
    return STEER_ANSWERED;
}

bool steer_peek(struct fleet *fleet, struct fleet_device *device, const struct fleet_facts *facts,
                uint64_t now, struct steer_answer *answer)
{
    struct fleet_rollout *rollout;

    return steer_look(fleet, device, facts, now, answer, &rollout) == STEER_ANSWERED;
}

/* ---- a poll that brings news ---- */

/* Tries that a poll has changed, and what is to be written of each. */
struct changed {
    size_t count;
    struct {
        struct fleet_try *try;
        struct fleet_rollout *rollout;
        bool moved;
    } at[FLEET_LIVE_MAX + 4];
};

static void add_changed(struct changed *changed, struct fleet_try *try,
                        struct fleet_rollout *rollout, bool moved)
{
    for (size_t i = 0; i < changed->count; i++) {
        if (changed->at[i].try == try) {
            changed->at[i].moved = changed->at[i].moved || moved;
            return;
        }
    }
    changed->at[changed->count].try = try;
    changed->at[changed->count].rollout = rollout;
    changed->at[changed->count++].moved = moved;
}

static int reconcile(const struct steer *steer, const struct steer_candidates *candidates,
                     const struct rollout_device *view, uint64_t now, struct changed *changed)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct fleet_try *try = candidates->tries[i];
        struct fleet_rollout *rollout = candidates->rollouts[i];
        struct deployment_change change;

        if (try == NULL)
            continue;
        if (!fleet_touch_try(steer->fleet, try) || !fleet_touch_rollout(steer->fleet, rollout))
            return DB_E_INTERNAL;
        change = deployment_reconcile(&rollout->r, view, &try->d, now);
        if (change.effect != DEPLOYMENT_UNCHANGED)
            add_changed(changed, try, rollout, change.effect == DEPLOYMENT_MOVED);
    }
    return DB_OK;
}

/* Open the try that the engine asked for. */
static struct fleet_try *open_try(const struct steer *steer, struct fleet_device *device,
                                  const struct steer_candidates *candidates,
                                  const struct rollout_decision *decision, uint64_t now,
                                  struct changed *changed)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_rollout *rollout = candidates->rollouts[decision->candidate];
    struct fleet_try *previous = candidates->tries[decision->candidate];
    struct fleet_try *try = fleet_add_try(fleet, device);

    if (try == NULL || !fleet_touch_rollout(fleet, rollout) ||
        (previous != NULL && !fleet_touch_try(fleet, previous)))
        return NULL;
    if (previous != NULL)
        fleet_count_skip(rollout, previous, -1);
    deployment_open(&rollout->r, &try->d, previous != NULL ? &previous->d : NULL,
                    fleet_next_deployment(fleet), decision->stage, now);
    device->newest = try->d.id;
    if (previous != NULL) {
        previous->superseded = true;
        add_changed(changed, previous, rollout, false);
    }
    return try;
}

static int supersede(const struct steer *steer, const struct steer_candidates *candidates,
                     size_t position, uint64_t now, struct changed *changed)
{
    struct fleet_try *try = candidates->tries[position];
    struct fleet_rollout *rollout = candidates->rollouts[position];

    if (!fleet_touch_try(steer->fleet, try) || !fleet_touch_rollout(steer->fleet, rollout))
        return DB_E_INTERNAL;
    deployment_supersede(&rollout->r, &try->d, now);
    fleet_count_skip(rollout, try, 1);
    add_changed(changed, try, rollout, true);
    return DB_OK;
}

/* The poll's part in memory. *opened is the new try, if the engine wanted one. */
static int decide(const struct steer *steer, struct fleet_device *device,
                  const struct fleet_facts *facts, uint64_t now, struct changed *changed,
                  struct fleet_try **opened, struct steer_answer *answer)
{
    struct fleet *fleet = steer->fleet;
    struct rollout_device view;
    struct steer_candidates candidates;
    struct rollout_decision decision;
    struct fleet_try *try = NULL;
    int error;

    if (!fleet_touch_device(fleet, device))
        return DB_E_INTERNAL;
    device->facts = *facts;
    view = fleet_view(fleet, device, NULL);
    steer_gather(fleet, device, &candidates);
    error = reconcile(steer, &candidates, &view, now, changed);
    if (error != DB_OK)
        return error;
    decision = rollout_decide(candidates.at, candidates.count, &view, now);
    if (decision.action == ROLLOUT_ACTION_OFFER) {
        if (decision.supersedes != ROLLOUT_NO_CANDIDATE)
            error = supersede(steer, &candidates, decision.supersedes, now, changed);
        try = *opened = open_try(steer, device, &candidates, &decision, now, changed);
        if (error != DB_OK || try == NULL)
            return DB_E_INTERNAL;
        add_changed(changed, try, candidates.rollouts[decision.candidate], true);
    } else if (decision.candidate != ROLLOUT_NO_CANDIDATE) {
        try = candidates.tries[decision.candidate];
    }
    fill_answer(answer, &decision,
                decision.candidate != ROLLOUT_NO_CANDIDATE ? candidates.rollouts[decision.candidate]
                                                           : NULL,
                try);
    return DB_OK;
}

static int write_changed(struct db *db, const struct fleet_device *device,
                         const struct changed *changed, const struct fleet_try *opened,
                         uint64_t now)
{
    int error = DB_OK;

    for (size_t i = 0; i < changed->count && error == DB_OK; i++) {
        struct fleet_try *try = changed->at[i].try;
        struct db_deployment row;

        if (changed->at[i].moved)
            error = steer_write_event(db, device, try, STEER_EVENT_STATE + (int)try->d.state, NULL,
                                      now);
        if (error == DB_OK && changed->at[i].moved)
            error = hooks_tell_try(db, device, try, now);
        deployment_to_row(try, device->id, &row);
        if (error == DB_OK)
            error = try == opened ? db_deployment_add(db, &row) : db_deployment_update(db, &row);
    }
    return error;
}

static int advance_changed(const struct steer *steer, struct db *db, const struct changed *changed,
                           uint64_t now)
{
    int error = DB_OK;

    for (size_t i = 0; i < changed->count && error == DB_OK; i++)
        error = steer_advance(steer, db, changed->at[i].rollout, now);
    return error;
}

int steer_poll(const struct steer *steer, struct db *db, struct fleet_ref ref,
               const struct fleet_facts *facts, uint64_t now, struct steer_answer *answer)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_device *device = fleet_device(fleet, ref);
    struct fleet_try *opened = NULL;
    struct changed changed = {.count = 0};
    struct steer_seats seats;
    bool news;
    int error;

    memset(answer, 0, sizeof(*answer));
    if (device == NULL)
        return DB_E_NOT_FOUND;
    news = !facts_equal(facts, &device->facts);
    fleet_lock(fleet);
    steer_take_seats(fleet, device, &seats);
    fleet_prune_tries(fleet, device);
    error = decide(steer, device, facts, now, &changed, &opened, answer);
    if (error == DB_OK)
        error = steer_move_seats(fleet, device, &seats);
    steer_arm(fleet, device, now);
    fleet_unlock(fleet);
    if (error == DB_OK && news)
        error = steer_write_facts(fleet, db, device);
    if (error == DB_OK)
        error = write_changed(db, device, &changed, opened, now);
    if (error == DB_OK)
        error = advance_changed(steer, db, &changed, now);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}

/* ---- a report ---- */

static struct fleet_try *find_try(const struct fleet_device *device, uint64_t id)
{
    for (struct fleet_try *try = device->tries; try != NULL; try = try->next)
        if (try->d.id == id)
            return try;
    return NULL;
}

static uint64_t parse_id(struct ota_text text)
{
    uint64_t id = 0;

    if (text.len == 0 || text.len > 15)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        id = id * 10 + (uint64_t)(text.at[i] - '0');
    }
    return id;
}

/* How the application fares stands in the history, also when the rollout is over. */
static int note_health(struct db *db, const struct fleet_device *device, struct db_deployment *row,
                       const struct ota_report *report, uint64_t now, enum steer_outcome *outcome)
{
    struct fleet_try past = {.next = NULL};
    int error;

    if (report->event != OTA_EVENT_HEALTH || report->seq <= (uint64_t)row->seq)
        return DB_OK;
    *outcome = STEER_TAKEN;
    deployment_from_row(&past, row);
    error = steer_write_event(db, device, &past, (int)report->event, report, now);
    row->seq = (int64_t)report->seq;
    row->events = past.events;
    if (error == DB_OK)
        error = db_deployment_update(db, row);
    return error != DB_OK ? error : hooks_tell_health(db, device, &past, report, now);
}

/* A try that is not in memory any more may still be this device's: then the report is merely late.
 */
static int look_up(const struct steer *steer, struct db *db, const struct fleet_device *device,
                   uint64_t id, const struct ota_report *report, uint64_t now,
                   enum steer_outcome *outcome)
{
    struct db_deployment row;
    int error = id > 0 ? db_deployment_get(db, (int64_t)id, &row) : DB_E_NOT_FOUND;

    *outcome = error == DB_OK && row.device_id == device->id ? STEER_IGNORED : STEER_UNKNOWN;
    if (fleet_heard_of_deployment(steer->fleet, id))
        log_note(
            steer->log, LOG_WARN, "database_older_than_fleet",
            "Device %s reports deployment %llu, which this database has never given out. Was an "
            "older backup restored? Check rollouts before you resume them.",
            device->name, (unsigned long long)id);
    if (*outcome == STEER_IGNORED)
        return note_health(db, device, &row, report, now, outcome);
    return error == DB_E_NOT_FOUND ? DB_OK : error;
}

/* What the device runs, as far as a report tells. */
static bool learn(struct fleet_device *device, const struct ota_report *report)
{
    struct fleet_facts facts = device->facts;

    if (!facts.seen)
        return false;
    facts.version = report->version;
    memcpy(facts.hash, report->hash, OTA_HASH_LEN);
    if (report->event == OTA_EVENT_TRIAL)
        facts.trial = true;
    else if (report->event == OTA_EVENT_CONFIRMED || report->event == OTA_EVENT_REVERTED)
        facts.trial = false;
    if (facts_equal(&facts, &device->facts))
        return false;
    device->facts = facts;
    return true;
}

static int apply_report(const struct steer *steer, struct fleet_device *device,
                        struct fleet_rollout *rollout, struct fleet_try *try,
                        const struct ota_report *report, uint64_t now,
                        struct deployment_change *change, struct steer_seats *seats, bool *news)
{
    struct fleet *fleet = steer->fleet;
    struct rollout_device view;

    if (!fleet_touch_device(fleet, device) || !fleet_touch_try(fleet, try) ||
        !fleet_touch_rollout(fleet, rollout))
        return DB_E_INTERNAL;
    steer_take_seats(fleet, device, seats);
    view = fleet_view(fleet, device, NULL);
    *change = deployment_report(&rollout->r, &view, &try->d, report, now);
    if (change->effect == DEPLOYMENT_UNCHANGED)
        return DB_OK;
    if (change->effect == DEPLOYMENT_MOVED)
        fleet_count_skip(rollout, try, 1);
    *news = learn(device, report);
    steer_arm(fleet, device, now);
    return steer_move_seats(fleet, device, seats);
}

static int write_report(const struct steer *steer, struct db *db, struct fleet_device *device,
                        struct fleet_try *try, const struct ota_report *report, bool news,
                        uint64_t now)
{
    struct db_deployment row;
    int error = steer_write_event(db, device, try, (int)report->event, report, now);

    deployment_to_row(try, device->id, &row);
    if (error == DB_OK)
        error = db_deployment_update(db, &row);
    if (error == DB_OK && news)
        error = steer_write_facts(steer->fleet, db, device);
    return error;
}

/* What a patch has saved this device. */
static int write_saving(struct db *db, const struct fleet_rollout *rollout,
                        const struct ota_report *report)
{
    if (report->event != OTA_EVENT_INSTALLED || report->fetched == 0 ||
        report->fetched >= rollout->image_len)
        return DB_OK;
    return db_patch_saving_add(db, (int64_t)rollout->r.id, rollout->image_len - report->fetched);
}

int steer_report(const struct steer *steer, struct db *db, struct fleet_ref ref,
                 const struct ota_report *report, uint64_t now, enum steer_outcome *outcome)
{
    struct fleet *fleet = steer->fleet;
    struct fleet_device *device = fleet_device(fleet, ref);
    uint64_t id = parse_id(report->deployment);
    struct fleet_try *try = device != NULL ? find_try(device, id) : NULL;
    struct fleet_rollout *rollout;
    struct deployment_change change;
    struct steer_seats seats;
    bool news = false;
    int error;

    *outcome = STEER_UNKNOWN;
    if (device == NULL)
        return DB_OK;
    if (try == NULL)
        return look_up(steer, db, device, id, report, now, outcome);
    rollout = fleet_find_rollout(fleet, try->d.rollout_id);
    fleet_lock(fleet);
    error = apply_report(steer, device, rollout, try, report, now, &change, &seats, &news);
    fleet_unlock(fleet);
    if (error != DB_OK)
        return error;
    *outcome = change.effect == DEPLOYMENT_UNCHANGED ? STEER_IGNORED : STEER_TAKEN;
    if (*outcome == STEER_IGNORED)
        return DB_OK;
    error = write_report(steer, db, device, try, report, news, now);
    if (error == DB_OK)
        error = write_saving(db, rollout, report);
    if (error == DB_OK && change.effect == DEPLOYMENT_MOVED)
        error = hooks_tell_try(db, device, try, now);
    if (error == DB_OK && report->event == OTA_EVENT_HEALTH)
        error = hooks_tell_health(db, device, try, report, now);
    if (error == DB_OK)
        error = steer_advance(steer, db, rollout, now);
    return error != DB_OK ? error : steer_advance_seats(steer, db, &seats, now);
}
