#include "server/body.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/text.h"

#define FIELD_CAP 96                   /* of "stages[0].sequential.allowed_bp" and the like */
#define INTEGER_MAX 9007199254740991.0 /* 2^53 - 1, RFC 8259 section 6 */

static bool refuse(struct request *rq, const char *detail)
{
    request_problem(rq, 400, "body_malformed", "%s", detail);
    return false;
}

/* A pass over the raw text before cJSON sees it: depth, bytes that it would cut or let pass. */
static bool check_text(struct request *rq)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < rq->len; i++) {
        unsigned char c = (unsigned char)rq->body[i];

        if (c == '\0' || (in_string && c < 0x20))
            return refuse(rq, "The body holds a control character.");
        if (c == '\\' && in_string) {
            if (rq->len - i > 5 && memcmp(rq->body + i, "\\u0000", 6) == 0)
                return refuse(rq, "The body holds \\u0000.");
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > BODY_DEPTH_MAX)
                return refuse(rq, "The body is nested too deeply.");
        } else if (!in_string && (c == '}' || c == ']')) {
            depth--;
        }
    }
    return true;
}

bool body_parse(struct request *rq)
{
    const char *end = NULL;

    if (rq->len == 0)
        return refuse(rq, "Send a JSON object.");
    if (!check_text(rq))
        return false;
    rq->json = cJSON_ParseWithLengthOpts(rq->body, rq->len, &end, false);
    while (end != NULL && end < rq->body + rq->len && strchr(" \t\r\n", *end) != NULL)
        end++;
    if (rq->json == NULL || end != rq->body + rq->len) {
        request_problem(rq, 400, "body_malformed",
                        "The body is not valid JSON; it breaks near byte %zu.",
                        end != NULL ? (size_t)(end - rq->body) + 1 : 1);
        return false;
    }
    if (!cJSON_IsObject(rq->json))
        return refuse(rq, "The body must be a JSON object.");
    return true;
}

/* "stages[0].percent". A name that the client has made up may be of any length. */
static void make_path(const char *where, const char *name, char field[FIELD_CAP])
{
    const char *dot = where[0] != '\0' && name[0] != '\0' ? "." : "";

    snprintf(field, FIELD_CAP, "%s%s%.40s", where, dot, name);
}

bool body_invalid(struct request *rq, const char *where, const char *name, const char *format, ...)
{
    char field[FIELD_CAP];
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    make_path(where, name, field);
    request_problem_in(rq, 400, "field_invalid", field, "%s %s.", field, what);
    return false;
}

static bool is_utf8(const char *text, bool lines)
{
    struct json_writer probe;
    char buf[8];
    const unsigned char *at = (const unsigned char *)text;

    /* Only what a plain writer would pass unchanged: ASCII, or whole sequences. */
    while (*at != '\0') {
        size_t len = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
        bool line_end = *at == '\n' || *at == '\r';
        if ((*at < 0x20 && !(lines && line_end)) || *at == 0x7f)
            return false;
        if (len > 1) {
            if (strnlen((const char *)at, len) < len)
                return false;
            json_init_fixed(&probe, buf, sizeof(buf));
            json_string_n(&probe, (const char *)at, len);
            if (json_failed(&probe) || probe.len != len + 2 || memcmp(buf + 1, at, len) != 0)
                return false;
        }
        at += len;
    }
    return true;
}

static bool take_string(struct request *rq, const char *where, const struct body_field *field,
                        const cJSON *item)
{
    size_t len;

    if (!cJSON_IsString(item))
        return body_invalid(rq, where, field->name, "must be a string");
    len = strlen(item->valuestring);
    if (len < (size_t)field->min || len >= field->cap)
        return body_invalid(rq, where, field->name, "must have %lld to %zu characters",
                            (long long)field->min, field->cap - 1);
    if (!is_utf8(item->valuestring, field->max == BODY_LINES))
        return body_invalid(rq, where, field->name, "holds a control character or is no UTF-8");
    memcpy(field->out, item->valuestring, len + 1);
    return true;
}

static bool take_integer(struct request *rq, const char *where, const struct body_field *field,
                         const cJSON *item)
{
    double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;

    if (!(value >= -INTEGER_MAX && value <= INTEGER_MAX) || value != floor(value) ||
        value < (double)field->min || value > (double)field->max)
        return body_invalid(rq, where, field->name, "must be a whole number from %lld to %lld",
                            (long long)field->min, (long long)field->max);
    *(int64_t *)field->out = (int64_t)value;
    return true;
}

