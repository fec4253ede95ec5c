#include "server/rollout_store.h"

#include <string.h>

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);

    if (len >= cap)
        len = cap - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

static bool parse_version(struct ota_version *version, bool *has, const char *text)
{
    *has = text[0] != '\0';
    return !*has || ota_version_parse(version, text, strlen(text)) == 0;
}

static void put_version(char *text, size_t cap, bool has, const struct ota_version *version)
{
    text[0] = '\0';
    if (has)
        ota_version_format(version, text, cap);
}

/* ---- to rows ---- */

static void stage_to_row(const struct rollout_stage *stage, struct db_stage *row)
{
    *row = (struct db_stage){
        .group_id = stage->rule == ROLLOUT_RULE_GROUP ? stage->group : 0,
        .share_bp = stage->share_bp,
        .success_percent = stage->success_percent,
        .failure_percent = stage->failure_percent,
        .failure_count = stage->failure_count,
        .allowed_bp = stage->sequential.allowed_bp,
        .suspect_bp = stage->sequential.suspect_bp,
        .error_bp = stage->sequential.error_bp,
        .soak_seconds = stage->soak_seconds,
        .offers_a_minute = stage->offers_a_minute,
        .in_flight_max = stage->in_flight_max,
        .by_hand = stage->by_hand,
        .state = (int)stage->state,
        .accepted = stage->accepted,
        .started_at = (int64_t)stage->started_at,
        .met_at = (int64_t)stage->met_at,
        .done_at = (int64_t)stage->done_at,
        .members = stage->counts.members,
        .excluded = stage->counts.excluded,
    };
}

static void settings_to_row(const struct rollout *r, struct db_rollout *row)
{
    row->seed = (int64_t)r->seed;
    row->security = r->release.security;
    put_version(row->version_min, sizeof(row->version_min), r->release.has_version_min,
                &r->release.version_min);
    put_version(row->running_min, sizeof(row->running_min), r->target.has_running_min,
                &r->target.running_min);
    put_version(row->running_max, sizeof(row->running_max), r->target.has_running_max,
                &r->target.running_max);
    copy_text(row->tags, sizeof(row->tags), r->target.tags.text);
    row->allow_downgrade = r->allow_downgrade;
    row->window_days = r->window.days;
    row->window_from = r->window.from_minute;
    row->window_to = r->window.to_minute;
    row->timeout_offered = r->timeouts.offered_seconds;
    row->timeout_downloading = r->timeouts.downloading_seconds;
    row->timeout_installing = r->timeouts.installing_seconds;
    row->timeout_trial = r->timeouts.trial_seconds;
    row->timeout_retry = r->timeouts.retry_seconds;
    row->retries = r->retries;
    row->retry_wait = r->retry_wait_seconds;
    row->health_seconds = r->health_seconds;
    row->health_events = r->health_events;
    row->postpone_max = r->postpone_seconds_max;
}

static void state_to_row(const struct rollout *r, struct db_rollout *row)
{
    row->state = (int)r->state;
    row->current = r->current;
    row->round = r->round;
    row->revision = (int64_t)r->revision;
    row->start_at = (int64_t)r->start_at;
    row->started_at = (int64_t)r->started_at;
    row->resumed_at = (int64_t)r->resumed_at;
    row->ended_at = (int64_t)r->ended_at;
    row->halt_cause = (int)r->halt.cause;
    row->halt_stage = r->halt.stage;
    row->halt_failures = r->halt.failures;
    row->halt_successes = r->halt.successes;
    row->halt_devices = r->halt.devices;
    row->halt_at = (int64_t)r->halt.at;
}

