/* Release keys (public halves that firmware must be signed with) and enrolment keys. */
#ifndef OTAD_DB_KEYS_H
#define OTAD_DB_KEYS_H

#include "db/db.h"
#include "db/tokens.h"

#define DB_PEM_MAX 512 /* characters of a P-256 public key in PEM */
#define DB_NAME_MAX 32 /* characters of a product or hardware name */

struct db_release_key {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    uint8_t key_hash[DB_HASH_LEN]; /* SHA-256 of the SubjectPublicKeyInfo */
    char public_key[DB_PEM_MAX + 1];
    int64_t created_at;
};

int db_release_key_add(struct db *db, struct db_release_key *key);
int db_release_key_get(struct db *db, int64_t id, struct db_release_key *key);
int db_release_key_find(struct db *db, const uint8_t key_hash[DB_HASH_LEN],
                        struct db_release_key *key);
int db_release_keys_list(struct db *db, const struct db_page *page, struct db_release_key *keys);
int db_release_key_delete(struct db *db, int64_t id);

enum db_enrolment_policy {
    DB_ENROL_ACCEPT = 1,  /* a device that shows the key is in */
    DB_ENROL_PENDING = 2, /* an operator accepts it by hand */
};

struct db_enrolment_key {
    int64_t id;
    char name[DB_LABEL_MAX + 1];
    char product[DB_NAME_MAX + 1];
    enum db_enrolment_policy policy;
    int64_t group_id; /* 0: none */
    uint8_t hash[DB_HASH_LEN];
    int64_t created_at;
};

int db_enrolment_key_add(struct db *db, struct db_enrolment_key *key);
int db_enrolment_key_get(struct db *db, int64_t id, struct db_enrolment_key *key);
int db_enrolment_key_find(struct db *db, const uint8_t hash[DB_HASH_LEN],
                          struct db_enrolment_key *key);
int db_enrolment_keys_list(struct db *db, const struct db_page *page,
                           struct db_enrolment_key *keys);
int db_enrolment_key_delete(struct db *db, int64_t id);

#endif
