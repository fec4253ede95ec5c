/* libFuzzer: any bytes as a response, cut where the first byte says. Cutting must change nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "device/net/http.h"
#include "protocol/error.h"

struct outcome {
    int end;
    size_t used;
    size_t body_len;
    uint32_t body_sum;
    struct ota_http_response response;
    bool head;
};

static void feed(struct ota_http_parser *parser, struct outcome *outcome, const uint8_t *in,
                 size_t len, size_t room)
{
    do {
        uint8_t out[64];
        size_t out_len = room;
        size_t used;
        outcome->end = ota_http_parse(parser, &outcome->response, in, len, &used, out, &out_len);
        if (used > len || out_len > room)
            abort();
        in += used;
        len -= used;
        outcome->used += used;
        outcome->head |= outcome->end == OTA_HTTP_HEAD;
        outcome->body_len += out_len;
        for (size_t i = 0; i < out_len; i++)
            outcome->body_sum = outcome->body_sum * 31 + out[i];
    } while (outcome->end == OTA_HTTP_HEAD || outcome->end == OTA_HTTP_BODY);
}

static struct outcome run(const uint8_t *in, size_t len, size_t step, size_t room)
{
    struct ota_http_parser parser;
    struct outcome outcome = {0};
    ota_http_parser_init(&parser);
    for (size_t at = 0; at < len && outcome.end == OTA_HTTP_BUSY; at += step)
        feed(&parser, &outcome, in + at, step < len - at ? step : len - at, room);
    if (outcome.end == OTA_HTTP_BUSY)
        outcome.end = ota_http_parse_end(&parser);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct outcome whole = run(data + 1, size - 1, size, 64);
    struct outcome cut = run(data + 1, size - 1, (size_t)(data[0] & 15) + 1, (data[0] >> 4) + 1U);
    if (whole.end != cut.end || whole.used != cut.used || whole.head != cut.head ||
        whole.body_len != cut.body_len || whole.body_sum != cut.body_sum ||
        (whole.head && memcmp(&whole.response, &cut.response, sizeof cut.response) != 0)) {
        abort();
    }
    return 0;
}
