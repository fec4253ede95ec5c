#include "device/net/http.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "tests/support/support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY_MAX 256

/* What came out of a whole run of the parser. */
struct outcome {
    int end; /* OTA_HTTP_DONE, an error, or BUSY when the input was not enough */
    bool head;
    bool keeps;
    struct ota_http_response response;
    char body[BODY_MAX];
    size_t body_len;
    size_t used;
};

struct feeder {
    struct ota_http_parser parser;
    struct outcome *outcome;
    size_t room; /* for body bytes in one call */
};

static void note(struct outcome *outcome, int event, const uint8_t *out, size_t out_len)
{
    if (event == OTA_HTTP_HEAD) {
        assert_false(outcome->head);
        outcome->head = true;
    } else if (event == OTA_HTTP_BODY) {
        assert_true(outcome->head);
        assert_in_range(out_len, 1, BODY_MAX - outcome->body_len);
        memcpy(outcome->body + outcome->body_len, out, out_len);
        outcome->body_len += out_len;
    }
    outcome->end = event;
}

/* Feed one piece, in its own allocation so that the sanitizer sees a read past it. */
static void feed(struct feeder *feeder, const char *bytes, size_t len)
{
    uint8_t *piece = malloc(len > 0 ? len : 1);
    size_t at = 0;
    int event;
    assert_non_null(piece);
    memcpy(piece, bytes, len);
    do {
        uint8_t out[BODY_MAX];
        size_t out_len = feeder->room;
        size_t used = SIZE_MAX;
        event = ota_http_parse(&feeder->parser, &feeder->outcome->response, piece + at, len - at,
                               &used, out, &out_len);
        assert_true(used <= len - at && out_len <= feeder->room);
        at += used;
        note(feeder->outcome, event, out, out_len);
    } while (event == OTA_HTTP_HEAD || event == OTA_HTTP_BODY);
    feeder->outcome->used += at;
    free(piece);
}

static void start(struct feeder *feeder, struct outcome *outcome, size_t room)
{
    memset(outcome, 0x5a, sizeof *outcome);
    outcome->head = false;
    outcome->body_len = 0;
    outcome->used = 0;
    feeder->outcome = outcome;
    feeder->room = room;
    ota_http_parser_init(&feeder->parser);
}

static void finish(struct feeder *feeder, bool closes)
{
    if (closes && feeder->outcome->end == OTA_HTTP_BUSY)
        feeder->outcome->end = ota_http_parse_end(&feeder->parser);
    feeder->outcome->keeps = ota_http_parser_keeps(&feeder->parser);
    memset(feeder->outcome->body + feeder->outcome->body_len, 0,
           BODY_MAX - feeder->outcome->body_len);
}

static void run(struct outcome *outcome, const char *bytes, size_t len, bool closes)
{
    struct feeder feeder;
    start(&feeder, outcome, BODY_MAX);
    feed(&feeder, bytes, len);
    finish(&feeder, closes);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->head, b->head);
    assert_int_equal(a->keeps, b->keeps);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->body_len, b->body_len);
    assert_memory_equal(a->body, b->body, BODY_MAX);
    if (a->head)
        assert_memory_equal(&a->response, &b->response, sizeof a->response);
}

struct good {
    const char *bytes;
    bool closes; /* the peer closes behind the bytes */
    int status;
    const char *body;
    bool keeps;
    bool coded;
    const char *etag;
    bool has_range;
    uint32_t start, end, total;
    uint32_t retry_after; /* 0 for none */
};

