#include "device/net/http.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/text.h"

enum state {
    STATE_STATUS, /* the first five end with a line */
    STATE_FIELD,
    STATE_CHUNK_SIZE,
    STATE_CHUNK_END,
    STATE_TRAILER,
    STATE_HEAD,   /* the head is complete and to be told */
    STATE_LENGTH, /* a body of `left` bytes more */
    STATE_CLOSE,  /* a body that lasts until the peer closes */
    STATE_CHUNK,
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
_Static_assert(OTA_HTTP_KEPT_MAX >= sizeof "etag:" + OTA_HTTP_ETAG_MAX, "an ETag can be read");
_Static_assert(OTA_HTTP_CHUNK_LINE_MAX <= OTA_HTTP_KEPT_MAX, "a chunk size is read whole");
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

/* At most UINT32_MAX. */
static bool read_decimal(struct reader *reader, uint32_t *value)
{
    uint64_t number;

    if (ota_decimal_decode(&reader->at, reader->end, UINT32_MAX, &number) != OTA_OK)
        return false;
    *value = (uint32_t)number;
    return true;
}

/* The same, and nothing behind it. */
static bool is_decimal(struct reader *reader, uint32_t *value)
{
    return read_decimal(reader, value) && reader->at == reader->end;
}

/* A word, lower-case here, without regard to case there. */
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

static bool is_word(const struct reader *reader, const char *word)
{
    struct reader rest = *reader;

    return read_word(&rest, word) && rest.at == rest.end;
}

/* ---- what the fields say ---- */

static int take_length(struct reader *value, struct ota_http_response *response)
{
    response->has_length = is_decimal(value, &response->length);
    return response->has_length ? OTA_OK : OTA_E_HTTP;
}

/* "bytes" SP first "-" last "/" total, RFC 9110 section 14.4. The form without a range that stands
 * in a 416 is accepted and says nothing; an unknown total is of no use to a client that was told
 * the size and is refused. */
static int take_range(struct reader *value, struct ota_http_response *response)
{
    uint32_t total;

    if (!read_word(value, "bytes "))
        return OTA_E_HTTP;
    if (read_word(value, "*/"))
        return is_decimal(value, &total) ? OTA_OK : OTA_E_HTTP;
    if (!read_decimal(value, &response->range_start) || !read_word(value, "-") ||
        !read_decimal(value, &response->range_end) || !read_word(value, "/") ||
        !is_decimal(value, &response->range_total) || response->range_start > response->range_end ||
        response->range_end >= response->range_total)
        return OTA_E_HTTP;
    response->has_range = true;
    return OTA_OK;
}

/* A strong entity tag, RFC 9110 section 8.8.3; a weak or overlong one counts as none. */
static void take_etag(const struct reader *value, struct ota_http_response *response)
{
    size_t len = (size_t)(value->end - value->at);

    if (len < 2 || len > OTA_HTTP_ETAG_MAX || *value->at != '"' || value->end[-1] != '"')
        return;
    for (const char *at = value->at + 1; at < value->end - 1; at++) {
        if (*at <= ' ' || *at > '~' || *at == '"')
            return;
    }
    memcpy(response->etag, value->at, len);
    response->etag[len] = '\0';
}

/* A comma-separated list; one that we couldn't read may hold a "close". */
static bool is_close(const struct reader *value)
{
    struct reader token = *value;
    bool close = value->at == value->end;

    for (const char *at = value->at; at <= value->end; at++) {
        if (at != value->end && *at != ',' && !is_blank(*at))
            continue;
        token.end = at;
        close |= is_word(&token, "close");
        token.at = at + 1;
    }
    return close;
}

/* Connection and Content-Encoding are lists and may stand more than once. */
static bool is_list(enum field field)
{
    return field == FIELD_CONNECTION || field == FIELD_CONTENT_ENCODING;
}

static int take_field(struct ota_http_parser *parser, struct ota_http_response *response,
                      enum field field, struct reader *value)
{
    uint8_t bit = (uint8_t)(1U << field);

    if (field != FIELD_OTHER && (parser->seen & bit) != 0 && !is_list(field))
        return OTA_E_HTTP;
    parser->seen |= bit;

    switch (field) {
    case FIELD_CONTENT_LENGTH:
        return take_length(value, response);
    case FIELD_CONTENT_RANGE:
        return take_range(value, response);
    case FIELD_TRANSFER_ENCODING:
        parser->chunked = is_word(value, "chunked");
        return parser->chunked ? OTA_OK : OTA_E_HTTP;
    case FIELD_CONTENT_ENCODING:
        response->coded |= !is_word(value, "identity");
        break;
    case FIELD_CONNECTION:
        parser->close |= is_close(value);
        break;
    case FIELD_ETAG:
        take_etag(value, response);
        break;
    case FIELD_RETRY_AFTER: /* seconds; the other form is a date, and we have no clock */
        response->has_retry_after = is_decimal(value, &response->retry_after_seconds);
        break;
    case FIELD_OTHER:
    case FIELDS:
        break;
    }
    return OTA_OK;
}

/* ---- lines ---- */

/* What was kept of the line. */
static struct reader kept(const struct ota_http_parser *parser)
{
    size_t len = parser->line_len < OTA_HTTP_KEPT_MAX ? parser->line_len : OTA_HTTP_KEPT_MAX;

