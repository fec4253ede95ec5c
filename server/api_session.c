/* Signing in to the dashboard, and out. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "db/tokens.h"
#include "db/users.h"
#include "server/api.h"
#include "server/body.h"
#include "server/password.h"
#include "server/session.h"
#include "server/throttle.h"

#define HASHING_MAX 2 /* passwords at a time: each takes 32 MB */

/* Failed tries. A known browser has its own, so that nobody can use up those of the operator. */
static const struct throttle_rate BY_BROWSER = {10, 30};
static const struct throttle_rate BY_ADDRESS = {10, 30};
static const struct throttle_rate BY_ACCOUNT = {20, 60};

struct credentials {
    char user[DB_LABEL_MAX + 1];
    char password[PASSWORD_MAX + 1];
    char token[SECRET_LEN + 1];
    bool has_user;
    bool has_password;
    bool has_token;
};

/* ---- limits ---- */

struct keys {
    char browser[DB_LABEL_MAX + 16]; /* "" when it is not known */
    char address[64];
    char account[DB_LABEL_MAX + 16];
};

/* A client of IPv6 has a whole /64. */
static void make_keys(struct request *rq, const char *user, bool known, struct keys *keys)
{
    char peer[REQUEST_PEER_CAP];
    const char *end = request_peer(rq, peer);

    for (int colons = 0; *end != '\0' && colons < 4; end++)
        if (*end == ':' && ++colons == 4)
            break;
    snprintf(keys->address, sizeof(keys->address), "address %.*s", (int)(end - peer), peer);
    snprintf(keys->account, sizeof(keys->account), "account %s", user);
    keys->browser[0] = '\0';
    if (known)
        snprintf(keys->browser, sizeof(keys->browser), "browser %s", user);
}

/* Take a try, 0, or the seconds to wait. */
static uint32_t take_try(struct throttle *throttle, const struct keys *keys)
{
    uint64_t now = app_now();
    uint32_t wait;

    if (keys->browser[0] != '\0')
        return throttle_take(throttle, keys->browser, BY_BROWSER, now);
    wait = throttle_take(throttle, keys->address, BY_ADDRESS, now);
    if (wait != 0)
        return wait;
    wait = throttle_take(throttle, keys->account, BY_ACCOUNT, now);
    if (wait != 0)
        throttle_give(throttle, keys->address, BY_ADDRESS);
    return wait;
}

static void give_try(struct throttle *throttle, const struct keys *keys)
{
    if (keys->browser[0] != '\0') {
        throttle_give(throttle, keys->browser, BY_BROWSER);
        return;
    }
    throttle_give(throttle, keys->address, BY_ADDRESS);
    throttle_give(throttle, keys->account, BY_ACCOUNT);
}

static void refuse(struct request *rq, const char *code, const char *detail)
{
    request_problem(rq, 401, code, "%s", detail);
    request_add_header(rq, "WWW-Authenticate", "Bearer realm=\"otad\"");
}

static void refuse_for_now(struct request *rq, uint32_t wait)
{
    request_problem(
        rq, 429, "sign_in_limited",
        "Too many failed sign-ins. Try again in %u seconds, or sign in with an API token.", wait);
    rq->answer.retry_after = wait;
}

static void refuse_busy(struct request *rq)
{
    request_problem(rq, 429, "sign_in_busy", "Others are signing in right now. Try again.");
    rq->answer.retry_after = 1;
}

/* ---- sign in ---- */

void api_session_read(struct request *rq)
{
    if (session_same_origin(rq))
        body_parse(rq);
}

static bool read_credentials(struct request *rq, struct credentials *c)
{
    const struct body_field fields[] = {
        {"user", BODY_STRING, false, c->user, sizeof(c->user), 1, 0, &c->has_user, false},
        {"password", BODY_STRING, false, c->password, sizeof(c->password), 1, 0, &c->has_password,
         false},
        {"token", BODY_STRING, false, c->token, sizeof(c->token), 1, 0, &c->has_token, false},
    };

    if (!body_read(rq, NULL, "", fields, 3))
        return false;
    if (c->has_user == c->has_password && c->has_user != c->has_token)
        return true;
    request_problem(rq, 400, "field_invalid", "Send either user and password, or token.");
    return false;
}

