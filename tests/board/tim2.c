/* TIM2; RM0090 section 18.4. One-pulse mode, down-counting, channels and DMA are not modelled. */
#include "tests/board/tim2.h"

#include <string.h>

#define CR1 0x00U
#define DIER 0x0cU
#define SR 0x10U
#define EGR 0x14U
#define CNT 0x24U
#define PSC 0x28U
#define ARR 0x2cU
#define CR1_CEN (1U << 0)
#define CR1_URS (1U << 2)
#define UPDATE (1U << 0)
#define TIM2_IRQ 28U

static uint64_t step_ps(const struct tim2 *tim)
{
    return BOARD_PS_PER_S * ((uint64_t)tim->psc_used + 1) / rcc_timer_clock(tim->rcc);
}

static uint64_t steps(const struct tim2 *tim)
{
    return (tim->cr1 & CR1_CEN) == 0 ? 0 : (tim->board->now - tim->epoch) / step_ps(tim);
}

static uint32_t count(const struct tim2 *tim)
{
    return (uint32_t)((tim->start + steps(tim)) % ((uint64_t)tim->arr + 1));
}

static void rebase(struct tim2 *tim, uint32_t from)
{
    tim->start = from;
    tim->epoch = tim->board->now;
    board_reschedule(tim->board);
}

static void update_event(struct tim2 *tim)
{
    tim->sr |= UPDATE;
    tim->psc_used = tim->psc;
    if ((tim->dier & UPDATE) != 0)
        board_irq(tim->board, TIM2_IRQ, true);
}

static uint64_t deadline(void *ctx)
{
    const struct tim2 *tim = ctx;
    if ((tim->cr1 & CR1_CEN) == 0)
        return BOARD_NEVER;
    return tim->epoch + ((uint64_t)tim->arr + 1 - tim->start) * step_ps(tim);
}

static void advance(void *ctx)
{
    struct tim2 *tim = ctx;
    uint64_t passed = tim->board->now - deadline(ctx);
    uint64_t period = ((uint64_t)tim->arr + 1) * step_ps(tim);
    tim->start = 0;
    tim->epoch = tim->board->now - passed % period;
    update_event(tim);
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    const struct tim2 *tim = ctx;
    (void)size;
    switch (offset) {
    case CR1:
        return tim->cr1;
    case DIER:
        return tim->dier;
    case SR:
        return tim->sr;
    case CNT:
        return count(tim);
    case PSC:
        return tim->psc;
    case ARR:
        return tim->arr;
    default:
        return 0;
    }
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct tim2 *tim = ctx;
    uint32_t now = count(tim);
    (void)size;
    switch (offset) {
    case CR1:
        tim->cr1 = value;
        rebase(tim, now);
        break;
    case DIER:
        tim->dier = value;
        break;
    case SR: /* cleared by writing 0 */
        tim->sr &= value;
        if ((tim->sr & UPDATE) == 0)
            board_irq(tim->board, TIM2_IRQ, false);
        break;
    case EGR:
        if ((value & UPDATE) != 0) {
            uint32_t flag = tim->sr;
            update_event(tim);
            tim->sr = (tim->cr1 & CR1_URS) != 0 ? flag : tim->sr;
            rebase(tim, 0);
        }
        break;
    case CNT:
        rebase(tim, value);
        break;
    case PSC:
        tim->psc = value & 0xffffU;
        break;
    case ARR:
        tim->arr = value;
        rebase(tim, now);
        break;
    default:
        break;
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    struct tim2 *tim = ctx;
    struct board *board = tim->board;
    const struct rcc *rcc = tim->rcc;
    (void)cause;
    *tim = (struct tim2){.board = board, .rcc = rcc, .arr = UINT32_MAX};
}

void tim2_init(struct tim2 *tim, struct board *board, const struct rcc *rcc)
{
    memset(tim, 0, sizeof *tim);
    tim->board = board;
    tim->rcc = rcc;
    board_add_device(board, &(struct board_device){.name = "TIM2",
                                                   .base = 0x40000000U,
                                                   .len = 0x400,
                                                   .enable_offset = 0x40,
                                                   .enable_bit = 1U << 0,
                                                   .ctx = tim,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset,
                                                   .deadline = deadline,
                                                   .advance = advance});
}
