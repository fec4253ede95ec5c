#include "protocol/fields.h"

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/version.h"

int ota_fields_take(struct ota_json *json, const struct ota_field *fields, size_t count, void *out,
                    uint32_t *seen)
{
    struct ota_text key;

    *seen = 0;
    ota_json_enter_object(json);
    while (ota_json_next_key(json, &key)) {
        size_t i = 0;
        while (i < count && !ota_text_is(key, fields[i].key))
            i++;
        int error = i < count ? fields[i].take(json, (uint8_t *)out + fields[i].offset)
                              : ota_json_skip(json);
        if (error != OTA_OK)
            return error;
        *seen |= i < count ? 1U << i : 0;
    }
    return json->error;
}

int ota_fields_read(const char *buf, size_t len, const struct ota_field *fields, size_t count,
                    void *out, uint32_t *seen)
{
    struct ota_json json;

    int error = ota_json_check(buf, len);
    if (error != OTA_OK)
        return error;
    ota_json_open(&json, buf, len);
    return ota_fields_take(&json, fields, count, out, seen);
}

int ota_take_string(struct ota_json *json, void *text)
{
    return ota_json_string(json, text);
}

static int take_class(struct ota_json *json, struct ota_text *text,
                      bool (*is_valid)(struct ota_text))
{
    if (ota_json_string(json, text) != OTA_OK)
        return json->error;
    return is_valid(*text) ? OTA_OK : OTA_E_SYNTAX;
}

int ota_take_device_id(struct ota_json *json, void *text)
{
    return take_class(json, text, ota_text_is_device_id);
}

int ota_take_deployment(struct ota_json *json, void *text)
{
    return take_class(json, text, ota_text_is_deployment);
}

int ota_take_name(struct ota_json *json, void *text)
{
    return take_class(json, text, ota_text_is_name);
}

int ota_take_url(struct ota_json *json, void *text)
{
    return take_class(json, text, ota_text_is_url_path);
}

static int take_hex(struct ota_json *json, uint8_t *bytes, size_t len)
{
    struct ota_text text;

    if (ota_json_string(json, &text) != OTA_OK)
        return json->error;
    return ota_hex_decode(bytes, len, text);
}

int ota_take_hash(struct ota_json *json, void *hash)
{
    return take_hex(json, hash, OTA_HASH_LEN);
}

int ota_take_nonce(struct ota_json *json, void *nonce)
{
    return take_hex(json, nonce, OTA_NONCE_LEN);
}

int ota_take_version(struct ota_json *json, void *version)
{
    struct ota_text text;

    if (ota_json_string(json, &text) != OTA_OK)
        return json->error;
    return ota_version_parse(version, text.at, text.len);
}

int ota_take_integer(struct ota_json *json, void *value)
{
    return ota_json_integer(json, value);
}

int ota_take_bounded(struct ota_json *json, uint32_t *value, uint32_t min, uint32_t max)
{
    uint64_t wide;

    if (ota_json_integer(json, &wide) != OTA_OK)
        return json->error;
    if (wide < min || wide > max)
        return OTA_E_RANGE;
    *value = (uint32_t)wide;
    return OTA_OK;
}
