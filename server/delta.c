#include "server/delta.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "protocol/crc32.h"
#include "protocol/error.h"
#include "protocol/limits.h"
#include "server/delta_parse.h"
#include "server/delta_plan.h"
#include "server/delta_range.h"

#define PAYLOAD_LEN (OTA_DELTA_BLOCK_LEN - OTA_DELTA_BLOCK_CRC_LEN)

#define ADDRESS_UNKNOWN 0xf0000000U /* nothing names it */

/* --- encoding --- */

struct pair {
    struct delta_bytes base;
    struct delta_bytes result;
    uint8_t mode; /* enum ota_delta_mode */
    uint32_t address;
};

struct delta_best {
    struct delta_sink sink;
    uint8_t mode;
};

static int read_pair(void *ctx, bool of_base, uint32_t offset, void *buf, size_t len)
{
    const struct pair *pair = ctx;
    memcpy(buf, (of_base ? pair->base.at : pair->result.at) + offset, len);
    return OTA_OK;
}

static int encode_pieces(struct ota_delta_stream *stream, const struct pair *pair,
                         struct delta_parse *parse)
{
    while (stream->place.position < pair->result.len) {
        uint8_t bytes[OTA_DELTA_PIECE_MAX] = {0};
        struct ota_delta_token token = {0};
        uint32_t left = pair->result.len - stream->place.position;
        memcpy(bytes, pair->result.at + stream->place.position,
               left < sizeof bytes ? left : sizeof bytes);
        if (ota_delta_wants_token(stream)) {
            int error = delta_parse_token(parse, stream, &token);
            if (error != OTA_OK)
                return error;
        }
        if (ota_delta_code_piece(stream, bytes, &token) <= 0)
            return OTA_E_STATE;
    }
    return OTA_OK;
}

/* The map as the decoder gets to know it: start by start. */
static int encode_map(struct ota_delta_stream *stream)
{
    const struct ota_delta_map whole = stream->map;
    stream->map.known = 0;
    struct ota_delta_start start = ota_delta_map_next(&whole, 0);
    int more = ota_delta_code_map(stream, start); /* the counts */
    while (more > 0) {
        more = ota_delta_code_map(stream, start);
        start = ota_delta_map_next(&whole, start.result + 1);
    }
    return more;
}

/* All that is coded, for a stream whose map is made. */
static int encode_all(struct ota_delta_stream *stream, const struct delta_index *index,
                      const struct pair *pair, const struct delta_segments *segments)
{
    struct delta_parse parse;
    int error =
        delta_parse_init(&parse, index, pair->result, segments, pair->mode == OTA_DELTA_THUMB2);
    if (error != OTA_OK)
        return error;
    error = encode_map(stream);
    if (error == OTA_OK)
        error = encode_pieces(stream, pair, &parse);
    delta_parse_free(&parse);
    return error;
}

