/* The strict JSON reader: checked and unchecked reads agree, and stay within the text. */
#include "protocol/error.h"
#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ota_json json;

    int checked = ota_json_check((const char *)data, len);
    ota_json_open(&json, (const char *)data, len);
    int skipped = ota_json_skip(&json);
    fuzz_require(json.at <= json.end);
    fuzz_require(checked != OTA_OK || skipped == OTA_OK);
    fuzz_require(checked != OTA_OK || json.depth == 0);
    fuzz_require(checked == OTA_OK || checked < 0);
    return 0;
}
