#include "tests/support/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/json.h"
#include "protocol/limits.h"

static int check(const struct blob *text)
{
    return ota_json_check((const char *)text->at, text->len);
}

static void each_vector(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned count = 0;

    vectors_open(&vectors, "json.txt");
    while (vectors_next(&vectors, &vector)) {
        if (strcmp(ota_error_name(check(&vector.bytes)), vector.word) != 0)
            fail_msg("%s: %s instead of %s", vector.name, ota_error_name(check(&vector.bytes)),
                     vector.word);
        count++;
    }
    assert_true(count > 100);
}

/* Copy a value, through the reader and the writer, which has no booleans. `key` NULL for an item.
 */
static void copy_value(struct ota_json *json, struct ota_out *out, const char *key)
{
    struct ota_text text;
    uint64_t number;
    struct ota_json before = *json;

    if (ota_json_enter_object(json) == OTA_OK) {
        ota_json_out_open(out, key, '{');
        while (ota_json_next_key(json, &text)) {
            char member[64];
            snprintf(member, sizeof(member), "%.*s", (int)text.len, text.at);
            copy_value(json, out, member);
        }
        ota_json_out_close(out, '}');
        return;
    }
    *json = before;
    if (ota_json_enter_array(json) == OTA_OK) {
        ota_json_out_open(out, key, '[');
        while (ota_json_next_item(json))
            copy_value(json, out, NULL);
        ota_json_out_close(out, ']');
        return;
    }
    *json = before;
    if (ota_json_string(json, &text) == OTA_OK) {
        ota_json_out_text(out, key, text);
        return;
    }
    *json = before;
    if (ota_json_integer(json, &number) == OTA_OK) {
        ota_json_out_integer(out, key, number);
        return;
    }
    *json = before;
    const char *word = json->at;
    assert_int_equal(ota_json_skip(json), OTA_OK);
    ota_json_out_text(out, key, (struct ota_text){word, (size_t)(json->at - word)});
}

/* What the reader takes from an accepted text, written again, is accepted, and stays the same from
 * then on. */
static void copy(const struct blob *text, char *buf, size_t cap, int *len)
{
    struct ota_json json;
    struct ota_out out;

    ota_json_open(&json, (const char *)text->at, text->len);
    ota_out_open(&out, buf, cap);
    copy_value(&json, &out, NULL);
    assert_int_equal(json.error, OTA_OK);
    assert_int_equal(json.depth, 0);
    *len = ota_out_end(&out);
    assert_true(*len > 0);
}

static void check_copy(const struct blob *text)
{
    char first[2048];
    char second[2048];
    int first_len;
    int second_len;

    copy(text, first, sizeof(first), &first_len);
    struct blob again = blob_copy(first, (size_t)first_len);
    assert_int_equal(check(&again), OTA_OK);
    copy(&again, second, sizeof(second), &second_len);
    assert_int_equal(first_len, second_len);
    assert_memory_equal(first, second, (size_t)first_len);
    blob_free(&again);
}

static void accepted_is_readable(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "json.txt");
    while (vectors_next(&vectors, &vector)) {
        if (strcmp(vector.word, "ok") == 0)
            check_copy(&vector.bytes);
    }
}

/* Without a check before: the reader must stay within the text and stop at its first error. */
static void read_unchecked(const struct blob *text)
{
    struct ota_json json;
    struct ota_text key;
    uint64_t number;

    ota_json_open(&json, (const char *)text->at, text->len);
    ota_json_enter_object(&json);
    while (ota_json_next_key(&json, &key))
        ota_json_skip(&json);
    assert_true(json.at <= json.end);
    if (json.error != OTA_OK) {
        assert_int_equal(ota_json_integer(&json, &number), json.error);
        assert_int_equal(ota_json_skip(&json), json.error);
        assert_int_equal(ota_json_enter_object(&json), json.error);
        assert_false(ota_json_next_item(&json));
    }
}

