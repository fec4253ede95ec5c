/* The settings of a rollout, between JSON and the engine's struct. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "server/api.h"
#include "server/body.h"
#include "server/rollout_store.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const DAYS[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* ---- in ---- */

struct settings {
    char name[DB_LABEL_MAX + 1];
    int64_t firmware;
    const cJSON *groups, *stages, *window, *timeouts;
    char tags[SELECTOR_TEXT_MAX + 1];
    char version_min[DB_VERSION_MAX + 1], running_min[DB_VERSION_MAX + 1],
        running_max[DB_VERSION_MAX + 1];
    bool has_version_min, has_security;
    bool security, allow_downgrade;
    int64_t timeout, retries, retry_wait, health, health_events, postpone, seed;
};

static bool read_settings(struct request *rq, struct settings *s)
{
    const int64_t year = ROLLOUT_SECONDS_MAX;
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, s->name, sizeof(s->name), 1, 0, NULL, false},
        {"firmware", BODY_INTEGER, true, &s->firmware, 0, 1, UINT32_MAX, NULL, false},
        {"groups", BODY_ARRAY, false, &s->groups, 0, 0, ROLLOUT_GROUPS_MAX, NULL, true},
        {"tags", BODY_STRING, false, s->tags, sizeof(s->tags), 0, 0, NULL, true},
        {"running_min", BODY_STRING, false, s->running_min, sizeof(s->running_min), 1, 0, NULL,
         true},
        {"running_max", BODY_STRING, false, s->running_max, sizeof(s->running_max), 1, 0, NULL,
         true},
        {"stages", BODY_ARRAY, true, &s->stages, 0, 0, ROLLOUT_STAGES_MAX, NULL, false},
        {"security", BODY_BOOL, false, &s->security, 0, 0, 0, &s->has_security, false},
        {"version_min", BODY_STRING, false, s->version_min, sizeof(s->version_min), 1, 0,
         &s->has_version_min, true},
        {"allow_downgrade", BODY_BOOL, false, &s->allow_downgrade, 0, 0, 0, NULL, false},
        {"window", BODY_OBJECT, false, &s->window, 0, 0, 0, NULL, true},
        {"timeout_seconds", BODY_INTEGER, false, &s->timeout, 0, 1, year, NULL, false},
        {"timeouts", BODY_OBJECT, false, &s->timeouts, 0, 0, 0, NULL, true},
        {"retries", BODY_INTEGER, false, &s->retries, 0, 0, ROLLOUT_RETRIES_MAX, NULL, false},
        {"retry_wait_seconds", BODY_INTEGER, false, &s->retry_wait, 0, 0, year, NULL, false},
        {"health_seconds", BODY_INTEGER, false, &s->health, 0, 0, year, NULL, false},
        {"health_events", BODY_INTEGER, false, &s->health_events, 0, 1, UINT16_MAX, NULL, false},
        {"postpone_seconds_max", BODY_INTEGER, false, &s->postpone, 0, 0, year, NULL, false},
        {"seed", BODY_INTEGER, false, &s->seed, 0, 1, OTA_JSON_INT_MAX, NULL, true},
    };

    *s = (struct settings){.timeout = ROLLOUT_TIMEOUT_DEFAULT, .health_events = 1};
    return body_read(rq, NULL, "", fields, COUNT(fields)) && body_check_label(rq, "name", s->name);
}

static bool read_groups(struct request *rq, const cJSON *groups, struct rollout *r)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, groups)
    {
        int64_t id;

        if (!cJSON_IsString(item))
            return body_invalid(rq, "", "groups", "must be names of groups");
        id = api_group_id(rq, rq->db, "groups", item->valuestring);
        if (id == 0)
            return false;
        r->target.groups[r->target.group_count++] = (uint32_t)id;
    }
    return true;
}

static bool read_tags(struct request *rq, const char *text, struct selector *tags)
{
    size_t at = 0;
    int error = selector_parse(tags, ota_text_of(text), &at);

    if (error == SELECTOR_OK)
        return true;
    if (error == SELECTOR_E_TOO_LONG)
        request_problem_in(rq, 400, "selector_invalid", "tags",
                           "tags: a selector has at most %d characters, %d requirements and %d "
                           "values.",
                           SELECTOR_TEXT_MAX, SELECTOR_REQUIREMENTS_MAX, SELECTOR_VALUES_MAX);
    else
        request_problem_in(rq, 400, "selector_invalid", "tags",
                           "tags: this is no selector from its character %zu on; one is "
                           "site=berlin,ring in (canary,beta),!lab",
                           at + 1);
    return false;
}

