#include "protocol/delta.h"

#include <string.h>

#include "protocol/crc32.h"
#include "protocol/error.h"

_Static_assert(sizeof(struct ota_delta) <= OTA_DELTA_STATE_MAX, "the decoder's memory");
_Static_assert(OTA_DELTA_CHECKPOINT_STEP == OTA_DELTA_STEP, "a checkpoint lies between pieces");
_Static_assert(OTA_DELTA_STEP % OTA_DELTA_WRITE_LEN == 0, "nothing waits at a checkpoint");

enum phase { PHASE_HEAD, PHASE_MAP, PHASE_START, PHASE_BODY, PHASE_DONE };

/* A checkpoint: this, and what the stream saves behind it. */
struct checkpoint {
    uint32_t magic;
    struct ota_delta_saved_place place;
};
#define CHECKPOINT_MAGIC 0x31504344U
#define CHECKPOINT_LEN (sizeof(struct checkpoint) + OTA_DELTA_STREAM_SAVED)
_Static_assert(CHECKPOINT_LEN <= OTA_DELTA_CHECKPOINT_MAX, "a checkpoint fits in what is promised");

#define PAYLOAD_LEN (OTA_DELTA_BLOCK_LEN - OTA_DELTA_BLOCK_CRC_LEN)
#define CODER_PRELOAD 4U /* bytes of the stream that the range coder starts with */

static uint32_t get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Seven bits a byte, the lowest first, up to 28. Bytes used, or an error. */
static int take_number(uint32_t *value, const uint8_t *buf, size_t len)
{
    *value = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i == len)
            return OTA_E_TRUNCATED;
        *value |= (buf[i] & 0x7fU) << 7 * i;
        if (buf[i] < 0x80)
            return i > 0 && buf[i] == 0 ? OTA_E_SYNTAX : (int)i + 1;
    }
    return OTA_E_SYNTAX;
}

/* The numbers behind the hashes: their length, or an error. */
static int take_numbers(struct ota_delta_header *header, const uint8_t *buf, size_t len)
{
    uint32_t numbers[4] = {0};
    unsigned count = header->mode == OTA_DELTA_THUMB2 ? 4 : 3;
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        int used = take_number(&numbers[i], buf + at, len - at);
        if (used < 0)
            return used;
        at += (size_t)used;
    }
    header->patch_len = numbers[0];
    header->base_len = numbers[1];
    header->result_len = numbers[1] + (numbers[2] >> 1 ^ (0U - (numbers[2] & 1)));
    header->base_address = numbers[3] * OTA_DELTA_ADDRESS_STEP;
    return (int)at;
}

int ota_delta_header_decode(struct ota_delta_header *header, const uint8_t *buf, size_t len)
{
    const size_t fixed = 3 + 2 * OTA_DELTA_HASH_LEN;
    if (len < fixed)
        return OTA_E_TRUNCATED;
    if ((buf[0] | buf[1] << 8) != OTA_DELTA_MAGIC)
        return OTA_E_SYNTAX;
    header->mode = buf[2] & 0xfU;
    if (buf[2] >> 4 != OTA_DELTA_VERSION || header->mode > OTA_DELTA_THUMB2)
        return OTA_E_UNSUPPORTED;
    memcpy(header->base_hash, buf + 3, OTA_DELTA_HASH_LEN);
    memcpy(header->result_hash, buf + 3 + OTA_DELTA_HASH_LEN, OTA_DELTA_HASH_LEN);
    int used = take_numbers(header, buf + fixed, len - fixed);
    if (used < 0)
        return used;
    used += (int)fixed;
    if (header->patch_len < (uint32_t)used + OTA_DELTA_BLOCK_CRC_LEN ||
        header->patch_len > OTA_DELTA_LEN_MAX || header->base_len > OTA_DELTA_LEN_MAX ||
        header->result_len == 0 || header->result_len > OTA_DELTA_LEN_MAX)
        return OTA_E_RANGE;
    return used;
}