static void check_prefix(void *ctx, struct blob *text, size_t index)
{
    const struct vector *vector = ctx;
    int result = check(text);

    read_unchecked(text);
    /* Before its last bracket an accepted text is not whole; white space may follow that one. */
    const uint8_t *bytes = vector->bytes.at;
    size_t whole = vector->bytes.len;
    while (whole > 0 && bytes[whole - 1] != '}')
        whole--;
    if (strcmp(vector->word, "ok") == 0)
        assert_int_equal(result, index < whole ? OTA_E_TRUNCATED : OTA_OK);
    else
        assert_true(result <= 0);
}

static void check_flip(void *ctx, struct blob *text, size_t index)
{
    (void)ctx;
    (void)index;

    read_unchecked(text);
    if (check(text) == OTA_OK)
        check_copy(text);
}

static void sweeps(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "json.txt");
    while (vectors_next(&vectors, &vector)) {
        sweep_prefixes(&vector.bytes, check_prefix, &vector);
        sweep_bit_flips(&vector.bytes, check_flip, NULL);
    }
}

static void deep_nesting(void **state)
{
    (void)state;
    size_t len = 1000000;
    char *text = malloc(len);

    assert_non_null(text);
    memset(text, '[', len);
    memcpy(text, "{\"a\":", 5);
    assert_int_equal(ota_json_check(text, len), OTA_E_TOO_LARGE);
    for (size_t i = 5; i < len - 5; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(ota_json_check(text, len), OTA_E_TOO_LARGE);
    free(text);
}

static void wrong_types(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":\"x\"}";
    struct ota_json json;
    struct ota_text key;
    uint64_t number;

    for (int i = 0; i < 3; i++) {
        ota_json_open(&json, text, strlen(text));
        assert_int_equal(ota_json_enter_object(&json), OTA_OK);
        assert_true(ota_json_next_key(&json, &key));
        int result = i == 0   ? ota_json_integer(&json, &number)
                     : i == 1 ? ota_json_enter_object(&json)
                              : ota_json_enter_array(&json);
        assert_int_equal(result, OTA_E_SYNTAX);
        assert_false(ota_json_next_key(&json, &key));
        assert_int_equal(json.error, OTA_E_SYNTAX);
    }
}

static int write_sample(char *buf, size_t cap)
{
    struct ota_out out;
    static const uint8_t bytes[] = {0x00, 0xfb, 0xff, 0x10};

    ota_out_open(&out, buf, cap);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_text(&out, "text", ota_text_of("a\"b\\c\nd\x7f\xc3\xa9 ~"));
    ota_json_out_open(&out, "list", '[');
    ota_json_out_integer(&out, NULL, 0);
    ota_json_out_integer(&out, NULL, OTA_JSON_INT_MAX);
    ota_json_out_open(&out, NULL, '{');
    ota_json_out_close(&out, '}');
    ota_json_out_close(&out, ']');
    ota_json_out_hex(&out, "hex", bytes, sizeof(bytes));
    ota_json_out_base64url(&out, "base64url", bytes, sizeof(bytes));
    ota_json_out_close(&out, '}');
    return ota_out_end(&out);
}

static void writer(void **state)
{
    (void)state;
    static const char expected[] = "{\"text\":\"a?b?c?d??? ~\",\"list\":[0,9007199254740991,{}],"
                                   "\"hex\":\"00fbff10\",\"base64url\":\"APv_EA\"}";
    size_t len = sizeof(expected) - 1;

    for (size_t cap = 0; cap <= len; cap++) {
        struct blob buf = blob_copy(expected, cap);
        int written = write_sample((char *)buf.at, cap);
        assert_int_equal(written, cap < len ? OTA_E_NO_SPACE : (int)len);
        if (cap == len)
            assert_memory_equal(buf.at, expected, len);
        blob_free(&buf);
    }
    assert_int_equal(ota_json_check(expected, len), OTA_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each JSON vector gives its answer", each_vector)},
        {TEST("each accepted text can be read and written again", accepted_is_readable)},
        {TEST("every prefix and bit flip ends in an answer, also without a check before", sweeps)},
        {TEST("a megabyte of nesting is refused at the depth limit", deep_nesting)},
        {TEST("a value of another type is an error that stays", wrong_types)},
        {TEST("the writer fills a buffer that just fits and tells of any smaller one", writer)},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
