/* What is told, and how it is signed; hook_worker.c sends it. */
#include "server/hooks.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "protocol/text.h"
#include "server/hook_worker.h"
#include "server/json_writer.h"

#define DEPLOYMENT_HEALTH "deployment.health"

const char *const HOOKS_EVENTS[] = {
    "rollout.created",      "rollout.scheduled",   "rollout.started",
    "rollout.paused",       "rollout.resumed",     "rollout.met",
    "rollout.unmet",        "rollout.advanced",    "rollout.halted",
    "rollout.completed",    "rollout.cancelled",   "deployment.succeeded",
    "deployment.failed",    "deployment.reverted", "deployment.timed_out",
    "deployment.unhealthy", DEPLOYMENT_HEALTH,     NULL,
};

/* The rollout's log has the orders' words; outside it is one word, by whomever it came. */
static const char *word_of(const char *event)
{
    static const char *const words[][2] = {
        {"schedule", "scheduled"}, {"start", "started"},    {"pause", "paused"},
        {"resume", "resumed"},     {"advance", "advanced"}, {"halt", "halted"},
        {"cancel", "cancelled"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i][0], event) == 0)
            return words[i][1];
    return event;
}

static int tell(struct db *db, int64_t hook_id, const char *event, struct json_writer *body,
                uint64_t now)
{
    json_object_end(body);
    return json_failed(body) ? DB_E_LIMIT
                             : db_webhooks_tell(db, hook_id, event, body->text, (int64_t)now);
}

static void begin(struct json_writer *body, char *buf, size_t cap, const char *event, uint64_t now)
{
    json_init_fixed(body, buf, cap);
    json_object(body);
    json_put_string(body, "event", event);
    json_put_time(body, "time", (int64_t)now);
}

int hooks_tell_rollout(struct db *db, const struct fleet_rollout *rollout, const char *event,
                       const char *detail, const char *actor, uint64_t now)
{
    char name[DB_WEBHOOK_EVENT_MAX + 1];
    char version[OTA_VERSION_TEXT_MAX + 1];
    char text[DB_WEBHOOK_BODY_MAX + 1];
    struct json_writer body;
    int wanted;

    snprintf(name, sizeof(name), "rollout.%s", word_of(event));
    wanted = db_webhooks_want(db, name);
    if (wanted <= 0)
        return wanted;
    ota_version_format(&rollout->r.release.version, version, sizeof(version));
    begin(&body, text, sizeof(text), name, now);
    json_put_int(&body, "rollout", (int64_t)rollout->r.id);
    json_put_string(&body, "name", rollout->name);
    json_put_string(&body, "product", rollout->r.release.product);
    json_put_string(&body, "version", version);
    json_put_string(&body, "state", rollout_state_name(rollout->r.state));
    json_put_int(&body, "stage", rollout->r.current + 1);
    json_put_string(&body, "detail", detail);
    json_put_string(&body, "actor", actor);
    return tell(db, 0, name, &body, now);
}

static bool is_told(enum deployment_state state)
{
    return state == DEPLOYMENT_SUCCEEDED || deployment_failure(state);
}

static void put_try(struct json_writer *body, const struct fleet_device *device,
                    const struct fleet_try *try)
{
    json_put_int(body, "deployment", (int64_t)try->d.id);
    json_put_int(body, "rollout", (int64_t)try->d.rollout_id);
    json_put_string(body, "device", device->name);
    json_put_int(body, "stage", try->d.stage + 1);
    json_put_int(body, "attempt", try->d.attempt);
}

int hooks_tell_try(struct db *db, const struct fleet_device *device, const struct fleet_try *try,
                   uint64_t now)
{
    char name[DB_WEBHOOK_EVENT_MAX + 1];
    char text[DB_WEBHOOK_BODY_MAX + 1];
    struct json_writer body;
    int wanted;

    if (!is_told(try->d.state))
        return DB_OK;
    snprintf(name, sizeof(name), "deployment.%s", deployment_state_name(try->d.state));
    wanted = db_webhooks_want(db, name);
    if (wanted <= 0)
        return wanted;
    begin(&body, text, sizeof(text), name, now);
    put_try(&body, device, try);
    return tell(db, 0, name, &body, now);
}

int hooks_tell_health(struct db *db, const struct fleet_device *device, const struct fleet_try *try,
                      const struct ota_report *report, uint64_t now)
{
    char text[DB_WEBHOOK_BODY_MAX + 1];
    struct json_writer body;
    int wanted = db_webhooks_want(db, DEPLOYMENT_HEALTH);

    if (wanted <= 0)
        return wanted;
    begin(&body, text, sizeof(text), DEPLOYMENT_HEALTH, now);
    put_try(&body, device, try);
    json_put_int(&body, "events", report->events);
    json_key(&body, "reason");
    json_string_n(&body, report->reason.at, report->reason.len);
    return tell(db, 0, DEPLOYMENT_HEALTH, &body, now);
}

int hooks_tell_ping(struct db *db, int64_t hook_id, uint64_t now)
{
    char text[DB_WEBHOOK_BODY_MAX + 1];
    struct json_writer body;

    begin(&body, text, sizeof(text), "ping", now);
    return tell(db, hook_id, "ping", &body, now);
}

/* ---- signing ---- */

bool hooks_secret(const struct hooks *hooks, const uint8_t salt[DB_WEBHOOK_SALT_LEN],
                  char secret[HOOKS_SECRET_LEN + 1])
{
    static const char prefix[] = "otw_";
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const uint8_t *key = hook_worker_key(hooks);

    if (HMAC(EVP_sha256(), key, HOOK_KEY_LEN, salt, DB_WEBHOOK_SALT_LEN, mac, &len) == NULL)
        return false;
    memcpy(secret, prefix, sizeof(prefix) - 1);
    secret[HOOKS_SECRET_LEN] = '\0';
    return ota_base64url_encode(mac, len, secret + sizeof(prefix) - 1,
                                HOOKS_SECRET_LEN - (sizeof(prefix) - 1)) ==
           (int)(HOOKS_SECRET_LEN - (sizeof(prefix) - 1));
}

bool hooks_sign(const char *secret, int64_t now, const char *body, size_t len,
                char signature[HOOKS_SIGNATURE_LEN + 1])
{
    char text[DB_WEBHOOK_BODY_MAX + 32];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    int head = snprintf(text, sizeof(text), "%lld.", (long long)now);

    if (len > DB_WEBHOOK_BODY_MAX)
        return false;
    memcpy(text + head, body, len);
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text, (size_t)head + len,
             mac, &mac_len) == NULL ||
        mac_len * 2 != HOOKS_SIGNATURE_LEN)
        return false;
    ota_hex_encode(mac, mac_len, signature);
    return true;
}
