#include "server/delta_range.h"

#include <stdlib.h>

static void put_byte(struct delta_sink *sink, uint8_t byte)
{
    if (sink->len == sink->cap) {
        size_t cap = sink->cap == 0 ? 4096 : 2 * sink->cap;
        uint8_t *grown = realloc(sink->bytes, cap);
        if (grown == NULL) {
            sink->failed = true;
            return;
        }
        sink->bytes = grown;
        sink->cap = cap;
    }
    sink->bytes[sink->len++] = byte;
}

int delta_encode_bit(struct ota_delta_coder *coder, uint32_t p, int bit)
{
    uint32_t range = coder->high - coder->low;
    uint32_t middle = coder->low + (range >> 16) * p + ((range & 0xffffU) * p >> 16);

    if (bit)
        coder->high = middle;
    else
        coder->low = middle + 1;
    while (((coder->low ^ coder->high) & 0xff000000U) == 0) {
        put_byte(coder->ctx, (uint8_t)(coder->high >> 24));
        coder->low <<= 8;
        coder->high = coder->high << 8 | 0xffU;
    }
    return bit;
}

void delta_encode_end(struct ota_delta_coder *coder)
{
    struct delta_sink *sink = coder->ctx;
    /* The shortest number within [low, high]. */
    for (unsigned bytes = 0; bytes <= 4; bytes++) {
        uint32_t mask = bytes == 4 ? UINT32_MAX : ~(UINT32_MAX >> 8 * bytes);
        uint32_t number = coder->high & mask;
        if (number < coder->low)
            continue;
        for (unsigned i = 0; i < bytes; i++)
            put_byte(sink, (uint8_t)(number >> (24 - 8 * i)));
        break;
    }
}