static int encode_stream(struct ota_delta_stream *stream, const struct delta_index *index,
                         struct pair *pair, const struct delta_style *style,
                         struct delta_sink *sink)
{
    struct delta_segments segments;
    ota_delta_stream_init(stream);
    stream->read = read_pair;
    stream->ctx = pair;
    stream->map.contents = pair->mode == OTA_DELTA_THUMB2 ? OTA_DELTA_CONTENTS : 1;
    stream->map.base_len = pair->base.len;
    stream->map.result_len = pair->result.len;
    stream->map.base_address = pair->address;
    stream->model.coder.code_bit = delta_encode_bit;
    stream->model.coder.ctx = sink;
    int error = delta_plan_make(stream, pair->base, pair->result, style, &segments);
    if (error == OTA_OK)
        error = encode_all(stream, index, pair, &segments);
    free(segments.at);
    if (error != OTA_OK)
        return error;
    delta_encode_end(&stream->model.coder);
    return sink->failed ? OTA_E_NO_SPACE : OTA_OK;
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint8_t *put_number(uint8_t *at, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_hash(uint8_t *at, struct delta_bytes of)
{
    uint8_t hash[OTA_HASH_LEN];
    SHA256(of.at, of.len, hash);
    memcpy(at, hash, OTA_DELTA_HASH_LEN);
    return at + OTA_DELTA_HASH_LEN;
}

/* Returns its length. */
static size_t put_header(uint8_t header[OTA_DELTA_HEADER_MAX], const struct pair *pair,
                         size_t patch_len)
{
    uint32_t longer = pair->result.len - pair->base.len;
    uint8_t *at = header;
    *at++ = OTA_DELTA_MAGIC & 0xff;
    *at++ = OTA_DELTA_MAGIC >> 8;
    *at++ = (uint8_t)(OTA_DELTA_VERSION << 4 | pair->mode);
    at = put_hash(at, pair->base);
    at = put_hash(at, pair->result);
    at = put_number(at, (uint32_t)patch_len);
    at = put_number(at, pair->base.len);
    at = put_number(at, longer << 1 ^ (0U - (longer >> 31)));
    if (pair->mode == OTA_DELTA_THUMB2)
        at = put_number(at, pair->address / OTA_DELTA_ADDRESS_STEP);
    return (size_t)(at - header);
}

static size_t patch_len_of(size_t payload_len)
{
    size_t blocks = (payload_len + PAYLOAD_LEN - 1) / PAYLOAD_LEN;
    return payload_len + blocks * OTA_DELTA_BLOCK_CRC_LEN;
}

/* Header and stream cut into blocks, each with its CRC. */
static int pack(const struct pair *pair, const struct delta_sink *stream, uint8_t **patch,
                size_t *patch_len)
{
    uint8_t header[OTA_DELTA_HEADER_MAX];
    size_t header_len = 0;
    /* The header holds the length that its own length is part of. */
    for (size_t last = 1; header_len != last;) {
        last = header_len;
        header_len = put_header(header, pair, patch_len_of(last + stream->len));
    }
    size_t payload_len = header_len + stream->len;
    *patch_len = patch_len_of(payload_len);
    uint8_t *payload = malloc(payload_len);
    uint8_t *out = *patch = malloc(*patch_len);
    if (payload == NULL || out == NULL) {
        free(payload);
        return OTA_E_NO_SPACE;
    }
    memcpy(payload, header, header_len);
    if (stream->len > 0)
        memcpy(payload + header_len, stream->bytes, stream->len);
    for (size_t at = 0; at < payload_len; at += PAYLOAD_LEN) {
        size_t len = payload_len - at < PAYLOAD_LEN ? payload_len - at : PAYLOAD_LEN;
        memcpy(out, payload + at, len);
        put32(out + len, ota_crc32(0, payload + at, len));
        out += len + OTA_DELTA_BLOCK_CRC_LEN;
    }
    free(payload);
    return OTA_OK;
}

/* Encode in one way; keep it in *best with its mode when it is the smallest so far. */
static int try_way(struct ota_delta_stream *stream, const struct delta_index *index,
                   struct pair *pair, uint8_t mode, const struct delta_style *style,
                   struct delta_best *best)
{
    struct delta_sink sink = {0};
    pair->mode = mode;
    int error = encode_stream(stream, index, pair, style, &sink);
    if (error == OTA_OK && (best->sink.bytes == NULL || sink.len < best->sink.len)) {
        struct delta_sink worse = best->sink;
        best->sink = sink;
        best->mode = mode;
        sink = worse;
    }
    free(sink.bytes);
    return error;
}

/* The smallest of what the styles give. An image that doesn't tell its address may be Thumb all the
 * same, or not at all. */
static int encode_best(const struct delta_index *index, struct pair *pair, struct delta_best *best)
{
    static const struct delta_style styles[] = {{12, 6, 2, 1}, {8, 4, 2, 1}, {7, 3, 3, 1}};
    struct ota_delta_stream *stream = malloc(sizeof *stream);
    int error = stream == NULL ? OTA_E_NO_SPACE : OTA_OK;
    if (!delta_image_address(pair->base, &pair->address)) {
        pair->address = ADDRESS_UNKNOWN;
        if (error == OTA_OK)
            error = try_way(stream, index, pair, OTA_DELTA_PLAIN, &styles[0], best);
    }
    for (size_t i = 0; i < sizeof styles / sizeof *styles && error == OTA_OK; i++)
        error = try_way(stream, index, pair, OTA_DELTA_THUMB2, &styles[i], best);
    free(stream);
    pair->mode = best->mode;
    if (best->mode == OTA_DELTA_PLAIN)
        pair->address = 0;
    return error;
}

/* Decode what was made: it must be the result. */
static int check_patch(const struct pair *pair, struct delta_bytes patch)
{
    uint8_t *check = NULL;
    size_t check_len = 0;
    int error = delta_apply(pair->base, patch, &check, &check_len);
    if (error == OTA_OK &&
        (check_len != pair->result.len || memcmp(check, pair->result.at, check_len) != 0))
        error = OTA_E_STATE;
    free(check);
    return error;
}

int delta_make(struct delta_bytes base, struct delta_bytes result, uint8_t **patch,
               size_t *patch_len)
{
    struct pair pair = {base, result, OTA_DELTA_PLAIN, 0};
    struct delta_index index;
    struct delta_best best = {0};

    *patch = NULL;
    if (base.len > OTA_DELTA_LEN_MAX || result.len > OTA_DELTA_LEN_MAX || result.len == 0)
        return OTA_E_TOO_LARGE;
    int error = delta_index_init(&index, base);
    if (error != OTA_OK)
        return error;
    error = encode_best(&index, &pair, &best);
    if (error == OTA_OK)
        error = pack(&pair, &best.sink, patch, patch_len);
    free(best.sink.bytes);
    delta_index_free(&index);
    if (error == OTA_OK)
        error = check_patch(&pair, (struct delta_bytes){*patch, (uint32_t)*patch_len});
    if (error != OTA_OK) {
        free(*patch);
        *patch = NULL;
    }
    return error;
}

/* --- applying --- */

struct application {
    struct delta_bytes base;
    uint8_t *result;
};

static int read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    const struct application *application = ctx;
    memcpy(buf, application->base.at + offset, len);
    return OTA_OK;
}

static int read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    const struct application *application = ctx;
    memcpy(buf, application->result + offset, len);
    return OTA_OK;
}