static const struct good good[] = {
    {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     .status = 200,
     .body = "hello",
     .keeps = true},
    {.bytes = "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", .status = 200, .body = "", .keeps = true},
    {.bytes = "HTTP/1.1 204 No Content\r\nRetry-After: 30\r\n\r\n",
     .status = 204,
     .body = "",
     .keeps = true,
     .retry_after = 30},
    {.bytes = "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
     .status = 304,
     .body = "",
     .keeps = true},
    {.bytes = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nETag:  \"a-1\" \t\r\n"
              "Content-Range: bytes 7-9/4294967295\r\n\r\nxyz",
     .status = 206,
     .body = "xyz",
     .keeps = true,
     .etag = "\"a-1\"",
     .has_range = true,
     .start = 7,
     .end = 9,
     .total = 4294967295},
    {.bytes = "HTTP/1.1 416 No\r\nContent-Range: bytes */8\r\nContent-Length: 2\r\n\r\n{}",
     .status = 416,
     .body = "{}",
     .keeps = true},
    {.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
              "4;name=\"v\"\r\nWiki\r\n5 ;x\r\npedia\r\n00b\r\n in chunks.\r\n0\r\n"
              "Content-Length: 99\r\nX: y\r\n\r\n",
     .status = 200,
     .body = "Wikipedia in chunks.",
     .keeps = true},
    {.bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nETag: \"no\"\r\n"
              "Content-Length: 77\r\nConnection: close\r\n\r\n"
              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     .status = 200,
     .body = "ok",
     .keeps = true},
    {.bytes = "HTTP/1.1 200 OK\r\nConnection: keep-alive , Close\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x"},
    {.bytes = "HTTP/1.1 200 OK\r\nConnection: closed, x-close\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x",
     .keeps = true},
    {.bytes = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", .status = 200, .body = "x"},
    {.bytes = "HTTP/1.1 200 OK\r\n\r\nuntil the end",
     .closes = true,
     .status = 200,
     .body = "until the end"},
    {.bytes = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n\x1f",
     .status = 200,
     .body = "\x1f",
     .keeps = true,
     .coded = true},
    {.bytes = "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x",
     .keeps = true},
    {.bytes =
         "HTTP/1.1 200 OK\r\nETagContent-Length: 9\r\nETag-: \"x\"\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x",
     .keeps = true},
    {.bytes = "HTTP/1.1 200 OK\r\nETag: W/\"weak\"\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x",
     .keeps = true,
     .etag = ""},
    {.bytes = "HTTP/1.1 200 OK\r\nETag: \"two words\"\r\nContent-Length: 1\r\n\r\nx",
     .status = 200,
     .body = "x",
     .keeps = true,
     .etag = ""},
    {.bytes = "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
              "Content-Length: 0\r\n\r\n",
     .status = 503,
     .body = "",
     .keeps = true},
    {.bytes = "HTTP/1.1 503 Busy\r\nRetry-After: 4294967295\r\nContent-Length: 0\r\n\r\n",
     .status = 503,
     .body = "",
     .keeps = true,
     .retry_after = UINT32_MAX},
    {.bytes = "HTTP/1.1 404 \xc3\xa4\r\nX-Empty:\r\nX-Tab:\ta\tb\r\nContent-Length: 1\r\n\r\n!",
     .status = 404,
     .body = "!",
     .keeps = true},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const struct good *want = &good[i];
        struct outcome got;
        run(&got, want->bytes, strlen(want->bytes), want->closes);
        assert_int_equal(got.end, OTA_HTTP_DONE);
        assert_int_equal(got.used, strlen(want->bytes));
        assert_int_equal(got.response.status, want->status);
        assert_string_equal(got.body, want->body);
        assert_int_equal(got.keeps, want->keeps);
        assert_int_equal(got.response.coded, want->coded);
        assert_string_equal(got.response.etag, want->etag != NULL ? want->etag : "");
        assert_int_equal(got.response.has_range, want->has_range);
        assert_int_equal(got.response.range_start, want->start);
        assert_int_equal(got.response.range_end, want->end);
        assert_int_equal(got.response.range_total, want->total);
        assert_int_equal(got.response.retry_after_seconds, want->retry_after);
        assert_int_equal(got.response.has_retry_after, want->retry_after != 0);
    }
}

