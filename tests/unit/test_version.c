#include "tests/support/support.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/version.h"

static int parse(struct ota_version *version, const char *text)
{
    return ota_version_parse(version, text, strlen(text));
}

static void largest_version(void **state)
{
    (void)state;
    struct ota_version version;
    char text[OTA_VERSION_TEXT_MAX + 1];

    assert_int_equal(parse(&version, "255.255.65535+4294967295"), OTA_OK);
    assert_int_equal(version.build, UINT32_MAX);
    assert_int_equal(ota_version_format(&version, text, sizeof(text)), OTA_VERSION_TEXT_MAX);
    assert_string_equal(text, "255.255.65535+4294967295");
    assert_int_equal(ota_version_format(&version, text, sizeof(text) - 1), OTA_E_NO_SPACE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("the largest version just fits OTA_VERSION_TEXT_MAX", largest_version)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