void rollout_to_row(const struct fleet_rollout *rollout, struct db_rollout *row)
{
    const struct rollout *r = &rollout->r;

    memset(row, 0, sizeof(*row));
    row->id = (int64_t)r->id;
    copy_text(row->name, sizeof(row->name), rollout->name);
    row->firmware_id = rollout->firmware_id;
    row->created_at = rollout->created_at;
    settings_to_row(r, row);
    state_to_row(r, row);
    copy_text(row->halt_note, sizeof(row->halt_note), rollout->halt_note);
    row->group_count = r->target.group_count;
    for (int i = 0; i < row->group_count; i++)
        row->groups[i] = r->target.groups[i];
    row->stage_count = r->stage_count;
    for (int i = 0; i < row->stage_count; i++)
        stage_to_row(&r->stages[i], &row->stages[i]);
}

/* ---- from rows ---- */

static void stage_from_row(struct rollout_stage *stage, const struct db_stage *row)
{
    *stage = (struct rollout_stage){
        .rule = row->group_id != 0 ? ROLLOUT_RULE_GROUP : ROLLOUT_RULE_SHARE,
        .group = (uint32_t)row->group_id,
        .share_bp = (uint16_t)row->share_bp,
        .success_percent = (uint8_t)row->success_percent,
        .failure_percent = (uint8_t)row->failure_percent,
        .failure_count = (uint32_t)row->failure_count,
        .sequential = {.allowed_bp = (uint16_t)row->allowed_bp,
                       .suspect_bp = (uint16_t)row->suspect_bp,
                       .error_bp = (uint16_t)row->error_bp},
        .soak_seconds = (uint32_t)row->soak_seconds,
        .offers_a_minute = (uint32_t)row->offers_a_minute,
        .in_flight_max = (uint32_t)row->in_flight_max,
        .by_hand = row->by_hand,
        .state = (enum rollout_stage_state)row->state,
        .accepted = row->accepted,
        .started_at = (uint64_t)row->started_at,
        .met_at = (uint64_t)row->met_at,
        .done_at = (uint64_t)row->done_at,
        .counts = {.members = (uint32_t)row->members, .excluded = (uint32_t)row->excluded},
    };
}

static bool settings_from_row(struct rollout *r, const struct db_rollout *row)
{
    struct ota_text tags = {row->tags, strlen(row->tags)};

    r->seed = (uint64_t)row->seed;
    r->release.security = row->security;
    r->allow_downgrade = row->allow_downgrade;
    r->window.days = (uint8_t)row->window_days;
    r->window.from_minute = (uint16_t)row->window_from;
    r->window.to_minute = (uint16_t)row->window_to;
    r->timeouts.offered_seconds = (uint32_t)row->timeout_offered;
    r->timeouts.downloading_seconds = (uint32_t)row->timeout_downloading;
    r->timeouts.installing_seconds = (uint32_t)row->timeout_installing;
    r->timeouts.trial_seconds = (uint32_t)row->timeout_trial;
    r->timeouts.retry_seconds = (uint32_t)row->timeout_retry;
    r->retries = (uint8_t)row->retries;
    r->retry_wait_seconds = (uint32_t)row->retry_wait;
    r->health_seconds = (uint32_t)row->health_seconds;
    r->health_events = (uint32_t)row->health_events;
    r->postpone_seconds_max = (uint32_t)row->postpone_max;
    return selector_parse(&r->target.tags, tags, NULL) == SELECTOR_OK &&
           parse_version(&r->release.version_min, &r->release.has_version_min, row->version_min) &&
           parse_version(&r->target.running_min, &r->target.has_running_min, row->running_min) &&
           parse_version(&r->target.running_max, &r->target.has_running_max, row->running_max);
}

static void state_from_row(struct rollout *r, const struct db_rollout *row)
{
    r->state = (enum rollout_state)row->state;
    r->current = (uint8_t)row->current;
    r->round = (uint16_t)row->round;
    r->revision = (uint64_t)row->revision;
    r->start_at = (uint64_t)row->start_at;
    r->started_at = (uint64_t)row->started_at;
    r->resumed_at = (uint64_t)row->resumed_at;
    r->ended_at = (uint64_t)row->ended_at;
    r->halt.cause = (enum rollout_halt_cause)row->halt_cause;
    r->halt.stage = (uint8_t)row->halt_stage;
    r->halt.failures = (uint32_t)row->halt_failures;
    r->halt.successes = (uint32_t)row->halt_successes;
    r->halt.devices = (uint32_t)row->halt_devices;
    r->halt.at = (uint64_t)row->halt_at;
}

