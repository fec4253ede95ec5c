#include "protocol/delta_model.h"

#include <string.h>

#define ONE 65536U
#define STRETCH_SHIFT 8  /* log2 odds are in 1/256 */
#define STRETCH_MAX 4095 /* below 2^-16 */
#define WEIGHT_ONE 16384 /* 1.0 */
/* Quick mixers are surer at first, and learn more from a mistake. */
#define WEIGHT_START_QUICK 0x25 /* both bytes of it */
#define WEIGHT_START 0x19
#define LEARN_SHIFT_QUICK 11
#define LEARN_SHIFT 13
#define SEEN_MAX 60U         /* bits after which a fine slot doesn't learn slower any more */
#define FINE_START 0x08      /* both bytes: 1/32, about */
#define LONGER_START 0xccc0U /* 4 of 5 numbers are longer, until it is known better */
#define COARSE_SEEN_MAX 15U
#define LENGTH_SLOTS 19U
#define SECOND_SLOTS 5U
#define LOW_BITS 2U
#define COARSE_START 0x80   /* both bytes of the next */
#define COARSE_HALF 0x8080U /* not used yet; 1/2, about */

/* 256 * log2(1 + i/32), and 256 * 2^(i/32) - 256. */
static const uint8_t log2_table[33] = {
    0,   11,  22,  33,  44,  54,  63,  73,  82,  92,  100, 109, 118, 126, 134, 142, 150,
    157, 165, 172, 179, 186, 193, 200, 207, 213, 220, 226, 232, 238, 244, 250, 255,
};
static const uint8_t exp2_table[33] = {
    0,   6,   11,  17,  23,  29,  36,  42,  48,  55,  62,  69,  76,  83,  91,  98,  106,
    114, 122, 130, 139, 147, 156, 165, 175, 184, 194, 204, 214, 224, 234, 245, 255,
};

static unsigned bit_length(uint32_t value)
{
    return value == 0 ? 0 : 32U - (unsigned)__builtin_clz(value);
}

/* 256 * log2(value), value 1 to 65535. */
static int log2_of(uint32_t value)
{
    unsigned top = bit_length(value) - 1;
    uint32_t mantissa = (value << 16 >> top) & 0xffffU;
    uint32_t at = mantissa >> 11;
    uint32_t part = mantissa & 0x7ffU;
    uint32_t low = log2_table[at];
    return (int)((top << STRETCH_SHIFT) + low + ((log2_table[at + 1] - low) * part >> 11));
}

/* log2 of the odds of p, in 1/256. */
static int stretch(uint32_t p)
{
    return log2_of(p) - log2_of(ONE - p);
}

/* The probability with log2 odds of x/256: 1 to 65535. */
static uint32_t squash(int x)
{
    uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
    if (magnitude > STRETCH_MAX)
        magnitude = STRETCH_MAX;
    uint32_t at = (magnitude & 0xffU) >> 3;
    uint32_t part = magnitude & 7U;
    uint32_t low = exp2_table[at];
    uint32_t power = 256 + low + ((exp2_table[at + 1] - low) * part >> 3);
    uint32_t odds = power << (magnitude >> STRETCH_SHIFT); /* 256 * 2^|x| */
    uint32_t p = (1U << 24) / (256 + odds);
    if (p == 0)
        p = 1;
    return x < 0 ? p : ONE - p;
}

void ota_delta_model_init(struct ota_delta_model *model)
{
    memset(model->fine, FINE_START, sizeof model->fine);
    memset(model->seen, 1, sizeof model->seen);
    memset(model->coarse, COARSE_START, sizeof model->coarse);
    memset(model->weight, WEIGHT_START, sizeof model->weight);
    memset(model->weight, WEIGHT_START_QUICK, OTA_DELTA_QUICK * sizeof model->weight[0]);
    model->coder.low = 0;
    model->coder.high = UINT32_MAX;
}

void ota_delta_model_expect_numbers(struct ota_delta_model *model, unsigned slot, unsigned sets)
{
    for (; sets > 0; sets--, slot += OTA_DELTA_NUMBER_SLOTS)
        for (unsigned i = 0; i < LENGTH_SLOTS; i++)
            model->coarse[slot - OTA_DELTA_FINE + i] = LONGER_START;
}

static uint32_t probability(const struct ota_delta_model *model, unsigned slot)
{
    return slot < OTA_DELTA_FINE ? model->fine[slot]
                                 : (model->coarse[slot - OTA_DELTA_FINE] & 0xfff0U) | 8U;
}