/* The stream's bytes behind the patch's end are zeros; a patch that needs many has been cut. */
static uint8_t next_byte(struct ota_delta *delta)
{
    if (delta->input_at < delta->input_len)
        return delta->input[delta->input_at++];
    delta->missing++;
    return 0;
}

static int decode_bit(struct ota_delta_coder *coder, uint32_t p, int bit)
{
    uint32_t range = coder->high - coder->low;
    uint32_t middle = coder->low + (range >> 16) * p + ((range & 0xffffU) * p >> 16);

    bit = coder->code <= middle;
    if (bit)
        coder->high = middle;
    else
        coder->low = middle + 1;
    while (((coder->low ^ coder->high) & 0xff000000U) == 0) {
        coder->low <<= 8;
        coder->high = coder->high << 8 | 0xffU;
        coder->code = coder->code << 8 | next_byte(coder->ctx);
    }
    return bit;
}

/* From the result: what is still in `output` isn't behind read_result() yet. */
static int read_result(struct ota_delta *delta, uint32_t offset, uint8_t *buf, size_t len)
{
    size_t before = 0;
    if (offset < delta->written) {
        before = delta->written - offset < len ? delta->written - offset : len;
        int error = delta->io->read_result(delta->io->ctx, offset, buf, before);
        if (error != OTA_OK)
            return error;
    }
    if (len > before)
        memcpy(buf + before, delta->output + (offset + before - delta->written), len - before);
    return OTA_OK;
}

static int read_bytes(void *ctx, bool of_base, uint32_t offset, void *buf, size_t len)
{
    struct ota_delta *delta = ctx;
    return of_base ? delta->io->read_base(delta->io->ctx, offset, buf, len)
                   : read_result(delta, offset, buf, len);
}

void ota_delta_init(struct ota_delta *delta, const struct ota_delta_io *io)
{
    memset(delta, 0, sizeof *delta);
    delta->io = io;
    delta->phase = PHASE_HEAD;
    delta->hungry = true;
    delta->header.patch_len = OTA_DELTA_HEADER_MAX;
    ota_delta_stream_init(&delta->stream);
    delta->stream.read = read_bytes;
    delta->stream.ctx = delta;
    delta->stream.model.coder.code_bit = decode_bit;
    delta->stream.model.coder.ctx = delta;
}

int ota_delta_resume(struct ota_delta *delta, const struct ota_delta_io *io, const uint8_t *saved,
                     size_t len)
{
    struct checkpoint checkpoint;
    if (len != CHECKPOINT_LEN)
        return OTA_E_SYNTAX;
    memcpy(&checkpoint, saved, sizeof checkpoint);
    if (checkpoint.magic != CHECKPOINT_MAGIC)
        return OTA_E_SYNTAX;
    ota_delta_init(delta, io);
    delta->resuming = true;
    delta->resume = checkpoint.place;
    ota_delta_stream_load(&delta->stream, saved + sizeof checkpoint);
    return OTA_OK;
}

uint32_t ota_delta_wants(const struct ota_delta *delta)
{
    return delta->fed;
}

/* Bytes of the block that is coming in, its CRC included. */
static uint32_t block_end(const struct ota_delta *delta)
{
    uint32_t start = delta->fed - delta->block_len;
    uint32_t left = delta->header.patch_len - start;
    return left < OTA_DELTA_BLOCK_LEN ? left : OTA_DELTA_BLOCK_LEN;
}

static size_t take(struct ota_delta *delta, const uint8_t *buf, size_t len, size_t upto)
{
    size_t room = upto - delta->block_len;
    if (len > room)
        len = room;
    memcpy(delta->input + delta->input_len + delta->block_len, buf, len);
    delta->block_len = (uint16_t)(delta->block_len + len);
    delta->fed += (uint32_t)len;
    return len;
}

