#include "db/rollouts.h"

#include "db/driver.h"

#define SETTINGS                                                                                   \
    "name, firmware_id, created_at, seed, security, version_min, running_min, running_max, tags,"  \
    " allow_downgrade, window_days, window_from, window_to, timeout_offered, timeout_downloading," \
    " timeout_installing, timeout_trial, timeout_retry, retries, retry_wait, health_seconds,"      \
    " health_events, postpone_max"
#define STATE                                                                                      \
    "state, current, round, revision, start_at, started_at, resumed_at, ended_at, halt_cause,"     \
    " halt_stage, halt_failures, halt_successes, halt_devices, halt_at, halt_note"
#define STAGE_SETTINGS                                                                             \
    "group_id, share_bp, success_percent, failure_percent, failure_count, allowed_bp, suspect_bp," \
    " error_bp, soak_seconds, offers_a_minute, in_flight_max, by_hand"
#define STAGE_STATE "state, accepted, started_at, met_at, done_at, members, excluded"

/* ---- writing ---- */

static int add_row(struct db *db, struct db_rollout *r)
{
    struct db_stmt *q = db_query(db, "INSERT INTO rollouts (" SETTINGS ", state) VALUES"
                                     " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, r->name, DB_LABEL_MAX);
    db_bind_int(q, 2, r->firmware_id);
    db_bind_int(q, 3, r->created_at);
    db_bind_int(q, 4, r->seed);
    db_bind_int(q, 5, r->security);
    db_bind_text(q, 6, r->version_min, DB_VERSION_MAX);
    db_bind_text(q, 7, r->running_min, DB_VERSION_MAX);
    db_bind_text(q, 8, r->running_max, DB_VERSION_MAX);
    db_bind_text(q, 9, r->tags, DB_SELECTOR_MAX);
    db_bind_int(q, 10, r->allow_downgrade);
    db_bind_int(q, 11, r->window_days);
    db_bind_int(q, 12, r->window_from);
    db_bind_int(q, 13, r->window_to);
    db_bind_int(q, 14, r->timeout_offered);
    db_bind_int(q, 15, r->timeout_downloading);
    db_bind_int(q, 16, r->timeout_installing);
    db_bind_int(q, 17, r->timeout_trial);
    db_bind_int(q, 18, r->timeout_retry);
    db_bind_int(q, 19, r->retries);
    db_bind_int(q, 20, r->retry_wait);
    db_bind_int(q, 21, r->health_seconds);
    db_bind_int(q, 22, r->health_events);
    db_bind_int(q, 23, r->postpone_max);
    db_bind_int(q, 24, r->state);
    error = db_run(q);
    if (error == DB_OK)
        r->id = db_last_id(db);
    return error;
}

static int add_group(struct db *db, int64_t rollout_id, int64_t group_id)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO rollout_groups (rollout_id, group_id) VALUES (?,?)");

    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, group_id);
    return db_run(q);
}

static int add_stage(struct db *db, int64_t rollout_id, int position, const struct db_stage *s)
{
    struct db_stmt *q = db_query(db, "INSERT INTO stages (rollout_id, position, " STAGE_SETTINGS
                                     ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");

    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, position);
    db_bind_id(q, 3, s->group_id);
    db_bind_int(q, 4, s->share_bp);
    db_bind_int(q, 5, s->success_percent);
    db_bind_int(q, 6, s->failure_percent);
    db_bind_int(q, 7, s->failure_count);
    db_bind_int(q, 8, s->allowed_bp);
    db_bind_int(q, 9, s->suspect_bp);
    db_bind_int(q, 10, s->error_bp);
    db_bind_int(q, 11, s->soak_seconds);
    db_bind_int(q, 12, s->offers_a_minute);
    db_bind_int(q, 13, s->in_flight_max);
    db_bind_int(q, 14, s->by_hand);
    return db_run(q);
}

int db_rollout_add(struct db *db, struct db_rollout *r)
{
    int error;

    if (r->stage_count > DB_STAGES_MAX || r->group_count > DB_ROLLOUT_GROUPS_MAX)
        return DB_E_LIMIT;
    error = add_row(db, r);
    for (int i = 0; i < r->group_count && error == DB_OK; i++)
        error = add_group(db, r->id, r->groups[i]);
    for (int i = 0; i < r->stage_count && error == DB_OK; i++)
        error = add_stage(db, r->id, i, &r->stages[i]);
    return error;
}

int db_rollout_set_seed(struct db *db, int64_t id, int64_t seed)
{
    struct db_stmt *q = db_query(db, "UPDATE rollouts SET seed = ? WHERE id = ?");

    db_bind_int(q, 1, seed);
    db_bind_int(q, 2, id);
    return db_run_one(q);
}

