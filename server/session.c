#include "server/session.h"

#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "protocol/text.h"

#define COOKIE "otad_session"
#define KNOWN_COOKIE "otad_known"
#define KNOWN_LEN 43             /* characters */
#define KNOWN_SECONDS 31536000UL /* a year */

static bool is_secure(const struct request *rq)
{
    const struct config *config = &rq->app->config;

    return config->tls_cert != NULL || strncmp(config->public_url, "https://", 8) == 0;
}

static const char *cookie_name(const struct request *rq)
{
    return is_secure(rq) ? "__Host-" COOKIE : COOKIE;
}

const char *session_cookie(struct request *rq)
{
    const char *value = MHD_lookup_connection_value(rq->mhd, MHD_COOKIE_KIND, cookie_name(rq));

    return value != NULL && value[0] != '\0' ? value : NULL;
}

void session_set_cookie(struct request *rq, const char *value)
{
    request_add_header(rq, "Set-Cookie", "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s",
                       cookie_name(rq), value != NULL ? value : "",
                       value != NULL ? SESSION_SECONDS : 0, is_secure(rq) ? "; Secure" : "");
}

/* ---- where a request comes from ---- */

/* "https://host:port" against the Host that was asked for, or the public URL. */
static bool origin_is_ours(struct request *rq, const char *origin)
{
    const char *host = request_header(rq, "Host");
    const char *public_url = rq->app->config.public_url;
    const char *after = strstr(origin, "://");

    if (public_url[0] != '\0' && strcasecmp(origin, public_url) == 0)
        return true;
    return after != NULL && host != NULL && strcasecmp(after + 3, host) == 0;
}

bool session_same_origin(struct request *rq)
{
    const char *site = request_header(rq, "Sec-Fetch-Site");
    const char *origin = request_header(rq, "Origin");

    /* Sec-Fetch-Site is the browser's own word, and true behind a proxy that changes Host. */
    if (site != NULL ? strcmp(site, "same-origin") == 0
                     : origin != NULL && origin_is_ours(rq, origin))
        return true;
    request_problem(
        rq, 403, "cross_site",
        "This change was asked for by a page of another site, so it was not made. Use the "
        "dashboard itself, or an API token in the header Authorization.");
    return false;
}

/* ---- who it is ---- */

static bool refuse(struct request *rq)
{
    request_problem(rq, 401, "session_ended", "You are signed out. Sign in again.");
    request_add_header(rq, "WWW-Authenticate", "Bearer realm=\"otad\", error=\"invalid_token\"");
    session_set_cookie(rq, NULL);
    return false;
}

static int fill_from_user(struct request *rq, int64_t id)
{
    struct db_user user;
    int error = db_user_get(request_reader(rq), id, &user);

    if (error != DB_OK)
        return error;
    rq->who.role = (enum role)user.role;
    rq->who.id = user.id;
    memcpy(rq->who.name, user.name, sizeof(user.name));
    return DB_OK;
}

static int fill_from_token(struct request *rq, int64_t id)
{
    struct db_api_token token;
    int error = db_token_get(request_reader(rq), id, &token);

    if (error != DB_OK)
        return error;
    if (token.revoked_at != 0 || (token.expires_at != 0 && token.expires_at <= (int64_t)app_now()))
        return DB_E_NOT_FOUND;
    rq->who.role = (enum role)token.role;
    rq->who.id = token.id;
    memcpy(rq->who.name, token.name, sizeof(token.name));
    return DB_OK;
}

bool session_check(struct request *rq, const char *cookie)
{
    struct db_session session;
    uint8_t hash[DB_HASH_LEN];
    int error;

    if (strlen(cookie) != SECRET_LEN || !secret_hash(cookie, SECRET_LEN, hash))
        return refuse(rq);
    error = db_session_find(request_reader(rq), hash, &session);
    if (error == DB_OK && session.expires_at <= (int64_t)app_now())
        error = DB_E_NOT_FOUND;
    if (error == DB_OK)
        error = session.user_id != 0 ? fill_from_user(rq, session.user_id)
                                     : fill_from_token(rq, session.token_id);
    if (error == DB_E_NOT_FOUND)
        return refuse(rq);
    if (error != DB_OK) {
        request_db_problem(rq, error);
        return false;
    }
    rq->who.by_session = true;
    rq->who.is_user = session.user_id != 0;
    rq->who.until = session.expires_at;
    return true;
}

/* ---- known browsers ---- */

/* HMAC under the hashed password: needs no table, and a new password forgets all browsers. */
static bool make_mark(const struct db_user *user, char mark[KNOWN_LEN + 1])
{
    char text[sizeof(user->name) + 32];
    uint8_t digest[32];
    unsigned len = sizeof(digest);
    int text_len = snprintf(text, sizeof(text), "otad known browser of %s", user->name);

    if (HMAC(EVP_sha256(), user->password, (int)strlen(user->password), (const unsigned char *)text,
             (size_t)text_len, digest, &len) == NULL ||
        ota_base64url_encode(digest, sizeof(digest), mark, KNOWN_LEN) != KNOWN_LEN)
        return false;
    mark[KNOWN_LEN] = '\0';
    return true;
}

bool session_is_known_browser(struct request *rq, const struct db_user *user)
{
    const char *sent = MHD_lookup_connection_value(rq->mhd, MHD_COOKIE_KIND, KNOWN_COOKIE);
    char mark[KNOWN_LEN + 1];

    return sent != NULL && strlen(sent) == KNOWN_LEN && make_mark(user, mark) &&
           CRYPTO_memcmp(sent, mark, KNOWN_LEN) == 0;
}

void session_set_known_browser(struct request *rq, const struct db_user *user)
{
    char mark[KNOWN_LEN + 1];

    if (make_mark(user, mark))
        request_add_header(rq, "Set-Cookie",
                           KNOWN_COOKIE "=%s; Path=/api/v1/session; HttpOnly; SameSite=Strict; "
                                        "Max-Age=%lu%s",
                           mark, KNOWN_SECONDS, is_secure(rq) ? "; Secure" : "");
}
