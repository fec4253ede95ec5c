/*
 * What tokens cost, about: by how often their like was coded before. The encoder's own count, since
 * the coder's slots would be slow to ask, and only mixed ones know a literal.
 */
#ifndef OTAD_SERVER_DELTA_PRICE_H
#define OTAD_SERVER_DELTA_PRICE_H

#include "protocol/delta_stream.h"

#define DELTA_LENGTHS 33U /* of numbers in bits, 0 to 32 */

struct delta_tally {
    uint32_t kind[OTA_DELTA_TOKENS][OTA_DELTA_TOKENS]; /* behind another */
    uint32_t len[OTA_DELTA_TOKENS][DELTA_LENGTHS];     /* of matches and segments, in bits */
    uint32_t jump[DELTA_LENGTHS];
    uint32_t distance[DELTA_LENGTHS];
    uint32_t byte[2][256]; /* of literals: lower, upper */
    uint32_t called[2];    /* calls: of another place, of one of the last */
};

/* The same as bits. */
struct delta_prices {
    float kind[OTA_DELTA_TOKENS][OTA_DELTA_TOKENS];
    float len[OTA_DELTA_TOKENS][DELTA_LENGTHS];
    float jump[DELTA_LENGTHS];
    float distance[DELTA_LENGTHS];
    float byte[2][256];
    float called[2];
};

void delta_tally_init(struct delta_tally *tally);

/* Count a token that is coded at `place`, whose result goes on with `bytes`. */
void delta_tally_add(struct delta_tally *tally, const struct ota_delta_place *place,
                     const struct ota_delta_token *token, const uint8_t *bytes);

void delta_prices_find(struct delta_prices *prices, const struct delta_tally *tally);

/* A number, by the prices of lengths. */
float delta_price_number(const float lengths[DELTA_LENGTHS], uint32_t value);

/* From `base_at` to `from`. */
float delta_price_jump(const struct delta_prices *prices, uint32_t base_at, uint32_t from);

/* Whether it is one of the last places that were called. */
bool delta_was_called(const struct ota_delta_place *place, uint32_t target);

#endif
