#include "tests/support/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/version.h"

static int parse(struct ota_version *version, const struct blob *text)
{
    return ota_version_parse(version, (const char *)text->at, text->len);
}

static void each_vector(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned good = 0;

    vectors_open(&vectors, "versions.txt");
    while (vectors_next(&vectors, &vector)) {
        struct ota_version version;
        char text[OTA_VERSION_TEXT_MAX + 1];
        int result = parse(&version, &vector.bytes);
        print_message("# %s\n", vector.name);
        assert_string_equal(ota_error_name(result), vector.word);
        if (result != OTA_OK)
            continue;
        assert_int_equal(ota_version_format(&version, text, sizeof(text)), vector.bytes.len);
        assert_memory_equal(text, vector.bytes.at, vector.bytes.len);
        good++;
    }
    assert_true(good >= 20);
}

static void ascending(void **state)
{
    (void)state;
    struct ota_version versions[64];
    struct vectors vectors;
    struct vector vector = {0};
    int count = 0;

    vectors_open(&vectors, "versions.txt");
    while (vectors_next(&vectors, &vector)) {
        if (strcmp(vector.word, "ok") == 0)
            assert_int_equal(parse(&versions[count++], &vector.bytes), OTA_OK);
    }
    for (int a = 0; a < count; a++) {
        for (int b = 0; b < count; b++) {
            int order = ota_version_compare(&versions[a], &versions[b]);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
        }
    }
}

/* Whatever parses is what its text says: it formats to the same text. */
static void check_consistent(void *ctx, struct blob *text, size_t index)
{
    (void)ctx;
    (void)index;
    struct ota_version version;
    char back[OTA_VERSION_TEXT_MAX + 1];

    if (parse(&version, text) != OTA_OK)
        return;
    int len = ota_version_format(&version, back, sizeof(back));
    bool zero_build = version.build == 0 && text->len == (size_t)len + 2;
    assert_true(zero_build || text->len == (size_t)len);
    assert_memory_equal(back, text->at, (size_t)len);
}

static void sweeps(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "versions.txt");
    while (vectors_next(&vectors, &vector)) {
        sweep_prefixes(&vector.bytes, check_consistent, NULL);
        sweep_bit_flips(&vector.bytes, check_consistent, NULL);
    }
}

static void largest_version(void **state)
{
    (void)state;
    const struct ota_version version = {UINT8_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX};
    char text[OTA_VERSION_TEXT_MAX + 1];

    assert_int_equal(ota_version_format(&version, text, sizeof(text)), OTA_VERSION_TEXT_MAX);
    assert_string_equal(text, "255.255.65535+4294967295");
    for (size_t cap = 0; cap < sizeof(text); cap++) {
        char *small = malloc(cap);
        assert_int_equal(ota_version_format(&version, small, cap), OTA_E_NO_SPACE);
        free(small);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each version vector gives its answer and formats to the same text", each_vector)},
        {TEST("the order of versions is that of the vectors", ascending)},
        {TEST("every prefix and bit flip is refused or means what it says", sweeps)},
        {TEST("the largest version just fits OTA_VERSION_TEXT_MAX", largest_version)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
