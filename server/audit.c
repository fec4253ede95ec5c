#include "server/audit.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "/api/v1/"

static const char *verb_of(const char *method)
{
    static const char *const words[][2] = {
        {"POST", "create"}, {"PUT", "set"}, {"PATCH", "change"}, {"DELETE", "delete"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i][0], method) == 0)
            return words[i][1];
    return "use";
}

/* The subject's plural, and the last segment of the pattern or the method's verb. */
void audit_action(const struct route *route, char action[DB_AUDIT_WORD_MAX + 1])
{
    const char *at = route->pattern;
    const char *last = strrchr(at, '/') + 1;
    int len;

    if (strncmp(at, PREFIX, strlen(PREFIX)) == 0)
        at += strlen(PREFIX);
    len = (int)strcspn(at, "/");
    if (last == at || strcmp(last, "{}") == 0)
        last = verb_of(route->method);
    snprintf(action, DB_AUDIT_WORD_MAX + 1, "%.*s.%s", len, at, last);
}

/* What was created stands first in the answer, `{"id":7,` or `{"id":"lamp-1",`; everything else in
 * the path. */
static void put_subject(const struct request *rq, char *subject, size_t cap)
{
    static const char head[] = "{\"id\":";
    const char *text = rq->out.text;

    if (rq->params[0] != NULL) {
        snprintf(subject, cap, "%.*s", DB_DEVICE_NAME_MAX, rq->params[0]);
    } else if (text != NULL && strncmp(text, head, sizeof(head) - 1) == 0) {
        text += sizeof(head) - 1;
        text += *text == '"';
        snprintf(subject, cap, "%.*s", (int)strcspn(text, "\","), text);
    }
}

/* What was sent, but for passwords and the like. */
static void put_detail(const cJSON *json, char *detail, size_t cap)
{
    static const char *const secrets[] = {"password", "new_password", "secret", "token", "key"};
    cJSON *copy = json != NULL ? cJSON_Duplicate(json, true) : NULL;
    char *text;

    for (size_t i = 0; copy != NULL && i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (cJSON_HasObjectItem(copy, secrets[i]))
            cJSON_ReplaceItemInObjectCaseSensitive(copy, secrets[i], cJSON_CreateString("***"));
    text = copy != NULL ? cJSON_PrintUnformatted(copy) : NULL;
    if (text != NULL)
        snprintf(detail, cap, "%s", text);
    cJSON_free(text);
    cJSON_Delete(copy);
}

int audit_request(struct request *rq, struct db *db)
{
    struct db_audit entry;
    char peer[REQUEST_PEER_CAP];

    if (rq->who.role < ROLE_VIEWER || rq->who.role > ROLE_ADMIN)
        return DB_OK;
    entry = (struct db_audit){.at = (int64_t)app_now(), .actor_id = rq->who.id};
    snprintf(entry.actor, sizeof(entry.actor), "%s", rq->who.name);
    snprintf(entry.kind, sizeof(entry.kind), "%s", rq->who.is_user ? "user" : "token");
    snprintf(entry.role, sizeof(entry.role), "%s", role_name(rq->who.role));
    snprintf(entry.peer, sizeof(entry.peer), "%s", request_peer(rq, peer));
    put_subject(rq, entry.subject, sizeof(entry.subject));
    audit_action(rq->route, entry.action);
    put_detail(rq->json, entry.detail, sizeof(entry.detail));
    return db_audit_add(db, &entry);
}

int audit_command(struct db *db, const char *action, const char *detail)
{
    struct db_audit entry = {.at = (int64_t)app_now(),
                             .actor = "otad",
                             .kind = "program",
                             .role = "admin",
                             .peer = "local"};

    snprintf(entry.action, sizeof(entry.action), "%s", action);
    snprintf(entry.detail, sizeof(entry.detail), "%s", detail);
    return db_audit_add(db, &entry);
}