/* A version that may be left out: "" then. */
static bool read_version(struct request *rq, const char *name, const char *text, bool *has,
                         struct ota_version *version)
{
    *has = text[0] != '\0';
    if (!*has || ota_version_parse(version, text, strlen(text)) == 0)
        return true;
    return body_invalid(rq, "", name, "must be a version such as 1.2.3");
}

/* "22:00" into minutes; -1 for anything else. */
static int minutes_of(const char *text)
{
    int hour, minute;

    if (strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789:") != 5)
        return -1;
    hour = (text[0] - '0') * 10 + text[1] - '0';
    minute = (text[3] - '0') * 10 + text[4] - '0';
    return hour < 24 && minute >= 0 && minute < 60 ? hour * 60 + minute : -1;
}

static bool read_days(struct request *rq, const cJSON *days, uint8_t *bits)
{
    const cJSON *item;

    *bits = days == NULL ? WINDOW_EVERY_DAY : 0;
    cJSON_ArrayForEach(item, days)
    {
        size_t day = 0;

        while (day < COUNT(DAYS) &&
               !(cJSON_IsString(item) && strcmp(DAYS[day], item->valuestring) == 0))
            day++;
        if (day < COUNT(DAYS))
            *bits |= (uint8_t)(1U << day);
        else
            *bits = 0;
        if (day == COUNT(DAYS))
            break;
    }
    return *bits != 0 ||
           body_invalid(rq, "window", "days", "must be some of mon, tue, wed, thu, fri, sat, sun");
}

static bool read_window(struct request *rq, const cJSON *object, struct window *window)
{
    char from[16] = "", to[16] = "";
    const cJSON *days = NULL;
    const struct body_field fields[] = {
        {"days", BODY_ARRAY, false, &days, 0, 0, 7, NULL, false},
        {"from", BODY_STRING, true, from, sizeof(from), 0, 0, NULL, false},
        {"to", BODY_STRING, true, to, sizeof(to), 0, 0, NULL, false},
    };

    if (object == NULL)
        return true;
    if (!body_read(rq, object, "window", fields, COUNT(fields)) ||
        !read_days(rq, days, &window->days))
        return false;
    if (minutes_of(from) < 0 || minutes_of(to) < 0)
        return body_invalid(rq, "window", minutes_of(from) < 0 ? "from" : "to",
                            "must be a time from 00:00 to 23:59");
    window->from_minute = (uint16_t)minutes_of(from);
    window->to_minute = (uint16_t)minutes_of(to);
    return true;
}

static bool read_timeouts(struct request *rq, const cJSON *object, struct rollout_timeouts *t)
{
    const int64_t year = ROLLOUT_SECONDS_MAX;
    int64_t offered = t->offered_seconds, downloading = t->downloading_seconds,
            installing = t->installing_seconds, trial = t->trial_seconds, retry = t->retry_seconds;
    const struct body_field fields[] = {
        {"offered", BODY_INTEGER, false, &offered, 0, 1, year, NULL, false},
        {"downloading", BODY_INTEGER, false, &downloading, 0, 1, year, NULL, false},
        {"installing", BODY_INTEGER, false, &installing, 0, 1, year, NULL, false},
        {"trial", BODY_INTEGER, false, &trial, 0, 1, year, NULL, false},
        {"retry", BODY_INTEGER, false, &retry, 0, 1, year, NULL, false},
    };

    if (object != NULL && !body_read(rq, object, "timeouts", fields, COUNT(fields)))
        return false;
    *t = (struct rollout_timeouts){(uint32_t)offered, (uint32_t)downloading, (uint32_t)installing,
                                   (uint32_t)trial, (uint32_t)retry};
    return true;
}

static bool read_sequential(struct request *rq, const cJSON *object, const char *stage,
                            struct sequential *test)
{
    char where[40];
    int64_t allowed = 0, suspect = 0, confidence = 9500;
    const struct body_field fields[] = {
        {"allowed_bp", BODY_INTEGER, true, &allowed, 0, 1, 9998, NULL, false},
        {"suspect_bp", BODY_INTEGER, true, &suspect, 0, 2, 9999, NULL, false},
        {"confidence_bp", BODY_INTEGER, false, &confidence, 0, 5000, 9999, NULL, false},
    };

    if (object == NULL)
        return true;
    snprintf(where, sizeof(where), "%s.sequential", stage);
    if (!body_read(rq, object, where, fields, COUNT(fields)))
        return false;
    *test = (struct sequential){.allowed_bp = (uint16_t)allowed,
                                .suspect_bp = (uint16_t)suspect,
                                .error_bp = (uint16_t)((int64_t)SEQUENTIAL_WHOLE_BP - confidence)};
    return true;
}

static int64_t group_of(struct request *rq, const char *where, const char *group)
{
    char field[32];

    snprintf(field, sizeof(field), "%s.group", where);
    return api_group_id(rq, rq->db, field, group);
}

/* Who is in the stage: a group, or a share of the target in hundredths of a percent. */
static bool read_rule(struct request *rq, const char *where, const char *group, int64_t percent,
                      struct rollout_stage *stage)
{
    if ((group[0] != '\0') == (percent != 0)) {
        request_problem_in(rq, 400, "rollout_invalid", where,
                           "%s must have either group or percent.", where);
        return false;
    }
    stage->rule = percent != 0 ? ROLLOUT_RULE_SHARE : ROLLOUT_RULE_GROUP;
    stage->share_bp = (uint16_t)percent;
    if (percent == 0)
        stage->group = (uint32_t)group_of(rq, where, group);
    return !request_is_over(rq);
}

static bool read_stage(struct request *rq, const cJSON *object, int position,
                       struct rollout_stage *stage)
{
    char where[24];
    char group[DB_LABEL_MAX + 1] = "";
    const cJSON *sequential = NULL;
    int64_t percent = 0, success = 100, failure_percent = 0, failure_count = 0, soak = 0;
    int64_t offers = 0, in_flight = 0;
    const struct body_field fields[] = {
        {"group", BODY_STRING, false, group, sizeof(group), 1, 0, NULL, false},
        {"percent", BODY_HUNDREDTHS, false, &percent, 0, 1, ROLLOUT_SHARE_WHOLE, NULL, false},
        {"success_percent", BODY_INTEGER, false, &success, 0, 0, 100, NULL, false},
        {"failure_percent", BODY_INTEGER, false, &failure_percent, 0, 1, 100, NULL, true},
        {"failure_count", BODY_INTEGER, false, &failure_count, 0, 1, UINT32_MAX, NULL, true},
        {"sequential", BODY_OBJECT, false, &sequential, 0, 0, 0, NULL, true},
        {"soak_seconds", BODY_INTEGER, false, &soak, 0, 0, ROLLOUT_SECONDS_MAX, NULL, false},
        {"offers_a_minute", BODY_INTEGER, false, &offers, 0, 1, UINT32_MAX, NULL, true},
        {"in_flight_max", BODY_INTEGER, false, &in_flight, 0, 1, UINT32_MAX, NULL, true},
        {"by_hand", BODY_BOOL, false, &stage->by_hand, 0, 0, 0, NULL, false},
    };

    *stage = (struct rollout_stage){.by_hand = false};
    snprintf(where, sizeof(where), "stages[%d]", position);
    if (!body_read(rq, object, where, fields, COUNT(fields)) ||
        !read_sequential(rq, sequential, where, &stage->sequential))
        return false;
    stage->success_percent = (uint8_t)success;
    stage->failure_percent = (uint8_t)failure_percent;
    stage->failure_count = (uint32_t)failure_count;
    stage->soak_seconds = (uint32_t)soak;
    stage->offers_a_minute = (uint32_t)offers;
    stage->in_flight_max = (uint32_t)in_flight;
    return read_rule(rq, where, group, percent, stage);
}

static bool read_stages(struct request *rq, const cJSON *stages, struct rollout *r)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, stages)
    {
        if (!read_stage(rq, item, r->stage_count, &r->stages[r->stage_count]))
            return false;
        r->stage_count++;
    }
    return true;
}

