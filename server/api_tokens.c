#include <string.h>

#include "db/keys.h"
#include "db/tokens.h"
#include "protocol/text.h"
#include "server/api.h"
#include "server/body.h"

/* ---- API tokens ---- */

static void put_token(struct json_writer *out, const struct db_api_token *token,
                      const struct secret *secret)
{
    json_object(out);
    json_put_int(out, "id", token->id);
    json_put_string(out, "name", token->name);
    json_put_string(out, "role", role_name((enum role)token->role));
    json_put_time(out, "created_at", token->created_at);
    json_put_time(out, "expires_at", token->expires_at);
    json_put_time(out, "revoked_at", token->revoked_at);
    if (secret != NULL)
        json_put_string(out, "token", secret->text);
    json_object_end(out);
}

void api_tokens_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_api_token tokens[DB_PAGE_MAX];
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    count = db_tokens_list(request_reader(rq), &page, tokens);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_token(out, &tokens[i], NULL);
    api_list_end(rq, count == page.limit ? tokens[count - 1].id : 0);
}

void api_token_read(struct request *rq)
{
    body_parse(rq);
}

void api_token_write(struct request *rq)
{
    struct db_api_token token = {.created_at = (int64_t)app_now()};
    char role[16] = "";
    int64_t expires = 0;
    enum role parsed;
    struct secret secret;
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, token.name, sizeof(token.name), 1, 0, NULL, false},
        {"role", BODY_STRING, true, role, sizeof(role), 1, 0, NULL, false},
        {"expires_in_seconds", BODY_INTEGER, false, &expires, 0, 1, 315360000, NULL, false},
    };
    int error;

    if (!body_read(rq, NULL, "", fields, 3) || !body_check_label(rq, "name", token.name))
        return;
    if (!role_parse(&parsed, role)) {
        body_invalid(rq, "", "role", "must be viewer, operator or admin");
        return;
    }
    if (!secret_make(&secret, SECRET_API)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    token.role = (int)parsed;
    token.expires_at = expires > 0 ? token.created_at + expires : 0;
    memcpy(token.hash, secret.hash, sizeof(token.hash));
    error = db_token_add(rq->db, &token);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_token(request_json(rq, 201), &token, &secret);
    secret_wipe(&secret);
}

void api_token_delete(struct request *rq)
{
    int64_t id = request_id(rq, 0, "API token");
    int64_t now = (int64_t)app_now();
    struct db_api_token token;
    int error = id != 0 ? db_token_get(rq->db, id, &token) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_OK && token.revoked_at == 0 && token.role == ROLE_ADMIN &&
        token.expires_at == 0 && db_tokens_in_force(rq->db, ROLE_ADMIN, now) == 1) {
        request_problem(rq, 409, "last_admin",
                        "This is the last admin token; without it nobody could make another.");
        return;
    }
    if (error == DB_OK)
        error = db_token_revoke(rq->db, id, now);
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no API token with this id in force.");
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}

/* ---- enrolment keys ---- */

static const char *policy_name(enum db_enrolment_policy policy)
{
    return policy == DB_ENROL_ACCEPT ? "accept" : "pending";
}

static void put_enrolment_key(struct json_writer *out, struct db *db,
                              const struct db_enrolment_key *key, const struct secret *secret)
{
    char group[DB_LABEL_MAX + 1];

    api_group_name(db, key->group_id, group);
    json_object(out);
    json_put_int(out, "id", key->id);
    json_put_string(out, "name", key->name);
    json_put_string(out, "product", key->product);
    json_put_string(out, "policy", policy_name(key->policy));
    if (key->group_id != 0)
        json_put_string(out, "group", group);
    else
        json_put_null(out, "group");
    json_put_time(out, "created_at", key->created_at);
    if (secret != NULL)
        json_put_string(out, "key", secret->text);
    json_object_end(out);
}

void api_enrolment_keys_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_enrolment_key keys[DB_PAGE_MAX];
    struct db *db = request_reader(rq);
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    count = db_enrolment_keys_list(db, &page, keys);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_enrolment_key(out, db, &keys[i], NULL);
    api_list_end(rq, count == page.limit ? keys[count - 1].id : 0);
}

void api_enrolment_key_read(struct request *rq)
{
    body_parse(rq);
}

static bool check_enrolment_key(struct request *rq, struct db_enrolment_key *key,
                                const char *policy, const char *group)
{
    if (!body_check_label(rq, "name", key->name) ||
        !body_check_image_name(rq, "product", key->product))
        return false;
    if (strcmp(policy, "accept") != 0 && strcmp(policy, "pending") != 0)
        return body_invalid(rq, "", "policy", "must be accept or pending");
    key->policy = strcmp(policy, "accept") == 0 ? DB_ENROL_ACCEPT : DB_ENROL_PENDING;
    if (group[0] != '\0')
        key->group_id = api_group_id(rq, rq->db, "group", group);
    return !request_is_over(rq);
}

void api_enrolment_key_write(struct request *rq)
{
    struct db_enrolment_key key = {.created_at = (int64_t)app_now()};
    char policy[16] = "";
    char group[DB_LABEL_MAX + 1] = "";
    struct secret secret;
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, key.name, sizeof(key.name), 1, 0, NULL, false},
        {"product", BODY_STRING, true, key.product, sizeof(key.product), 1, 0, NULL, false},
        {"policy", BODY_STRING, true, policy, sizeof(policy), 1, 0, NULL, false},
        {"group", BODY_STRING, false, group, sizeof(group), 1, 0, NULL, true},
    };
    int error;

    if (!body_read(rq, NULL, "", fields, 4) || !check_enrolment_key(rq, &key, policy, group))
        return;
    if (!secret_make(&secret, SECRET_ENROLMENT)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    memcpy(key.hash, secret.hash, sizeof(key.hash));
    error = db_enrolment_key_add(rq->db, &key);
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "enrolment_key_exists",
                        "There is an enrolment key with the name %s already.", key.name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        put_enrolment_key(request_json(rq, 201), rq->db, &key, &secret);
    secret_wipe(&secret);
}

void api_enrolment_key_delete(struct request *rq)
{
    int64_t id = request_id(rq, 0, "enrolment key");
    struct db_enrolment_key key;
    int error = id != 0 ? db_enrolment_key_get(rq->db, id, &key) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_OK)
        error = db_enrolment_key_delete(rq->db, id);
    if (error == DB_OK)
        error = db_dead_token_add(rq->db, key.hash, "revoked", (int64_t)app_now());
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no enrolment key with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}
