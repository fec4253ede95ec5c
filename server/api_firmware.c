#include <stdlib.h>
#include <string.h>

#include "db/firmware.h"
#include "db/patches.h"
#include "protocol/limits.h"
#include "protocol/text.h"
#include "protocol/version.h"
#include "server/api.h"
#include "server/body.h"

#define UPLOADS_MAX 8 /* at the same time */

static void put_firmware(struct json_writer *out, const struct db_firmware *firmware)
{
    json_object(out);
    json_put_int(out, "id", firmware->id);
    json_put_string(out, "product", firmware->product);
    json_put_string(out, "hardware", firmware->hardware);
    json_put_string(out, "version", firmware->version);
    json_put_int(out, "counter", firmware->counter);
    json_put_int(out, "size", firmware->size);
    json_put_hex(out, "hash", firmware->hash, DB_HASH_LEN);
    json_put_hex(out, "sha256", firmware->sha256, DB_HASH_LEN);
    json_put_hex(out, "key_id", firmware->key_hash, OTA_KEY_ID_LEN / 2);
    json_put_bool(out, "security", firmware->security);
    if (firmware->version_min[0] != '\0')
        json_put_string(out, "version_min", firmware->version_min);
    else
        json_put_null(out, "version_min");
    json_put_time(out, "created_at", firmware->created_at);
    json_object_end(out);
}

/* ---- upload ---- */

static const struct {
    int error;
    unsigned status;
    const char *code;
} PROBLEMS[] = {
    {INTAKE_E_TOO_LARGE, 413, "image_too_large"},
    {INTAKE_E_MALFORMED, 400, "image_malformed"},
    {INTAKE_E_TRUNCATED, 400, "image_truncated"},
    {INTAKE_E_UNSIGNED, 400, "image_unsigned"},
    {INTAKE_E_UNKNOWN_KEY, 400, "image_unknown_key"},
    {INTAKE_E_SIGNATURE, 400, "image_signature"},
    {INTAKE_E_HASH, 400, "image_hash"},
    {INTAKE_E_IO, 503, "storage_failed"},
    {INTAKE_E_MEMORY, 503, "out_of_memory"},
};

static void intake_problem(struct request *rq, int error, const char *detail)
{
    if (error == INTAKE_E_FULL)
        request_db_problem(rq, DB_E_FULL);
    for (size_t i = 0; i < sizeof(PROBLEMS) / sizeof(PROBLEMS[0]); i++)
        if (PROBLEMS[i].error == error)
            request_problem(rq, PROBLEMS[i].status, PROBLEMS[i].code, "%s", detail);
}

void api_firmware_open(struct request *rq)
{
    int error;

    if (atomic_fetch_add(&rq->app->uploads, 1) >= UPLOADS_MAX) {
        atomic_fetch_sub(&rq->app->uploads, 1);
        request_problem(rq, 429, "too_many_uploads", "Too many uploads are under way. Try again.");
        rq->answer.retry_after = 10;
        return;
    }
    rq->intake = intake_open(rq->app->blobs, rq->app->config.firmware_max, &error);
    if (rq->intake == NULL) {
        atomic_fetch_sub(&rq->app->uploads, 1);
        intake_problem(rq, error, "The upload could not be stored: see the server's disk and log.");
    }
}

static bool find_key(void *ctx, const uint8_t key_hash[OTA_HASH_LEN], char pem[DB_PEM_MAX + 1])
{
    struct request *rq = ctx;
    struct db_release_key key;
    bool found = db_release_key_find(request_reader(rq), key_hash, &key) == DB_OK;

    if (found)
        memcpy(pem, key.public_key, sizeof(key.public_key));
    return found;
}

/* On a thread of its own: the checks, and the wait for the disk. */
void api_firmware_settle(struct request *rq)
{
    int error = intake_check(rq->intake, find_key, rq, &rq->as.upload.firmware);

    request_reader_release(rq);
    if (error == INTAKE_OK)
        error = intake_keep(rq->intake);
    if (error != INTAKE_OK)
        intake_problem(rq, error, intake_detail(rq->intake));
}

