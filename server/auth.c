#include "server/auth.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "db/keys.h"
#include "db/tokens.h"
#include "server/session.h"
#include "server/tls.h"

#define CERTIFICATE_WHY_MAX 128

static bool refuse(struct request *rq, const char *code, const char *detail)
{
    request_problem(rq, 401, code, "%s", detail);
    request_add_header(rq, "WWW-Authenticate",
                       strcmp(code, "token_missing") == 0
                           ? "Bearer realm=\"otad\""
                           : "Bearer realm=\"otad\", error=\"invalid_token\"");
    atomic_fetch_add(&rq->app->counters.refused_tokens, 1);
    return false;
}

/* The token of `Authorization: Bearer TOKEN`, NULL when there is none. */
static const char *bearer(const char *header)
{
    static const char scheme[] = "Bearer ";

    if (header == NULL || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    header += sizeof(scheme) - 1;
    while (*header == ' ')
        header++;
    return *header != '\0' ? header : NULL;
}

static enum secret_kind kind_for(enum role role)
{
    if (role == ROLE_DEVICE)
        return SECRET_DEVICE;
    return role == ROLE_ENROLMENT ? SECRET_ENROLMENT : SECRET_API;
}

/* Not in force: why? */
static bool refuse_dead(struct request *rq, const uint8_t hash[SECRET_HASH_LEN])
{
    char reason[DB_TOKEN_REASON_MAX + 1];

    if (db_dead_token_find(request_reader(rq), hash, reason) != DB_OK)
        return refuse(rq, "token_unknown", "This token is not known here.");
    if (strcmp(reason, "replaced") == 0)
        return refuse(rq, "token_revoked", "This token was replaced by a newer one.");
    return refuse(rq, "token_revoked", "This token was revoked.");
}

/* With the fleet locked. */
static bool become_device(struct request *rq, const struct fleet_device *device)
{
    if (device == NULL)
        return false;
    rq->who.role = ROLE_DEVICE;
    rq->who.id = device->id;
    rq->who.device = fleet_ref(rq->app->fleet, device);
    return true;
}

static bool check_device(struct request *rq, const uint8_t hash[SECRET_HASH_LEN])
{
    struct fleet *fleet = rq->app->fleet;
    bool known;

    fleet_lock(fleet);
    known = become_device(rq, fleet_find_token(fleet, hash));
    fleet_unlock(fleet);
    return known || refuse_dead(rq, hash);
}

/* A device without a token, by the certificate of its connection: its common name is the id. */
static bool check_certificate(struct request *rq)
{
    struct fleet *fleet = rq->app->fleet;
    char name[DB_DEVICE_NAME_MAX + 1];
    char why[CERTIFICATE_WHY_MAX];
    enum tls_peer peer = tls_peer_name(rq->mhd, name, sizeof(name), why, sizeof(why));
    bool known;

    if (peer == TLS_PEER_NONE)
        return refuse(rq, "token_missing",
                      "Send a token in the header `Authorization: Bearer TOKEN`, or show a "
                      "certificate of a client CA.");
    if (peer == TLS_PEER_WRONG)
        return refuse(rq, "certificate_refused", why);
    fleet_lock(fleet);
    known = become_device(rq, fleet_find_name(fleet, name));
    fleet_unlock(fleet);
    return known || refuse(rq, "certificate_unknown",
                           "No device has the common name of this certificate as its id; register "
                           "it first.");
}

static bool check_enrolment(struct request *rq, const uint8_t hash[SECRET_HASH_LEN])
{
    struct db_enrolment_key key;
    int error = db_enrolment_key_find(request_reader(rq), hash, &key);

    if (error == DB_E_NOT_FOUND)
        return refuse_dead(rq, hash);
    if (error != DB_OK) {
        request_db_problem(rq, error);
        return false;
    }
    rq->who.role = ROLE_ENROLMENT;
    rq->who.id = key.id;
    memcpy(rq->who.name, key.name, sizeof(key.name));
    return true;
}

static bool check_role(struct request *rq, enum role needed)
{
    if (rq->who.role >= needed)
        return true;
    request_problem(rq, 403, "role_insufficient",
                    "This needs the role %s; the token or user has the role %s.", role_name(needed),
                    role_name(rq->who.role));
    return false;
}

static bool check_api(struct request *rq, const uint8_t hash[SECRET_HASH_LEN], enum role needed)
{
    struct db_api_token token;
    int error = db_token_find(request_reader(rq), hash, &token);

    if (error == DB_E_NOT_FOUND ||
        (error == DB_OK && CRYPTO_memcmp(token.hash, hash, SECRET_HASH_LEN) != 0))
        return refuse(rq, "token_unknown", "This token is not known here.");
    if (error != DB_OK) {
        request_db_problem(rq, error);
        return false;
    }
    if (token.revoked_at != 0)
        return refuse(rq, "token_revoked", "This token was revoked.");
    if (token.expires_at != 0 && token.expires_at <= (int64_t)app_now())
        return refuse(rq, "token_expired", "This token has expired.");
    rq->who.role = (enum role)token.role;
    rq->who.id = token.id;
    memcpy(rq->who.name, token.name, sizeof(token.name));
    return check_role(rq, needed);
}

/* What is changed by a cookie must be asked for by a page of ours. */
static bool check_session(struct request *rq, const char *cookie, enum role needed)
{
    bool reads = strcmp(rq->method, "GET") == 0 || strcmp(rq->method, "HEAD") == 0;

    return (reads || session_same_origin(rq)) && session_check(rq, cookie) &&
           check_role(rq, needed);
}

bool auth_check(struct request *rq, enum role needed)
{
    const char *token = bearer(request_header(rq, "Authorization"));
    uint8_t hash[SECRET_HASH_LEN];
    enum secret_kind kind;
    const char *cookie;

    if (needed == ROLE_NONE)
        return true;
    cookie = token == NULL && kind_for(needed) == SECRET_API ? session_cookie(rq) : NULL;
    if (cookie != NULL)
        return check_session(rq, cookie, needed);
    if (token == NULL && needed == ROLE_DEVICE && rq->app->config.tls_client_ca != NULL)
        return check_certificate(rq);
    if (token == NULL)
        return refuse(rq, "token_missing",
                      "Send a token in the header `Authorization: Bearer TOKEN`.");
    kind = secret_kind_of(token, strlen(token));
    if (kind == SECRET_NONE)
        return refuse(rq, "token_malformed",
                      "Tokens are otd_, ote_ or ota_ and 43 characters; this is none.");
    if (kind != kind_for(needed))
        return refuse(rq, "token_kind",
                      needed == ROLE_DEVICE      ? "This route takes device tokens (otd_...)."
                      : needed == ROLE_ENROLMENT ? "This route takes enrolment keys (ote_...)."
                                                 : "This route takes API tokens (ota_...).");
    if (!secret_hash(token, strlen(token), hash)) {
        request_problem(rq, 500, "internal_error", "Hashing failed.");
        return false;
    }
    if (kind == SECRET_DEVICE)
        return check_device(rq, hash);
    return kind == SECRET_ENROLMENT ? check_enrolment(rq, hash) : check_api(rq, hash, needed);
}