/* The member of the body that a flaw is in: of the stage, or of the whole (*of_stage false then).
 */
static const char *member_of(enum rollout_flaw flaw, bool *of_stage)
{
    static const struct {
        enum rollout_flaw flaw;
        bool of_stage;
        const char *member;
    } members[] = {
        {ROLLOUT_FLAW_NO_STAGE, false, "stages"},      {ROLLOUT_FLAW_TARGET, false, "running_min"},
        {ROLLOUT_FLAW_WINDOW, false, "window"},        {ROLLOUT_FLAW_SHARE_ORDER, true, "percent"},
        {ROLLOUT_FLAW_SHARE_LAST, true, "percent"},    {ROLLOUT_FLAW_GROUP, true, "group"},
        {ROLLOUT_FLAW_SEQUENTIAL, true, "sequential"},
    };

    for (size_t i = 0; i < COUNT(members); i++) {
        if (members[i].flaw == flaw) {
            *of_stage = members[i].of_stage;
            return members[i].member;
        }
    }
    *of_stage = false;
    return "stages";
}

static bool check(struct request *rq, const struct rollout *r)
{
    uint8_t stage = 0;
    enum rollout_flaw flaw = rollout_check(r, &stage);
    const char *sentence = rollout_flaw_sentence(flaw);
    bool of_stage;
    const char *member = member_of(flaw, &of_stage);
    char field[48];

    if (flaw == ROLLOUT_FLAW_NONE)
        return true;
    if (!of_stage) {
        request_problem_in(rq, 400, "rollout_invalid", member, "%s", sentence);
        return false;
    }
    snprintf(field, sizeof(field), "stages[%d].%s", stage, member);
    request_problem_in(rq, 400, "rollout_invalid", field, "Stage %d: %s", stage + 1, sentence);
    return false;
}

