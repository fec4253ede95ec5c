/* The people who sign in to the dashboard, and their sessions. */
#ifndef OTAD_DB_USERS_H
#define OTAD_DB_USERS_H

#include "db/tokens.h"

#define DB_PASSWORD_MAX 160 /* characters of a hashed password, parameters included */

struct db_user {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    int role;
    char password[DB_PASSWORD_MAX + 1]; /* hashed */
    int64_t created_at;
    int64_t changed_at; /* its password */
};

/* Adds `user`; its id is set. DB_E_EXISTS when the name is taken. */
int db_user_add(struct db *db, struct db_user *user);
int db_user_get(struct db *db, int64_t id, struct db_user *user);
int db_user_find(struct db *db, const char *name, struct db_user *user);
/* At most page->limit rows, ascending by id; the count or an error. */
int db_users_list(struct db *db, const struct db_page *page, struct db_user *users);
/* Writes role, password and changed_at. */
int db_user_update(struct db *db, const struct db_user *user);
/* With the user's sessions. */
int db_user_delete(struct db *db, int64_t id);

/* A session belongs to a user, or to the API token that somebody signed in with. */
struct db_session {
    uint8_t hash[DB_HASH_LEN];
    int64_t user_id;  /* 0: of a token */
    int64_t token_id; /* 0: of a user */
    int64_t created_at;
    int64_t expires_at;
};

/* Adds it, and drops what has expired, and the owner's oldest beyond `keep`. */
int db_session_add(struct db *db, const struct db_session *session, int keep);
/* As it was added, expired or not. */
int db_session_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_session *session);
/* DB_OK whether it was there or not. */
int db_session_delete(struct db *db, const uint8_t hash[DB_HASH_LEN]);
int db_sessions_end(struct db *db, int64_t user_id);

#endif