/* On its own thread: hashing takes a good part of a second. */
static bool check_password(struct request *rq, const char *password, const char *hashed)
{
    bool matches = false;

    if (atomic_fetch_add(&rq->app->hashing, 1) < HASHING_MAX)
        matches = password_matches(password, hashed);
    else
        refuse_busy(rq);
    atomic_fetch_sub(&rq->app->hashing, 1);
    return matches;
}

static void check_user(struct request *rq, const struct credentials *c)
{
    struct db_user user;
    struct keys keys = {.browser = ""};
    uint32_t wait;
    int error = db_user_find(request_reader(rq), c->user, &user);
    bool found = error == DB_OK;

    request_reader_release(rq);
    if (!found && error != DB_E_NOT_FOUND) {
        request_db_problem(rq, error);
        return;
    }
    make_keys(rq, c->user, found && session_is_known_browser(rq, &user), &keys);
    wait = take_try(rq->app->sign_ins, &keys);
    if (wait != 0) {
        refuse_for_now(rq, wait);
        return;
    }
    if (check_password(rq, c->password, found ? user.password : NULL)) {
        give_try(rq->app->sign_ins, &keys);
        rq->as.sign_in.user_id = user.id;
        rq->who = (struct principal){.role = (enum role)user.role, .id = user.id, .is_user = true};
        memcpy(rq->who.name, user.name, sizeof(user.name));
    } else if (!request_is_over(rq)) {
        refuse(rq, "sign_in_failed", "User or password is wrong.");
    } else {
        give_try(rq->app->sign_ins, &keys); /* it was not looked at */
    }
}

/* Tokens can't be guessed, so they are not counted. */
static void check_token(struct request *rq, const char *text)
{
    struct db_api_token token;
    uint8_t hash[SECRET_HASH_LEN];
    int error = DB_E_NOT_FOUND;

    if (secret_kind_of(text, strlen(text)) == SECRET_API && secret_hash(text, strlen(text), hash))
        error = db_token_find(request_reader(rq), hash, &token);
    request_reader_release(rq);
    if (error != DB_OK && error != DB_E_NOT_FOUND) {
        request_db_problem(rq, error);
    } else if (error != DB_OK) {
        refuse(rq, "sign_in_failed",
               "This is no API token of this server. Tokens begin with ota_; `otad token add` "
               "makes one.");
    } else if (token.revoked_at != 0 ||
               (token.expires_at != 0 && token.expires_at <= (int64_t)app_now())) {
        refuse(rq, "sign_in_failed",
               "This API token has expired or was revoked. Ask an admin for another.");
    } else {
        rq->as.sign_in.token_id = token.id;
        rq->who = (struct principal){.role = (enum role)token.role, .id = token.id};
        memcpy(rq->who.name, token.name, sizeof(token.name));
    }
}

void api_session_settle(struct request *rq)
{
    struct credentials c = {.has_user = false};

    if (read_credentials(rq, &c)) {
        if (c.has_user)
            check_user(rq, &c);
        else
            check_token(rq, c.token);
    }
    OPENSSL_cleanse(&c, sizeof(c));
    OPENSSL_cleanse(rq->body, rq->len);
}

static void put_session(struct request *rq, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "name", rq->who.name);
    json_put_string(out, "kind", rq->who.is_user ? "user" : "token");
    json_put_string(out, "role", role_name(rq->who.role));
    json_put_time(out, "expires_at", rq->who.until);
    json_object_end(out);
}