static bool read_firmware(struct request *rq, int64_t id, struct fleet_rollout *rollout)
{
    struct db_firmware firmware;
    int error = db_firmware_get(rq->db, id, &firmware);

    if (error == DB_E_NOT_FOUND)
        request_problem_in(rq, 400, "firmware_unknown", "firmware",
                           "There is no firmware with the id %lld.", (long long)id);
    else if (error != DB_OK)
        request_fail(rq, error);
    else if (!rollout_set_firmware(rollout, &firmware))
        request_fail(rq, DB_E_CORRUPT);
    if (request_is_over(rq))
        return false;
    rollout->r.release.security = firmware.security;
    return read_version(rq, "version_min", firmware.version_min,
                        &rollout->r.release.has_version_min, &rollout->r.release.version_min);
}

static void copy_numbers(const struct settings *s, struct rollout *r)
{
    if (s->has_security)
        r->release.security = s->security;
    r->allow_downgrade = s->allow_downgrade;
    r->retries = (uint8_t)s->retries;
    r->retry_wait_seconds = (uint32_t)s->retry_wait;
    r->health_seconds = (uint32_t)s->health;
    r->health_events = (uint32_t)s->health_events;
    r->postpone_seconds_max = (uint32_t)s->postpone;
    r->seed = (uint64_t)s->seed;
}

bool api_read_rollout(struct request *rq, struct fleet_rollout *rollout)
{
    struct rollout *r = &rollout->r;
    struct settings s;

    rollout_init(r, 0);
    if (!read_settings(rq, &s) || !read_firmware(rq, s.firmware, rollout))
        return false;
    rollout->created_at = (int64_t)app_now();
    memcpy(rollout->name, s.name, sizeof(s.name));
    rollout_set_timeouts(r, (uint32_t)s.timeout);
    copy_numbers(&s, r);
    return (!s.has_version_min ||
            read_version(rq, "version_min", s.version_min, &r->release.has_version_min,
                         &r->release.version_min)) &&
           read_version(rq, "running_min", s.running_min, &r->target.has_running_min,
                        &r->target.running_min) &&
           read_version(rq, "running_max", s.running_max, &r->target.has_running_max,
                        &r->target.running_max) &&
           read_tags(rq, s.tags, &r->target.tags) && read_groups(rq, s.groups, r) &&
           read_window(rq, s.window, &r->window) && read_timeouts(rq, s.timeouts, &r->timeouts) &&
           read_stages(rq, s.stages, r) && check(rq, r);
}

/* ---- out ---- */

static void put_optional(struct json_writer *out, const char *key, int64_t value)
{
    if (value != 0)
        json_put_int(out, key, value);
    else
        json_put_null(out, key);
}

static void put_version(struct json_writer *out, const char *key, bool has,
                        const struct ota_version *version)
{
    char text[DB_VERSION_MAX + 1];

    if (!has) {
        json_put_null(out, key);
        return;
    }
    ota_version_format(version, text, sizeof(text));
    json_put_string(out, key, text);
}

