/*
 * The adaptive binary coder of patches, used by decoder and encoder alike.
 *
 * Every decision of a patch is one bit, coded with a probability that is taken from one slot or
 * mixed from two. A slot is a probability that learns from the bits it was used for; which slots
 * are used says the caller, by what it knows of the bit. Integers only: both sides compute the
 * same, bit by bit.
 *
 * Which way bits go is behind code_bit: the decoder's takes them from the patch, the encoder's puts
 * them there. All that is above it is one source for both, so that they can't drift apart.
 */
#ifndef OTA_PROTOCOL_DELTA_MODEL_H
#define OTA_PROTOCOL_DELTA_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Slots [0, OTA_DELTA_FINE) are for bits that are nearly always the same; those behind are coarser
 * and cost two bytes instead of three. */
#define OTA_DELTA_FINE 288U
#define OTA_DELTA_COARSE 1415U
#define OTA_DELTA_SLOTS (OTA_DELTA_FINE + OTA_DELTA_COARSE)
#define OTA_DELTA_MIXERS 19U   /* sets of weights */
#define OTA_DELTA_QUICK 2U     /* of them, the first: for bits that are nearly always the same */
#define OTA_DELTA_MIXED_MAX 3U /* slots that are mixed */

/* A range coder of 32 bits: [low, high] is what is left of the range. */
struct ota_delta_coder {
    /* Returns the bit: the one given (encoder), or the one read. p: probability of a 1, in 1/65536.
     */
    int (*code_bit)(struct ota_delta_coder *coder, uint32_t p, int bit);
    void *ctx;
    uint32_t low;
    uint32_t high;
    uint32_t code; /* decoder: the patch as a number, within [low, high] */
};

struct ota_delta_model {
    struct ota_delta_coder coder;
    uint16_t fine[OTA_DELTA_FINE];     /* probability of a 1, in 1/65536 */
    uint16_t coarse[OTA_DELTA_COARSE]; /* the same in 1/4096, and the bits seen in the low 4 bits */
    uint8_t seen[OTA_DELTA_FINE];      /* bits learned from, saturating: how fast p moves */
    int16_t weight[OTA_DELTA_MIXERS][OTA_DELTA_MIXED_MAX];
};

void ota_delta_model_init(struct ota_delta_model *model);

/* Sets of slots from `slot` on are for numbers: some bits long, more often than not. */
void ota_delta_model_expect_numbers(struct ota_delta_model *model, unsigned slot, unsigned sets);

/* One bit, by one slot. */
int ota_delta_code_bit(struct ota_delta_model *model, unsigned slot, int bit);

/* One bit, by `count` slots and the weights of `mixer`. */
int ota_delta_code_mixed(struct ota_delta_model *model, const uint16_t *slots, unsigned count,
                         unsigned mixer, int bit);

/* The low `bits` bits of value as they are. */
uint32_t ota_delta_code_raw(struct ota_delta_model *model, unsigned bits, uint32_t value);

/* `bits` bits of value, most significant first, as a tree of 2^bits slots. */
uint32_t ota_delta_code_tree(struct ota_delta_model *model, unsigned slot, unsigned bits,
                             uint32_t value);

/* A number, small ones cheap: its length in unary, then its bits. Uses OTA_DELTA_NUMBER_SLOTS
 * slots. */
#define OTA_DELTA_NUMBER_SLOTS 28U
uint32_t ota_delta_code_number(struct ota_delta_model *model, unsigned slot, uint32_t value);

/* The same for numbers with a sign. */
int32_t ota_delta_code_signed(struct ota_delta_model *model, unsigned slot, int32_t value);

/*
 * What was learned, in few bytes: 8 bits for each fine slot, 3 for each coarse one of [from, to),
 * and the weights. ota_delta_model_round() makes the model what these bytes can say; saving then
 * loses nothing.
 */
#define OTA_DELTA_MODEL_SAVED(coarse_count)                                                        \
    (OTA_DELTA_FINE + ((coarse_count)*3U + 7U) / 8U +                                              \
     sizeof(int16_t) * OTA_DELTA_MIXED_MAX * OTA_DELTA_MIXERS)
void ota_delta_model_round(struct ota_delta_model *model, unsigned from, unsigned to);
/* Coarse slots [from, to) as if they had never been used. */
void ota_delta_model_forget(struct ota_delta_model *model, unsigned from, unsigned to);
void ota_delta_model_save(const struct ota_delta_model *model, unsigned from, unsigned to,
                          uint8_t *buf);
void ota_delta_model_load(struct ota_delta_model *model, unsigned from, unsigned to,
                          const uint8_t *buf);

#endif