/* A new session of the one who asks, and its cookies. */
static void open_session(struct request *rq, unsigned status, int64_t user_id, int64_t token_id)
{
    int64_t now = (int64_t)app_now();
    struct db_session session = {.user_id = user_id,
                                 .token_id = token_id,
                                 .created_at = now,
                                 .expires_at = now + SESSION_SECONDS};
    struct db_user user;
    struct secret secret;
    int error;

    if (!secret_make(&secret, SECRET_SESSION)) {
        request_fail(rq, DB_E_INTERNAL);
        return;
    }
    memcpy(session.hash, secret.hash, DB_HASH_LEN);
    error = db_session_add(rq->db, &session, SESSIONS_KEPT);
    if (error == DB_OK && user_id != 0)
        error = db_user_get(rq->db, user_id, &user);
    if (error != DB_OK) {
        request_fail(rq, error);
    } else {
        rq->who.until = session.expires_at;
        put_session(rq, request_json(rq, status));
        session_set_cookie(rq, secret.text);
        if (user_id != 0)
            session_set_known_browser(rq, &user);
        request_add_header(rq, "Cache-Control", "no-store");
    }
    secret_wipe(&secret);
}

void api_session_write(struct request *rq)
{
    open_session(rq, 201, rq->as.sign_in.user_id, rq->as.sign_in.token_id);
}

/* ---- a new password of one's own ---- */

void api_password_read(struct request *rq)
{
    if (!rq->who.by_session || !rq->who.is_user)
        request_problem(rq, 409, "not_a_user",
                        "Only somebody who signed in with a password has one to change.");
    else
        body_parse(rq);
}

static void check_own(struct request *rq, const char *current, const char *wanted)
{
    struct db_user *user = &rq->as.user;
    struct keys keys = {.browser = ""};
    uint32_t wait;
    int error = db_user_get(request_reader(rq), rq->who.id, user);

    request_reader_release(rq);
    if (error != DB_OK) {
        request_db_problem(rq, error);
        return;
    }
    make_keys(rq, user->name, true, &keys);
    wait = take_try(rq->app->sign_ins, &keys);
    if (wait != 0) {
        refuse_for_now(rq, wait);
        return;
    }
    if (check_password(rq, current, user->password)) {
        give_try(rq->app->sign_ins, &keys);
        if (!password_hash(wanted, user->password))
            request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
    } else if (!request_is_over(rq)) {
        request_problem(rq, 403, "password_wrong", "The present password is wrong.");
    }
}

void api_password_settle(struct request *rq)
{
    char current[PASSWORD_MAX + 1] = "";
    char wanted[PASSWORD_MAX + 1] = "";
    const struct body_field fields[] = {
        {"password", BODY_STRING, true, current, sizeof(current), 1, 0, NULL, false},
        {"new_password", BODY_STRING, true, wanted, sizeof(wanted), PASSWORD_MIN, 0, NULL, false},
    };

    if (body_read(rq, NULL, "", fields, 2))
        check_own(rq, current, wanted);
    OPENSSL_cleanse(current, sizeof(current));
    OPENSSL_cleanse(wanted, sizeof(wanted));
    OPENSSL_cleanse(rq->body, rq->len);
}

/* All sessions end but the one that is opened here. */
void api_password_write(struct request *rq)
{
    struct db_user *user = &rq->as.user;
    int error;

    user->changed_at = (int64_t)app_now();
    error = db_user_update(rq->db, user);
    if (error == DB_OK)
        error = db_sessions_end(rq->db, user->id);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        open_session(rq, 200, user->id, 0);
}

/* ---- who am I, and sign out ---- */

void api_session_show(struct request *rq)
{
    put_session(rq, request_json(rq, 200));
    request_add_header(rq, "Cache-Control", "no-store");
}

void api_session_delete(struct request *rq)
{
    const char *cookie = session_cookie(rq);
    uint8_t hash[DB_HASH_LEN];
    int error = DB_OK;

    if (cookie != NULL && secret_hash(cookie, strlen(cookie), hash))
        error = db_session_delete(rq->db, hash);
    if (error != DB_OK) {
        request_fail(rq, error);
        return;
    }
    request_no_content(rq);
    session_set_cookie(rq, NULL);
}
