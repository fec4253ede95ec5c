#include "device/port/stm32f4/rng.h"

#include <stdbool.h>
#include <string.h>

#include "device/port/stm32f4/stm32f4_regs.h"
#include "protocol/error.h"

#define TURNS_MAX 10000U /* of a wait for a word, which takes 40 periods of 48 MHz */
#define STARTS_MAX 4U    /* after seed errors, before it is given up */

static void start(void)
{
    STM32_RCC->ahb2enr |= RCC_AHB2ENR_RNG;
    STM32_RNG->sr = 0; /* clears SEIS and CEIS */
    STM32_RNG->cr = 0;
    STM32_RNG->cr = RNG_CR_RNGEN;
}

/* One word. false after an error, and when none comes. */
static bool next_word(uint32_t *word)
{
    for (uint32_t turn = 0; turn < TURNS_MAX; turn++) {
        uint32_t status = STM32_RNG->sr;
        if ((status & (RNG_SR_SEIS | RNG_SR_CEIS | RNG_SR_SECS | RNG_SR_CECS)) != 0)
            return false;
        if ((status & RNG_SR_DRDY) != 0) {
            *word = STM32_RNG->dr;
            return true;
        }
    }
    return false;
}

/* From a fresh start, whose first word is only there to be compared with: section 24.3.1. */
static bool fill(uint8_t *to, size_t len)
{
    uint32_t before;
    uint32_t word;
    start();
    if (!next_word(&before))
        return false;
    while (len > 0) {
        size_t piece = len < sizeof word ? len : sizeof word;
        if (!next_word(&word) || word == before)
            return false;
        memcpy(to, &word, piece);
        before = word;
        to += piece;
        len -= piece;
    }
    return true;
}

int stm32f4_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    for (uint32_t attempt = 0; attempt < STARTS_MAX; attempt++)
        if (fill(buf, len))
            return OTA_OK;
    memset(buf, 0, len);
    return OTA_E_STATE;
}
