/* The watchdog; RM0090 section 21.4. */
#include "tests/board/iwdg.h"

#include <string.h>

#define KR 0x00U
#define PR 0x04U
#define RLR 0x08U
#define SR 0x0cU
#define KEY_START 0xccccU
#define KEY_UNLOCK 0x5555U
#define KEY_FEED 0xaaaaU
#define LSI_HZ 32000ULL
#define UPDATE_PS (5 * BOARD_PS_PER_S / LSI_HZ) /* section 21.4.4: up to five LSI cycles */

static uint64_t period(const struct iwdg *iwdg)
{
    uint32_t shift = (iwdg->pr > 6 ? 6 : iwdg->pr) + 2;
    return ((uint64_t)iwdg->rlr + 1) * (1ULL << shift) * (BOARD_PS_PER_S / LSI_HZ);
}

static uint64_t deadline(void *ctx)
{
    const struct iwdg *iwdg = ctx;
    return iwdg->started && iwdg->bites ? iwdg->fed_at + period(iwdg) : BOARD_NEVER;
}

static void advance(void *ctx)
{
    struct iwdg *iwdg = ctx;
    board_trace(iwdg->board, "watchdog: not fed for %llu ms",
                (unsigned long long)(period(iwdg) / BOARD_PS_PER_MS));
    iwdg->started = false;
    board_request_reset(iwdg->board, BOARD_CAUSE_WATCHDOG);
}

static void feed(struct iwdg *iwdg)
{
    uint64_t since = iwdg->board->now - iwdg->fed_at;
    if (iwdg->started && since > iwdg->longest)
        iwdg->longest = since;
    iwdg->fed_at = iwdg->board->now;
    board_reschedule(iwdg->board);
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    const struct iwdg *iwdg = ctx;
    (void)size;
    switch (offset) {
    case PR:
        return iwdg->pr;
    case RLR:
        return iwdg->rlr;
    case SR:
        return iwdg->board->now < iwdg->update_at ? 3 : 0;
    default:
        return 0;
    }
}

static void write_key(struct iwdg *iwdg, uint32_t key)
{
    iwdg->unlocked = key == KEY_UNLOCK;
    if (key == KEY_FEED || key == KEY_START) {
        feed(iwdg);
        iwdg->started = iwdg->started || key == KEY_START;
    }
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct iwdg *iwdg = ctx;
    (void)size;
    if (offset == KR) {
        write_key(iwdg, value & 0xffffU);
    } else if (!iwdg->unlocked) {
        board_misuse(iwdg->board, "IWDG+0x%x is written without its key", offset);
    } else if (offset == PR || offset == RLR) {
        if (offset == PR)
            iwdg->pr = value & 7U;
        else
            iwdg->rlr = value & 0xfffU;
        iwdg->update_at = iwdg->board->now + UPDATE_PS;
        board_reschedule(iwdg->board);
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    struct iwdg *iwdg = ctx;
    (void)cause;
    iwdg->started = false;
    iwdg->unlocked = false;
    iwdg->pr = 0;
    iwdg->rlr = 0xfff;
    iwdg->update_at = 0;
}

void iwdg_init(struct iwdg *iwdg, struct board *board)
{
    memset(iwdg, 0, sizeof *iwdg);
    iwdg->board = board;
    iwdg->bites = true;
    board_add_device(board, &(struct board_device){.name = "IWDG",
                                                   .base = 0x40003000U,
                                                   .len = 0x400,
                                                   .ctx = iwdg,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset,
                                                   .deadline = deadline,
                                                   .advance = advance});
}
