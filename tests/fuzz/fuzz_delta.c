/*
 * The decoder of patches, in three ways, which the first byte chooses:
 *   - the rest is a patch as it comes;
 *   - the rest is a coded stream: header, blocks and CRCs are put around it, so that it gets past
 * them;
 *   - each byte of the rest is one decision of the stream, so that a change of a byte changes just
 * that. The base is tests/vectors/delta/old.bin. Whatever comes, the callbacks are asked for bytes
 * that exist, the result is written in order and not past its end, and the decoder ends. In the
 * first two ways it is also reset at each checkpoint, and must give the same bytes again.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/crc32.h"
#include "protocol/delta.h"
#include "protocol/error.h"
#include "tests/fuzz/fuzz.h"

#define BASE_MAX 4096U
#define RESULT_MAX 20480U
#define PATCH_MAX 8192U
#define PAYLOAD_LEN (OTA_DELTA_BLOCK_LEN - OTA_DELTA_BLOCK_CRC_LEN)
#define HEAD_LEN 4U /* of the input: way, and result length */

static uint8_t base[BASE_MAX];
static uint32_t base_len;
static uint8_t result[RESULT_MAX];
static uint32_t written;
static uint32_t result_len;

static void load_base(void)
{
    FILE *file = fopen("tests/vectors/delta/old.bin", "rb");
    fuzz_require(file != NULL);
    base_len = (uint32_t)fread(base, 1, sizeof base, file);
    fclose(file);
    fuzz_require(base_len > 500 && base_len < sizeof base);
}

static int read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    fuzz_require(len > 0 && offset < base_len && len <= base_len - offset);
    memcpy(buf, base + offset, len);
    return OTA_OK;
}

static int read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    fuzz_require(len > 0 && offset < written && len <= written - offset);
    memcpy(buf, result + offset, len);
    return OTA_OK;
}

static int write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    (void)ctx;
    fuzz_require(len > 0 && len <= OTA_DELTA_WRITE_LEN && offset % OTA_DELTA_WRITE_LEN == 0);
    fuzz_require(offset <= written && len <= result_len - offset);
    /* After a resume the same bytes come again. */
    uint32_t again = written - offset < len ? written - offset : (uint32_t)len;
    fuzz_require(memcmp(result + offset, buf, again) == 0);
    memcpy(result + offset, buf, len);
    if (offset + len > written)
        written = (uint32_t)(offset + len);
    return OTA_OK;
}

static const struct ota_delta_io io = {NULL, read_base, read_result, write_result};

/* The header's word on the base is not what is tested: one of the right length is taken. */
static int accept_header(const struct ota_delta_header *header)
{
    if (header->base_len != base_len || header->result_len > RESULT_MAX)
        return OTA_E_DELTA_BASE;
    result_len = header->result_len;
    return OTA_OK;
}

static int reset_here(struct ota_delta *delta)
{
    uint8_t saved[OTA_DELTA_CHECKPOINT_MAX];
    int len = ota_delta_save(delta, saved, sizeof saved);
    fuzz_require(len > 0);
    memset(delta, 0x5a, sizeof *delta);
    fuzz_require(ota_delta_resume(delta, &io, saved, (size_t)len) == OTA_OK);
    return OTA_OK;
}

static void decode(const uint8_t *patch, size_t len, size_t piece, bool resets)
{
    static struct ota_delta delta;
    ota_delta_init(&delta, &io);
    written = 0;
    for (uint32_t steps = 0;; steps++) {
        fuzz_require(steps < 4 * (PATCH_MAX + RESULT_MAX));
        int event = ota_delta_run(&delta);
        uint32_t from = ota_delta_wants(&delta);
        if (event == OTA_DELTA_WANTS) {
            if (from >= len)
                return;
            size_t have = len - from < piece ? len - from : piece;
            size_t taken = ota_delta_feed(&delta, patch + from, have);
            fuzz_require(taken <= have && (taken > 0 || ota_delta_run(&delta) < 0));
        } else if (event == OTA_DELTA_HEADER) {
            event = accept_header(&delta.header);
        } else if (event == OTA_DELTA_CHECKPOINT && resets) {
            event = reset_here(&delta);
        }
        if (event == OTA_DELTA_DONE)
            fuzz_require(written == result_len);
        if (event < 0 || event == OTA_DELTA_DONE)
            return;
    }
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static size_t put_number(uint8_t *at, uint32_t value)
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        at[len++] = (uint8_t)(value | 0x80);
    at[len++] = (uint8_t)value;
    return len;
}