#define H "HTTP/1.1 200 OK\r\n"
#define C "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char *const bad[] = {
    /* status line */
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 600 OK\r\n\r\n",
    "HTTP/1.1 +20 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\n\r\n",
    "HTTP/1.1 200 O\rK\r\n\r\n",
    "HTTP/1.1 200 O\x01K\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    /* field lines */
    H "A: b\n\r\n",
    H "A: b\r\r\n\r\n",
    H "A : b\r\n\r\n",
    H ": b\r\n\r\n",
    H " A: b\r\n\r\n",
    H "A: b\r\n folded\r\n\r\n",
    H "A\r\n\r\n",
    H "A: b\x7f\r\n\r\n",
    H "A: b\r\n\rX",
    /* framing */
    H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    H "Content-Length: 5, 5\r\n\r\nhello",
    H "Content-Length: +5\r\n\r\nhello",
    H "Content-Length: -5\r\n\r\nhello",
    H "Content-Length: 0x5\r\n\r\nhello",
    H "Content-Length: 5 5\r\n\r\nhello",
    H "Content-Length:\r\n\r\nhello",
    H "Content-Length: 4294967296\r\n\r\n",
    H "Content-Length: 4294967301\r\n\r\nhello",
    H "Transfer-Encoding: gzip, chunked\r\n\r\n",
    H "Transfer-Encoding: identity\r\n\r\n",
    H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    /* chunks */
    C "\r\n",
    C "g\r\n",
    C "-1\r\n",
    C "0x1\r\nx\r\n0\r\n\r\n",
    C "000000001\r\n",
    C "100000000\r\n",
    C "1\nx\r\n0\r\n\r\n",
    C "1\r\nxy\r\n",
    C "1\r\nx\n0\r\n\r\n",
    C "1;\x01\r\n",
    C "0\r\n folded\r\n\r\n",
    C "0\r\nno colon\r\n\r\n",
    /* ranges */
    H "Content-Range: bytes 0-4\r\n\r\n",
    H "Content-Range: bytes 0-4/*\r\n\r\n",
    H "Content-Range: bytes 4-0/9\r\n\r\n",
    H "Content-Range: bytes 0-9/9\r\n\r\n",
    H "Content-Range: bytes=0-4/9\r\n\r\n",
    H "Content-Range: items 0-4/9\r\n\r\n",
    H "Content-Range: bytes 0 - 4/9\r\n\r\n",
    H "Content-Range: bytes -4/9\r\n\r\n",
    H "Content-Range: bytes 0-4/9 \r\nContent-Range: bytes 0-4/9\r\n\r\n",
    H "Content-Range: bytes 0-4/4294967296\r\n\r\n",
    H "Content-Range: bytes */x\r\n\r\n",
    /* one of each */
    H "ETag: \"a\"\r\nETag: \"b\"\r\n\r\n",
    H "Retry-After: 1\r\nRetry-After: 2\r\n\r\n",
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct outcome got;
        run(&got, bad[i], strlen(bad[i]), false);
        if (got.end != OTA_E_HTTP)
            fail_msg("was not refused: %s", bad[i]);
    }
}

static void test_nul(void **state)
{
    static const char name[] = H "Content-Length\0: 1\r\n\r\nx";
    static const char value[] = H "Content-Length: 1\0\r\n\r\nx";
    static const char reason[] = "HTTP/1.1 200 O\0K\r\n\r\n";
    struct outcome got;
    (void)state;
    run(&got, name, sizeof name - 1, false);
    assert_int_equal(got.end, OTA_E_HTTP);
    run(&got, value, sizeof value - 1, false);
    assert_int_equal(got.end, OTA_E_HTTP);
    run(&got, reason, sizeof reason - 1, false);
    assert_int_equal(got.end, OTA_E_HTTP);
}

