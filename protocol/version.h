/*
 * Versions as the MCUboot image header holds them: MAJOR.MINOR.REVISION[+BUILD].
 *
 * The text form is that of Semantic Versioning 2.0.0 with a numeric build, without pre-release.
 * Unlike SemVer, the build number takes part in the order, because it does so in MCUboot.
 */
#ifndef OTA_PROTOCOL_VERSION_H
#define OTA_PROTOCOL_VERSION_H

#include <stddef.h>
#include <stdint.h>

struct ota_version {
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
};

/* Parse exactly `len` characters. 0 or OTA_E_SYNTAX / OTA_E_RANGE; leading zeros are refused. */
int ota_version_parse(struct ota_version *version, const char *text, size_t len);

/* Write the text and a NUL ("+BUILD" only when it is not 0). Characters without the NUL, or
 * OTA_E_NO_SPACE; OTA_VERSION_TEXT_MAX + 1 bytes always suffice. */
int ota_version_format(const struct ota_version *version, char *buf, size_t cap);

/* Below 0, 0, above 0 as a is older than, equal to, newer than b. */
int ota_version_compare(const struct ota_version *a, const struct ota_version *b);

#endif