static int update_stage(struct db *db, int64_t rollout_id, int position, const struct db_stage *s)
{
    struct db_stmt *q = db_query(
        db, "UPDATE stages SET state = ?, accepted = ?, started_at = ?, met_at = ?, done_at = ?,"
            " members = ?, excluded = ? WHERE rollout_id = ? AND position = ?");

    db_bind_int(q, 1, s->state);
    db_bind_int(q, 2, s->accepted);
    db_bind_int(q, 3, s->started_at);
    db_bind_int(q, 4, s->met_at);
    db_bind_int(q, 5, s->done_at);
    db_bind_int(q, 6, s->members);
    db_bind_int(q, 7, s->excluded);
    db_bind_int(q, 8, rollout_id);
    db_bind_int(q, 9, position);
    return db_run_one(q);
}

static int update_row(struct db *db, const struct db_rollout *r)
{
    struct db_stmt *q = db_query(
        db, "UPDATE rollouts SET state = ?, current = ?, round = ?, revision = ?, start_at = ?,"
            " started_at = ?, resumed_at = ?, ended_at = ?, halt_cause = ?, halt_stage = ?,"
            " halt_failures = ?, halt_successes = ?, halt_devices = ?, halt_at = ?, halt_note = ?"
            " WHERE id = ?");

    db_bind_int(q, 1, r->state);
    db_bind_int(q, 2, r->current);
    db_bind_int(q, 3, r->round);
    db_bind_int(q, 4, r->revision);
    db_bind_int(q, 5, r->start_at);
    db_bind_int(q, 6, r->started_at);
    db_bind_int(q, 7, r->resumed_at);
    db_bind_int(q, 8, r->ended_at);
    db_bind_int(q, 9, r->halt_cause);
    db_bind_int(q, 10, r->halt_stage);
    db_bind_int(q, 11, r->halt_failures);
    db_bind_int(q, 12, r->halt_successes);
    db_bind_int(q, 13, r->halt_devices);
    db_bind_int(q, 14, r->halt_at);
    db_bind_text(q, 15, r->halt_note, DB_DETAIL_MAX);
    db_bind_int(q, 16, r->id);
    return db_run_one(q);
}

int db_rollout_update(struct db *db, const struct db_rollout *r)
{
    int error = update_row(db, r);

    for (int i = 0; i < r->stage_count && error == DB_OK; i++)
        error = update_stage(db, r->id, i, &r->stages[i]);
    return error;
}

/* ---- reading ---- */

static void read_settings(struct db_stmt *q, struct db_rollout *r)
{
    r->id = db_column_int(q, 0);
    db_column_text(q, 1, r->name, sizeof(r->name));
    r->firmware_id = db_column_int(q, 2);
    r->created_at = db_column_int(q, 3);
    r->seed = db_column_int(q, 4);
    r->security = db_column_int(q, 5) != 0;
    db_column_text(q, 6, r->version_min, sizeof(r->version_min));
    db_column_text(q, 7, r->running_min, sizeof(r->running_min));
    db_column_text(q, 8, r->running_max, sizeof(r->running_max));
    db_column_text(q, 9, r->tags, sizeof(r->tags));
    r->allow_downgrade = db_column_int(q, 10) != 0;
    r->window_days = (int)db_column_int(q, 11);
    r->window_from = (int)db_column_int(q, 12);
    r->window_to = (int)db_column_int(q, 13);
    r->timeout_offered = db_column_int(q, 14);
    r->timeout_downloading = db_column_int(q, 15);
    r->timeout_installing = db_column_int(q, 16);
    r->timeout_trial = db_column_int(q, 17);
    r->timeout_retry = db_column_int(q, 18);
    r->retries = (int)db_column_int(q, 19);
    r->retry_wait = db_column_int(q, 20);
    r->health_seconds = db_column_int(q, 21);
    r->health_events = db_column_int(q, 22);
    r->postpone_max = db_column_int(q, 23);
}

static void read_state(struct db_stmt *q, struct db_rollout *r)
{
    r->state = (int)db_column_int(q, 24);
    r->current = (int)db_column_int(q, 25);
    r->round = (int)db_column_int(q, 26);
    r->revision = db_column_int(q, 27);
    r->start_at = db_column_int(q, 28);
    r->started_at = db_column_int(q, 29);
    r->resumed_at = db_column_int(q, 30);
    r->ended_at = db_column_int(q, 31);
    r->halt_cause = (int)db_column_int(q, 32);
    r->halt_stage = (int)db_column_int(q, 33);
    r->halt_failures = db_column_int(q, 34);
    r->halt_successes = db_column_int(q, 35);
    r->halt_devices = db_column_int(q, 36);
    r->halt_at = db_column_int(q, 37);
    db_column_text(q, 38, r->halt_note, sizeof(r->halt_note));
}