static void put_sequential(struct json_writer *out, const struct sequential *test)
{
    json_key(out, "sequential");
    if (test->allowed_bp == 0) {
        json_null(out);
        return;
    }
    json_object(out);
    json_put_int(out, "allowed_bp", test->allowed_bp);
    json_put_int(out, "suspect_bp", test->suspect_bp);
    json_put_int(out, "confidence_bp", (int64_t)SEQUENTIAL_WHOLE_BP - test->error_bp);
    json_object_end(out);
}

void api_put_stage_settings(struct json_writer *out, struct db *db,
                            const struct rollout_stage *stage)
{
    char group[DB_LABEL_MAX + 1];

    if (stage->rule == ROLLOUT_RULE_GROUP) {
        api_group_name(db, stage->group, group);
        json_put_string(out, "group", group);
    } else {
        json_put_hundredths(out, "percent", stage->share_bp);
    }
    json_put_int(out, "success_percent", stage->success_percent);
    put_optional(out, "failure_percent", stage->failure_percent);
    put_optional(out, "failure_count", stage->failure_count);
    put_sequential(out, &stage->sequential);
    json_put_int(out, "soak_seconds", stage->soak_seconds);
    put_optional(out, "offers_a_minute", stage->offers_a_minute);
    put_optional(out, "in_flight_max", stage->in_flight_max);
    json_put_bool(out, "by_hand", stage->by_hand);
}

static void put_window(struct json_writer *out, const struct window *window)
{
    char time[16];

    json_key(out, "window");
    if (window->days == 0) {
        json_null(out);
        return;
    }
    json_object(out);
    json_key(out, "days");
    json_array(out);
    for (size_t day = 0; day < COUNT(DAYS); day++)
        if ((window->days >> day & 1U) != 0)
            json_string(out, DAYS[day]);
    json_array_end(out);
    snprintf(time, sizeof(time), "%02u:%02u", window->from_minute / 60U, window->from_minute % 60U);
    json_put_string(out, "from", time);
    snprintf(time, sizeof(time), "%02u:%02u", window->to_minute / 60U, window->to_minute % 60U);
    json_put_string(out, "to", time);
    json_object_end(out);
}

static void put_target(struct json_writer *out, struct db *db, const struct rollout_target *target)
{
    char group[DB_LABEL_MAX + 1];

    json_key(out, "groups");
    json_array(out);
    for (int i = 0; i < target->group_count; i++) {
        api_group_name(db, target->groups[i], group);
        json_string(out, group);
    }
    json_array_end(out);
    json_put_string(out, "tags", target->tags.text);
    put_version(out, "running_min", target->has_running_min, &target->running_min);
    put_version(out, "running_max", target->has_running_max, &target->running_max);
}

static void put_times(struct json_writer *out, const struct rollout *r)
{
    json_put_int(out, "timeout_seconds", r->timeouts.offered_seconds);
    json_key(out, "timeouts");
    json_object(out);
    json_put_int(out, "offered", r->timeouts.offered_seconds);
    json_put_int(out, "downloading", r->timeouts.downloading_seconds);
    json_put_int(out, "installing", r->timeouts.installing_seconds);
    json_put_int(out, "trial", r->timeouts.trial_seconds);
    json_put_int(out, "retry", r->timeouts.retry_seconds);
    json_object_end(out);
    json_put_int(out, "retries", r->retries);
    json_put_int(out, "retry_wait_seconds", r->retry_wait_seconds);
    json_put_int(out, "health_seconds", r->health_seconds);
    json_put_int(out, "health_events", r->health_events > 0 ? r->health_events : 1);
    json_put_int(out, "postpone_seconds_max", r->postpone_seconds_max);
}

void api_put_settings(struct json_writer *out, struct db *db, const struct fleet_rollout *rollout)
{
    const struct rollout *r = &rollout->r;

    json_put_int(out, "id", (int64_t)r->id);
    json_put_string(out, "name", rollout->name);
    json_put_int(out, "firmware", rollout->firmware_id);
    json_put_string(out, "product", r->release.product);
    json_put_string(out, "hardware", r->release.hardware);
    put_version(out, "version", true, &r->release.version);
    json_put_bool(out, "security", r->release.security);
    put_version(out, "version_min", r->release.has_version_min, &r->release.version_min);
    put_target(out, db, &r->target);
    json_put_bool(out, "allow_downgrade", r->allow_downgrade);
    put_window(out, &r->window);
    put_times(out, r);
    json_put_int(out, "seed", (int64_t)r->seed);
}
