#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/deployments.h"
#include "db/firmware.h"
#include "protocol/text.h"
#include "server/api.h"
#include "server/range.h"

/* The file of an image that the device's tries in memory name. */
static bool find_in_memory(struct request *rq, const uint8_t hash[OTA_HASH_LEN],
                           uint8_t sha256[OTA_HASH_LEN])
{
    struct fleet *fleet = rq->app->fleet;
    struct fleet_device *device;
    bool found = false;

    fleet_lock(fleet);
    device = fleet_device(fleet, rq->who.device);
    for (struct fleet_try *try = device != NULL ? device->tries : NULL; try != NULL && !found;
         try = try->next) {
        struct fleet_rollout *rollout = fleet_find_rollout(fleet, try->d.rollout_id);
        found = rollout != NULL && memcmp(rollout->r.release.hash, hash, OTA_HASH_LEN) == 0;
        if (found)
            memcpy(sha256, rollout->sha256, OTA_HASH_LEN);
    }
    fleet_unlock(fleet);
    return found;
}

/* A deployment that is long over still entitles to its image. */
static bool find_in_store(struct request *rq, const uint8_t hash[OTA_HASH_LEN],
                          uint8_t sha256[OTA_HASH_LEN])
{
    struct db *db = request_reader(rq);
    struct db_firmware firmware;
    bool found = db_deployment_of_image(db, rq->who.id, hash) == 1 &&
                 db_firmware_find(db, hash, &firmware) == DB_OK;

    if (found)
        memcpy(sha256, firmware.sha256, OTA_HASH_LEN);
    request_reader_release(rq);
    return found;
}

static bool open_blob(struct request *rq, const uint8_t sha256[OTA_HASH_LEN], struct blob **blob)
{
    int error = blobs_get(rq->app->blobs, sha256, blob);

    if (error == BLOBS_OK)
        return true;
    log_note(&rq->app->log, LOG_ERROR, "firmware_unreadable", "%s: %s", rq->path,
             error == BLOBS_E_DAMAGED   ? "the file is damaged"
             : error == BLOBS_E_MISSING ? "the file is missing"
                                        : "it cannot be read");
    request_problem(rq, 503, "firmware_unavailable",
                    "The server cannot read this file at the moment.");
    rq->answer.retry_after = 60;
    return false;
}

/* One entity tag of a list, or `*`. Weak ones never match here: ours are strong. */
static bool names_tag(const char *list, const char *tag)
{
    size_t len = strlen(tag);

    if (list[0] == '*' && list[1] == '\0')
        return true;
    for (const char *at = strstr(list, tag); at != NULL; at = strstr(at + 1, tag)) {
        bool weak = at >= list + 2 && at[-1] == '/' && at[-2] == 'W';
        if (!weak && (at[len] == '\0' || at[len] == ',' || at[len] == ' '))
            return true;
    }
    return false;
}

static void put_headers(struct request *rq, const char *tag)
{
    rq->answer.type = "application/octet-stream";
    request_add_header(rq, "ETag", "%s", tag);
    request_add_header(rq, "Accept-Ranges", "bytes");
    request_add_header(rq, "Cache-Control", "private, no-transform");
}

static void answer(struct request *rq, struct blob *blob, const char *tag)
{
    const char *range_header = request_header(rq, "Range");
    const char *if_range = request_header(rq, "If-Range");
    struct range range = {.first = 0, .len = blob->len};
    enum range_answer what = RANGE_WHOLE;

    /* If-Range with another tag, or with a date: the representation may have changed. */
    if (strcmp(rq->method, "GET") == 0 && (if_range == NULL || strcmp(if_range, tag) == 0))
        what = range_parse(range_header, blob->len, &range);
    if (what == RANGE_UNSATISFIABLE) {
        request_problem(rq, 416, "range_unsatisfiable", "The file has %zu bytes.", blob->len);
        request_add_header(rq, "Content-Range", "bytes */%zu", blob->len);
        blob_release(blob);
        return;
    }
    rq->answer.status = what == RANGE_PART ? 206 : 200;
    rq->answer.blob = blob;
    rq->answer.blob_first = (size_t)range.first;
    rq->answer.blob_len = (size_t)range.len;
    put_headers(rq, tag);
    if (what == RANGE_PART)
        request_add_header(rq, "Content-Range", "bytes %llu-%llu/%zu",
                           (unsigned long long)range.first,
                           (unsigned long long)(range.first + range.len - 1), blob->len);
}

/* The file of an image that this device has or had a deployment of. */
static bool find_image(struct request *rq, const uint8_t hash[OTA_HASH_LEN],
                       uint8_t sha256[OTA_HASH_LEN])
{
    if (find_in_memory(rq, hash, sha256) || find_in_store(rq, hash, sha256))
        return true;
    request_problem(rq, 404, "firmware_unknown", "This device has no deployment of such an image.");
    return false;
}

static void send_file(struct request *rq, const uint8_t sha256[OTA_HASH_LEN])
{
    char hex[2 * OTA_HASH_LEN + 1];
    char tag[2 * OTA_HASH_LEN + 3];
    const char *if_none_match = request_header(rq, "If-None-Match");
    const char *if_match = request_header(rq, "If-Match");
    struct blob *blob;

    ota_hex_encode(sha256, OTA_HASH_LEN, hex);
    snprintf(tag, sizeof(tag), "\"%s\"", hex);
    if (if_match != NULL && !names_tag(if_match, tag)) {
        request_problem(rq, 412, "precondition_failed", "The file's ETag is %s.", tag);
    } else if (if_none_match != NULL && names_tag(if_none_match, tag)) {
        rq->answer.status = 304;
        put_headers(rq, tag);
        rq->answer.type = NULL;
    } else if (open_blob(rq, sha256, &blob)) {
        answer(rq, blob, tag);
    }
}

/* The hash that the path names; one that is malformed is one that nobody has. */
static void take_hash(const struct request *rq, uint8_t hash[OTA_HASH_LEN])
{
    if (ota_hex_decode(hash, OTA_HASH_LEN, ota_text_of(rq->params[0])) != 0)
        memset(hash, 0, OTA_HASH_LEN);
}

void device_firmware(struct request *rq)
{
    uint8_t hash[OTA_HASH_LEN];
    uint8_t sha256[OTA_HASH_LEN];

    take_hash(rq, hash);
    if (find_image(rq, hash, sha256))
        send_file(rq, sha256);
}

void device_patch(struct request *rq)
{
    uint8_t sha256[OTA_HASH_LEN];
    uint8_t image[OTA_HASH_LEN];
    uint8_t image_sha256[OTA_HASH_LEN];

    take_hash(rq, sha256);
    if (!patches_image(rq->app->patches, sha256, image))
        memset(image, 0, OTA_HASH_LEN);
    if (find_image(rq, image, image_sha256))
        send_file(rq, sha256);
}