static int write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    struct application *application = ctx;
    memcpy(application->result + offset, buf, len);
    return OTA_OK;
}

/* The header's word on the base and the result, before the first byte. */
static int begin_result(struct application *application, const struct ota_delta_header *header)
{
    uint8_t hash[OTA_HASH_LEN];
    if (header->base_len != application->base.len)
        return OTA_E_DELTA_BASE;
    SHA256(application->base.at, application->base.len, hash);
    if (memcmp(hash, header->base_hash, OTA_DELTA_HASH_LEN) != 0)
        return OTA_E_DELTA_BASE;
    application->result = malloc(header->result_len);
    return application->result == NULL ? OTA_E_NO_SPACE : OTA_OK;
}

static int decode(struct ota_delta *delta, struct application *application,
                  struct delta_bytes patch)
{
    for (;;) {
        int event = ota_delta_run(delta);
        if (event == OTA_DELTA_WANTS) {
            uint32_t from = ota_delta_wants(delta);
            if (from >= patch.len)
                return OTA_E_TRUNCATED;
            ota_delta_feed(delta, patch.at + from, patch.len - from);
        } else if (event == OTA_DELTA_HEADER) {
            event = begin_result(application, &delta->header);
        }
        if (event < 0)
            return event;
        if (event == OTA_DELTA_DONE)
            return patch.len == delta->header.patch_len ? OTA_OK : OTA_E_SIZE;
    }
}

int delta_apply(struct delta_bytes base, struct delta_bytes patch, uint8_t **result,
                size_t *result_len)
{
    struct application application = {.base = base};
    struct ota_delta_io io = {&application, read_base, read_result, write_result};
    struct ota_delta *delta = malloc(sizeof *delta);
    uint8_t hash[OTA_HASH_LEN];

    if (delta == NULL)
        return OTA_E_NO_SPACE;
    ota_delta_init(delta, &io);
    int error = decode(delta, &application, patch);
    if (error == OTA_OK) {
        SHA256(application.result, delta->header.result_len, hash);
        if (memcmp(hash, delta->header.result_hash, OTA_DELTA_HASH_LEN) != 0)
            error = OTA_E_HASH;
    }
    *result_len = delta->header.result_len;
    *result = application.result;
    free(delta);
    if (error != OTA_OK) {
        free(application.result);
        *result = NULL;
    }
    return error;
}
