/* What lwIP's MQTT client is given: whole packets, and none that it can't take. */
#include "device/net/mqtt_frame.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"

struct stream {
    uint8_t bytes[4096];
    size_t len;
};

/* A packet with a body of `len` bytes, its length written in `width` bytes at least. */
static void put_packet(struct stream *stream, uint8_t type, uint32_t len, unsigned width)
{
    uint32_t left = len;
    unsigned written = 0;

    stream->bytes[stream->len++] = type;
    do {
        uint8_t more = left > 0x7f || written + 1 < width ? 0x80 : 0;
        stream->bytes[stream->len++] = (uint8_t)((left & 0x7f) | more);
        left >>= 7;
        written++;
    } while (left > 0 || written < width);
    for (uint32_t i = 0; i < len && stream->len < sizeof stream->bytes; i++)
        stream->bytes[stream->len++] = (uint8_t)(type + i);
}

/* The results, in pieces of `piece` bytes. How many there were. */
static unsigned frame_all(const struct stream *stream, size_t piece, int *results, unsigned cap)
{
    struct ota_mqtt_framer *framer = calloc(1, sizeof *framer);
    unsigned count = 0;
    size_t at = 0;

    assert_non_null(framer);
    while (at < stream->len) {
        /* A copy of its own, so that a byte too far is seen. */
        size_t len = stream->len - at < piece ? stream->len - at : piece;
        uint8_t *copy = malloc(len);
        const uint8_t *bytes = copy;
        size_t left = len;
        memcpy(copy, stream->bytes + at, len);
        at += len;
        while (left > 0) {
            int result = ota_mqtt_frame(framer, &bytes, &left);
            if (result == 0)
                continue;
            assert_true(count < cap);
            results[count++] = result;
            if (result > 0)
                assert_memory_equal(framer->packet + result - 1, bytes - 1, 1);
            if (result == -2) {
                at = stream->len;
                break;
            }
        }
        free(copy);
    }
    free(framer);
    return count;
}

static void pieces(void **state)
{
    (void)state;
    struct stream stream = {.len = 0};
    int results[8];

    put_packet(&stream, 0x20, 2, 1);
    put_packet(&stream, 0xd0, 0, 1);
    put_packet(&stream, 0x32, 120, 1);
    put_packet(&stream, 0x32, OTA_MQTT_PACKET_MAX - 3, 2); /* just fits */
    put_packet(&stream, 0x32, OTA_MQTT_PACKET_MAX - 2, 2); /* one too many */
    put_packet(&stream, 0x40, 2, 4);                       /* a length longer than it has to be */
    for (size_t piece = 1; piece <= stream.len; piece++) {
        assert_int_equal(frame_all(&stream, piece, results, 8), 6);
        const int wanted[] = {4, 2, 122, (int)OTA_MQTT_PACKET_MAX, -1, 7};
        assert_memory_equal(results, wanted, sizeof wanted);
    }
}

static void no_end(void **state)
{
    (void)state;
    struct stream stream = {.len = 0};
    int results[8];

    put_packet(&stream, 0xd0, 0, 1);
    memset(stream.bytes + stream.len, 0xff, 2000);
    stream.len += 2000;
    for (size_t piece = 1; piece < 300; piece++) {
        assert_int_equal(frame_all(&stream, piece, results, 8), 2);
        assert_int_equal(results[1], -2);
    }
}

static void far_too_long(void **state)
{
    (void)state;
    struct stream stream = {.bytes = {0x30, 0xff, 0xff, 0xff, 0x7f}, .len = 5};
    int results[2];

    assert_int_equal(frame_all(&stream, 5, results, 2), 1);
    assert_int_equal(results[0], -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("packets come whole however the stream is cut, longer ones are passed over", pieces)},
        {TEST("a header without an end is no MQTT", no_end)},
        {TEST("a packet of 256 MB is not waited for", far_too_long)},
    };
    return cmocka_run_group_tests_name("mqtt_frame", tests, NULL, NULL);
}