static int read_groups(struct db *db, struct db_rollout *r)
{
    struct db_stmt *q =
        db_query(db, "SELECT group_id FROM rollout_groups WHERE rollout_id = ? ORDER BY group_id");
    int step;

    r->group_count = 0;
    db_bind_int(q, 1, r->id);
    while ((step = db_step(q)) == 1 && r->group_count < DB_ROLLOUT_GROUPS_MAX)
        r->groups[r->group_count++] = db_column_int(q, 0);
    return db_finish(q, step < 0 ? step : DB_OK);
}

static void read_stage(struct db_stmt *q, struct db_stage *s)
{
    s->group_id = db_column_int(q, 0);
    s->share_bp = (int)db_column_int(q, 1);
    s->success_percent = (int)db_column_int(q, 2);
    s->failure_percent = (int)db_column_int(q, 3);
    s->failure_count = db_column_int(q, 4);
    s->allowed_bp = (int)db_column_int(q, 5);
    s->suspect_bp = (int)db_column_int(q, 6);
    s->error_bp = (int)db_column_int(q, 7);
    s->soak_seconds = db_column_int(q, 8);
    s->offers_a_minute = db_column_int(q, 9);
    s->in_flight_max = db_column_int(q, 10);
    s->by_hand = db_column_int(q, 11) != 0;
    s->state = (int)db_column_int(q, 12);
    s->accepted = db_column_int(q, 13) != 0;
    s->started_at = db_column_int(q, 14);
    s->met_at = db_column_int(q, 15);
    s->done_at = db_column_int(q, 16);
    s->members = db_column_int(q, 17);
    s->excluded = db_column_int(q, 18);
}

static int read_stages(struct db *db, struct db_rollout *r)
{
    struct db_stmt *q = db_query(db, "SELECT " STAGE_SETTINGS ", " STAGE_STATE
                                     " FROM stages WHERE rollout_id = ? ORDER BY position");
    int step;

    r->stage_count = 0;
    db_bind_int(q, 1, r->id);
    while ((step = db_step(q)) == 1 && r->stage_count < DB_STAGES_MAX)
        read_stage(q, &r->stages[r->stage_count++]);
    return db_finish(q, step < 0 ? step : DB_OK);
}

int db_rollouts_each(struct db *db, int (*each)(void *ctx, const struct db_rollout *rollout),
                     void *ctx)
{
    struct db_stmt *q =
        db_query(db, "SELECT id, " SETTINGS ", " STATE " FROM rollouts ORDER BY id");
    struct db_rollout rollout;
    int stop = 0;
    int step = 0;

    while (stop == 0 && (step = db_step(q)) == 1) {
        read_settings(q, &rollout);
        read_state(q, &rollout);
        stop = read_groups(db, &rollout);
        if (stop == DB_OK)
            stop = read_stages(db, &rollout);
        if (stop == DB_OK)
            stop = each(ctx, &rollout);
    }
    return db_finish(q, stop != 0 ? stop : step);
}

/* ---- the log ---- */

int db_rollout_event_add(struct db *db, const struct db_rollout_event *event)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO rollout_events (rollout_id, at, event, stage, detail, actor)"
                     " VALUES (?,?,?,?,?,?)");

    db_bind_int(q, 1, event->rollout_id);
    db_bind_int(q, 2, event->at);
    db_bind_text(q, 3, event->event, DB_LABEL_MAX);
    db_bind_int(q, 4, event->stage);
    db_bind_text(q, 5, event->detail, DB_DETAIL_MAX);
    db_bind_text(q, 6, event->actor, DB_LABEL_MAX);
    return db_run(q);
}

int db_rollout_events_list(struct db *db, int64_t rollout_id, const struct db_page *page,
                           struct db_rollout_event *events)
{
    struct db_stmt *q =
        db_query(db, "SELECT id, rollout_id, at, event, stage, detail, actor FROM rollout_events"
                     " WHERE rollout_id = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3");
    int count = 0;
    int step;

    db_bind_int(q, 1, rollout_id);
    db_bind_int(q, 2, page->after);
    db_bind_int(q, 3, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit) {
        struct db_rollout_event *event = &events[count++];
        event->id = db_column_int(q, 0);
        event->rollout_id = db_column_int(q, 1);
        event->at = db_column_int(q, 2);
        db_column_text(q, 3, event->event, sizeof(event->event));
        event->stage = (int)db_column_int(q, 4);
        db_column_text(q, 5, event->detail, sizeof(event->detail));
        db_column_text(q, 6, event->actor, sizeof(event->actor));
    }
    return db_finish(q, step < 0 ? step : count);
}
