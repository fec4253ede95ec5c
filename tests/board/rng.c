/* The RNG; RM0090 section 24.4. */
#include "tests/board/rng.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CR 0x00U
#define SR 0x04U
#define DR 0x08U
#define CR_RNGEN (1U << 2)
#define SR_DRDY (1U << 0)
#define SR_CECS (1U << 1)
#define SR_SECS (1U << 2)
#define SR_CEIS (1U << 5)
#define SR_SEIS (1U << 6)
#define CLOCKS_PER_WORD 40ULL

static bool clock_good(const struct rng *rng)
{
    return rcc_pll48(rng->rcc) > rng->rcc->hclk / 16; /* section 24.3.2 */
}

static void schedule(struct rng *rng)
{
    uint32_t clock = rcc_pll48(rng->rcc);
    rng->ready_at =
        clock == 0 ? BOARD_NEVER : rng->board->now + CLOCKS_PER_WORD * BOARD_PS_PER_S / clock;
}

static uint32_t next_word(struct rng *rng)
{
    uint32_t word = 0;
    rng->words++;
    if (rng->seed == 0) {
        if (getrandom(&word, sizeof word, 0) != sizeof word)
            abort();
        return word;
    }
    rng->seed = rng->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(rng->seed >> 32);
}

static uint32_t status(struct rng *rng)
{
    if ((rng->cr & CR_RNGEN) == 0)
        return rng->sr;
    if (!clock_good(rng)) {
        rng->sr |= SR_CECS | SR_CEIS;
        return rng->sr;
    }
    rng->sr &= ~SR_CECS;
    bool ready = rng->board->now >= rng->ready_at && (rng->sr & (SR_SECS | SR_SEIS)) == 0;
    return rng->sr | (ready ? SR_DRDY : 0);
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    struct rng *rng = ctx;
    (void)size;
    switch (offset) {
    case CR:
        return rng->cr;
    case SR:
        return status(rng);
    case DR:
        if ((status(rng) & SR_DRDY) == 0) {
            board_misuse(rng->board, "RNG_DR is read before DRDY");
            return 0;
        }
        schedule(rng);
        return next_word(rng);
    default:
        return 0;
    }
}

static void enable(struct rng *rng, uint32_t value)
{
    bool starts = (value & CR_RNGEN) != 0 && (rng->cr & CR_RNGEN) == 0;
    rng->cr = value & 0xcU;
    if (!starts)
        return;
    rng->sr &= ~SR_SECS;
    if (rng->bad_seeds > 0) {
        rng->bad_seeds--;
        rng->sr |= SR_SECS | SR_SEIS;
    }
    schedule(rng);
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct rng *rng = ctx;
    (void)size;
    if (offset == CR)
        enable(rng, value);
    else if (offset == SR)
        rng->sr &= value | ~(SR_CEIS | SR_SEIS); /* cleared by writing 0 */
}

static void reset(void *ctx, enum board_cause cause)
{
    struct rng *rng = ctx;
    (void)cause;
    rng->cr = 0;
    rng->sr = 0;
    rng->ready_at = BOARD_NEVER;
}

void rng_init(struct rng *rng, struct board *board, const struct rcc *rcc)
{
    memset(rng, 0, sizeof *rng);
    rng->board = board;
    rng->rcc = rcc;
    board_add_device(board, &(struct board_device){.name = "RNG",
                                                   .base = 0x50060800U,
                                                   .len = 0x400,
                                                   .enable_offset = 0x34,
                                                   .enable_bit = 1U << 6,
                                                   .ctx = rng,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset});
}
