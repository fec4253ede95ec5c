/* The small readers and writers of the server: ranges, CSV, JSON out, escapes. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "server/csv.h"
#include "server/escape.h"
#include "server/json_writer.h"
#include "server/range.h"

/* ---- ranges ---- */

static void ranges(void **state)
{
    static const struct {
        const char *header;
        uint64_t total;
        enum range_answer answer;
        uint64_t first, len;
    } rows[] = {
        {NULL, 10, RANGE_WHOLE, 0, 0},
        {"bytes=0-0", 10, RANGE_PART, 0, 1},
        {"bytes=9-9", 10, RANGE_PART, 9, 1},
        {"bytes=9-10", 10, RANGE_PART, 9, 1},
        {"bytes=10-10", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 10, RANGE_PART, 0, 10},
        {"bytes=-3", 10, RANGE_PART, 7, 3},
        {"bytes=-11", 10, RANGE_PART, 0, 10},
        {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-18446744073709551615", UINT64_MAX, RANGE_PART, 0, UINT64_MAX},
        {"bytes=0-18446744073709551616", 10, RANGE_PART, 0, 10},
        {"bytes=18446744073709551616-", 10, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-4", 10, RANGE_WHOLE, 0, 0},
        {"bytes=0-1,2-3", 10, RANGE_WHOLE, 0, 0},
        {"bytes=", 10, RANGE_WHOLE, 0, 0},
        {"bytes=-", 10, RANGE_WHOLE, 0, 0},
        {"bytes", 10, RANGE_WHOLE, 0, 0},
        {"octets=0-1", 10, RANGE_WHOLE, 0, 0},
        {"", 10, RANGE_WHOLE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct range range = {0, 0};
        print_message("# %s of %llu\n", rows[i].header != NULL ? rows[i].header : "none",
                      (unsigned long long)rows[i].total);
        assert_int_equal(range_parse(rows[i].header, rows[i].total, &range), rows[i].answer);
        if (rows[i].answer == RANGE_PART) {
            assert_true(range.first == rows[i].first);
            assert_true(range.len == rows[i].len);
        }
    }
}

/* Whatever the header is, a part lies within the file. */
static void ranges_stay_inside(void **state)
{
    static const char alphabet[] = "bytes=0123456789-, ";
    char header[24];

    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        size_t len = (size_t)(rand() % 14);
        uint64_t total = (uint64_t)(rand() % 50);
        struct range range;

        strcpy(header, "bytes=");
        for (size_t c = 0; c < len; c++)
            header[6 + c] = alphabet[rand() % (int)(sizeof(alphabet) - 1)];
        header[6 + len] = '\0';
        if (range_parse(header, total, &range) == RANGE_PART) {
            assert_true(range.len > 0);
            assert_true(range.first < total);
            assert_true(range.len <= total - range.first);
        }
    }
}

/* ---- CSV ---- */

static void check_row(const char *line, int count, const char *a, const char *b)
{
    struct blob text = blob_copy(line, strlen(line) + 1);
    char *fields[CSV_FIELDS_MAX];
    struct csv csv;

    csv_open(&csv, (char *)text.at, text.len - 1);
    assert_int_equal(csv_next(&csv, fields), count);
    if (count > 0)
        assert_string_equal(fields[0], a);
    if (count > 1)
        assert_string_equal(fields[1], b);
    blob_free(&text);
}

static void csv_rows(void **state)
{
    (void)state;
    check_row("a,b", 2, "a", "b");
    check_row("a,b\r\n", 2, "a", "b");
    check_row("\n\r\na,b", 2, "a", "b");
    check_row("\xef\xbb\xbf"
              "a,b",
              2, "a", "b");
    check_row("\"a\",\"b\"", 2, "a", "b");
    check_row("\"a,\"\"x\"\"\",b", 2, "a,\"x\"", "b");
    check_row("\"\",b", 2, "", "b");
    check_row(",", 2, "", "");
    check_row("a", 1, "a", NULL);
    check_row("a,b,", 3, "a", "b");
    check_row("", 0, NULL, NULL);
    check_row("\n\n", 0, NULL, NULL);
    check_row("\"a", -1, NULL, NULL);
    check_row("\"a\"b,c", -1, NULL, NULL);
    check_row("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 16, "a", "b");
    check_row("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", -1, NULL, NULL);
}

static void csv_lines(void **state)
{
    char text[] = "a\n\nb\nc";
    char *fields[CSV_FIELDS_MAX];
    struct csv csv;

    (void)state;
    csv_open(&csv, text, strlen(text));
    assert_int_equal(csv_next(&csv, fields), 1);
    assert_int_equal(csv.line, 1);
    assert_int_equal(csv_next(&csv, fields), 1);
    assert_int_equal(csv.line, 3);
    assert_int_equal(csv_next(&csv, fields), 1);
    assert_string_equal(fields[0], "c");
    assert_int_equal(csv.line, 4);
    assert_int_equal(csv_next(&csv, fields), 0);
    csv_open(&csv, NULL, 0);
    assert_int_equal(csv_next(&csv, fields), 0);
}

/* ---- JSON ---- */

static void check_string(const char *text, size_t len, const char *expected)
{
    struct json_writer w;
    char *out;
    size_t out_len;

    json_init(&w, 1000);
    json_string_n(&w, text, len);
    out = json_take(&w, &out_len);
    assert_non_null(out);
    assert_string_equal(out, expected);
    assert_int_equal(out_len, strlen(expected));
    free(out);
}

static void json_escapes(void **state)
{
    (void)state;
    check_string("plain", 5, "\"plain\"");
    check_string("\"\\", 2, "\"\\\"\\\\\"");
    check_string("\0\n\x1f\x7f", 4, "\"\\u0000\\u000a\\u001f\\u007f\"");
    check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    /* Overlong, surrogate, too high, cut, stray: each bad byte becomes one '?'. */
    check_string("\xc0\x80", 2, "\"??\"");
    check_string("\xed\xa0\x80", 3, "\"???\"");
    check_string("\xf4\x90\x80\x80", 4, "\"????\"");
    check_string("\xe2\x82", 2, "\"??\"");
    check_string("a\x80z", 3, "\"a?z\"");
}

static void json_document(void **state)
{
    static const uint8_t bytes[] = {0x00, 0xab, 0xff};
    struct json_writer w;
    size_t len;
    char *out;

    (void)state;
    json_init(&w, 1000);
    json_object(&w);
    json_put_int(&w, "i", INT64_MIN);
    json_key(&w, "a");
    json_array(&w);
    json_int(&w, 1);
    json_object(&w);
    json_object_end(&w);
    json_bool(&w, true);
    json_null(&w);
    json_array_end(&w);
    json_put_hex(&w, "h", bytes, sizeof(bytes));
    json_put_time(&w, "t", 1700000000);
    json_put_time(&w, "n", 0);
    json_key(&w, "r");
    json_raw(&w, "[2]", 3);
    json_object_end(&w);
    out = json_take(&w, &len);
    assert_string_equal(out, "{\"i\":-9223372036854775808,\"a\":[1,{},true,null],\"h\":\"00abff\","
                             "\"t\":\"2023-11-14T22:13:20Z\",\"n\":null,\"r\":[2]}");
    free(out);
}

static void json_bounds(void **state)
{
    struct json_writer w;
    char buf[8];
    size_t len;

    (void)state;
    json_init(&w, 300);
    for (int i = 0; i < 400; i++)
        json_int(&w, 1);
    assert_true(json_failed(&w));
    assert_null(json_take(&w, &len));
    json_init_fixed(&w, buf, sizeof(buf));
    json_string(&w, "12345");
    assert_false(json_failed(&w));
    json_init_fixed(&w, buf, sizeof(buf));
    json_string(&w, "123456");
    assert_true(json_failed(&w));
}

/* ---- escapes ---- */

static void check_decode(const char *text, bool slash, const char *expected)
{
    struct blob exact = blob_copy(text, strlen(text));
    char buf[32];
    int len = escape_decode((const char *)exact.at, exact.len, slash, buf, sizeof(buf));

    print_message("# %s\n", text);
    if (expected == NULL) {
        assert_int_equal(len, -1);
    } else {
        assert_int_equal(len, strlen(expected));
        assert_string_equal(buf, expected);
    }
    blob_free(&exact);
}

static void escapes(void **state)
{
    (void)state;
    check_decode("/a/b", false, "/a/b");
    check_decode("%41%7a", false, "Az");
    check_decode("%C3%A4", false, "\xc3\xa4");
    check_decode("a%2fb", true, "a/b");
    check_decode("a%2Fb", false, NULL);
    check_decode("%00", true, NULL);
    check_decode("%1f", true, NULL);
    check_decode("%7F", true, NULL);
    check_decode("%", true, NULL);
    check_decode("%4", true, NULL);
    check_decode("%4g", true, NULL);
    check_decode("%%41", true, NULL);
    check_decode("a\nb", true, NULL);
    check_decode("0123456789012345678901234567890", true, "0123456789012345678901234567890");
    check_decode("01234567890123456789012345678901", true, NULL);
    check_decode("", true, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a Range header is read as RFC 9110 says", ranges)},
        {TEST("no Range header gives a part outside of the file", ranges_stay_inside)},
        {TEST("CSV rows are split and unquoted", csv_rows)},
        {TEST("CSV lines are counted, empty ones as well", csv_lines)},
        {TEST("JSON strings are escaped, and what is no UTF-8 is replaced", json_escapes)},
        {TEST("a JSON document gets its commas", json_document)},
        {TEST("JSON over its bound fails for good", json_bounds)},
        {TEST("escapes are decoded, and those that hide something refused", escapes)},
    };

    return cmocka_run_group_tests_name("server text", tests, NULL, NULL);
}