/* p moved towards the bit: the mean of what was seen, at first. */
static uint32_t moved(uint32_t p, int bit, uint32_t seen)
{
    int32_t target = bit ? (int32_t)ONE - 1 : 1;
    return (uint32_t)((int32_t)p + (target - (int32_t)p) * 2 / (int32_t)(2 * seen + 3));
}

static void learn(struct ota_delta_model *model, unsigned slot, int bit)
{
    if (slot < OTA_DELTA_FINE) {
        uint8_t *seen = &model->seen[slot];
        model->fine[slot] = (uint16_t)moved(model->fine[slot], bit, *seen);
        *seen = (uint8_t)(*seen + (*seen < SEEN_MAX));
        return;
    }
    uint16_t *coarse = &model->coarse[slot - OTA_DELTA_FINE];
    uint32_t seen = *coarse & 15U;
    uint32_t p = moved(*coarse & 0xfff0U, bit, seen);
    *coarse = (uint16_t)((p & 0xfff0U) | (seen + (seen < COARSE_SEEN_MAX)));
}

int ota_delta_code_bit(struct ota_delta_model *model, unsigned slot, int bit)
{
    bit = model->coder.code_bit(&model->coder, probability(model, slot), bit);
    learn(model, slot, bit);
    return bit;
}

static void correct(int16_t *weight, int32_t by)
{
    int32_t corrected = *weight + by;
    *weight = (int16_t)(corrected < INT16_MIN   ? INT16_MIN
                        : corrected > INT16_MAX ? INT16_MAX
                                                : corrected);
}

int ota_delta_code_mixed(struct ota_delta_model *model, const uint16_t *slots, unsigned count,
                         unsigned mixer, int bit)
{
    int16_t *weight = model->weight[mixer];
    int32_t stretched[OTA_DELTA_MIXED_MAX];
    int32_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        stretched[i] = stretch(probability(model, slots[i]));
        sum += weight[i] * stretched[i];
    }
    uint32_t p = squash(sum / WEIGHT_ONE);
    bit = model->coder.code_bit(&model->coder, p, bit);
    int32_t error = ((bit ? (int32_t)ONE - 1 : 0) - (int32_t)p) / 16;
    int32_t slowness = 1 << (mixer < OTA_DELTA_QUICK ? LEARN_SHIFT_QUICK : LEARN_SHIFT);
    for (unsigned i = 0; i < count; i++) {
        correct(&weight[i], stretched[i] * error / slowness);
        learn(model, slots[i], bit);
    }
    return bit;
}

uint32_t ota_delta_code_raw(struct ota_delta_model *model, unsigned bits, uint32_t value)
{
    uint32_t result = 0;
    for (unsigned i = bits; i-- > 0;)
        result = result << 1 |
                 (uint32_t)model->coder.code_bit(&model->coder, ONE / 2, (int)(value >> i & 1));
    return result;
}

uint32_t ota_delta_code_tree(struct ota_delta_model *model, unsigned slot, unsigned bits,
                             uint32_t value)
{
    uint32_t node = 1;
    for (unsigned i = bits; i-- > 0;)
        node = node << 1 | (uint32_t)ota_delta_code_bit(model, slot + node, (int)(value >> i & 1));
    return node - (1U << bits);
}

/* Slots: LENGTH_SLOTS for the length, the last of them for all that is longer; SECOND_SLOTS for the
 * bit below the top one; 1 and 3 for the last bits, as a tree of one or of two: places and lengths
 * are multiples of 2 or 4 more often than not. */
uint32_t ota_delta_code_number(struct ota_delta_model *model, unsigned slot, uint32_t value)
{
    unsigned length = bit_length(value);
    unsigned n = 0;
    while (n < 32 &&
           ota_delta_code_bit(model, slot + (n < LENGTH_SLOTS ? n : LENGTH_SLOTS - 1), n < length))
        n++;
    if (n < 2)
        return n;
    unsigned rest = n - 2;
    unsigned second = slot + LENGTH_SLOTS + (rest < SECOND_SLOTS ? rest : SECOND_SLOTS - 1);
    uint32_t result = 2U | (uint32_t)ota_delta_code_bit(model, second, (int)(value >> rest & 1));
    unsigned low = rest < LOW_BITS ? rest : LOW_BITS;
    result = result << (rest - low) | ota_delta_code_raw(model, rest - low, value >> low);
    return result << low |
           ota_delta_code_tree(model, slot + LENGTH_SLOTS + SECOND_SLOTS - 2 + low, low, value);
}

