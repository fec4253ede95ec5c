/*
 * The adaptive binary coder of patches, used by decoder and encoder alike.
 *
 * Every decision of a patch is one bit, coded with a probability that is mixed from two slots. A
 * slot is a probability that learns from the bits it was used for; which two slots are used says
 * the caller, by what it knows of the bit. Integers only: both sides compute the same, bit by bit.
 *
 * Which way bits go is behind code_bit: the decoder's takes them from the patch, the encoder's puts
 * them there. All that is above it is one source for both, so that they can't drift apart.
 */
#ifndef OTA_PROTOCOL_DELTA_MODEL_H
#define OTA_PROTOCOL_DELTA_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define OTA_DELTA_SLOTS_MAX 1344U
#define OTA_DELTA_MIXERS 16U /* sets of weights */

/* A range coder of 32 bits: [low, high] is what is left of the range. */
struct ota_delta_coder {
    /* Returns the bit: the one given (encoder), or the one read. p: probability of a 1, in 1/65536.
     */
    int (*code_bit)(struct ota_delta_coder *coder, uint32_t p, int bit);
    void *ctx;
    uint32_t low;
    uint32_t high;
    uint32_t
        code; /* decoder: the number that the patch is, relative to nothing: within [low, high] */
};

struct ota_delta_model {
    struct ota_delta_coder coder;
    uint16_t p[OTA_DELTA_SLOTS_MAX];   /* probability of a 1, in 1/65536 */
    uint8_t seen[OTA_DELTA_SLOTS_MAX]; /* bits learned from, saturating: how fast p moves */
    int16_t weight[OTA_DELTA_MIXERS][2];
};

void ota_delta_model_init(struct ota_delta_model *model);
void ota_delta_mixer_init(struct ota_delta_model *model, unsigned mixer);

/* One bit, by slots a and b and the weights of `mixer`. */
int ota_delta_code_bit(struct ota_delta_model *model, unsigned a, unsigned b, unsigned mixer,
                       int bit);

/* `bits` bits of value, most significant first, as a tree of 2^bits slots at a and at b. */
uint32_t ota_delta_code_tree(struct ota_delta_model *model, unsigned a, unsigned b, unsigned mixer,
                             unsigned bits, uint32_t value);

/* A number, small ones cheap: its length in unary, then its bits. Uses OTA_DELTA_NUMBER_SLOTS slots
 * from a on. */
#define OTA_DELTA_NUMBER_SLOTS 48U
uint32_t ota_delta_code_number(struct ota_delta_model *model, unsigned a, unsigned mixer,
                               uint32_t value);

/* The same for numbers with a sign. */
int32_t ota_delta_code_signed(struct ota_delta_model *model, unsigned a, unsigned mixer,
                              int32_t value);

/* Round slots [from, to) to what a byte each can say; the byte of each; and back from the bytes. */
void ota_delta_model_round(struct ota_delta_model *model, unsigned from, unsigned to);
void ota_delta_model_save(const struct ota_delta_model *model, unsigned from, unsigned to,
                          uint8_t *buf);
void ota_delta_model_load(struct ota_delta_model *model, unsigned from, unsigned to,
                          const uint8_t *buf);

#endif