/* A higher version must not have a lower counter: devices that took the one would refuse the other.
 */
static int check_counter(struct request *rq, const struct db_firmware *firmware)
{
    struct db_firmware others[DB_PAGE_MAX];
    struct db_page page = {.after = 0, .limit = DB_PAGE_MAX};
    struct ota_version mine;
    int count;

    ota_version_parse(&mine, firmware->version, strlen(firmware->version));
    do {
        count = db_firmware_list(rq->db, firmware->product, firmware->hardware, &page, others);
        for (int i = 0; i < count; i++) {
            struct ota_version version;
            int order;
            ota_version_parse(&version, others[i].version, strlen(others[i].version));
            order = ota_version_compare(&mine, &version);
            if ((order > 0 && firmware->counter < others[i].counter) ||
                (order < 0 && firmware->counter > others[i].counter)) {
                request_problem(rq, 409, "counter_conflict",
                                "Version %s has security counter %u, and %s has %u: the counter "
                                "must not fall as the version rises.",
                                firmware->version, firmware->counter, others[i].version,
                                others[i].counter);
                return DB_OK;
            }
        }
        if (count > 0)
            page.after = others[count - 1].id;
    } while (count == DB_PAGE_MAX);
    return count < 0 ? count : DB_OK;
}

static void tell_duplicate(struct request *rq, const struct db_firmware *firmware)
{
    struct db_firmware other;
    bool same = db_firmware_find(rq->db, firmware->hash, &other) == DB_OK;

    if (!same && db_firmware_find_version(rq->db, firmware->product, firmware->hardware,
                                          firmware->version, &other) != DB_OK)
        other.id = 0;
    request_problem(rq, 409, "firmware_exists",
                    same ? "This image is here already, as firmware %lld."
                         : "Another image with this product, hardware and version is here already, "
                           "as firmware %lld; give the new one its own version.",
                    (long long)other.id);
}

/* Refused after it was kept: the file goes, unless it is another row's. */
static void drop_file(struct request *rq)
{
    if (db_firmware_has_file(rq->db, rq->as.upload.firmware.sha256) == 0)
        intake_drop(rq->intake);
}

void api_firmware_write(struct request *rq)
{
    struct db_firmware *firmware = &rq->as.upload.firmware;
    int error = check_counter(rq, firmware);

    firmware->created_at = (int64_t)app_now();
    /* A deletion of the same file may have come in between. */
    if (error == DB_OK && !request_is_over(rq) && !blobs_exist(rq->app->blobs, firmware->sha256))
        request_problem(rq, 503, "storage_failed", "The file is gone again. Upload it once more.");
    if (error == DB_OK && !request_is_over(rq))
        error = db_firmware_add(rq->db, firmware);
    if (error == DB_E_EXISTS)
        tell_duplicate(rq, firmware);
    else if (error != DB_OK)
        request_fail(rq, error);
    if (request_is_over(rq)) {
        drop_file(rq);
        return;
    }
    put_firmware(request_json(rq, 201), firmware);
    request_add_header(rq, "Location", "%s/api/v1/firmware/%lld", rq->app->config.public_url,
                       (long long)firmware->id);
}

/* ---- the rest ---- */

void api_firmware_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", "product", "hardware", NULL};
    struct db_firmware firmware[DB_PAGE_MAX];
    char product[DB_NAME_MAX + 1] = "";
    char hardware[DB_NAME_MAX + 1] = "";
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page) ||
        request_query(rq, "product", product, sizeof(product)) < 0 ||
        request_query(rq, "hardware", hardware, sizeof(hardware)) < 0)
        return;
    count = db_firmware_list(request_reader(rq), product, hardware, &page, firmware);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_firmware(out, &firmware[i]);
    api_list_end(rq, count == page.limit ? firmware[count - 1].id : 0);
}

