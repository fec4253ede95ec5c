#include "device/boot/describe.h"

static char *put_number(char *at, uint32_t number)
{
    uint32_t place = 1;

    while (number / place >= 10)
        place *= 10;
    for (; place != 0; place /= 10)
        *at++ = (char)('0' + number / place % 10);
    return at;
}

void ota_boot_describe(const struct ota_boot_report *report, const struct ota_image_info *info,
                       char line[OTA_BOOT_LINE_MAX])
{
    const struct ota_version *version = &info->header.version;
    const uint32_t numbers[] = {report->phase,
                                version->major,
                                version->minor,
                                version->revision,
                                report->attempts,
                                report->counter,
                                (uint32_t)(-report->error)};
    const uint32_t *number = numbers;

    for (const char *form = "boot phase # starts #.#.#, attempt #, counter #, error #";
         *form != '\0'; form++) {
        if (*form == '#')
            line = put_number(line, *number++);
        else
            *line++ = *form;
    }
    *line = '\0';
}