/* The nearest double of two decimals is off by far less than a third one would be. */
static bool take_hundredths(struct request *rq, const char *where, const struct body_field *field,
                            const cJSON *item)
{
    double value = cJSON_IsNumber(item) ? item->valuedouble * 100 : NAN;

    if (!(fabs(value - round(value)) < 1e-6) || round(value) < (double)field->min ||
        round(value) > (double)field->max)
        return body_invalid(rq, where, field->name,
                            "must be a number from %.2f to %.2f with at most two decimals",
                            (double)field->min / 100, (double)field->max / 100);
    *(int64_t *)field->out = (int64_t)round(value);
    return true;
}

static bool take_array(struct request *rq, const char *where, const struct body_field *field,
                       const cJSON *item)
{
    if (!cJSON_IsArray(item))
        return body_invalid(rq, where, field->name, "must be an array");
    if (cJSON_GetArraySize(item) > field->max)
        return body_invalid(rq, where, field->name, "may have at most %lld elements",
                            (long long)field->max);
    *(const cJSON **)field->out = item;
    return true;
}

static bool take_field(struct request *rq, const char *where, const struct body_field *field,
                       const cJSON *item)
{
    if (field->given != NULL)
        *field->given = true;
    if (field->nullable && cJSON_IsNull(item))
        return true;
    switch (field->kind) {
    case BODY_STRING:
        return take_string(rq, where, field, item);
    case BODY_INTEGER:
        return take_integer(rq, where, field, item);
    case BODY_HUNDREDTHS:
        return take_hundredths(rq, where, field, item);
    case BODY_BOOL:
        if (!cJSON_IsBool(item))
            return body_invalid(rq, where, field->name, "must be true or false");
        *(bool *)field->out = cJSON_IsTrue(item) != 0;
        return true;
    case BODY_ARRAY:
        return take_array(rq, where, field, item);
    case BODY_OBJECT:
        if (!cJSON_IsObject(item))
            return body_invalid(rq, where, field->name, "must be an object");
        *(const cJSON **)field->out = item;
        return true;
    }
    return false;
}

static const struct body_field *find_field(const struct body_field *fields, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static bool unknown(struct request *rq, const char *where, const char *name)
{
    char field[FIELD_CAP];

    make_path(where, name, field);
    request_problem_in(rq, 400, "field_unknown", field, "The field %s is not known here.", field);
    return false;
}

bool body_read(struct request *rq, const struct cJSON *object, const char *where,
               const struct body_field *fields, size_t count)
{
    uint64_t seen = 0;
    const cJSON *item;

    if (object == NULL)
        object = rq->json;
    if (!cJSON_IsObject(object))
        return body_invalid(rq, where, "", "must be an object");
    cJSON_ArrayForEach(item, object)
    {
        const struct body_field *field = find_field(fields, count, item->string);
        if (field == NULL)
            return unknown(rq, where, item->string);
        if ((seen & (1ULL << (field - fields))) != 0)
            return body_invalid(rq, where, field->name, "stands twice");
        seen |= 1ULL << (field - fields);
        if (!take_field(rq, where, field, item))
            return false;
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].required && (seen & (1ULL << i)) == 0)
            return body_invalid(rq, where, fields[i].name, "is required");
    return true;
}

bool body_take(struct request *rq, const struct body_field *fields, size_t count)
{
    return body_parse(rq) && body_read(rq, NULL, "", fields, count);
}

bool body_check_label(struct request *rq, const char *field, const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._:+@-";

    if (strspn(text, allowed) == strlen(text) && text[0] != '\0' &&
        strchr(" ._:+@-", text[0]) == NULL && strlen(text) <= DB_LABEL_MAX)
        return true;
    return body_invalid(rq, "", field,
                        "must be 1 to 64 of A-Z a-z 0-9 space . _ : + @ -, beginning with a letter "
                        "or digit");
}

bool body_check_image_name(struct request *rq, const char *field, const char *text)
{
    return ota_text_is_name(ota_text_of(text)) ||
           body_invalid(rq, "", field, "must be 1 to 32 of A-Z a-z 0-9 . _ -, as in the image");
}