void api_firmware_show(struct request *rq)
{
    int64_t id = request_id(rq, 0, "firmware");
    struct db_firmware firmware;
    int error = id != 0 ? db_firmware_get(request_reader(rq), id, &firmware) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no firmware with this id.");
    else if (error != DB_OK)
        request_db_problem(rq, error);
    else
        put_firmware(request_json(rq, 200), &firmware);
}

void api_firmware_read(struct request *rq)
{
    body_parse(rq);
}

/* What the release demands of its rollouts from now on. */
void api_firmware_patch_write(struct request *rq)
{
    int64_t id = request_id(rq, 0, "firmware");
    struct db_firmware firmware;
    struct ota_version version;
    bool has_min = false;
    char min[DB_VERSION_MAX + 1] = "";
    int error = id != 0 ? db_firmware_get(rq->db, id, &firmware) : DB_OK;
    const struct body_field fields[] = {
        {"security", BODY_BOOL, false, &firmware.security, 0, 0, 0, NULL, false},
        {"version_min", BODY_STRING, false, min, sizeof(min), 1, 0, &has_min, true},
    };

    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no firmware with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    if (request_is_over(rq) || !body_read(rq, NULL, "", fields, 2))
        return;
    if (min[0] != '\0' && ota_version_parse(&version, min, strlen(min)) != 0) {
        body_invalid(rq, "", "version_min", "must be a version such as 1.2.3");
        return;
    }
    if (has_min)
        memcpy(firmware.version_min, min, sizeof(min));
    error = db_firmware_set_demands(rq->db, &firmware);
    if (error != DB_OK)
        request_fail(rq, error);
    else
        put_firmware(request_json(rq, 200), &firmware);
}

void api_firmware_delete(struct request *rq)
{
    int64_t id = request_id(rq, 0, "firmware");
    struct db_firmware *firmware = &rq->as.upload.firmware;
    int error = id != 0 ? db_firmware_get(rq->db, id, firmware) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_OK)
        error = db_firmware_delete(rq->db, id);
    if (error == DB_OK)
        error = db_patches_delete(rq->db, firmware->hash);
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no firmware with this id.");
    else if (error == DB_E_IN_USE)
        request_problem(rq, 409, "firmware_in_use", "A rollout uses this firmware, so it stays.");
    else if (error != DB_OK)
        request_fail(rq, error);
}

struct file_drop {
    struct writer_job job; /* first: a job is its drop */
    struct app *app;
    uint8_t sha256[OTA_HASH_LEN];
    uint8_t hash[OTA_HASH_LEN]; /* of the image: patches from and to it go as well */
};

static void drop_unused(struct app *app, struct db *db, const uint8_t sha256[OTA_HASH_LEN])
{
    if (db_firmware_has_file(db, sha256) == 0 && db_patch_has_file(db, sha256) == 0)
        blobs_delete(app->blobs, sha256);
}

static int drop_run(struct writer_job *job, struct db *db)
{
    struct file_drop *drop = (struct file_drop *)job;

    drop_unused(drop->app, db, drop->sha256);
    while (patches_forget(drop->app->patches, drop->hash, drop->sha256))
        drop_unused(drop->app, db, drop->sha256);
    return DB_OK;
}

static void drop_done(struct writer_job *job, int error)
{
    (void)error;
    free(job);
}

/* After the commit: the file, in its turn among the writes, since another upload of the same bytes
 * may be on its way. Should it not come to this, the sweep at the next start does it. */
void api_firmware_deleted(struct request *rq)
{
    struct file_drop *drop = calloc(1, sizeof(*drop));

    request_no_content(rq);
    if (drop == NULL)
        return;
    drop->job.run = drop_run;
    drop->job.done = drop_done;
    drop->app = rq->app;
    memcpy(drop->hash, rq->as.upload.firmware.hash, OTA_HASH_LEN);
    memcpy(drop->sha256, rq->as.upload.firmware.sha256, OTA_HASH_LEN);
    if (!writer_submit(rq->app->writer, &drop->job))
        free(drop);
}