/* Feed `text` cut in two at every place, and byte by byte, with several sizes of room. */
static void check_splits(const char *text, bool closes)
{
    static const size_t rooms[] = {1, 2, 3, BODY_MAX};
    size_t len = strlen(text);
    struct outcome whole;
    run(&whole, text, len, closes);
    for (size_t r = 0; r < COUNT(rooms); r++) {
        struct outcome got;
        struct feeder feeder;
        for (size_t cut = 0; cut <= len; cut++) {
            start(&feeder, &got, rooms[r]);
            feed(&feeder, text, cut);
            if (got.end == OTA_HTTP_BUSY)
                feed(&feeder, text + cut, len - cut);
            finish(&feeder, closes);
            assert_same(&got, &whole);
        }
        start(&feeder, &got, rooms[r]);
        got.end = OTA_HTTP_BUSY;
        for (size_t i = 0; i < len && got.end == OTA_HTTP_BUSY; i++)
            feed(&feeder, text + i, 1);
        finish(&feeder, closes);
        assert_same(&got, &whole);
    }
}

static void test_splits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        check_splits(good[i].bytes, good[i].closes);
    for (size_t i = 0; i < COUNT(bad); i++)
        check_splits(bad[i], false);
}

static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        size_t len = strlen(good[i].bytes);
        for (size_t cut = 0; cut < len; cut++) {
            struct outcome got;
            run(&got, good[i].bytes, cut, false);
            assert_int_equal(got.end, OTA_HTTP_BUSY);
            run(&got, good[i].bytes, cut, true);
            bool whole = good[i].closes && got.head;
            assert_int_equal(got.end, whole ? OTA_HTTP_DONE : OTA_E_TRANSPORT);
            assert_false(got.keeps);
        }
    }
}

static void test_flips(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char copy[512];
        size_t len = strlen(good[i].bytes);
        assert_true(len < sizeof copy);
        for (size_t bit = 0; bit < len * 8; bit++) {
            struct outcome got;
            memcpy(copy, good[i].bytes, len);
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
            run(&got, copy, len, true);
            assert_true(got.end == OTA_HTTP_DONE || got.end == OTA_E_HTTP ||
                        got.end == OTA_E_TRANSPORT);
        }
    }
}

static void test_sticky(void **state)
{
    struct feeder feeder;
    struct outcome got;
    (void)state;
    start(&feeder, &got, BODY_MAX);
    feed(&feeder, "HTTP/9\r\n", 8);
    assert_int_equal(got.end, OTA_E_HTTP);
    feed(&feeder, good[0].bytes, strlen(good[0].bytes));
    assert_int_equal(got.end, OTA_E_HTTP);
    assert_int_equal(ota_http_parse_end(&feeder.parser), OTA_E_TRANSPORT);
    assert_false(ota_http_parser_keeps(&feeder.parser));
}

static void test_behind(void **state)
{
    static const char two[] = H "Content-Length: 1\r\n\r\nxHTTP/1.1 500 smuggled\r\n\r\n";
    struct outcome got;
    (void)state;
    run(&got, two, sizeof two - 1, false);
    assert_int_equal(got.end, OTA_HTTP_DONE);
    assert_int_equal(got.response.status, 200);
    assert_int_equal(got.used, strlen(H "Content-Length: 1\r\n\r\nx"));
}

static void test_room(void **state)
{
    struct feeder feeder;
    struct outcome got;
    (void)state;
    start(&feeder, &got, 0);
    feed(&feeder, good[0].bytes, strlen(good[0].bytes));
    assert_int_equal(got.end, OTA_HTTP_BUSY);
    assert_int_equal(got.used, strlen(good[0].bytes) - strlen("hello"));
}

/* Repeat `unit` until the parser has had enough; how many bytes that took. */
static size_t flood(const char *start_bytes, const char *unit, int *end)
{
    struct feeder feeder;
    struct outcome got;
    start(&feeder, &got, BODY_MAX);
    feed(&feeder, start_bytes, strlen(start_bytes));
    for (size_t i = 0; i < 1000000 && got.end == OTA_HTTP_BUSY; i++) {
        got.body_len = 0;
        feed(&feeder, unit, strlen(unit));
    }
    *end = got.end;
    return got.used;
}

