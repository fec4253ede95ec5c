#include "protocol/version.h"

#include "protocol/error.h"
#include "protocol/out.h"
#include "protocol/text.h"

int ota_version_parse(struct ota_version *version, const char *text, size_t len)
{
    static const uint32_t max[4] = {UINT8_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX};
    static const char before[4] = {'\0', '.', '.', '+'};
    const char *end = text + len;
    uint64_t part[4] = {0};

    for (unsigned i = 0; i < 4; i++) {
        if (i == 3 && text == end)
            break; /* the build number may be left out */
        if (i > 0 && (text == end || *text++ != before[i]))
            return OTA_E_SYNTAX;
        int error = ota_decimal_decode(&text, end, max[i], &part[i]);
        if (error != OTA_OK)
            return error;
    }
    if (text != end)
        return OTA_E_SYNTAX;
    *version = (struct ota_version){(uint8_t)part[0], (uint8_t)part[1], (uint16_t)part[2],
                                    (uint32_t)part[3]};
    return OTA_OK;
}

int ota_version_format(const struct ota_version *version, char *buf, size_t cap)
{
    struct ota_out out;

    if (cap == 0)
        return OTA_E_NO_SPACE;
    ota_out_open(&out, buf, cap - 1);
    ota_out_put_version(&out, version, "+");
    buf[out.len] = '\0';
    return ota_out_end(&out);
}

int ota_version_compare(const struct ota_version *a, const struct ota_version *b)
{
    if (a->major != b->major)
        return a->major < b->major ? -1 : 1;
    if (a->minor != b->minor)
        return a->minor < b->minor ? -1 : 1;
    if (a->revision != b->revision)
        return a->revision < b->revision ? -1 : 1;
    if (a->build != b->build)
        return a->build < b->build ? -1 : 1;
    return 0;
}
