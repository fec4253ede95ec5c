/*
 * Sessions of the dashboard: the cookie that stands for a user or an API token, and who may send
 * it.
 *
 * The cookie is 256 random bits; the database has its SHA-256. It is HttpOnly and SameSite=Strict,
 * and under HTTPS Secure with the __Host- prefix. A request that changes something and is let in by
 * a cookie must come from a page of this server as well: by Sec-Fetch-Site, or in a browser too old
 * for that by Origin.
 */
#ifndef OTAD_SESSION_H
#define OTAD_SESSION_H

#include "db/users.h"
#include "server/request.h"

#define SESSION_SECONDS 43200 /* a working day */
#define SESSIONS_KEPT 20      /* of one user or token */

/* The session's cookie, NULL when none was sent. */
const char *session_cookie(struct request *rq);
/* Set it, or with NULL take it away. */
void session_set_cookie(struct request *rq, const char *value);

/* Whether the request comes from a page of this server; else 403 is set. */
bool session_same_origin(struct request *rq);

/* Fill rq->who from the cookie, or set the problem (401). */
bool session_check(struct request *rq, const char *cookie);

/* The browser in which a user has signed in before keeps a mark that only their password makes;
 * somebody who tries passwords elsewhere does not use up its tries. */
bool session_is_known_browser(struct request *rq, const struct db_user *user);
void session_set_known_browser(struct request *rq, const struct db_user *user);

#endif
