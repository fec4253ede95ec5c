#include "protocol/json.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/limits.h"

static int fail(struct ota_json *json, int error)
{
    if (json->error == OTA_OK)
        json->error = error;
    json->at = json->end; /* nothing is read any more */
    return json->error;
}

/* The next character that is no white space, '\0' at the end; nothing is consumed but white space.
 * A NUL in the text is told apart by nobody: it is no token either. */
static char peek(struct ota_json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
    return json->at < json->end ? *json->at : '\0';
}

/* Something other than what must stand here does, or the text ends. */
static int unexpected(struct ota_json *json)
{
    return fail(json, json->at == json->end ? OTA_E_TRUNCATED : OTA_E_SYNTAX);
}

static int take_char(struct ota_json *json, char c)
{
    if (peek(json) != c)
        return unexpected(json);
    json->at++;
    return OTA_OK;
}

void ota_json_open(struct ota_json *json, const char *buf, size_t len)
{
    *json = (struct ota_json){.at = buf, .end = buf + len};
}

static int enter(struct ota_json *json, char c)
{
    if (take_char(json, c) != OTA_OK)
        return json->error;
    if (json->depth == OTA_JSON_DEPTH_MAX)
        return fail(json, OTA_E_TOO_LARGE);
    json->depth++;
    json->first = true;
    return OTA_OK;
}

int ota_json_enter_object(struct ota_json *json)
{
    return enter(json, '{');
}

int ota_json_enter_array(struct ota_json *json)
{
    return enter(json, '[');
}

/* Go to the next member, past the comma; at `close` leave the object or array. */
static bool next_member(struct ota_json *json, char close)
{
    bool first = json->first;

    json->first = false; /* also of the outer one, once this one is left: it is a member there */
    if (json->error != OTA_OK)
        return false;
    if (peek(json) == close) {
        json->at++;
        json->depth--;
        return false;
    }
    return first || take_char(json, ',') == OTA_OK;
}

bool ota_json_next_key(struct ota_json *json, struct ota_text *key)
{
    return next_member(json, '}') && ota_json_string(json, key) == OTA_OK &&
           take_char(json, ':') == OTA_OK;
}

bool ota_json_next_item(struct ota_json *json)
{
    return next_member(json, ']');
}

int ota_json_string(struct ota_json *json, struct ota_text *value)
{
    if (take_char(json, '"') != OTA_OK)
        return json->error;
    value->at = json->at;
    for (; json->at < json->end && *json->at != '"'; json->at++) {
        if (*json->at < ' ' || *json->at > '~' || *json->at == '\\')
            return fail(json, OTA_E_SYNTAX);
    }
    value->len = (size_t)(json->at - value->at);
    return take_char(json, '"');
}

int ota_json_integer(struct ota_json *json, uint64_t *value)
{
    (void)peek(json);
    if (json->at == json->end)
        return unexpected(json);
    int error = ota_decimal_decode(&json->at, json->end, OTA_JSON_INT_MAX, value);
    return error == OTA_OK ? OTA_OK : fail(json, error);
}

/* A key and the quote behind it, compared as one: a key that is only a prefix differs there. Each
 * of `seen` lies before `key`, so that key.len + 1 bytes of it are within the text. */
static bool is_duplicate(const char *const *seen, size_t count, struct ota_text key)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(seen[i], key.at, key.len + 1) == 0)
            return true;
    }
    return false;
}

static int take_text(struct ota_json *json, const struct ota_field *field, void *out)
{
    struct ota_text text;

    if (ota_json_string(json, &text) != OTA_OK)
        return json->error;
    if (field->kind == OTA_KIND_PARSED)
        return field->parse(out, text);
    *(struct ota_text *)out = text;
    return field->is_class == NULL || field->is_class(text) ? OTA_OK : OTA_E_SYNTAX;
}

static int take_number(struct ota_json *json, const struct ota_field *field, void *out)
{
    uint64_t number;

    if (ota_json_integer(json, &number) != OTA_OK)
        return json->error;
    if (field->kind == OTA_KIND_INTEGER) {
        *(uint64_t *)out = number;
        return OTA_OK;
    }
    *(uint32_t *)out = (uint32_t)number;
    return number >= field->bounds->min && number <= field->bounds->max ? OTA_OK : OTA_E_RANGE;
}

static int take_field(struct ota_json *json, const struct ota_field *field, void *out)
{
    switch ((enum ota_field_kind)field->kind) {
    case OTA_KIND_TEXT:
    case OTA_KIND_PARSED:
        return take_text(json, field, out);
    case OTA_KIND_NUMBER:
    case OTA_KIND_INTEGER:
        return take_number(json, field, out);
    case OTA_KIND_TAKEN:
        break;
    }
    return field->take(json, out);
}

int ota_json_object(struct ota_json *json, const struct ota_field *fields, size_t count, void *out)
{
    const char *keys[OTA_JSON_KEYS_MAX];
    size_t key_count = 0;
    uint32_t seen = 0;
    struct ota_text key;

    ota_json_enter_object(json);
    while (ota_json_next_key(json, &key)) {
        size_t i = 0;
        if (is_duplicate(keys, key_count, key))
            return fail(json, OTA_E_DUPLICATE);
        if (key_count == OTA_JSON_KEYS_MAX)
            return fail(json, OTA_E_TOO_LARGE);
        keys[key_count++] = key.at;
        while (i < count && !ota_text_is(key, fields[i].key))
            i++;
        int error = i < count ? take_field(json, &fields[i], (uint8_t *)out + fields[i].offset)
                              : ota_json_skip(json);
        if (error != OTA_OK)
            return fail(json, error);
        seen |= i < count ? 1U << i : 0;
    }
    json->seen = seen;
    return json->error;
}

static int skip_array(struct ota_json *json)
{
    ota_json_enter_array(json);
    while (ota_json_next_item(json))
        ota_json_skip(json);
    return json->error;
}

static int skip_word(struct ota_json *json, const char *word)
{
    for (; *word != '\0'; word++, json->at++) {
        if (json->at == json->end || *json->at != *word)
            return unexpected(json);
    }
    return OTA_OK;
}

/* Recursion ends at OTA_JSON_DEPTH_MAX: enter() refuses there. */
int ota_json_skip(struct ota_json *json)
{
    struct ota_text text;
    uint64_t number;

    switch (peek(json)) {
    case '{':
        return ota_json_object(json, NULL, 0, NULL);
    case '[':
        return skip_array(json);
    case '"':
        return ota_json_string(json, &text);
    case 't':
        return skip_word(json, "true");
    case 'f':
        return skip_word(json, "false");
    default:
        return ota_json_integer(json, &number);
    }
}

int ota_json_read(struct ota_json *json, const char *buf, size_t len,
                  const struct ota_field *fields, size_t count, void *out)
{
    ota_json_open(json, buf, len);
    ota_json_object(json, fields, count, out);
    (void)peek(json);
    return json->at == json->end ? json->error : unexpected(json);
}

int ota_json_check(const char *buf, size_t len)
{
    struct ota_json json;

    return ota_json_read(&json, buf, len, NULL, 0, NULL);
}
