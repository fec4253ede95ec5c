#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"

enum state {
    STATE_STATUS, /* the status line up to its code */
    STATE_REASON, /* and the rest of it */
    STATE_STATUS_LF,
    STATE_LINE, /* first byte of a field line, or of the empty one */
    STATE_NAME,
    STATE_VALUE,
    STATE_VALUE_LF,
    STATE_END_LF,     /* of the empty line behind head or trailer */
    STATE_HEAD,       /* the head is complete and to be told */
    STATE_LENGTH,     /* a body of `left` bytes more */
    STATE_CLOSE,      /* a body that lasts until the peer closes */
    STATE_CHUNK_LINE, /* digits of a chunk size */
    STATE_CHUNK_EXTENSION,
    STATE_CHUNK_LINE_LF,
    STATE_CHUNK,
    STATE_CHUNK_CR,
    STATE_CHUNK_LF,
    STATE_DONE,
    STATE_FAILED
};

enum field {
    FIELD_OTHER,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_RANGE,
    FIELD_CONTENT_ENCODING,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_ETAG,
    FIELD_RETRY_AFTER,
    FIELDS
};

static const char *const field_names[FIELDS] = {
    [FIELD_OTHER] = "",
    [FIELD_CONTENT_LENGTH] = "content-length",
    [FIELD_CONTENT_RANGE] = "content-range",
    [FIELD_CONTENT_ENCODING] = "content-encoding",
    [FIELD_TRANSFER_ENCODING] = "transfer-encoding",
    [FIELD_CONNECTION] = "connection",
    [FIELD_ETAG] = "etag",
    [FIELD_RETRY_AFTER] = "retry-after",
};

_Static_assert(FIELDS <= 8, "parser->seen has a bit for each field");
_Static_assert(OTA_HTTP_VALUE_MAX < UINT8_MAX, "parser->text_len can say that a value is too long");
_Static_assert(OTA_HTTP_VALUE_MAX >= OTA_HTTP_ETAG_MAX, "an ETag that we keep can be read");
_Static_assert(OTA_HTTP_HEAD_MAX < UINT16_MAX && OTA_HTTP_LINE_MAX < UINT16_MAX, "lengths fit");

void ota_http_parser_init(struct ota_http_parser *parser)
{
    memset(parser, 0, sizeof *parser);
}

/* ---- small readers over a (pointer, end) pair ---- */

struct reader {
    const char *at;
    const char *end;
};

static struct reader value_of(const struct ota_http_parser *parser)
{
    return (struct reader){parser->text, parser->text + parser->text_len};
}