bool rollout_set_firmware(struct fleet_rollout *rollout, const struct db_firmware *firmware)
{
    struct rollout_release *release = &rollout->r.release;

    copy_text(release->product, sizeof(release->product), firmware->product);
    copy_text(release->hardware, sizeof(release->hardware), firmware->hardware);
    release->counter = firmware->counter;
    memcpy(release->hash, firmware->hash, OTA_HASH_LEN);
    rollout->firmware_id = firmware->id;
    rollout->image_len = firmware->size;
    memcpy(rollout->sha256, firmware->sha256, OTA_HASH_LEN);
    memcpy(rollout->sig, firmware->signature, firmware->signature_len);
    rollout->sig_len = firmware->signature_len;
    return ota_version_parse(&release->version, firmware->version, strlen(firmware->version)) == 0;
}

bool rollout_from_row(struct fleet_rollout *rollout, const struct db_rollout *row,
                      const struct db_firmware *firmware)
{
    struct rollout *r = &rollout->r;

    memset(rollout, 0, sizeof(*rollout));
    rollout_init(r, (uint64_t)row->id);
    copy_text(rollout->name, sizeof(rollout->name), row->name);
    rollout->created_at = row->created_at;
    if (!settings_from_row(r, row) || !rollout_set_firmware(rollout, firmware) ||
        row->stage_count > ROLLOUT_STAGES_MAX || row->group_count > ROLLOUT_GROUPS_MAX)
        return false;
    state_from_row(r, row);
    copy_text(rollout->halt_note, sizeof(rollout->halt_note), row->halt_note);
    r->target.group_count = (uint8_t)row->group_count;
    for (int i = 0; i < row->group_count; i++)
        r->target.groups[i] = (uint32_t)row->groups[i];
    r->stage_count = (uint8_t)row->stage_count;
    for (int i = 0; i < row->stage_count; i++)
        stage_from_row(&r->stages[i], &row->stages[i]);
    return true;
}

/* ---- deployments ---- */

void deployment_to_row(const struct fleet_try *try, uint32_t device_id, struct db_deployment *row)
{
    const struct deployment *d = &try->d;

    *row = (struct db_deployment){
        .id = (int64_t)d->id,
        .rollout_id = (int64_t)d->rollout_id,
        .device_id = device_id,
        .seq = (int64_t)d->seq,
        .offered_at = (int64_t)d->offered_at,
        .changed_at = (int64_t)d->changed_at,
        .state = (int)d->state,
        .stage = d->stage,
        .percent = d->percent,
        .attempt = d->attempt,
        .round = d->round,
        .health = d->health,
        .inferred = d->inferred,
        .superseded = try->superseded,
        .events = try->events,
    };
}

void deployment_from_row(struct fleet_try *try, const struct db_deployment *row)
{
    memset(try, 0, sizeof(*try));
    try->events = (uint16_t)row->events;
    try->superseded = row->superseded;
    try->d = (struct deployment){
        .id = (uint64_t)row->id,
        .rollout_id = (uint64_t)row->rollout_id,
        .seq = (uint64_t)row->seq,
        .offered_at = (uint64_t)row->offered_at,
        .changed_at = (uint64_t)row->changed_at,
        .state = (enum deployment_state)row->state,
        .stage = (uint8_t)row->stage,
        .percent = (uint8_t)row->percent,
        .attempt = (uint8_t)row->attempt,
        .round = (uint16_t)row->round,
        .health = (uint16_t)row->health,
        .inferred = row->inferred,
    };
}
