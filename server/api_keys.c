#include <string.h>

#include "db/keys.h"
#include "protocol/text.h"
#include "server/api.h"
#include "server/body.h"
#include "server/signer.h"

void api_server_key(struct request *rq)
{
    struct json_writer *out = request_json(rq, 200);

    json_object(out);
    json_put_string(out, "key_id", signer_key_id(rq->app->signer));
    json_put_string(out, "public_key", signer_public_pem(rq->app->signer));
    json_object_end(out);
}

static void put_key(struct json_writer *out, const struct db_release_key *key)
{
    json_object(out);
    json_put_int(out, "id", key->id);
    json_put_string(out, "name", key->name);
    json_put_hex(out, "key_id", key->key_hash, OTA_KEY_ID_LEN / 2);
    json_put_hex(out, "key_hash", key->key_hash, DB_HASH_LEN);
    json_put_string(out, "public_key", key->public_key);
    json_put_time(out, "created_at", key->created_at);
    json_object_end(out);
}

void api_release_keys_list(struct request *rq)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct db_release_key keys[DB_PAGE_MAX];
    struct json_writer *out;
    struct db_page page;
    int count;

    if (!request_check_query(rq, names) || !request_page(rq, &page))
        return;
    count = db_release_keys_list(request_reader(rq), &page, keys);
    if (count < 0) {
        request_db_problem(rq, count);
        return;
    }
    out = api_list_begin(rq);
    for (int i = 0; i < count; i++)
        put_key(out, &keys[i]);
    api_list_end(rq, count == page.limit ? keys[count - 1].id : 0);
}

void api_release_key_read(struct request *rq)
{
    body_parse(rq);
}

void api_release_key_write(struct request *rq)
{
    struct db_release_key key = {.created_at = (int64_t)app_now()};
    char pem[DB_PEM_MAX + 1] = "";
    const struct body_field fields[] = {
        {"name", BODY_STRING, true, key.name, sizeof(key.name), 1, 0, NULL, false},
        {"public_key", BODY_STRING, true, pem, sizeof(pem), 1, BODY_LINES, NULL, false},
    };
    int error;

    if (!body_read(rq, NULL, "", fields, 2) || !body_check_label(rq, "name", key.name))
        return;
    if (!key_read_public(pem, strlen(pem), key.key_hash, key.public_key)) {
        request_problem(rq, 400, "key_malformed",
                        "public_key must be a P-256 public key in PEM, as `otactl keygen --public` "
                        "or `openssl ec -pubout` write it.");
        return;
    }
    error = db_release_key_add(rq->db, &key);
    if (error == DB_E_EXISTS)
        request_problem(rq, 409, "release_key_exists",
                        "This key, or another with the name %s, is registered already.", key.name);
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        put_key(request_json(rq, 201), &key);
}

void api_release_key_delete(struct request *rq)
{
    int64_t id = request_id(rq, 0, "release key");
    int error = id != 0 ? db_release_key_delete(rq->db, id) : DB_OK;

    if (id == 0)
        return;
    if (error == DB_E_NOT_FOUND)
        request_problem(rq, 404, "not_found", "There is no release key with this id.");
    else if (error != DB_OK)
        request_fail(rq, error);
    else
        request_no_content(rq);
}
