/*
 * The encoder's half of the range coder: bits go into a buffer that grows.
 */
#ifndef OTAD_SERVER_DELTA_RANGE_H
#define OTAD_SERVER_DELTA_RANGE_H

#include <stdbool.h>

#include "protocol/delta_model.h"

struct delta_sink {
    uint8_t *bytes;
    size_t len;
    size_t cap;
    bool failed; /* no memory */
};

/* For ota_delta_coder.code_bit; coder->ctx is a struct delta_sink. */
int delta_encode_bit(struct ota_delta_coder *coder, uint32_t p, int bit);

/* The last bytes; what the decoder reads behind them are zeros. */
void delta_encode_end(struct ota_delta_coder *coder);

#endif