static void test_floods(void **state)
{
    int end;
    (void)state;
    assert_in_range(flood(H "X: ", "x", &end), OTA_HTTP_LINE_MAX, OTA_HTTP_LINE_MAX + 32);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood(H, "a", &end), OTA_HTTP_LINE_MAX, OTA_HTTP_LINE_MAX + 32);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood("HTTP/1.1 200 ", "a", &end), OTA_HTTP_LINE_MAX, OTA_HTTP_LINE_MAX + 32);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood(H "X: ", "                                  ", &end), OTA_HTTP_LINE_MAX,
                    OTA_HTTP_LINE_MAX + 32);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood(H, "a:b\r\n", &end), 5 * OTA_HTTP_FIELDS_MAX, 6 * OTA_HTTP_FIELDS_MAX);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood(C "0\r\n", "a:b\r\n", &end), 5 * OTA_HTTP_FIELDS_MAX,
                    6 * OTA_HTTP_FIELDS_MAX);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood("", "HTTP/1.1 102 Wait\r\n\r\n", &end), 21 * OTA_HTTP_INTERIM_MAX,
                    21 * OTA_HTTP_INTERIM_MAX + 21);
    assert_int_equal(end, OTA_E_HTTP);
    assert_in_range(flood(C "1;", "x", &end), strlen(C), strlen(C) + OTA_HTTP_CHUNK_LINE_MAX + 8);
    assert_int_equal(end, OTA_E_HTTP);
}

/* Long lines that stay below the line bound, until the head is too long. */
static void test_long_head(void **state)
{
    char line[1024];
    int end;
    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    assert_in_range(flood(H, line, &end), OTA_HTTP_HEAD_MAX, OTA_HTTP_HEAD_MAX + 8);
    assert_int_equal(end, OTA_E_HTTP);
}

static void test_large_head(void **state)
{
    char head[OTA_HTTP_HEAD_MAX];
    struct outcome got;
    (void)state;
    strcpy(head, H "Content-Security-Policy: ");
    memset(head + strlen(head), 'x', 3000);
    strcpy(head + strlen(H) + 25 + 3000, "\r\nContent-Length: 2\r\n\r\nok");
    run(&got, head, strlen(head), false);
    assert_int_equal(got.end, OTA_HTTP_DONE);
    assert_string_equal(got.body, "ok");
}

/* A value longer than we read must not be taken for its beginning. */
static void check_long_value(const char *name, const char *value, struct outcome *got)
{
    char text[1024] = H;
    size_t len;
    strcat(text, name);
    strcat(text, ": ");
    strcat(text, value);
    len = strlen(text);
    memset(text + len, ' ', 2 * OTA_HTTP_KEPT_MAX);
    strcpy(text + len + 2 * OTA_HTTP_KEPT_MAX, ",x\r\n\r\n");
    run(got, text, strlen(text), true);
}

static void test_long_values(void **state)
{
    struct outcome got;
    (void)state;
    check_long_value("Content-Length", "5", &got);
    assert_int_equal(got.end, OTA_E_HTTP);
    check_long_value("Transfer-Encoding", "chunked", &got);
    assert_int_equal(got.end, OTA_E_HTTP);
    check_long_value("Content-Range", "bytes 0-1/2", &got);
    assert_int_equal(got.end, OTA_E_HTTP);
    check_long_value("ETag", "\"a\"", &got);
    assert_int_equal(got.end, OTA_HTTP_DONE);
    assert_string_equal(got.response.etag, "");
    check_long_value("Content-Encoding", "identity", &got);
    assert_true(got.response.coded);
    check_long_value("Retry-After", "5", &got);
    assert_false(got.response.has_retry_after);
    check_long_value("Connection", "keep-alive", &got);
    assert_false(got.keeps);
}

/* ---- requests ---- */

static const struct ota_http_request poll_request = {
    .method = "GET",
    .path = "/device/v1/manifest?nonce=00",
    .bearer = "otd_token",
};
static const struct ota_http_request range_request = {
    .method = "GET",
    .path = "/f",
    .bearer = "t",
    .has_range = true,
    .range_start = 65536,
    .range_end = 4294967295,
    .if_range = "\"a\"",
};
static const struct ota_http_request post_request = {
    .method = "POST",
    .path = "/r",
    .body = "{\"seq\":1}",
    .body_len = 9,
    .wait_seconds = 30,
};

