/*
 * API tokens of operators, and the graveyard of tokens that no longer open anything. Tokens
 * themselves are never stored: `hash` is SHA-256 of the whole token text.
 */
#ifndef OTAD_DB_TOKENS_H
#define OTAD_DB_TOKENS_H

#include "db/db.h"

#define DB_HASH_LEN 32         /* bytes of SHA-256 */
#define DB_LABEL_MAX 64        /* characters of a name that an operator gives */
#define DB_TOKEN_REASON_MAX 32 /* characters */

struct db_api_token {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    int role;
    uint8_t hash[DB_HASH_LEN];
    int64_t created_at;
    int64_t expires_at; /* 0: never */
    int64_t revoked_at; /* 0: in force */
};

/* Adds `token`; its id is set. */
int db_token_add(struct db *db, struct db_api_token *token);
int db_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_api_token *token);
int db_token_get(struct db *db, int64_t id, struct db_api_token *token);
/* At most page->limit rows into `tokens`, ascending by id; the count or an error. */
int db_tokens_list(struct db *db, const struct db_page *page, struct db_api_token *tokens);
int db_token_revoke(struct db *db, int64_t id, int64_t now);
/* How many tokens of `role` are in force at `now`. */
int64_t db_tokens_in_force(struct db *db, int role, int64_t now);

/* Remember why a device token or an enrolment key no longer works. */
int db_dead_token_add(struct db *db, const uint8_t hash[DB_HASH_LEN], const char *reason,
                      int64_t now);
int db_dead_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN],
                       char reason[DB_TOKEN_REASON_MAX + 1]);

#endif
