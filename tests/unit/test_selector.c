#include "tests/support/support.h"

#include <string.h>

#include "server/selector.h"

static struct ota_text text_of(const char *text)
{
    return (struct ota_text){text, strlen(text)};
}

static const struct selector_tag tags[] = {
    {{"site", 4}, {"berlin", 6}},
    {{"ring", 4}, {"canary", 6}},
    {{"lab/bench", 9}, {"", 0}},
};

static bool matches(const char *text)
{
    struct selector selector;

    assert_int_equal(selector_parse(&selector, text_of(text), NULL), SELECTOR_OK);
    return selector_matches(&selector, tags, sizeof tags / sizeof tags[0]);
}

static void takes(void **state)
{
    static const char *const selectors[] = {
        "",
        "  ",
        "site=berlin",
        "site==berlin",
        "site = berlin , ring=canary",
        "site=berlin,ring in (canary,beta)",
        "ring in(beta , canary )",
        "ring notin (beta)",
        "ring!=beta",
        "country!=de",
        "country notin (de,fr)",
        "lab/bench",
        "!country",
        "! country,site",
        "site in (berlin),!country,ring",
    };
    (void)state;
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        if (!matches(selectors[i]))
            fail_msg("not taken by: %s", selectors[i]);
    }
}

static void leaves(void **state)
{
    static const char *const selectors[] = {
        "site=paris",
        "site=berli",
        "site=berlinn",
        "site!=berlin",
        "sit=berlin",
        "country",
        "!site",
        "country=de",
        "ring in (beta)",
        "ring notin (beta,canary)",
        "country in (de)",
        "site=berlin,ring=beta",
        "site,ring,country",
    };
    (void)state;
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        if (matches(selectors[i]))
            fail_msg("taken by: %s", selectors[i]);
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {",", 0},
        {"site=", 5},
        {"=berlin", 0},
        {"site=berlin,", 12},
        {"site,,ring", 5},
        {"ring in", 7},
        {"ring in ()", 9},
        {"ring in (a", 10},
        {"ring in (a,)", 11},
        {"ring of (a)", 5},
        {"site=a b", 7},
        {"!", 1},
        {"!site=a", 5},
        {"site=\"a\"", 5},
        {"site\xc3\xa4", 4},
        {"ring in a", 8},
        {"site=a)", 6},
        {"site\tx", 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct selector selector;
        size_t at = 999;

        if (selector_parse(&selector, text_of(cases[i].text), &at) != SELECTOR_E_SYNTAX)
            fail_msg("not refused: %s", cases[i].text);
        if (at != cases[i].at)
            fail_msg("%s: offset %zu, not %zu", cases[i].text, at, cases[i].at);
        assert_int_equal(selector.requirement_count, 0);
    }
}

static void nul_inside(void **state)
{
    struct selector selector;

    (void)state;
    assert_int_equal(selector_parse(&selector, (struct ota_text){"site\0ring", 9}, NULL),
                     SELECTOR_E_SYNTAX);
}

static void bounds(void **state)
{
    struct selector selector;
    char text[SELECTOR_TEXT_MAX + 2];

    (void)state;
    memset(text, ' ', sizeof text);
    assert_int_equal(selector_parse(&selector, (struct ota_text){text, SELECTOR_TEXT_MAX}, NULL),
                     SELECTOR_OK);
    assert_int_equal(
        selector_parse(&selector, (struct ota_text){text, SELECTOR_TEXT_MAX + 1}, NULL),
        SELECTOR_E_TOO_LONG);
    memset(text, 'a', sizeof text);
    assert_int_equal(selector_parse(&selector, (struct ota_text){text, SELECTOR_WORD_MAX}, NULL),
                     SELECTOR_OK);
    assert_int_equal(
        selector_parse(&selector, (struct ota_text){text, SELECTOR_WORD_MAX + 1}, NULL),
        SELECTOR_E_TOO_LONG);
    assert_int_equal(selector_parse(&selector, text_of("a,b,c,d,e,f,g,h"), NULL), SELECTOR_OK);
    assert_int_equal(selector_parse(&selector, text_of("a,b,c,d,e,f,g,h,i"), NULL),
                     SELECTOR_E_TOO_LONG);
    assert_int_equal(
        selector_parse(&selector, text_of("a in (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16)"), NULL),
        SELECTOR_OK);
    assert_int_equal(selector_parse(&selector,
                                    text_of("a in (1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16),b=c"),
                                    NULL),
                     SELECTOR_E_TOO_LONG);
}

/* Whatever stands in the text: no byte beyond it is read (ASan sees it), and refused is empty. */
static void every_prefix(void **state)
{
    static const char text[] = "site == berlin,ring in (canary,beta),!lab, x notin ( a )";

    (void)state;
    for (size_t len = 0; len <= sizeof text - 1; len++) {
        struct blob blob = blob_copy(text, len);
        struct selector selector;
        int error = selector_parse(&selector, (struct ota_text){(const char *)blob.at, len}, NULL);

        assert_true(error == SELECTOR_OK || selector.text_len == 0);
        blob_free(&blob);
    }
}

static void copied(void **state)
{
    struct selector first, second;

    (void)state;
    assert_int_equal(selector_parse(&first, text_of("ring in (canary,beta)"), NULL), SELECTOR_OK);
    second = first;
    memset(&first, 0xa5, sizeof first);
    assert_true(selector_matches(&second, tags, 3));
    assert_false(selector_matches(&second, tags, 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("a selector takes a device for which all its requirements hold", takes)},
        {TEST("a selector leaves a device for which one requirement does not hold", leaves)},
        {TEST("what is not the grammar is refused, and the place is told", refuses)},
        {TEST("a NUL inside the text is refused", nul_inside)},
        {TEST("each limit is kept, and one more is refused", bounds)},
        {TEST("every prefix of a selector is compiled or refused without a byte too far",
              every_prefix)},
        {TEST("a compiled selector may be copied", copied)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
