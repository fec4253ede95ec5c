#include "tests/support/support.h"

#include <ctype.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

/* Values far beyond those in use. */
#define LOWEST (-1000)

static void words_of_the_enumerators(void **state)
{
    (void)state;
    FILE *header = fopen("protocol/error.h", "r");
    char line[256];
    unsigned count = 0;

    assert_non_null(header);
    while (fgets(line, sizeof(line), header) != NULL) {
        char word[64];
        int value;
        if (sscanf(line, " OTA_E_%63[A-Z_] = %d,", word, &value) != 2)
            continue;
        for (char *c = word; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        assert_string_equal(ota_error_name(value), word);
        assert_true(value < 0);
        count++;
    }
    fclose(header);
    assert_true(count > 30);
}

static void words_are_unique(void **state)
{
    (void)state;

    for (int a = LOWEST; a <= 0; a++) {
        const char *word = ota_error_name(a);
        assert_true(ota_text_is_word(ota_text_of(word)));
        if (strcmp(word, "unknown") == 0)
            continue;
        for (int b = a + 1; b <= 0; b++)
            assert_string_not_equal(word, ota_error_name(b));
    }
}

static void other_values(void **state)
{
    (void)state;

    assert_string_equal(ota_error_name(OTA_OK), "ok");
    assert_string_equal(ota_error_name(1), "unknown");
    assert_string_equal(ota_error_name(LOWEST), "unknown");
    assert_string_equal(ota_error_name(-2147483647 - 1), "unknown");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each error's word is its enumerator in lower case", words_of_the_enumerators)},
        {TEST("no two errors share a word, and each is fit for a report", words_are_unique)},
        {TEST("a value that is no error is called unknown", other_values)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
