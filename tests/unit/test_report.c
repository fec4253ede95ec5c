#include "tests/support/vectors.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/report.h"

static int decode(struct ota_report *report, const struct blob *body)
{
    static const struct ota_report zero;

    memset(report, 0xa5, sizeof(*report));
    int result = ota_report_decode(report, (const char *)body->at, body->len);
    assert_true(result <= 0);
    if (result != OTA_OK)
        assert_memory_equal(report, &zero, sizeof(zero));
    return result;
}

static void each_vector(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned count = 0;

    vectors_open(&vectors, "reports.txt");
    while (vectors_next(&vectors, &vector)) {
        struct ota_report report;
        const char *expected = strcmp(vector.word, "accepted") == 0 ? "ok" : vector.word;
        int result = decode(&report, &vector.bytes);
        if (strcmp(ota_error_name(result), expected) != 0)
            fail_msg("%s: %s instead of %s", vector.name, ota_error_name(result), expected);
        count++;
    }
    assert_true(count > 30);
}

static void encoder(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "reports.txt");
    while (vectors_next(&vectors, &vector)) {
        struct ota_report report;
        if (strcmp(vector.word, "ok") != 0)
            continue;
        assert_int_equal(decode(&report, &vector.bytes), OTA_OK);
        for (size_t cap = 0; cap <= vector.bytes.len; cap++) {
            struct blob buf = blob_copy(vector.bytes.at, cap);
            int len = ota_report_encode(&report, (char *)buf.at, cap);
            assert_int_equal(len, cap < vector.bytes.len ? OTA_E_NO_SPACE : (int)cap);
            if (cap == vector.bytes.len)
                assert_memory_equal(buf.at, vector.bytes.at, cap);
            blob_free(&buf);
        }
    }
}

static void fields(void **state)
{
    (void)state;
    static const char body[] =
        "{\"deployment\":\"42\",\"seq\":5,\"event\":\"reverted\",\"version\":\"1.2.3+9\",\"hash\":"
        "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
        "\"reason\":\"self_test\",\"log\":\"one|two\"}";
    struct blob blob = blob_copy(body, strlen(body));
    struct ota_report report;

    assert_int_equal(decode(&report, &blob), OTA_OK);
    assert_true(ota_text_is(report.deployment, "42"));
    assert_int_equal(report.seq, 5);
    assert_int_equal(report.event, OTA_EVENT_REVERTED);
    assert_int_equal(report.version.build, 9);
    assert_int_equal(report.hash[31], 0x1f);
    assert_true(ota_text_is(report.reason, "self_test"));
    assert_true(ota_text_is(report.log, "one|two"));
    blob_free(&blob);
}

/* What decodes can be encoded, and then decodes to the same bytes again. */
static void check_stable(void *ctx, struct blob *body, size_t index)
{
    struct ota_report report;
    char first[OTA_REPORT_MAX];
    char second[OTA_REPORT_MAX];

    (void)ctx;
    (void)index;
    if (decode(&report, body) != OTA_OK)
        return;
    int len = ota_report_encode(&report, first, sizeof(first));
    assert_true(len > 0);
    struct blob again = blob_copy(first, (size_t)len);
    assert_int_equal(decode(&report, &again), OTA_OK);
    assert_int_equal(ota_report_encode(&report, second, sizeof(second)), len);
    assert_memory_equal(first, second, (size_t)len);
    blob_free(&again);
}

static void check_prefix(void *ctx, struct blob *body, size_t index)
{
    const struct vector *vector = ctx;
    struct ota_report report;
    int result = decode(&report, body);

    if (strcmp(vector->word, "ok") == 0)
        assert_int_equal(result, OTA_E_TRUNCATED);
    check_stable(NULL, body, index);
}

static void sweeps(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "reports.txt");
    while (vectors_next(&vectors, &vector)) {
        sweep_prefixes(&vector.bytes, check_prefix, &vector);
        sweep_bit_flips(&vector.bytes, check_stable, NULL);
    }
}

static struct ota_report largest_report(char *log)
{
    struct ota_report report = {
        .deployment = ota_text_of("12345678901234567890123456789012"),
        .seq = OTA_JSON_INT_MAX,
        .event = OTA_EVENT_FAILED,
        .version = {255, 255, 65535, 4294967295},
        .reason = ota_text_of("12345678901234567890123456789012"),
        .log = {log, OTA_REPORT_LOG_MAX},
    };

    memset(log, 'l', OTA_REPORT_LOG_MAX + 1);
    return report;
}

static void largest(void **state)
{
    (void)state;
    char log[OTA_REPORT_LOG_MAX + 1];
    struct ota_report report = largest_report(log);
    char buf[OTA_REPORT_MAX + 1];

    int len = ota_report_encode(&report, buf, OTA_REPORT_MAX);
    assert_true(len > 0);
    assert_int_equal(ota_report_decode(&report, buf, (size_t)len), OTA_OK);
    assert_int_equal(report.log.len, OTA_REPORT_LOG_MAX);
    memcpy(buf + len - 2, "l\"}", 3); /* a character more of log */
    assert_int_equal(ota_report_decode(&report, buf, (size_t)len + 1), OTA_E_RANGE);
    memcpy(buf + len - 2, "\"}", 2);
    memset(buf + len, ' ', sizeof(buf) - (size_t)len);
    assert_int_equal(ota_report_decode(&report, buf, OTA_REPORT_MAX), OTA_OK);
    assert_int_equal(ota_report_decode(&report, buf, OTA_REPORT_MAX + 1), OTA_E_TOO_LARGE);
}

static void encoder_refuses(void **state)
{
    (void)state;
    char log[OTA_REPORT_LOG_MAX + 1];
    char buf[OTA_REPORT_MAX];
    struct ota_report bad[6];

    for (size_t i = 0; i < 6; i++)
        bad[i] = largest_report(log);
    bad[0].deployment = ota_text_of("");
    bad[1].seq = OTA_JSON_INT_MAX + 1ULL;
    bad[2].event = (enum ota_event)0;
    bad[3].event = OTA_EVENT_DOWNLOADING;
    bad[3].percent = 101;
    bad[4].reason = ota_text_of("");
    bad[5].log.len = OTA_REPORT_LOG_MAX + 1;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(ota_report_encode(&bad[i], buf, sizeof(buf)), OTA_E_RANGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each report vector gives its answer", each_vector)},
        {TEST("the encoder writes the vectors, into buffers that just fit", encoder)},
        {TEST("a report says what its text says", fields)},
        {TEST("every prefix and bit flip is refused or decodes to what it says", sweeps)},
        {TEST("the largest report fits OTA_REPORT_MAX, and one byte more is refused", largest)},
        {TEST("the encoder writes nothing that the decoder would refuse", encoder_refuses)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
