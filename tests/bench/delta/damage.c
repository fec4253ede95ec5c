/*
 * delta-damage OLD PATCH NEW FLIPS: a real patch cut off at every byte, and with FLIPS of its bits
 * turned, one at a time.
 *
 * Each flip is tried twice: as it is, which the block's CRC must refuse, and with the CRC made
 * good, as somebody who means it would: then the decoder has to end, with an error or with an
 * image, and a wrong one is what the signed hash is for. Whatever comes, the callbacks are asked
 * for bytes that exist, and the result is written in order and not past its end. What comes before
 * the damage is decoded once: the decoder is its struct, which is kept at the start of each block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/crc32.h"
#include "protocol/delta.h"
#include "protocol/error.h"

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "delta-damage: line %d: not %s\n", __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct bytes {
    uint8_t *at;
    uint32_t len;
};

/* A decoder as it is when it wants the first byte of a block. */
struct place {
    struct ota_delta delta;
    uint32_t written;
};

static struct bytes old, patch, fresh, result;
static uint32_t written;
static struct place *places;
static struct ota_delta delta; /* one: it points into itself */
static uint32_t random_state = 0x2545f491U;

static struct {
    uint32_t cuts, refused, errors, wrong, right;
} counts;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static struct bytes slurp(const char *path)
{
    struct bytes bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long len = ftell(file);
    REQUIRE(len > 0 && len <= (long)OTA_DELTA_LEN_MAX && fseek(file, 0, SEEK_SET) == 0);
    bytes.len = (uint32_t)len;
    bytes.at = malloc(bytes.len);
    REQUIRE(bytes.at != NULL && fread(bytes.at, 1, bytes.len, file) == bytes.len);
    fclose(file);
    return bytes;
}

static int read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    REQUIRE(len > 0 && offset < old.len && len <= old.len - offset);
    memcpy(buf, old.at + offset, len);
    return OTA_OK;
}

static int read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    REQUIRE(len > 0 && offset < written && len <= written - offset);
    memcpy(buf, result.at + offset, len);
    return OTA_OK;
}

static int write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    (void)ctx;
    REQUIRE(len > 0 && len <= OTA_DELTA_WRITE_LEN && offset == written &&
            len <= fresh.len - offset);
    memcpy(result.at + offset, buf, len);
    written += (uint32_t)len;
    return OTA_OK;
}

static const struct ota_delta_io io = {NULL, read_base, read_result, write_result};

/* What a device knows before it begins: which image it has, and how long the new one is. */
static int accept(const struct ota_delta_header *header)
{
    const struct ota_delta_header *right = &places[1].delta.header;
    bool base = header->base_len == old.len &&
                memcmp(header->base_hash, right->base_hash, OTA_DELTA_HASH_LEN) == 0;
    return base && header->result_len == fresh.len ? OTA_OK : OTA_E_DELTA_BASE;
}

/* Until it is done, fails, or wants a byte at `len` or behind it. The first whole run notes the
 * places. */
static int run(const uint8_t *bytes, uint32_t len, bool note)
{
    for (uint64_t steps = 0;; steps++) {
        REQUIRE(steps < 4 * ((uint64_t)patch.len + fresh.len));
        int event = ota_delta_run(&delta);
        if (event == OTA_DELTA_HEADER && !note)
            event = accept(&delta.header);
        if (event < 0 || event == OTA_DELTA_DONE)
            return event;
        if (event != OTA_DELTA_WANTS)
            continue;
        uint32_t from = ota_delta_wants(&delta);
        if (from >= len)
            return OTA_DELTA_WANTS;
        if (note && from % OTA_DELTA_BLOCK_LEN == 0)
            places[from / OTA_DELTA_BLOCK_LEN] = (struct place){delta, written};
        (void)ota_delta_feed(&delta, bytes + from, len - from);
    }
}

/* On from the start of the block, with the right image so far. */
static int run_from(uint32_t block, const uint8_t *bytes, uint32_t len)
{
    delta = places[block].delta;
    written = places[block].written;
    memcpy(result.at, fresh.at, written);
    return run(bytes, len, false);
}

static bool is_right(void)
{
    return written == fresh.len && memcmp(result.at, fresh.at, fresh.len) == 0;
}

static void decode_whole(void)
{
    places = calloc(patch.len / OTA_DELTA_BLOCK_LEN + 2, sizeof *places);
    result = (struct bytes){malloc(fresh.len), fresh.len};
    REQUIRE(places != NULL && result.at != NULL);
    ota_delta_init(&delta, &io);
    REQUIRE(run(patch.at, patch.len, true) == OTA_DELTA_DONE && is_right());
    places[1].delta.header = delta.header; /* of a patch of one block, too */
}

static void cut_everywhere(void)
{
    for (uint32_t len = 0; len < patch.len; len++, counts.cuts++)
        REQUIRE(run_from(len / OTA_DELTA_BLOCK_LEN, patch.at, len) != OTA_DELTA_DONE);
}

static void mend(uint32_t block)
{
    uint32_t start = block * OTA_DELTA_BLOCK_LEN;
    uint32_t left = patch.len - start;
    uint32_t len = left < OTA_DELTA_BLOCK_LEN ? left : OTA_DELTA_BLOCK_LEN;
    uint32_t body = len - OTA_DELTA_BLOCK_CRC_LEN;
    uint32_t crc = ota_crc32(0, patch.at + start, body);
    for (uint32_t i = 0; i < OTA_DELTA_BLOCK_CRC_LEN; i++)
        patch.at[start + body + i] = (uint8_t)(crc >> 8 * i);
}

static void flip(uint32_t bit)
{
    uint32_t block = bit / 8 / OTA_DELTA_BLOCK_LEN;
    uint8_t kept[OTA_DELTA_BLOCK_LEN];
    uint32_t start = block * OTA_DELTA_BLOCK_LEN;
    size_t len = patch.len - start < sizeof kept ? patch.len - start : sizeof kept;
    memcpy(kept, patch.at + start, len);

    patch.at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    int event = run_from(block, patch.at, patch.len);
    REQUIRE(event < 0 ||
            (block == 0 && event == OTA_DELTA_WANTS)); /* a header with another length */
    counts.refused++;
    mend(block);
    event = run_from(block, patch.at, patch.len);
    counts.errors += event != OTA_DELTA_DONE;
    counts.right += event == OTA_DELTA_DONE && is_right();
    counts.wrong += event == OTA_DELTA_DONE && !is_right();
    memcpy(patch.at + start, kept, len);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: delta-damage OLD PATCH NEW FLIPS\n");
        return 2;
    }
    old = slurp(argv[1]);
    patch = slurp(argv[2]);
    fresh = slurp(argv[3]);
    decode_whole();
    cut_everywhere();
    for (long i = strtol(argv[4], NULL, 10); i > 0; i--)
        flip(next_random() % (patch.len * 8));
    printf("%u cuts refused; of %u flips all refused by their CRC; with the CRC made good %u end "
           "in an error, %u in a wrong image for the hash to refuse, %u in the right one\n",
           counts.cuts, counts.refused, counts.errors, counts.wrong, counts.right);
    free(old.at);
    free(patch.at);
    free(fresh.at);
    free(result.at);
    free(places);
    return 0;
}
