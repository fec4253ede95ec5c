/* Firmware: one row for each image whose file lies whole in the blob store. */
#ifndef OTAD_DB_FIRMWARE_H
#define OTAD_DB_FIRMWARE_H

#include "db/db.h"
#include "db/keys.h"

#define DB_VERSION_MAX 24   /* characters of a version */
#define DB_SIGNATURE_MAX 72 /* bytes of a DER signature */

struct db_firmware {
    int64_t id;
    char product[DB_NAME_MAX + 1];
    char hardware[DB_NAME_MAX + 1];
    char version[DB_VERSION_MAX + 1];
    uint32_t counter;
    uint32_t size;               /* bytes of the whole file */
    uint8_t hash[DB_HASH_LEN];   /* image hash */
    uint8_t sha256[DB_HASH_LEN]; /* of the whole file: its name in the blob store */
    uint8_t key_hash[DB_HASH_LEN];
    uint8_t signature[DB_SIGNATURE_MAX];
    size_t signature_len;
    int64_t created_at;
    bool security;                        /* rollouts of it go before others */
    char version_min[DB_VERSION_MAX + 1]; /* devices below it need another release first; "": none
                                           */
};

/* DB_E_EXISTS for the same image, or the same version of this product and hardware. */
int db_firmware_add(struct db *db, struct db_firmware *firmware);
int db_firmware_get(struct db *db, int64_t id, struct db_firmware *firmware);
int db_firmware_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_firmware *firmware);
int db_firmware_find_version(struct db *db, const char *product, const char *hardware,
                             const char *version, struct db_firmware *firmware);
/* Empty product or hardware: any. */
int db_firmware_list(struct db *db, const char *product, const char *hardware,
                     const struct db_page *page, struct db_firmware *firmware);
/* Writes security and version_min: what rollouts that are made from now on start from. */
int db_firmware_set_demands(struct db *db, const struct db_firmware *firmware);
/* DB_E_IN_USE while a rollout refers to it. */
int db_firmware_delete(struct db *db, int64_t id);
/* 1 when a row has this file, 0 when none has, or an error. */
int db_firmware_has_file(struct db *db, const uint8_t sha256[DB_HASH_LEN]);

#endif
