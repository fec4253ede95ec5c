#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#include "server/tags.h"

static void reads_and_writes(void **state)
{
    static const struct {
        const char *text;
        int error;
        const char *sorted;
    } cases[] = {
        {"", TAGS_OK, ""},
        {"a=1", TAGS_OK, "a=1"},
        {"b=2,a=1", TAGS_OK, "a=1,b=2"},
        {"b=2;a=1", TAGS_OK, "a=1,b=2"},
        {"x/y.z_w-v=A.b_c-d/e", TAGS_OK, "x/y.z_w-v=A.b_c-d/e"},
        {"a", TAGS_E_WORD, NULL},
        {"a=", TAGS_E_WORD, NULL},
        {"=a", TAGS_E_WORD, NULL},
        {"a=b=c", TAGS_E_WORD, NULL},
        {"a=b c", TAGS_E_WORD, NULL},
        {"a=1,", TAGS_E_WORD, NULL},
        {",a=1", TAGS_E_WORD, NULL},
        {"a=1,a=1", TAGS_E_TWICE, NULL},
    };
    char text[TAGS_TEXT_MAX + 1];
    struct tags tags;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tags_parse(&tags, cases[i].text), cases[i].error);
        if (cases[i].error != TAGS_OK)
            continue;
        assert_int_equal(tags_format(&tags, text), TAGS_OK);
        assert_string_equal(text, cases[i].sorted);
    }
}

static void keeps_its_bounds(void **state)
{
    char key[SELECTOR_WORD_MAX + 2];
    char text[TAGS_TEXT_MAX + 1];
    struct tags tags = {.count = 0};

    (void)state;
    memset(key, 'k', sizeof(key));
    key[SELECTOR_WORD_MAX + 1] = '\0';
    assert_int_equal(tags_set(&tags, key, "v"), TAGS_E_WORD);
    assert_int_equal(tags_set(&tags, "k", key), TAGS_E_WORD);
    key[SELECTOR_WORD_MAX] = '\0';
    for (int i = 0; i < 5; i++) {
        /* Each takes 63 + 1 + 63 characters and a comma: four fit. */
        assert_int_equal(tags_format(&tags, text), TAGS_OK);
        key[0] = (char)('a' + i);
        assert_int_equal(tags_set(&tags, key, key), TAGS_OK);
    }
    assert_int_equal(tags_format(&tags, text), TAGS_E_MANY);
    tags.count = 0;
    for (int i = 0; i < TAGS_MAX; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(tags_set(&tags, key, "v"), TAGS_OK);
    }
    assert_int_equal(tags_set(&tags, "one-more", "v"), TAGS_E_MANY);
    assert_int_equal(tags_set(&tags, "k3", "other"), TAGS_OK);
    tags_remove(&tags, "k0");
    tags_remove(&tags, "never");
    assert_int_equal(tags.count, TAGS_MAX - 1);
    assert_int_equal(tags_set(&tags, "one-more", "v"), TAGS_OK);
}

static void shares_sets(void **state)
{
    struct tag_pool pool = {.buckets = NULL};
    struct tag_set *first = tag_pool_take(&pool, "ring=beta,site=rome");
    struct tag_set *second = tag_pool_take(&pool, "ring=beta,site=rome");
    struct tag_set *many[500];

    (void)state;
    assert_ptr_equal(first, second);
    assert_int_equal(first->count, 2);
    assert_true(ota_text_is(first->tags[1].key, "site"));
    assert_true(ota_text_is(first->tags[1].value, "rome"));
    for (int i = 0; i < 500; i++) {
        char text[32];
        snprintf(text, sizeof(text), "serial=%d", i);
        many[i] = tag_pool_take(&pool, text);
        assert_int_equal(many[i]->count, 1);
    }
    assert_int_equal(pool.set_count, 501);
    for (int i = 0; i < 500; i++)
        tag_pool_give(&pool, many[i]);
    tag_pool_give(&pool, first);
    assert_int_equal(pool.set_count, 1);
    tag_pool_give(&pool, second);
    assert_int_equal(pool.set_count, 0);
    assert_int_equal(tag_pool_take(&pool, "")->count, 0);
    tag_pool_clear(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("tags are read in any order, and written sorted", reads_and_writes)},
        {TEST("words, their number and the text are bounded", keeps_its_bounds)},
        {TEST("devices with the same tags share one set, which goes with the last", shares_sets)},
    };

    return cmocka_run_group_tests_name("tags", tests, NULL, NULL);
}
