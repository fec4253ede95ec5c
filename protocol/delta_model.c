#include "protocol/delta_model.h"

#define ONE 65536U
#define STRETCH_SHIFT 8  /* log2 odds are in 1/256 */
#define STRETCH_MAX 4095 /* below 2^-16 */
#define WEIGHT_ONE 16384 /* 1.0 */
#define WEIGHT_START 10000
#define WEIGHT_MAX 65535
#define LEARN_SHIFT 14
#define SEEN_MAX 255

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
    unsigned bits = 0;
    for (; value != 0; value >>= 1)
        bits++;
    return bits;
}

/* 256 * log2(value), value 1 to 65536. */
static int log2_of(uint32_t value)
{
    unsigned top = bit_length(value) - 1;
    uint32_t mantissa = (value << 16 >> top) & 0xffffU;
    uint32_t at = mantissa >> 11;
    uint32_t part = mantissa & 0x7ffU;
    int low = log2_table[at];
    int high = log2_table[at + 1];
    return (int)(top << STRETCH_SHIFT) + low + (int)((uint32_t)(high - low) * part >> 11);
}

/* log2 of the odds of p, in 1/256. */
static int stretch(uint32_t p)
{
    return log2_of(p) - log2_of(ONE - p);
}

/* The probability with log2 odds of x/256. */
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

void ota_delta_mixer_init(struct ota_delta_model *model, unsigned mixer)
{
    model->weight[mixer][0] = model->weight[mixer][1] = WEIGHT_START;
}

void ota_delta_model_init(struct ota_delta_model *model)
{
    for (unsigned i = 0; i < OTA_DELTA_SLOTS_MAX; i++) {
        model->p[i] = ONE / 2;
        model->seen[i] = 0;
    }
    for (unsigned i = 0; i < OTA_DELTA_MIXERS; i++)
        ota_delta_mixer_init(model, i);
    model->coder.low = 0;
    model->coder.high = UINT32_MAX;
}

static void learn(struct ota_delta_model *model, unsigned slot, int bit)
{
    int32_t p = model->p[slot];
    int32_t target = bit ? 65535 : 0;
    uint32_t seen = model->seen[slot];
    p += (target - p) * 2 / (int32_t)(2 * seen + 3);
    model->p[slot] = (uint16_t)(p < 1 ? 1 : p > 65535 ? 65535 : p);
    if (seen < SEEN_MAX)
        model->seen[slot]++;
}

int ota_delta_code_bit(struct ota_delta_model *model, unsigned a, unsigned b, unsigned mixer,
                       int bit)
{
    int16_t *weight = model->weight[mixer];
    int32_t stretched[2] = {stretch(model->p[a]), stretch(model->p[b])};
    int32_t x = (weight[0] * stretched[0] + weight[1] * stretched[1]) / WEIGHT_ONE;
    uint32_t p = squash(x);

    bit = model->coder.code_bit(&model->coder, p, bit);
    int32_t error = (bit ? 65535 : 0) - (int32_t)p;
    for (int i = 0; i < 2; i++) {
        int32_t w = weight[i] + (stretched[i] * (error / 16)) / (1 << LEARN_SHIFT);
        weight[i] = (int16_t)(w < 0 ? 0 : w > INT16_MAX ? INT16_MAX : w);
    }
    learn(model, a, bit);
    if (b != a)
        learn(model, b, bit);
    return bit;
}

uint32_t ota_delta_code_tree(struct ota_delta_model *model, unsigned a, unsigned b, unsigned mixer,
                             unsigned bits, uint32_t value)
{
    uint32_t node = 1;
    for (unsigned i = bits; i-- > 0;)
        node = node << 1 | (uint32_t)ota_delta_code_bit(model, a + node, b + node, mixer,
                                                        (int)(value >> i & 1));
    return node - (1U << bits);
}

uint32_t ota_delta_code_number(struct ota_delta_model *model, unsigned a, unsigned mixer,
                               uint32_t value)
{
    unsigned length = bit_length(value);
    unsigned n = 0;
    while (n < 32 && ota_delta_code_bit(model, a + n, a + n, mixer, n < length))
        n++;
    if (n < 2)
        return n;
    uint32_t result = 1;
    for (unsigned i = n - 1; i-- > 0;) {
        int bit = (int)(value >> i & 1);
        unsigned slot = a + 33 + (n - i < 4 ? (n - i) * 2 + (result & 1) : 0);
        if (n - i < 4)
            bit = ota_delta_code_bit(model, slot, slot, mixer, bit);
        else
            bit = model->coder.code_bit(&model->coder, ONE / 2, bit);
        result = result << 1 | (uint32_t)bit;
    }
    return result;
}

int32_t ota_delta_code_signed(struct ota_delta_model *model, unsigned a, unsigned mixer,
                              int32_t value)
{
    uint32_t folded = (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0);
    folded = ota_delta_code_number(model, a, mixer, folded);
    return (int32_t)(folded >> 1 ^ (0U - (folded & 1)));
}

/* A byte: the log2 odds in steps of a half in the low 6 bits, and how much was seen above them. */
static uint8_t pack(uint32_t p, uint32_t seen)
{
    int level = (stretch(p) + 32 * 128 + 64) / 128;
    unsigned class = seen == 0 ? 0 : seen < 12 ? 1 : seen < 60 ? 2 : 3;
    return (uint8_t)(class << 6 | (unsigned)(level < 0 ? 0 : level > 63 ? 63 : level));
}

static void unpack(struct ota_delta_model *model, unsigned slot, uint8_t packed)
{
    static const uint8_t seen[4] = {0, 5, 25, 120};
    model->seen[slot] = seen[packed >> 6];
    model->p[slot] = (uint16_t)squash(((packed & 63) - 32) * 128);
}

void ota_delta_model_save(const struct ota_delta_model *model, unsigned from, unsigned to,
                          uint8_t *buf)
{
    for (unsigned slot = from; slot < to; slot++)
        *buf++ = pack(model->p[slot], model->seen[slot]);
}

void ota_delta_model_load(struct ota_delta_model *model, unsigned from, unsigned to,
                          const uint8_t *buf)
{
    for (unsigned slot = from; slot < to; slot++)
        unpack(model, slot, *buf++);
}

void ota_delta_model_round(struct ota_delta_model *model, unsigned from, unsigned to)
{
    for (unsigned slot = from; slot < to; slot++)
        unpack(model, slot, pack(model->p[slot], model->seen[slot]));
}