static size_t put_header(uint8_t *at, uint8_t mode, uint32_t len_of_result, size_t patch_len)
{
    uint32_t longer = len_of_result - base_len;
    size_t len = 3 + 2 * OTA_DELTA_HASH_LEN;
    memset(at, 0, len);
    at[0] = OTA_DELTA_MAGIC & 0xff;
    at[1] = OTA_DELTA_MAGIC >> 8;
    at[2] = (uint8_t)(OTA_DELTA_VERSION << 4 | mode);
    len += put_number(at + len, (uint32_t)patch_len);
    len += put_number(at + len, base_len);
    len += put_number(at + len, longer << 1 ^ (0U - (longer >> 31)));
    if (mode == OTA_DELTA_THUMB2)
        len += put_number(at + len, 0x08020000 / OTA_DELTA_ADDRESS_STEP);
    return len;
}

static size_t patch_len_of(size_t payload_len)
{
    size_t blocks = (payload_len + PAYLOAD_LEN - 1) / PAYLOAD_LEN;
    return payload_len + blocks * OTA_DELTA_BLOCK_CRC_LEN;
}

/* Header and blocks around a coded stream. */
static size_t wrap(uint8_t *patch, uint8_t mode, uint32_t len_of_result, const uint8_t *stream,
                   size_t len)
{
    static uint8_t payload[PATCH_MAX];
    size_t header_len = put_header(payload, mode, len_of_result, PATCH_MAX);
    size_t most = PATCH_MAX / OTA_DELTA_BLOCK_LEN * PAYLOAD_LEN - header_len;
    if (len > most)
        len = most;
    /* Only the length of the patch is another in the end, in one byte more or less. */
    for (size_t last = 0; last != header_len;) {
        last = header_len;
        header_len = put_header(payload, mode, len_of_result, patch_len_of(last + len));
    }
    size_t payload_len = header_len + len;
    size_t patch_len = patch_len_of(payload_len);
    memcpy(payload + header_len, stream, len);
    for (size_t at = 0; at < payload_len; at += PAYLOAD_LEN) {
        size_t part = payload_len - at < PAYLOAD_LEN ? payload_len - at : PAYLOAD_LEN;
        memcpy(patch, payload + at, part);
        put32(patch + part, ota_crc32(0, payload + at, part));
        patch += part + OTA_DELTA_BLOCK_CRC_LEN;
    }
    return patch_len;
}

/* --- a byte for each decision --- */

struct decisions {
    const uint8_t *at;
    size_t left;
};

static int decide(struct ota_delta_coder *coder, uint32_t p, int bit)
{
    struct decisions *decisions = coder->ctx;
    (void)bit;
    fuzz_require(p >= 1 && p <= 65535);
    if (decisions->left == 0)
        return p >= 32768;
    decisions->left--;
    return *decisions->at++ & 1;
}

static int read_either(void *ctx, bool of_base, uint32_t offset, void *buf, size_t len)
{
    return of_base ? read_base(ctx, offset, buf, len) : read_result(ctx, offset, buf, len);
}

static void run_stream(uint8_t mode, struct decisions *decisions)
{
    static struct ota_delta_stream stream;
    ota_delta_stream_init(&stream);
    stream.read = read_either;
    stream.map.base_len = base_len;
    stream.map.result_len = result_len;
    stream.map.base_address = 0x08020000;
    stream.map.contents = mode == OTA_DELTA_THUMB2 ? OTA_DELTA_CONTENTS : 1;
    stream.model.coder.code_bit = decide;
    stream.model.coder.ctx = decisions;
    int more = 1;
    written = 0;
    while (more > 0)
        more = ota_delta_code_map(&stream, (struct ota_delta_start){0, 0});
    while (more >= 0 && written < result_len) {
        uint8_t bytes[OTA_DELTA_PIECE_MAX] = {0};
        struct ota_delta_token token = {0};
        more = ota_delta_code_piece(&stream, bytes, &token);
        fuzz_require(more != 0 && more <= (int)OTA_DELTA_PIECE_MAX);
        if (more < 0)
            break;
        fuzz_require((uint32_t)more <= result_len - written);
        memcpy(result + written, bytes, (size_t)more);
        written += (uint32_t)more;
        fuzz_require(stream.place.position == written);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t patch[PATCH_MAX];
    if (base_len == 0)
        load_base();
    if (len < HEAD_LEN)
        return 0;
    uint8_t mode = data[0] >> 2 & 1;
    size_t piece = 1U + (data[0] >> 3) * 33U;
    uint32_t wished = 1U + (data[1] | (uint32_t)data[2] << 8) % RESULT_MAX;
    struct decisions decisions = {data + HEAD_LEN, len - HEAD_LEN};
    switch (data[0] & 3) {
    case 0:
        decode(decisions.at, decisions.left, piece, true);
        break;
    case 1:
    case 2:
        len = wrap(patch, mode, wished, decisions.at, decisions.left);
        decode(patch, len, piece, (data[0] & 3) == 2);
        break;
    default:
        result_len = wished;
        run_stream(mode, &decisions);
    }
    return 0;
}
