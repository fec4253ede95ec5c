#include "db/firmware.h"

#include "db/driver.h"

#define COLUMNS                                                                                    \
    "id, product, hardware, version, counter, size, hash, sha256, key_hash, signature,"            \
    " created_at, security, version_min"

static void read_row(struct db_stmt *q, struct db_firmware *firmware)
{
    firmware->id = db_column_int(q, 0);
    db_column_text(q, 1, firmware->product, sizeof(firmware->product));
    db_column_text(q, 2, firmware->hardware, sizeof(firmware->hardware));
    db_column_text(q, 3, firmware->version, sizeof(firmware->version));
    firmware->counter = (uint32_t)db_column_int(q, 4);
    firmware->size = (uint32_t)db_column_int(q, 5);
    db_column_blob(q, 6, firmware->hash, DB_HASH_LEN);
    db_column_blob(q, 7, firmware->sha256, DB_HASH_LEN);
    db_column_blob(q, 8, firmware->key_hash, DB_HASH_LEN);
    firmware->signature_len = db_column_bytes(q, 9, firmware->signature, DB_SIGNATURE_MAX);
    firmware->created_at = db_column_int(q, 10);
    firmware->security = db_column_int(q, 11) != 0;
    db_column_text(q, 12, firmware->version_min, sizeof(firmware->version_min));
}

static int read_one(struct db_stmt *q, struct db_firmware *firmware)
{
    int step = db_step(q);

    if (step == 1)
        read_row(q, firmware);
    return db_finish(q, step == 1 ? DB_OK : step == 0 ? DB_E_NOT_FOUND : step);
}

int db_firmware_add(struct db *db, struct db_firmware *firmware)
{
    struct db_stmt *q =
        db_query(db, "INSERT INTO firmware (product, hardware, version, counter, size, hash,"
                     " sha256, key_hash, signature, created_at) VALUES (?,?,?,?,?,?,?,?,?,?)");
    int error;

    db_bind_text(q, 1, firmware->product, DB_NAME_MAX);
    db_bind_text(q, 2, firmware->hardware, DB_NAME_MAX);
    db_bind_text(q, 3, firmware->version, DB_VERSION_MAX);
    db_bind_int(q, 4, firmware->counter);
    db_bind_int(q, 5, firmware->size);
    db_bind_blob(q, 6, firmware->hash, DB_HASH_LEN);
    db_bind_blob(q, 7, firmware->sha256, DB_HASH_LEN);
    db_bind_blob(q, 8, firmware->key_hash, DB_HASH_LEN);
    db_bind_blob(q, 9, firmware->signature, firmware->signature_len);
    db_bind_int(q, 10, firmware->created_at);
    error = db_run(q);
    if (error == DB_OK)
        firmware->id = db_last_id(db);
    return error;
}

int db_firmware_get(struct db *db, int64_t id, struct db_firmware *firmware)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM firmware WHERE id = ?");

    db_bind_int(q, 1, id);
    return read_one(q, firmware);
}

int db_firmware_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_firmware *firmware)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM firmware WHERE hash = ?");

    db_bind_blob(q, 1, hash, DB_HASH_LEN);
    return read_one(q, firmware);
}

int db_firmware_find_version(struct db *db, const char *product, const char *hardware,
                             const char *version, struct db_firmware *firmware)
{
    struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM firmware"
                                     " WHERE product = ? AND hardware = ? AND version = ?");

    db_bind_text(q, 1, product, DB_NAME_MAX);
    db_bind_text(q, 2, hardware, DB_NAME_MAX);
    db_bind_text(q, 3, version, DB_VERSION_MAX);
    return read_one(q, firmware);
}

int db_firmware_list(struct db *db, const char *product, const char *hardware,
                     const struct db_page *page, struct db_firmware *firmware)
{
    struct db_stmt *q =
        db_query(db, "SELECT " COLUMNS " FROM firmware WHERE id > ?1 AND (?2 = '' OR product = ?2)"
                     " AND (?3 = '' OR hardware = ?3) ORDER BY id LIMIT ?4");
    int count = 0;
    int step;

    db_bind_int(q, 1, page->after);
    db_bind_text(q, 2, product, DB_NAME_MAX);
    db_bind_text(q, 3, hardware, DB_NAME_MAX);
    db_bind_int(q, 4, page->limit);
    while ((step = db_step(q)) == 1 && count < page->limit)
        read_row(q, &firmware[count++]);
    return db_finish(q, step < 0 ? step : count);
}

int db_firmware_set_demands(struct db *db, const struct db_firmware *firmware)
{
    struct db_stmt *q =
        db_query(db, "UPDATE firmware SET security = ?, version_min = ? WHERE id = ?");

    db_bind_int(q, 1, firmware->security);
    db_bind_text(q, 2, firmware->version_min, DB_VERSION_MAX);
    db_bind_int(q, 3, firmware->id);
    return db_run_one(q);
}

int db_firmware_delete(struct db *db, int64_t id)
{
    struct db_stmt *q = db_query(db, "DELETE FROM firmware WHERE id = ?");

    db_bind_int(q, 1, id);
    return db_run_one(q);
}

int db_firmware_has_file(struct db *db, const uint8_t sha256[DB_HASH_LEN])
{
    struct db_stmt *q = db_query(db, "SELECT 1 FROM firmware WHERE sha256 = ?");

    db_bind_blob(q, 1, sha256, DB_HASH_LEN);
    return db_finish(q, db_step(q));
}
