#include <string.h>

#include "db/keys.h"
#include "protocol/error.h"
#include "protocol/fields.h"
#include "protocol/json.h"
#include "server/api.h"

struct enrolment {
    struct ota_text device;
    struct ota_text product;
    struct ota_text hardware;
    struct ota_version version;
    uint8_t hash[OTA_HASH_LEN];
};

#define AT(member) offsetof(struct enrolment, member)
static const struct ota_field FIELDS[] = {
    OTA_FIELD_TEXT("device", AT(device), ota_text_is_device_id),
    OTA_FIELD_TEXT("product", AT(product), ota_text_is_name),
    OTA_FIELD_TEXT("hardware", AT(hardware), ota_text_is_name),
    OTA_FIELD_PARSED("version", AT(version), ota_parse_version),
    OTA_FIELD_PARSED("hash", AT(hash), ota_parse_hash),
};
#define FIELD_COUNT (sizeof(FIELDS) / sizeof(FIELDS[0]))

static bool read_body(struct request *rq, struct enrolment *enrolment)
{
    const char *body = rq->body != NULL ? rq->body : "";
    struct ota_json json;

    memset(enrolment, 0, sizeof(*enrolment));
    int error = ota_json_read(&json, body, rq->len, FIELDS, FIELD_COUNT, enrolment);
    if (error == OTA_OK && json.seen != (1U << FIELD_COUNT) - 1)
        error = OTA_E_MISSING;
    if (error != OTA_OK)
        request_problem(rq, 400, "enrolment_malformed",
                        "Send device, product, hardware, version and hash (%s).",
                        ota_error_name(error));
    return error == OTA_OK;
}

static void answer(struct request *rq, const struct secret *secret, enum db_device_state state)
{
    struct json_writer *out = request_json(rq, 201);

    json_object(out);
    json_put_string(out, "token", secret->text);
    json_put_string(out, "state", api_device_state_name(state));
    json_object_end(out);
}

/* There is such a device. The same key may ask again as long as it has never polled: the first
 * answer may have been lost on the way. */
static int enrol_again(struct request *rq, struct fleet_device *device,
                       const struct db_enrolment_key *key, const struct secret *secret)
{
    int error;

    if (device->enrolment_key != key->id || device->facts.seen) {
        request_problem(rq, 409, "device_exists",
                        "A device with this id is registered already. An operator can give it a "
                        "new token, or delete it.");
        return DB_OK;
    }
    error = steer_set_token(&rq->app->steer, rq->db, device, secret->hash, app_now());
    if (error == DB_OK)
        answer(rq, secret, (enum db_device_state)device->state);
    return error;
}

static int enrol_new(struct request *rq, struct db_device *row, const struct db_enrolment_key *key,
                     const struct secret *secret)
{
    int error;

    row->state = key->policy == DB_ENROL_ACCEPT ? DB_DEVICE_ACCEPTED : DB_DEVICE_PENDING;
    if (row->state == DB_DEVICE_PENDING) {
        int64_t pending = db_devices_pending(rq->db);
        if (pending < 0)
            return (int)pending;
        if (pending >= (int64_t)rq->app->config.pending_max) {
            request_problem(rq, 429, "too_many_pending",
                            "Too many devices wait to be accepted. An operator must look first.");
            rq->answer.retry_after = 600;
            return DB_OK;
        }
    }
    row->group_id = key->group_id;
    row->enrolment_key_id = key->id;
    row->created_at = (int64_t)app_now();
    memcpy(row->token_hash, secret->hash, DB_HASH_LEN);
    error = db_device_add(rq->db, row);
    if (error == DB_OK)
        error = steer_add_device(&rq->app->steer, rq->db, row, app_now());
    if (error == DB_OK)
        answer(rq, secret, row->state);
    return error;
}

void device_enroll_write(struct request *rq)
{
    struct enrolment enrolment;
    struct db_enrolment_key key;
    struct db_device row = {.id = 0};
    struct fleet_device *device;
    struct secret secret;
    int error;

    if (!read_body(rq, &enrolment))
        return;
    error = db_enrolment_key_get(rq->db, rq->who.id, &key);
    if (error == DB_E_NOT_FOUND) {
        request_problem(rq, 401, "token_revoked", "This enrolment key was revoked.");
        return;
    }
    if (error == DB_OK && !ota_text_is(enrolment.product, key.product)) {
        request_problem(rq, 403, "enrolment_product",
                        "This enrolment key is for the product %s only.", key.product);
        return;
    }
    memcpy(row.name, enrolment.device.at, enrolment.device.len);
    memcpy(row.product, enrolment.product.at, enrolment.product.len);
    memcpy(row.hardware, enrolment.hardware.at, enrolment.hardware.len);
    if (error == DB_OK && !secret_make(&secret, SECRET_DEVICE))
        error = DB_E_INTERNAL;
    if (error == DB_OK) {
        device = fleet_find_name(rq->app->fleet, row.name);
        error = device != NULL ? enrol_again(rq, device, &key, &secret)
                               : enrol_new(rq, &row, &key, &secret);
        secret_wipe(&secret);
    }
    if (error != DB_OK)
        request_fail(rq, error);
}
