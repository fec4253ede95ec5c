#include "tests/support/support.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/limits.h"
#include "protocol/text.h"

static void hex_there_and_back(void **state)
{
    (void)state;
    uint8_t bytes[256];
    uint8_t back[256];
    char text[2 * sizeof(bytes) + 1];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ota_hex_encode(bytes, sizeof(bytes), text);
    assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
    assert_int_equal(strlen(text), 512);
    assert_int_equal(ota_hex_decode(back, sizeof(back), ota_text_of(text)), OTA_OK);
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void hex_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "0",    "000",  "00000", "000g", "00 0",
                                      "00AA", "0x00", "00:0", "00`0",  "0/00", "-100"};
    uint8_t bytes[2];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ota_hex_decode(bytes, 2, ota_text_of(bad[i])), OTA_E_SYNTAX);
}

/* RFC 4648 section 10, without the padding, and the two characters that are base64url's own. */
static const struct {
    const char *bytes;
    size_t len;
    const char *text;
} base64url[] = {
    {"", 0, ""},
    {"f", 1, "Zg"},
    {"fo", 2, "Zm8"},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg"},
    {"fooba", 5, "Zm9vYmE"},
    {"foobar", 6, "Zm9vYmFy"},
    {"\xfb\xff", 2, "-_8"},
};

static void base64url_there_and_back(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(base64url) / sizeof(base64url[0]); i++) {
        size_t text_len = strlen(base64url[i].text);
        size_t len = base64url[i].len;
        struct blob text = blob_copy("????????", text_len);
        struct blob bytes = blob_copy("????????", len);
        char *at = (char *)text.at;
        assert_int_equal(
            ota_base64url_encode((const uint8_t *)base64url[i].bytes, len, at, text_len), text_len);
        assert_memory_equal(at, base64url[i].text, text_len);
        struct ota_text view = {at, text_len};
        assert_int_equal(ota_base64url_decode(bytes.at, len, view), len);
        assert_memory_equal(bytes.at, base64url[i].bytes, len);
        if (len > 0) {
            assert_int_equal(ota_base64url_decode(bytes.at, len - 1, view), OTA_E_NO_SPACE);
            assert_int_equal(ota_base64url_encode(bytes.at, len, at, text_len - 1), OTA_E_NO_SPACE);
        }
        blob_free(&text);
        blob_free(&bytes);
    }
}

static void base64url_in_place(void **state)
{
    (void)state;
    char buf[] = "Zm9vYmFyZm9vYmFy";
    int len =
        ota_base64url_decode((uint8_t *)buf, sizeof(buf) - 1, ota_text_of("Zm9vYmFyZm9vYmFy"));

    assert_int_equal(len, 12);
    len = ota_base64url_decode((uint8_t *)strcpy(buf, "Zm9vYmFyZm9vYmFy"), 16,
                               (struct ota_text){buf, 16});
    assert_int_equal(len, 12);
    assert_memory_equal(buf, "foobarfoobar", 12);
}

static void base64url_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"A",      "Zm9vY",      "Zg==", "Zm8=",     "Zm9v\n",
                                      " Zm9v",  "Zm+v",       "Zm/v", "Zh",       "Zm9",
                                      "Zm9vYh", "Z\xc3\xa9v", "Zm.v", "Zm9vZm9v="};
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ota_base64url_decode(bytes, sizeof(bytes), ota_text_of(bad[i])),
                         OTA_E_SYNTAX);
}

static void decimals(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,          1,
                                      9,          10,
                                      99,         100,
                                      65535,      65536,
                                      4294967295, 4294967296U,
                                      1ULL << 53, 9007199254740991,
                                      UINT64_MAX, UINT64_MAX / 10};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char expected[OTA_DECIMAL_MAX + 1];
        char text[OTA_DECIMAL_MAX];
        int len = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
        assert_int_equal(ota_decimal_encode(values[i], text), len);
        assert_memory_equal(text, expected, (size_t)len);
    }
}

/* `is` takes exactly the characters of `allowed` at the second place, and of `first` at the first.
 */
static void check_class(bool (*is)(struct ota_text), const char *first, const char *allowed)
{
    for (int c = 0; c < 256; c++) {
        char text[2] = {first[0], (char)c};
        bool in_class = c != 0 && strchr(allowed, c) != NULL;
        bool leads = c != 0 && strchr(first, c) != NULL;
        assert_int_equal(is((struct ota_text){text, 2}), in_class);
        assert_int_equal(is((struct ota_text){&text[1], 1}), leads);
    }
}

static void check_length(bool (*is)(struct ota_text), size_t max)
{
    struct blob text = blob_copy("", 0);

    assert_false(is((struct ota_text){(const char *)text.at, 0}));
    blob_free(&text);
    for (size_t len = 1; len <= max + 2; len++) {
        char buf[OTA_URL_MAX + 2];
        memset(buf, 'a', sizeof(buf));
        buf[0] = is == ota_text_is_url_path ? '/' : 'a';
        text = blob_copy(buf, len);
        assert_int_equal(is((struct ota_text){(const char *)text.at, len}), len <= max);
        blob_free(&text);
    }
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void classes(void **state)
{
    (void)state;

    check_class(ota_text_is_device_id, LETTERS DIGITS, LETTERS DIGITS "._:-");
    check_class(ota_text_is_name, LETTERS DIGITS "._-", LETTERS DIGITS "._-");
    check_class(ota_text_is_deployment, LETTERS DIGITS "._-", LETTERS DIGITS "._-");
    check_class(ota_text_is_word, LOWER DIGITS "_", LOWER DIGITS "_");
    check_length(ota_text_is_device_id, OTA_DEVICE_ID_MAX);
    check_length(ota_text_is_name, OTA_NAME_MAX);
    check_length(ota_text_is_deployment, OTA_DEPLOYMENT_MAX);
    check_length(ota_text_is_word, OTA_WORD_MAX);
    check_length(ota_text_is_url_path, OTA_URL_MAX);
}

static void url_paths(void **state)
{
    (void)state;
    static const char *const good[] = {"/", "/a", "/a/b", "/a.b?c=d&e=%2f", "/~a;b,c@d:8/!$'()*+="};
    static const char *const bad[] = {
        "",     "a",     "//",   "//host/a", "/a//b",        "/..",       "/a/../b", "/a\\b",
        "/a b", "/a\tb", "/a#b", "/a\"b",    "http://host/", "/\xc3\xa9", "/\x7f",   "/a\r\nb"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(ota_text_is_url_path(ota_text_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ota_text_is_url_path(ota_text_of(bad[i])));
}

static void equality(void **state)
{
    (void)state;
    struct ota_text empty = {NULL, 0};

    assert_true(ota_text_equal(empty, ota_text_of("")));
    assert_true(ota_text_is(ota_text_of("none"), "none"));
    assert_false(ota_text_is(ota_text_of("none"), "non"));
    assert_false(ota_text_is(ota_text_of("non"), "none"));
    assert_false(ota_text_is(ota_text_of("nonE"), "none"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("hex goes there and back in lower case", hex_there_and_back)},
        {TEST("hex of another length, case or alphabet is refused", hex_refuses)},
        {TEST("base64url goes there and back in buffers that just fit", base64url_there_and_back)},
        {TEST("base64url decodes in place", base64url_in_place)},
        {TEST("base64url with padding, spare bits or foreign characters is refused",
              base64url_refuses)},
        {TEST("decimals are those of printf", decimals)},
        {TEST("each character class takes its characters and lengths, and no others", classes)},
        {TEST("a URL path stays on its origin and below its root", url_paths)},
        {TEST("texts are equal only as a whole", equality)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