size_t ota_delta_feed(struct ota_delta *delta, const uint8_t *buf, size_t len)
{
    if (delta->error != 0 || delta->phase == PHASE_DONE || !delta->hungry)
        return 0;
    size_t taken = 0;
    while (delta->header_len == 0) { /* the header's length shows with its last byte */
        if (taken == len)
            return taken;
        taken += take(delta, buf + taken, 1, OTA_DELTA_HEADER_MAX);
        int used = ota_delta_header_decode(&delta->header, delta->input, delta->block_len);
        if (used > 0)
            delta->header_len = (uint8_t)used;
        else if (used != OTA_E_TRUNCATED)
            delta->error = (int16_t)used;
        if (delta->error != OTA_OK)
            return taken;
    }
    taken += take(delta, buf + taken, len - taken, block_end(delta));
    if (delta->block_len == block_end(delta))
        delta->hungry = false;
    return taken;
}

/* A whole block lies behind the checked bytes: check it and join it to them. */
static int accept_block(struct ota_delta *delta)
{
    const uint8_t *block = delta->input + delta->input_len;
    if (delta->block_len <= OTA_DELTA_BLOCK_CRC_LEN)
        return OTA_E_DELTA_BLOCK;
    size_t len = delta->block_len - OTA_DELTA_BLOCK_CRC_LEN;
    uint32_t crc = ota_crc32(0, block, len);
    if (crc != get32(block + len))
        return OTA_E_DELTA_BLOCK;
    if (delta->phase == PHASE_HEAD)
        delta->patch_id = crc;
    delta->input_len = (uint16_t)(delta->input_len + len);
    delta->block_len = 0;
    return OTA_OK;
}

static int start_map(struct ota_delta *delta)
{
    if (delta->resuming && delta->resume.patch_id != delta->patch_id)
        return OTA_E_DELTA_BLOCK;
    struct ota_delta_stream *stream = &delta->stream;
    stream->map.base_len = delta->header.base_len;
    stream->map.result_len = delta->header.result_len;
    stream->map.base_address = delta->header.base_address;
    stream->map.contents = delta->header.mode == OTA_DELTA_THUMB2 ? OTA_DELTA_CONTENTS : 1;
    delta->input_at = delta->header_len;
    for (unsigned i = 0; i < CODER_PRELOAD; i++)
        stream->model.coder.code = stream->model.coder.code << 8 | next_byte(delta);
    delta->phase = PHASE_MAP;
    return OTA_DELTA_HEADER;
}

static int run_map(struct ota_delta *delta)
{
    int more = ota_delta_code_map(&delta->stream, (struct ota_delta_start){0, 0});
    if (more < 0)
        return more;
    if (more == 0)
        delta->phase = delta->resuming ? PHASE_START : PHASE_BODY;
    return OTA_DELTA_MORE;
}

/* The map is known again: go on where the checkpoint was. */
static int start_body(struct ota_delta *delta)
{
    struct ota_delta_coder *coder = &delta->stream.model.coder;
    const struct ota_delta_saved_place *resume = &delta->resume;
    uint32_t position = delta->stream.place.position;
    uint32_t block = resume->payload_at / PAYLOAD_LEN;

    if (block * OTA_DELTA_BLOCK_LEN >= delta->header.patch_len || position % OTA_DELTA_STEP != 0 ||
        !ota_delta_stream_resume(&delta->stream))
        return OTA_E_DELTA_BLOCK;
    coder->low = resume->low;
    coder->high = resume->high;
    coder->code = resume->code;
    delta->written = position;
    delta->input_start = block * PAYLOAD_LEN;
    delta->input_len = 0;
    delta->input_at = (uint16_t)(resume->payload_at % PAYLOAD_LEN);
    delta->fed = block * OTA_DELTA_BLOCK_LEN;
    delta->offered = true;
    delta->hungry = true;
    delta->phase = PHASE_BODY;
    return OTA_DELTA_WANTS;
}

/* Make room behind the bytes that are left, when they may be too few for the next item. */
static bool is_hungry(struct ota_delta *delta)
{
    if (delta->fed == delta->header.patch_len ||
        delta->input_at + OTA_DELTA_LOOKAHEAD <= delta->input_len)
        return false;
    delta->input_start += delta->input_at;
    delta->input_len = (uint16_t)(delta->input_len - delta->input_at);
    memmove(delta->input, delta->input + delta->input_at, delta->input_len);
    delta->input_at = 0;
    delta->hungry = true;
    return true;
}

