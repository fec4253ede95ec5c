/* Decoding a report: what decodes can be encoded, and decodes to the same again. */
#include <string.h>

#include "protocol/error.h"
#include "protocol/report.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ota_report report;
    struct ota_report again;
    char text[OTA_REPORT_MAX];

    if (ota_report_decode(&report, (const char *)data, len) != OTA_OK)
        return 0;
    int written = ota_report_encode(&report, text, sizeof(text));
    fuzz_require(written > 0);
    fuzz_require(ota_report_decode(&again, text, (size_t)written) == OTA_OK);
    fuzz_require(again.seq == report.seq && again.event == report.event);
    fuzz_require(ota_text_equal(again.log, report.log));
    return 0;
}