static const struct {
    const struct ota_http_request *request;
    const char *bytes;
} requests[] = {
    {&poll_request, "GET /device/v1/manifest?nonce=00 HTTP/1.1\r\nHost: h:8080\r\n"
                    "Authorization: Bearer otd_token\r\nAccept-Encoding: identity\r\n\r\n"},
    {&range_request, "GET /f HTTP/1.1\r\nHost: h:8080\r\n"
                     "Authorization: Bearer t\r\nRange: bytes=65536-4294967295\r\n"
                     "If-Range: \"a\"\r\nAccept-Encoding: identity\r\n\r\n"},
    {&post_request, "POST /r HTTP/1.1\r\nHost: h:8080\r\n"
                    "Prefer: wait=30\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
                    "Accept-Encoding: identity\r\n\r\n{\"seq\":1}"},
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        size_t want = strlen(requests[i].bytes);
        for (size_t step = 1; step <= want + 1; step++) {
            struct ota_http_writer writer;
            char text[512];
            size_t len = 0;
            size_t got;
            assert_int_equal(ota_http_writer_init(&writer, "h:8080", requests[i].request), OTA_OK);
            while ((got = ota_http_writer_read(&writer, (uint8_t *)text + len, step)) > 0) {
                assert_true(got == step || len + got == want);
                len += got;
                assert_true(len + step < sizeof text);
            }
            text[len] = '\0';
            assert_string_equal(text, requests[i].bytes);
        }
    }
}

static void test_request_injection(void **state)
{
    static const char *const breaks[] = {"", "a b", "a\r\nX: y", "a\n", "a\t", "\x7f", "a\xc3\xa4"};
    (void)state;
    for (size_t i = 0; i < COUNT(breaks); i++) {
        struct ota_http_writer writer;
        struct ota_http_request request = range_request;
        request.bearer = breaks[i];
        assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_E_SYNTAX);
        request = range_request;
        request.if_range = breaks[i];
        assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_E_SYNTAX);
        request = range_request;
        request.path = breaks[i];
        assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_E_SYNTAX);
        assert_int_equal(ota_http_writer_init(&writer, breaks[i], &range_request), OTA_E_SYNTAX);
    }
}

static void test_request_bounds(void **state)
{
    struct ota_http_writer writer;
    struct ota_http_request request = range_request;
    (void)state;
    request.range_start = 10;
    request.range_end = 9;
    assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_E_RANGE);
    request.range_end = 10;
    assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_OK);
    request.path = "http://elsewhere/f";
    assert_int_equal(ota_http_writer_init(&writer, "h", &request), OTA_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("responses of every framing are read", test_good)},
        {TEST("responses that break RFC 9110 or 9112 are refused", test_bad)},
        {TEST("a NUL in a head is refused", test_nul)},
        {TEST("how the stream is cut changes nothing", test_splits)},
        {TEST("every prefix of a response is partial, and cut off when the peer closes",
              test_prefixes)},
        {TEST("every bit flip ends in done, refused or cut off", test_flips)},
        {TEST("a refusal is final", test_sticky)},
        {TEST("bytes behind a response are left alone", test_behind)},
        {TEST("no body byte is used without room for it", test_room)},
        {TEST("endless lines, fields, 1xx and chunk extensions are stopped at their bounds",
              test_floods)},
        {TEST("a head of long lines is stopped at its bound", test_long_head)},
        {TEST("a header larger than our memory is passed over", test_large_head)},
        {TEST("a value longer than we read is never taken for its beginning", test_long_values)},
        {TEST("requests come out byte for byte, in pieces of any size", test_requests)},
        {TEST("no string can break out of its line in a request", test_request_injection)},
        {TEST("empty ranges and foreign origins are not asked for", test_request_bounds)},
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
