/*
 * Thumb-2 instructions that name a place relative to themselves: which they are, and the number in
 * them. ARMv7-M Architecture Reference Manual, A7.7.
 *
 * An instruction is a number: a 16-bit one itself, a 32-bit one with its first halfword on top.
 */
#ifndef OTA_PROTOCOL_DELTA_THUMB_H
#define OTA_PROTOCOL_DELTA_THUMB_H

#include <stdbool.h>
#include <stdint.h>

enum ota_thumb_kind {
    OTA_THUMB_PLAIN16,
    OTA_THUMB_PLAIN32,
    OTA_THUMB_BL,
    OTA_THUMB_B32,     /* B.W, 25 bits */
    OTA_THUMB_BCOND32, /* Bcond.W, 21 bits */
    OTA_THUMB_B16,
    OTA_THUMB_BCOND16,
    OTA_THUMB_CBZ,
    OTA_THUMB_LOAD16, /* LDR and ADR, 8 bits of words */
    OTA_THUMB_LOAD32, /* LDR, LDRB, LDRH, ... with U and 12 bits of bytes */
    OTA_THUMB_LOADW,  /* VLDR and LDRD: U and 8 bits of words */
    OTA_THUMB_KINDS,
};

static inline bool ota_thumb_is_wide(uint32_t halfword)
{
    return halfword >= 0xe800U;
}

enum ota_thumb_kind ota_thumb_classify(uint32_t instruction);

/* It loads a word from where it points. */
bool ota_thumb_loads(enum ota_thumb_kind kind, uint32_t instruction);

/* The number in an instruction that is no PLAIN one, in units of ota_thumb_scale() bytes. */
int32_t ota_thumb_field(enum ota_thumb_kind kind, uint32_t instruction);

/* The instruction with another number in it; the bits that fit. */
uint32_t ota_thumb_with_field(enum ota_thumb_kind kind, uint32_t instruction, int32_t field);

uint32_t ota_thumb_scale(enum ota_thumb_kind kind);

/* What the number is relative to, for an instruction at `address`. */
uint32_t ota_thumb_origin(enum ota_thumb_kind kind, uint32_t address);

#endif