    return (struct reader){parser->line, parser->line + len};
}

/* Exactly "HTTP/1." DIGIT SP 3DIGIT, then SP or the end of the line: RFC 9112 section 4. */
static int take_status(struct ota_http_parser *parser, struct ota_http_response *response)
{
    const char *line = parser->line;

    if (parser->line_len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
        line[8] != ' ' || (parser->line_len > 12 && line[12] != ' '))
        return OTA_E_HTTP;
    for (unsigned i = 9; i < 12; i++) {
        if (!is_digit(line[i]))
            return OTA_E_HTTP;
        response->status = response->status * 10 + (line[i] - '0');
    }
    parser->old = line[7] == '0';
    parser->state = STATE_FIELD;
    return response->status >= 100 && response->status <= 599 ? OTA_OK : OTA_E_HTTP;
}

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (const char *at = others; *at != '\0'; at++)
        if (*at == c)
            return true;
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

static enum field find_field(const struct reader *name)
{
    unsigned field = FIELDS - 1;

    while (field > FIELD_OTHER && !is_word(name, field_names[field]))
        field--;
    return (enum field)field;
}

/* A token, a colon, and the value with blanks around it. Fields of a trailer say nothing that we'd
 * believe. */
static int take_field_line(struct ota_http_parser *parser, struct ota_http_response *response)
{
    struct reader value = kept(parser);
    struct reader name = {value.at, value.at};

    while (name.end != value.end && is_token_char(*name.end))
        name.end++;
    value.at = name.end;
    if (name.at == name.end || !read_word(&value, ":") || parser->fields == OTA_HTTP_FIELDS_MAX)
        return OTA_E_HTTP;
    parser->fields++;
    if (parser->state == STATE_TRAILER)
        return OTA_OK;
    while (value.at != value.end && is_blank(*value.at))
        value.at++;
    while (value.at != value.end && is_blank(value.end[-1]))
        value.end--;
    /* A value too long to read counts as none: where one has to be, that is refused. */
    if (parser->line_len > OTA_HTTP_KEPT_MAX)
        value.at = value.end;
    return take_field(parser, response, find_field(&name), &value);
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

/* The empty line. */
static int end_fields(struct ota_http_parser *parser, struct ota_http_response *response)
{
    if (parser->state == STATE_TRAILER) {
        parser->state = STATE_DONE;
        return OTA_OK;
    }
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
    parser->fields = 0;
    if (response->status == 204 || response->status == 304) {
        parser->state = STATE_DONE;
    } else if (parser->chunked) {
        parser->state = STATE_CHUNK_SIZE;
    } else if (response->has_length) {
        parser->left = response->length;
        parser->state = parser->left != 0 ? STATE_LENGTH : STATE_DONE;
    } else {
        parser->close = true;
        parser->state = STATE_CLOSE;
    }
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Up to 8 digits, then an optional extension that is skipped. */
static int take_chunk_size(struct ota_http_parser *parser)
{
    struct reader line = kept(parser);
    int digit;

    parser->left = 0;
    while (line.at != line.end && (digit = hex_value(*line.at)) >= 0) {
        parser->left = parser->left << 4 | (uint32_t)digit;
        line.at++;
    }
    parser->head_len = 0;
    parser->state = parser->left != 0 ? STATE_CHUNK : STATE_TRAILER;
    return line.at != parser->line && line.at - parser->line <= 8 &&
                   (line.at == line.end || *line.at == ';' || is_blank(*line.at))
               ? OTA_OK
               : OTA_E_HTTP;
}

/* Out of line: inlined into the loop over the bytes, it keeps the parser in a high register, and
 * each access to it becomes twice as long. */
__attribute__((noinline)) static int take_line(struct ota_http_parser *parser,
                                               struct ota_http_response *response)
{
    switch ((enum state)parser->state) {
    case STATE_STATUS:
        return take_status(parser, response);
    case STATE_CHUNK_SIZE:
        return take_chunk_size(parser);
    case STATE_CHUNK_END:
        parser->state = STATE_CHUNK_SIZE;
        return parser->line_len == 0 ? OTA_OK : OTA_E_HTTP;
    case STATE_FIELD:
    case STATE_TRAILER:
        return parser->line_len > 0 ? take_field_line(parser, response)
                                    : end_fields(parser, response);
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

/* VCHAR, obs-text, SP and HTAB of RFC 9110 section 5.5. */
static bool is_text_char(char c)
{
    return (unsigned char)c >= ' ' ? c != 0x7f : c == '\t';
}

/* One byte of anything that is not body. */
static int step(struct ota_http_parser *parser, struct ota_http_response *response, char c)
{
    unsigned line_max =
        parser->state == STATE_CHUNK_SIZE ? OTA_HTTP_CHUNK_LINE_MAX : OTA_HTTP_LINE_MAX;

    if (parser->head_len++ == OTA_HTTP_HEAD_MAX)
        return OTA_E_HTTP;
    if (parser->cr) {
        int error = c == '\n' ? take_line(parser, response) : OTA_E_HTTP;
        parser->cr = false;
        parser->line_len = 0;
        return error;
    }
    parser->cr = c == '\r';
    if (parser->cr)
        return OTA_OK;
    if (!is_text_char(c) || parser->line_len == line_max)
        return OTA_E_HTTP;
    if (parser->line_len < OTA_HTTP_KEPT_MAX)
        parser->line[parser->line_len] = c;
    parser->line_len++;
    return OTA_OK;
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
            parser->state = parser->state == STATE_CHUNK ? STATE_CHUNK_END : STATE_DONE;
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