int32_t ota_delta_code_signed(struct ota_delta_model *model, unsigned slot, int32_t value)
{
    uint32_t folded = (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0);
    folded = ota_delta_code_number(model, slot, folded);
    return (int32_t)(folded >> 1 ^ (0U - (folded & 1)));
}

/* --- saving --- */

/* Log2 odds in steps of a half, as far as p has the precision to give them back, and how much was
 * seen above them. */
static uint8_t pack_fine(uint32_t p, uint32_t seen)
{
    int level = (stretch(p) + 32 * 128 + 64) / 128;
    unsigned class = seen == 0 ? 0 : seen < 8 ? 1 : seen < 40 ? 2 : 3;
    return (uint8_t)(class << 6 | (unsigned)(level < 4 ? 4 : level > 60 ? 60 : level));
}

static void unpack_fine(struct ota_delta_model *model, unsigned slot, uint8_t packed)
{
    static const uint8_t seen[4] = {0, 3, 20, SEEN_MAX};
    model->seen[slot] = seen[packed >> 6];
    model->fine[slot] = (uint16_t)squash(((packed & 63) - 32) * 128);
}

/* 7 for a slot that was never used, else one of seven odds. */
static const int16_t coarse_odds[7] = {-1000, -540, -220, 0, 220, 540, 1000};

static unsigned pack_coarse(uint16_t coarse)
{
    if (coarse == COARSE_HALF)
        return 7;
    int x = stretch((coarse & 0xfff0U) | 8U);
    unsigned best = 0;
    while (best < 6 && 2 * x > coarse_odds[best] + coarse_odds[best + 1])
        best++;
    return best;
}

static uint16_t unpack_coarse(unsigned packed)
{
    return packed >= 7 ? COARSE_HALF : (uint16_t)((squash(coarse_odds[packed]) & 0xfff0U) | 8U);
}

void ota_delta_model_round(struct ota_delta_model *model, unsigned from, unsigned to)
{
    for (unsigned slot = 0; slot < OTA_DELTA_FINE; slot++)
        unpack_fine(model, slot, pack_fine(model->fine[slot], model->seen[slot]));
    for (unsigned slot = from; slot < to; slot++) {
        uint16_t *coarse = &model->coarse[slot - OTA_DELTA_FINE];
        *coarse = unpack_coarse(pack_coarse(*coarse));
    }
}

void ota_delta_model_forget(struct ota_delta_model *model, unsigned from, unsigned to)
{
    for (unsigned slot = from; slot < to; slot++)
        model->coarse[slot - OTA_DELTA_FINE] = COARSE_HALF;
}

void ota_delta_model_save(const struct ota_delta_model *model, unsigned from, unsigned to,
                          uint8_t *buf)
{
    memcpy(buf, model->weight, sizeof model->weight);
    buf += sizeof model->weight;
    for (unsigned slot = 0; slot < OTA_DELTA_FINE; slot++)
        *buf++ = pack_fine(model->fine[slot], model->seen[slot]);
    memset(buf, 0, ((to - from) * 3 + 7) / 8);
    for (unsigned bit = 0; from < to; from++, bit += 3) {
        unsigned packed = pack_coarse(model->coarse[from - OTA_DELTA_FINE]) << bit % 8;
        buf[bit / 8] |= (uint8_t)packed;
        if (packed > 0xff)
            buf[bit / 8 + 1] |= (uint8_t)(packed >> 8);
    }
}

void ota_delta_model_load(struct ota_delta_model *model, unsigned from, unsigned to,
                          const uint8_t *buf)
{
    memcpy(model->weight, buf, sizeof model->weight);
    buf += sizeof model->weight;
    for (unsigned slot = 0; slot < OTA_DELTA_FINE; slot++)
        unpack_fine(model, slot, *buf++);
    for (unsigned bit = 0; from < to; from++, bit += 3) {
        unsigned packed = buf[bit / 8];
        if (bit % 8 > 5)
            packed |= (unsigned)buf[bit / 8 + 1] << 8;
        model->coarse[from - OTA_DELTA_FINE] = unpack_coarse(packed >> bit % 8 & 7U);
    }
}