static bool read_char(struct reader *reader, char wanted)
{
    if (reader->at == reader->end || *reader->at != wanted)
        return false;
    reader->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* 1*DIGIT, at most UINT32_MAX. */
static bool read_decimal(struct reader *reader, uint32_t *value)
{
    const char *start = reader->at;
    uint32_t number = 0;

    for (; reader->at != reader->end && is_digit(*reader->at); reader->at++) {
        uint32_t digit = (uint32_t)(*reader->at - '0');
        if (number > (UINT32_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    return reader->at != start;
}

/* The same, and nothing behind it. */
static bool is_decimal(struct reader reader, uint32_t *value)
{
    return read_decimal(&reader, value) && reader.at == reader.end;
}

/* A lower-case word, without regard to case. */
static bool read_word(struct reader *reader, const char *word)
{
    const char *at = reader->at;
    for (; *word != '\0'; word++, at++) {
        if (at == reader->end || lower(*at) != *word)
            return false;
    }
    reader->at = at;
    return true;
}

static bool is_word(struct reader reader, const char *word)
{
    return read_word(&reader, word) && reader.at == reader.end;
}

/* ---- what the fields say ---- */

static int take_length(const struct ota_http_parser *parser, struct ota_http_response *response)
{
    response->has_length = is_decimal(value_of(parser), &response->length);
    return response->has_length ? OTA_OK : OTA_E_HTTP;
}

/* "bytes" SP first "-" last "/" total, RFC 9110 section 14.4. The form without a range that stands
 * in a 416 is accepted and says nothing; an unknown total is of no use to a client that was told
 * the size and is refused. */
static int take_range(const struct ota_http_parser *parser, struct ota_http_response *response)
{
    struct reader reader = value_of(parser);
    uint32_t total;
    if (!read_word(&reader, "bytes "))
        return OTA_E_HTTP;
    if (read_char(&reader, '*')) {
        bool whole = read_char(&reader, '/') && read_decimal(&reader, &total);
        return whole && reader.at == reader.end ? OTA_OK : OTA_E_HTTP;
    }
    if (!read_decimal(&reader, &response->range_start) || !read_char(&reader, '-') ||
        !read_decimal(&reader, &response->range_end) || !read_char(&reader, '/') ||
        !read_decimal(&reader, &response->range_total) || reader.at != reader.end ||
        response->range_start > response->range_end ||
        response->range_end >= response->range_total) {
        return OTA_E_HTTP;
    }
    response->has_range = true;
    return OTA_OK;
}

/* A strong entity tag, RFC 9110 section 8.8.3; a weak or overlong one counts as none. */
static void take_etag(const struct ota_http_parser *parser, struct ota_http_response *response)
{
    size_t len = parser->text_len;
    if (len < 2 || len > OTA_HTTP_ETAG_MAX || parser->text[0] != '"' ||
        parser->text[len - 1] != '"') {
        return;
    }
    for (size_t i = 1; i + 1 < len; i++) {
        if (parser->text[i] <= ' ' || parser->text[i] > '~' || parser->text[i] == '"')
            return;
    }
    memcpy(response->etag, parser->text, len);
    response->etag[len] = '\0';
}

/* Seconds; the other form is a date, and we have no clock. */
static void take_retry_after(const struct ota_http_parser *parser,
                             struct ota_http_response *response)
{
    response->has_retry_after = is_decimal(value_of(parser), &response->retry_after_seconds);
}

/* A comma-separated list. */
static void take_connection(struct ota_http_parser *parser)
{
    struct reader reader = value_of(parser);
    struct reader token = reader;

    for (; reader.at <= reader.end; reader.at++) {
        if (reader.at != reader.end && *reader.at != ',' && !is_blank(*reader.at))
            continue;
        token.end = reader.at;
        parser->close |= is_word(token, "close");
        token.at = reader.at + 1;
    }
}

static int take_transfer_encoding(struct ota_http_parser *parser)
{
    if (!is_word(value_of(parser), "chunked"))
        return OTA_E_HTTP;
    parser->chunked = true;
    return OTA_OK;
}

/* Connection and Content-Encoding are lists and may stand more than once. */
static bool is_list(enum field field)
{
    return field == FIELD_CONNECTION || field == FIELD_CONTENT_ENCODING;
}

static int take_field(struct ota_http_parser *parser, struct ota_http_response *response)
{
    enum field field = (enum field)parser->field;
    uint8_t bit = (uint8_t)(1U << parser->field);

    if (field != FIELD_OTHER && (parser->seen & bit) != 0 && !is_list(field))
        return OTA_E_HTTP;
    parser->seen |= bit;
    /* A value too long to read counts as none: where one has to be, that is refused below. It may
     * hide a "close" and a content coding. */
    if (parser->text_len > OTA_HTTP_VALUE_MAX) {
        parser->text_len = 0;
        parser->close |= field == FIELD_CONNECTION;
    }

    switch (field) {
    case FIELD_CONTENT_LENGTH:
        return take_length(parser, response);
    case FIELD_CONTENT_RANGE:
        return take_range(parser, response);
    case FIELD_TRANSFER_ENCODING:
        return take_transfer_encoding(parser);
    case FIELD_CONTENT_ENCODING:
        response->coded |= !is_word(value_of(parser), "identity");
        break;
    case FIELD_CONNECTION:
        take_connection(parser);
        break;
    case FIELD_ETAG:
        take_etag(parser, response);
        break;
    case FIELD_RETRY_AFTER:
        take_retry_after(parser, response);
        break;
    case FIELD_OTHER:
    case FIELDS:
        break;
    }
    return OTA_OK;
}

/* ---- lines ---- */

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (const char *at = others; *at != '\0'; at++)
        if (*at == c)
            return true;
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* VCHAR, obs-text, SP and HTAB of section 5.5. */
static bool is_text_char(char c)
{
    return (unsigned char)c >= ' ' ? c != 0x7f : c == '\t';
}

static void keep(struct ota_http_parser *parser, char c)
{
    if (parser->text_len < OTA_HTTP_VALUE_MAX)
        parser->text[parser->text_len] = c;
    if (parser->text_len <= OTA_HTTP_VALUE_MAX)
        parser->text_len++;
}

/* Exactly "HTTP/1." DIGIT SP 3DIGIT, then SP or the end of the line: RFC 9112 section 4. */
static int step_status(struct ota_http_parser *parser, struct ota_http_response *response, char c)
{
    static const char pattern[] = "HTTP/1.d ddd";
    if (parser->text_len < sizeof pattern - 1) {
        char wanted = pattern[parser->text_len];
        keep(parser, c);
        return (wanted == 'd' ? is_digit(c) : c == wanted) ? OTA_OK : OTA_E_HTTP;
    }
    response->status =
        (parser->text[9] - '0') * 100 + (parser->text[10] - '0') * 10 + (parser->text[11] - '0');
    parser->old = parser->text[7] == '0';
    if (response->status < 100 || response->status > 599 || (c != ' ' && c != '\r'))
        return OTA_E_HTTP;
    parser->state = c == ' ' ? STATE_REASON : STATE_STATUS_LF;
    return OTA_OK;
}

static int step_reason(struct ota_http_parser *parser, char c)
{
    if (c == '\r') {
        parser->state = STATE_STATUS_LF;
        return OTA_OK;
    }
    return is_text_char(c) ? OTA_OK : OTA_E_HTTP;
}

static int step_lf(struct ota_http_parser *parser, char c, enum state next)
{
    if (c != '\n')
        return OTA_E_HTTP;
    parser->state = (uint8_t)next;
    parser->line_len = 0;
    parser->text_len = 0;
    return OTA_OK;
}

static enum field find_field(const struct ota_http_parser *parser)
{
    for (unsigned field = FIELD_OTHER + 1; field < FIELDS; field++) {
        if (parser->text_len <= OTA_HTTP_VALUE_MAX &&
            is_word(value_of(parser), field_names[field])) {
            return (enum field)field;
        }
    }
    return FIELD_OTHER;
}

static int step_name(struct ota_http_parser *parser, char c)
{
    if (c == ':' && parser->text_len > 0) {
        parser->field = (uint8_t)find_field(parser);
        parser->state = STATE_VALUE;
        parser->text_len = 0;
        return OTA_OK;
    }
    keep(parser, c);
    return is_token_char(c) ? OTA_OK : OTA_E_HTTP;
}

static int step_line(struct ota_http_parser *parser, char c)
{
    if (c == '\r') {
        parser->state = STATE_END_LF;
        return OTA_OK;
    }
    if (parser->fields == OTA_HTTP_FIELDS_MAX)
        return OTA_E_HTTP;
    parser->fields++;
    parser->state = STATE_NAME;
    return step_name(parser, c);
}

/* The value without the blanks around it. Fields of a trailer say nothing that we'd believe. */
static int step_value(struct ota_http_parser *parser, struct ota_http_response *response, char c)
{
    if (c != '\r') {
        if (parser->text_len > 0 || !is_blank(c))
            keep(parser, c);
        return is_text_char(c) ? OTA_OK : OTA_E_HTTP;
    }
    while (parser->text_len > 0 && parser->text_len <= OTA_HTTP_VALUE_MAX &&
           is_blank(parser->text[parser->text_len - 1])) {
        parser->text_len--;
    }
    parser->state = STATE_VALUE_LF;
    return parser->trailer ? OTA_OK : take_field(parser, response);
}

/* ---- framing, RFC 9112 section 6 ---- */

static int end_interim(struct ota_http_parser *parser, struct ota_http_response *response)
{
    uint8_t interim = (uint8_t)(parser->interim + 1);
    if (response->status == 101 || interim > OTA_HTTP_INTERIM_MAX)
        return OTA_E_HTTP;
    ota_http_parser_init(parser);
    parser->interim = interim;
    memset(response, 0, sizeof *response);
    return OTA_OK;
}

static int end_head(struct ota_http_parser *parser, struct ota_http_response *response)
{
    if (response->status < 200)
        return end_interim(parser, response);
    if (parser->chunked && (response->has_length || parser->old))
        return OTA_E_HTTP;
    if (response->status == 204 && (parser->chunked || response->length != 0))
        return OTA_E_HTTP;
    parser->close |= parser->old;
    parser->state = STATE_HEAD;
    return OTA_OK;
}

static void begin_body(struct ota_http_parser *parser, const struct ota_http_response *response)
{
    parser->head_len = 0;
    parser->line_len = 0;
    parser->text_len = 0;
    parser->fields = 0;
    if (response->status == 204 || response->status == 304) {
        parser->state = STATE_DONE;
    } else if (parser->chunked) {
        parser->left = 0;
        parser->state = STATE_CHUNK_LINE;
    } else if (response->has_length) {
        parser->left = response->length;
        parser->state = parser->left != 0 ? STATE_LENGTH : STATE_DONE;
    } else {
        parser->close = true;
        parser->state = STATE_CLOSE;
    }
}

static int step_end(struct ota_http_parser *parser, struct ota_http_response *response, char c)
{
    if (c != '\n')
        return OTA_E_HTTP;
    if (parser->trailer) {
        parser->state = STATE_DONE;
        return OTA_OK;
    }
    return end_head(parser, response);
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Up to 8 digits, then an optional extension that is skipped. */
static int step_chunk_line(struct ota_http_parser *parser, char c)
{
    int digit = hex_value(c);
    if (digit >= 0) {
        if (parser->text_len == 8)
            return OTA_E_HTTP;
        parser->text_len++;
        parser->left = parser->left << 4 | (uint32_t)digit;
        return OTA_OK;
    }
    if (parser->text_len == 0 || (c != '\r' && c != ';' && !is_blank(c)))
        return OTA_E_HTTP;
    parser->state = c == '\r' ? STATE_CHUNK_LINE_LF : STATE_CHUNK_EXTENSION;
    return OTA_OK;
}

static int step_chunk_extension(struct ota_http_parser *parser, char c)
{
    if (c == '\r') {
        parser->state = STATE_CHUNK_LINE_LF;
        return OTA_OK;
    }
    return is_text_char(c) && parser->line_len <= OTA_HTTP_CHUNK_LINE_MAX ? OTA_OK : OTA_E_HTTP;
}

static int step_chunk_line_lf(struct ota_http_parser *parser, char c)
{
    parser->trailer = parser->left == 0;
    parser->head_len = 0;
    return step_lf(parser, c, parser->trailer ? STATE_LINE : STATE_CHUNK);
}

/* One byte of anything that is not body. */
static int step(struct ota_http_parser *parser, struct ota_http_response *response, char c)
{
    parser->line_len++;
    parser->head_len++;
    if (parser->line_len > OTA_HTTP_LINE_MAX + 2 || parser->head_len > OTA_HTTP_HEAD_MAX)
        return OTA_E_HTTP;
    switch ((enum state)parser->state) {
    case STATE_STATUS:
        return step_status(parser, response, c);
    case STATE_REASON:
        return step_reason(parser, c);
    case STATE_STATUS_LF:
    case STATE_VALUE_LF:
        return step_lf(parser, c, STATE_LINE);
    case STATE_LINE:
        return step_line(parser, c);
    case STATE_NAME:
        return step_name(parser, c);
    case STATE_VALUE:
        return step_value(parser, response, c);
    case STATE_END_LF:
        return step_end(parser, response, c);
    case STATE_CHUNK_LINE:
        return step_chunk_line(parser, c);
    case STATE_CHUNK_EXTENSION:
        return step_chunk_extension(parser, c);
    case STATE_CHUNK_LINE_LF:
        return step_chunk_line_lf(parser, c);
    case STATE_CHUNK_CR:
        parser->state = STATE_CHUNK_LF;
        return c == '\r' ? OTA_OK : OTA_E_HTTP;
    case STATE_CHUNK_LF:
        parser->head_len = 0;
        return step_lf(parser, c, STATE_CHUNK_LINE);
    case STATE_HEAD:
    case STATE_LENGTH:
    case STATE_CLOSE:
    case STATE_CHUNK:
    case STATE_DONE:
    case STATE_FAILED:
        break;
    }
    return OTA_E_HTTP;
}

static bool in_body(const struct ota_http_parser *parser)
{
    return parser->state == STATE_LENGTH || parser->state == STATE_CLOSE ||
           parser->state == STATE_CHUNK;
}

static size_t take_body(struct ota_http_parser *parser, const uint8_t *in, size_t in_len,
                        uint8_t *out, size_t cap)
{
    size_t take = in_len < cap ? in_len : cap;
    if (parser->state != STATE_CLOSE) {
        take = take < parser->left ? take : parser->left;
        parser->left -= (uint32_t)take;
        if (parser->left == 0)
            parser->state = parser->state == STATE_CHUNK ? STATE_CHUNK_CR : STATE_DONE;
    }
    if (take > 0)
        memcpy(out, in, take);
    return take;
}

int ota_http_parse(struct ota_http_parser *parser, struct ota_http_response *response,
                   const uint8_t *in, size_t in_len, size_t *used, uint8_t *out, size_t *out_len)
{
    size_t cap = *out_len;
    *used = 0;
    *out_len = 0;
    if (parser->head_len == 0 && parser->state == STATE_STATUS)
        memset(response, 0, sizeof *response);
    while (parser->state != STATE_FAILED) {
        if (parser->state == STATE_DONE)
            return OTA_HTTP_DONE;
        if (parser->state == STATE_HEAD) {
            begin_body(parser, response);
            return OTA_HTTP_HEAD;
        }
        if (in_body(parser)) {
            *out_len = take_body(parser, in + *used, in_len - *used, out, cap);
            *used += *out_len;
            return *out_len > 0 ? OTA_HTTP_BODY : OTA_HTTP_BUSY;
        }
        if (*used == in_len)
            return OTA_HTTP_BUSY;
        if (step(parser, response, (char)in[(*used)++]) != OTA_OK)
            parser->state = STATE_FAILED;
    }
    return OTA_E_HTTP;
}

int ota_http_parse_end(struct ota_http_parser *parser)
{
    if (parser->state == STATE_CLOSE || parser->state == STATE_DONE) {
        parser->state = STATE_DONE;
        return OTA_HTTP_DONE;
    }
    parser->state = STATE_FAILED;
    return OTA_E_TRANSPORT;
}

bool ota_http_parser_keeps(const struct ota_http_parser *parser)
{
    return parser->state == STATE_DONE && !parser->close;
}