static int flush(struct ota_delta *delta)
{
    size_t len = delta->output_len < OTA_DELTA_WRITE_LEN ? delta->output_len : OTA_DELTA_WRITE_LEN;
    int error = delta->io->write_result(delta->io->ctx, delta->written, delta->output, len);
    if (error != OTA_OK)
        return error;
    delta->written += (uint32_t)len;
    delta->output_len = (uint16_t)(delta->output_len - len);
    memmove(delta->output, delta->output + len, delta->output_len);
    delta->offered = false;
    return OTA_OK;
}

static int decode_piece(struct ota_delta *delta)
{
    struct ota_delta_token token = {0};
    int len = ota_delta_code_piece(&delta->stream, delta->output + delta->output_len, &token);
    if (len < 0)
        return len;
    delta->output_len = (uint16_t)(delta->output_len + len);
    return delta->missing > CODER_PRELOAD ? OTA_E_DELTA_BLOCK : OTA_OK;
}

static int run_body(struct ota_delta *delta)
{
    while (delta->output_len < OTA_DELTA_WRITE_LEN &&
           delta->stream.place.position < delta->header.result_len) {
        if (is_hungry(delta))
            return OTA_DELTA_WANTS;
        int error = decode_piece(delta);
        if (error != OTA_OK)
            return error;
    }
    int error = flush(delta);
    if (error != OTA_OK)
        return error;
    if (delta->written < delta->header.result_len)
        return OTA_DELTA_MORE;
    if (delta->fed != delta->header.patch_len)
        return OTA_E_DELTA_BLOCK;
    delta->phase = PHASE_DONE;
    return OTA_DELTA_DONE;
}

static bool at_checkpoint(const struct ota_delta *delta)
{
    return delta->phase == PHASE_BODY && delta->output_len == 0 && delta->written > 0 &&
           delta->written % OTA_DELTA_STEP == 0;
}

static int run(struct ota_delta *delta)
{
    if (delta->hungry)
        return OTA_DELTA_WANTS;
    if (delta->block_len > 0) {
        int error = accept_block(delta);
        if (error != OTA_OK)
            return error;
    }
    switch ((enum phase)delta->phase) {
    case PHASE_HEAD:
        return start_map(delta);
    case PHASE_MAP:
        return is_hungry(delta) ? OTA_DELTA_WANTS : run_map(delta);
    case PHASE_START:
        return start_body(delta);
    case PHASE_BODY:
        if (at_checkpoint(delta) && !delta->offered) {
            delta->offered = true;
            return OTA_DELTA_CHECKPOINT;
        }
        return run_body(delta);
    case PHASE_DONE:
        break;
    }
    return OTA_DELTA_DONE;
}

int ota_delta_run(struct ota_delta *delta)
{
    if (delta->error != OTA_OK)
        return delta->error;
    int result = run(delta);
    if (result < 0)
        delta->error = (int16_t)result;
    return result;
}

int ota_delta_save(const struct ota_delta *delta, uint8_t *buf, size_t cap)
{
    const struct ota_delta_coder *coder = &delta->stream.model.coder;
    struct checkpoint checkpoint = {
        .magic = CHECKPOINT_MAGIC,
        .place = {.payload_at = delta->input_start + delta->input_at,
                  .low = coder->low,
                  .high = coder->high,
                  .code = coder->code,
                  .patch_id = delta->patch_id},
    };
    if (!at_checkpoint(delta) || delta->error != OTA_OK ||
        delta->written == delta->header.result_len)
        return OTA_E_STATE;
    if (cap < CHECKPOINT_LEN)
        return OTA_E_NO_SPACE;
    memcpy(buf, &checkpoint, sizeof checkpoint);
    ota_delta_stream_save(&delta->stream, buf + sizeof checkpoint);
    return (int)CHECKPOINT_LEN;
}
