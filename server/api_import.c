#include <stdlib.h>
#include <string.h>

#include "protocol/text.h"
#include "server/api.h"
#include "server/csv.h"

/* The header's names; the first COLUMNS_NEEDED must be there. */
enum column { ID, PRODUCT, HARDWARE, GROUP, TAGS, COLUMNS };
#define COLUMNS_NEEDED 3

struct import {
    struct request *rq;
    struct csv csv;
    unsigned count;
    uint64_t now;
    int column_of[COLUMNS]; /* -1: not there */
    int columns;
    char group[DB_LABEL_MAX + 1]; /* looked up last */
    int64_t group_id;
};

static void refuse(struct import *import, const char *what)
{
    request_problem(import->rq, 400, "import_line",
                    "Line %u: %s. Nothing was imported; mend it and send all of it again.",
                    import->csv.line, what);
}

static bool read_header(struct import *import)
{
    static const char *const names[COLUMNS] = {"id", "product", "hardware", "group", "tags"};
    char *fields[CSV_FIELDS_MAX];
    int count = csv_next(&import->csv, fields);

    for (int c = 0; c < COLUMNS; c++)
        import->column_of[c] = -1;
    for (int i = 0; i < count; i++) {
        int c = 0;
        while (c < COLUMNS && strcmp(names[c], fields[i]) != 0)
            c++;
        if (c == COLUMNS || import->column_of[c] >= 0) {
            refuse(import, "the header may name id, product, hardware, group and tags, each once");
            return false;
        }
        import->column_of[c] = i;
    }
    import->columns = count;
    for (int c = 0; c < COLUMNS_NEEDED; c++) {
        if (import->column_of[c] < 0) {
            refuse(import, "the first line must name the columns: id,product,hardware,group,tags");
            return false;
        }
    }
    return true;
}

static bool take_group(struct import *import, const char *name, int64_t *id)
{
    *id = 0;
    if (name[0] == '\0')
        return true;
    if (strcmp(name, import->group) != 0) {
        import->group_id = api_group_id(import->rq, import->rq->db, "group", name);
        if (import->group_id == 0) {
            refuse(import, "there is no such group");
            return false;
        }
        memcpy(import->group, name, strlen(name) + 1);
    }
    *id = import->group_id;
    return true;
}

static bool take_tags(struct import *import, const char *text, struct db_device *row)
{
    struct tags tags;
    int error = tags_parse(&tags, text);

    if (error == TAGS_OK)
        error = tags_format(&tags, row->tags);
    if (error != TAGS_OK)
        refuse(import, tags_error_sentence(error));
    return error == TAGS_OK;
}

/* The fields of a line into a row; false when the problem is set. */
static bool take_line(struct import *import, char *const fields[], struct db_device *row)
{
    const char *id = fields[import->column_of[ID]];
    const char *product = fields[import->column_of[PRODUCT]];
    const char *hardware = fields[import->column_of[HARDWARE]];
    int group = import->column_of[GROUP];
    int tags = import->column_of[TAGS];

    if (!ota_text_is_device_id(ota_text_of(id))) {
        refuse(import, "id must be 1 to 64 of A-Z a-z 0-9 . _ : -");
        return false;
    }
    if (!ota_text_is_name(ota_text_of(product)) || !ota_text_is_name(ota_text_of(hardware))) {
        refuse(import, "product and hardware must be 1 to 32 of A-Z a-z 0-9 . _ -");
        return false;
    }
    memset(row, 0, sizeof(*row));
    memcpy(row->name, id, strlen(id));
    memcpy(row->product, product, strlen(product));
    memcpy(row->hardware, hardware, strlen(hardware));
    row->state = DB_DEVICE_ACCEPTED;
    row->created_at = (int64_t)import->now;
    return (group < 0 || take_group(import, fields[group], &row->group_id)) &&
           (tags < 0 || take_tags(import, fields[tags], row));
}

static bool import_line(struct import *import, char *const fields[], struct json_writer *out)
{
    struct request *rq = import->rq;
    struct db_device row;
    struct secret secret;
    int error;

    if (!take_line(import, fields, &row))
        return false;
    if (!secret_make(&secret, SECRET_DEVICE)) {
        request_fail(rq, DB_E_INTERNAL);
        return false;
    }
    memcpy(row.token_hash, secret.hash, DB_HASH_LEN);
    error = db_device_add(rq->db, &row);
    if (error == DB_OK)
        error = steer_add_device(&rq->app->steer, rq->db, &row, import->now);
    if (error == DB_OK) {
        json_object(out);
        json_put_string(out, "id", row.name);
        json_put_string(out, "token", secret.text);
        json_object_end(out);
        import->count++;
    } else if (error == DB_E_EXISTS) {
        refuse(import, "there is a device with this id already");
    } else {
        request_fail(rq, error);
    }
    secret_wipe(&secret);
    return error == DB_OK;
}

static void answer(struct import *import, struct json_writer *devices)
{
    size_t len;
    char *list = json_take(devices, &len);
    struct json_writer *out;

    if (list == NULL) {
        request_fail(import->rq, DB_E_INTERNAL);
        return;
    }
    out = request_json(import->rq, 201);
    json_object(out);
    json_put_int(out, "imported", import->count);
    json_key(out, "devices");
    json_raw(out, list, len);
    json_object_end(out);
    free(list);
}

void api_import_write(struct request *rq)
{
    struct import import = {.rq = rq, .now = app_now()};
    char *fields[CSV_FIELDS_MAX];
    struct json_writer devices;
    int count;

    csv_open(&import.csv, rq->body, rq->len);
    if (!read_header(&import))
        return;
    json_init(&devices, REQUEST_ANSWER_MAX);
    json_array(&devices);
    while ((count = csv_next(&import.csv, fields)) > 0) {
        if (count != import.columns)
            refuse(&import, "it has not as many fields as the header");
        if (count != import.columns || !import_line(&import, fields, &devices))
            break;
    }
    if (count < 0)
        refuse(&import, "a quote is not closed, or the line holds a NUL");
    json_array_end(&devices);
    if (!request_is_over(rq))
        answer(&import, &devices);
    json_free(&devices);
}
