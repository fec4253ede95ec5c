#include "protocol/delta_thumb.h"

static enum ota_thumb_kind classify16(uint32_t i)
{
    if ((i & 0xf800U) == 0x4800U || (i & 0xf800U) == 0xa000U)
        return OTA_THUMB_LOAD16;
    if ((i & 0xf000U) == 0xd000U && (i & 0x0e00U) != 0x0e00U)
        return OTA_THUMB_BCOND16;
    if ((i & 0xf800U) == 0xe000U)
        return OTA_THUMB_B16;
    if ((i & 0xf500U) == 0xb100U)
        return OTA_THUMB_CBZ;
    return OTA_THUMB_PLAIN16;
}

static enum ota_thumb_kind classify_branch32(uint32_t i)
{
    switch (i & 0xd000U) {
    case 0xd000U:
        return OTA_THUMB_BL;
    case 0x9000U:
        return OTA_THUMB_B32;
    case 0x8000U:
        return (i & 0x03800000U) == 0x03800000U ? OTA_THUMB_PLAIN32 : OTA_THUMB_BCOND32;
    default:
        return OTA_THUMB_PLAIN32;
    }
}

enum ota_thumb_kind ota_thumb_classify(uint32_t i)
{
    if (i <= 0xffffU)
        return classify16(i);
    if ((i & 0xf8008000U) == 0xf0008000U)
        return classify_branch32(i);
    if ((i & 0xfe1f0000U) == 0xf81f0000U)
        return OTA_THUMB_LOAD32;
    if ((i & 0xff3f0e00U) == 0xed1f0a00U || (i & 0xff7f0000U) == 0xe95f0000U)
        return OTA_THUMB_LOADW;
    return OTA_THUMB_PLAIN32;
}

bool ota_thumb_loads(enum ota_thumb_kind kind, uint32_t i)
{
    return kind == OTA_THUMB_LOAD32 || kind == OTA_THUMB_LOADW ||
           (kind == OTA_THUMB_LOAD16 && (i & 0xf800U) == 0x4800U);
}

static int32_t sign_extend(uint32_t value, unsigned bits)
{
    uint32_t sign = 1U << (bits - 1);
    return (int32_t)((value & ((sign << 1) - 1)) ^ sign) - (int32_t)sign;
}

static int32_t with_sign(uint32_t magnitude, uint32_t up)
{
    return up != 0 ? (int32_t)magnitude : -(int32_t)magnitude;
}

int32_t ota_thumb_field(enum ota_thumb_kind kind, uint32_t i)
{
    uint32_t s = i >> 26 & 1;
    uint32_t j1 = i >> 13 & 1;
    uint32_t j2 = i >> 11 & 1;
    switch (kind) {
    case OTA_THUMB_BL:
    case OTA_THUMB_B32:
        return sign_extend(s << 23 | (j1 ^ s ^ 1) << 22 | (j2 ^ s ^ 1) << 21 |
                               (i >> 16 & 0x3ffU) << 11 | (i & 0x7ffU),
                           24);
    case OTA_THUMB_BCOND32:
        return sign_extend(s << 19 | j2 << 18 | j1 << 17 | (i >> 16 & 0x3fU) << 11 | (i & 0x7ffU),
                           20);
    case OTA_THUMB_B16:
        return sign_extend(i & 0x7ffU, 11);
    case OTA_THUMB_BCOND16:
        return sign_extend(i & 0xffU, 8);
    case OTA_THUMB_CBZ:
        return (int32_t)((i >> 9 & 1) << 5 | (i >> 3 & 0x1fU));
    case OTA_THUMB_LOAD16:
        return (int32_t)(i & 0xffU);
    case OTA_THUMB_LOAD32:
        return with_sign(i & 0xfffU, i >> 23 & 1);
    case OTA_THUMB_LOADW:
        return with_sign(i & 0xffU, i >> 23 & 1);
    case OTA_THUMB_PLAIN16:
    case OTA_THUMB_PLAIN32:
    case OTA_THUMB_KINDS:
        break;
    }
    return 0;
}

static uint32_t branch_bits(uint32_t i, uint32_t f)
{
    uint32_t s = f >> 23 & 1;
    return (i & 0xf800d000U) | s << 26 | (f >> 11 & 0x3ffU) << 16 | ((f >> 22 & 1) ^ s ^ 1) << 13 |
           ((f >> 21 & 1) ^ s ^ 1) << 11 | (f & 0x7ffU);
}

static uint32_t cond_branch_bits(uint32_t i, uint32_t f)
{
    return (i & 0xfbc0d000U) | (f >> 19 & 1) << 26 | (f >> 11 & 0x3fU) << 16 | (f >> 17 & 1) << 13 |
           (f >> 18 & 1) << 11 | (f & 0x7ffU);
}

static uint32_t load_bits(uint32_t i, int32_t field, uint32_t mask)
{
    uint32_t magnitude = (field < 0 ? 0U - (uint32_t)field : (uint32_t)field) & mask;
    return (i & ~(0x00800000U | mask)) | (field < 0 ? 0 : 0x00800000U) | magnitude;
}

uint32_t ota_thumb_with_field(enum ota_thumb_kind kind, uint32_t i, int32_t field)
{
    uint32_t f = (uint32_t)field;
    switch (kind) {
    case OTA_THUMB_BL:
    case OTA_THUMB_B32:
        return branch_bits(i, f);
    case OTA_THUMB_BCOND32:
        return cond_branch_bits(i, f);
    case OTA_THUMB_B16:
        return (i & 0xf800U) | (f & 0x7ffU);
    case OTA_THUMB_BCOND16:
    case OTA_THUMB_LOAD16:
        return (i & 0xff00U) | (f & 0xffU);
    case OTA_THUMB_CBZ:
        return (i & 0xfd07U) | (f >> 5 & 1) << 9 | (f & 0x1fU) << 3;
    case OTA_THUMB_LOAD32:
        return load_bits(i, field, 0xfffU);
    case OTA_THUMB_LOADW:
        return load_bits(i, field, 0xffU);
    case OTA_THUMB_PLAIN16:
    case OTA_THUMB_PLAIN32:
    case OTA_THUMB_KINDS:
        break;
    }
    return i;
}

uint32_t ota_thumb_scale(enum ota_thumb_kind kind)
{
    return kind == OTA_THUMB_LOAD16 || kind == OTA_THUMB_LOADW ? 4
           : kind == OTA_THUMB_LOAD32                          ? 1
                                                               : 2;
}

uint32_t ota_thumb_origin(enum ota_thumb_kind kind, uint32_t address)
{
    bool aligned = kind == OTA_THUMB_LOAD16 || kind == OTA_THUMB_LOAD32 || kind == OTA_THUMB_LOADW;
    return aligned ? (address + 4) & ~3U : address + 4;
}
