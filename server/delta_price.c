#include "server/delta_price.h"

#include <math.h>

static unsigned bits_of(uint32_t value)
{
    return value == 0 ? 0 : 32U - (unsigned)__builtin_clz(value);
}

/* A number with a sign as one without, as ota_delta_code_signed() has it. */
static uint32_t folded(uint32_t value)
{
    return value << 1 ^ (0U - (value >> 31));
}

/* As if some had been coded before: what is usual. */
void delta_tally_init(struct delta_tally *tally)
{
    static const uint32_t kinds[OTA_DELTA_TOKENS] = {40, 8, 4, 8, 4};
    for (unsigned kind = 0; kind < OTA_DELTA_TOKENS; kind++) {
        for (unsigned next = 0; next < OTA_DELTA_TOKENS; next++)
            tally->kind[kind][next] = kinds[next];
        for (unsigned n = 0; n < DELTA_LENGTHS; n++)
            tally->len[kind][n] = n >= 2 && n <= 5 ? 12 : n < 12 ? 2 : 1;
    }
    for (unsigned n = 0; n < DELTA_LENGTHS; n++) {
        tally->jump[n] = n == 0 ? 8 : n < 19 ? 2 : 1;
        tally->distance[n] = n < 19 ? 2 : 1;
    }
    for (unsigned byte = 0; byte < 256; byte++)
        tally->byte[0][byte] = tally->byte[1][byte] = 2;
    tally->called[0] = tally->called[1] = 2;
}

bool delta_was_called(const struct ota_delta_place *place, uint32_t target)
{
    for (unsigned i = 0; i < OTA_DELTA_CALLED; i++)
        if (place->called[i] == target)
            return true;
    return false;
}

void delta_tally_add(struct delta_tally *tally, const struct ota_delta_place *place,
                     const struct ota_delta_token *token, const uint8_t *bytes)
{
    tally->kind[place->match_kind][token->kind]++;
    if (token->kind == OTA_DELTA_LITERAL) {
        tally->byte[0][bytes[0]]++;
        if (token->len == 2)
            tally->byte[1][bytes[1]]++;
        return;
    }
    if (token->kind == OTA_DELTA_CALL) {
        tally->called[delta_was_called(place, token->from)]++;
        return;
    }
    tally->len[token->kind][bits_of(token->len)]++;
    if (token->kind == OTA_DELTA_OF_RESULT)
        tally->distance[bits_of(place->position - token->from)]++;
    else
        tally->jump[bits_of(folded(token->from - place->base_at))]++;
}

static void find(float *prices, const uint32_t *counts, unsigned n)
{
    float sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += (float)counts[i];
    for (unsigned i = 0; i < n; i++)
        prices[i] = log2f(sum / (float)counts[i]);
}

void delta_prices_find(struct delta_prices *prices, const struct delta_tally *tally)
{
    for (unsigned kind = 0; kind < OTA_DELTA_TOKENS; kind++) {
        find(prices->kind[kind], tally->kind[kind], OTA_DELTA_TOKENS);
        find(prices->len[kind], tally->len[kind], DELTA_LENGTHS);
    }
    find(prices->jump, tally->jump, DELTA_LENGTHS);
    find(prices->distance, tally->distance, DELTA_LENGTHS);
    find(prices->byte[0], tally->byte[0], 256);
    find(prices->byte[1], tally->byte[1], 256);
    find(prices->called, tally->called, 2);
}

float delta_price_number(const float lengths[DELTA_LENGTHS], uint32_t value)
{
    unsigned n = bits_of(value);
    return lengths[n] + (n < 2 ? 0 : (float)(n - 1));
}

float delta_price_jump(const struct delta_prices *prices, uint32_t base_at, uint32_t from)
{
    return delta_price_number(prices->jump, folded(from - base_at));
}
