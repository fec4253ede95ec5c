/* The system control space: SysTick, NVIC and SCB registers; ARMv7-M sections B3.2 to B3.4. */
#include "tests/board/board.h"

#include <string.h>

#define EXCEPTION_PENDSV 14U
#define EXCEPTION_SYSTICK 15U
#define PRIORITY_MASK 0xf0U /* the F4 has four bits, RM0090 section 12.1 */
#define XPSR_EXCEPTION 0x1ffU

/* SysTick, ARMv7-M section B3.3. */
#define SYST_CSR 0x10U
#define SYST_RVR 0x14U
#define SYST_CVR 0x18U
#define SYST_CALIB 0x1cU
#define SYST_ENABLE (1U << 0)
#define SYST_TICKINT (1U << 1)
#define SYST_CLKSOURCE (1U << 2)
#define SYST_COUNTFLAG (1U << 16)

static uint64_t systick_step(const struct board *board)
{
    return board->ps_per_cycle * ((board->systick.ctrl & SYST_CLKSOURCE) != 0 ? 1U : 8U);
}

static uint64_t systick_period(const struct board *board)
{
    return systick_step(board) * ((uint64_t)board->systick.load + 1);
}

static uint64_t systick_deadline(void *ctx)
{
    const struct board *board = ctx;
    const struct board_systick *tick = &board->systick;
    if ((tick->ctrl & SYST_ENABLE) == 0 || tick->load == 0)
        return BOARD_NEVER;
    return tick->epoch + (tick->ticks + 1) * systick_period(board);
}

static void systick_advance(void *ctx)
{
    struct board *board = ctx;
    struct board_systick *tick = &board->systick;
    tick->ticks = (board->now - tick->epoch) / systick_period(board);
    tick->count_flag = true;
    if ((tick->ctrl & SYST_TICKINT) != 0) {
        board->nvic.system_pending |= 1U << EXCEPTION_SYSTICK;
        board_cpu_update_waiting(&board->nvic);
    }
}

static uint32_t systick_value(const struct board *board)
{
    const struct board_systick *tick = &board->systick;
    if ((tick->ctrl & SYST_ENABLE) == 0 || tick->load == 0)
        return 0;
    uint64_t steps = (board->now - tick->epoch) / systick_step(board);
    return tick->load - (uint32_t)(steps % ((uint64_t)tick->load + 1));
}

void board_cpu_clock_changed(struct board *board, uint64_t ps_per_cycle)
{
    board->ps_per_cycle = ps_per_cycle;
    board->systick.epoch = board->now;
    board->systick.ticks = 0;
    board_reschedule(board);
}

static uint32_t systick_read(struct board *board, uint32_t offset)
{
    struct board_systick *tick = &board->systick;
    switch (offset) {
    case SYST_CSR: {
        uint32_t value = tick->ctrl | (tick->count_flag ? SYST_COUNTFLAG : 0);
        tick->count_flag = false;
        return value;
    }
    case SYST_RVR:
        return tick->load;
    case SYST_CVR:
        return systick_value(board);
    default:
        return 0;
    }
}

static void systick_write(struct board *board, uint32_t offset, uint32_t value)
{
    struct board_systick *tick = &board->systick;
    if (offset == SYST_CSR)
        tick->ctrl = value & (SYST_ENABLE | SYST_TICKINT | SYST_CLKSOURCE);
    else if (offset == SYST_RVR)
        tick->load = value & 0xffffffU;
    tick->epoch = board->now;
    tick->ticks = 0;
    tick->count_flag = false;
    board_reschedule(board);
}

/* NVIC, ARMv7-M section B3.4. */
#define NVIC_ISER 0x100U
#define NVIC_ICER 0x180U
#define NVIC_ISPR 0x200U
#define NVIC_ICPR 0x280U
#define NVIC_IABR 0x300U
#define NVIC_IPR 0x400U
#define NVIC_IPR_END 0x460U

static uint32_t *nvic_word(struct board_nvic *nvic, uint32_t offset, bool *clear)
{
    uint32_t index = (offset & 0x7fU) / 4;
    *clear = (offset & 0x80U) != 0;
    if (index >= 3 || offset < NVIC_ISER || offset >= NVIC_IABR)
        return NULL;
    return offset < NVIC_ISPR ? &nvic->enabled[index] : &nvic->pending[index];
}

/* System control block, ARMv7-M section B3.2. */
#define SCB_CPUID 0xd00U
#define SCB_ICSR 0xd04U
#define SCB_VTOR 0xd08U
#define SCB_AIRCR 0xd0cU
#define SCB_SCR 0xd10U
#define SCB_CCR 0xd14U
#define SCB_SHPR1 0xd18U
#define SCB_SHPR_END 0xd24U
#define SCB_SHCSR 0xd24U
#define SCB_CFSR 0xd28U
#define SCB_HFSR 0xd2cU
#define SCB_BFAR 0xd38U
#define SCB_CPACR 0xd88U
#define CPUID_CORTEX_M4 0x410fc241U
#define AIRCR_KEY 0x05faU
#define AIRCR_SYSRESETREQ (1U << 2)
#define ICSR_PENDSVSET (1U << 28)
#define ICSR_PENDSVCLR (1U << 27)
#define ICSR_PENDSTSET (1U << 26)
#define ICSR_PENDSTCLR (1U << 25)

static uint32_t active_exception(const struct board *board)
{
    uint32_t xpsr = 0;
    uc_reg_read(board->uc, UC_ARM_REG_XPSR, &xpsr);
    return xpsr & XPSR_EXCEPTION;
}

static uint32_t icsr_read(const struct board *board)
{
    const struct board_nvic *nvic = &board->nvic;
    return active_exception(board) | board_cpu_pending_exception(board) << 12 |
           ((nvic->system_pending >> EXCEPTION_PENDSV & 1U) != 0 ? ICSR_PENDSVSET : 0) |
           ((nvic->system_pending >> EXCEPTION_SYSTICK & 1U) != 0 ? ICSR_PENDSTSET : 0);
}

static void icsr_write(struct board *board, uint32_t value)
{
    struct board_nvic *nvic = &board->nvic;
    nvic->system_pending |= (value & ICSR_PENDSVSET) != 0 ? 1U << EXCEPTION_PENDSV : 0;
    nvic->system_pending |= (value & ICSR_PENDSTSET) != 0 ? 1U << EXCEPTION_SYSTICK : 0;
    nvic->system_pending &= (value & ICSR_PENDSVCLR) != 0 ? ~(1U << EXCEPTION_PENDSV) : ~0U;
    nvic->system_pending &= (value & ICSR_PENDSTCLR) != 0 ? ~(1U << EXCEPTION_SYSTICK) : ~0U;
    board_cpu_update_waiting(nvic);
}

static void aircr_write(struct board *board, uint32_t value)
{
    if (value >> 16 != AIRCR_KEY) {
        board_misuse(board, "SCB_AIRCR written without its key");
        return;
    }
    board->nvic.aircr = value & 0x700U;
    if ((value & AIRCR_SYSRESETREQ) != 0)
        board_request_reset(board, BOARD_CAUSE_SOFTWARE);
}

static uint32_t scb_read(struct board *board, uint32_t offset)
{
    const struct board_nvic *nvic = &board->nvic;
    switch (offset) {
    case SCB_CPUID:
        return CPUID_CORTEX_M4;
    case SCB_ICSR:
        return icsr_read(board);
    case SCB_VTOR:
        return nvic->vtor;
    case SCB_AIRCR:
        return 0xfa050000U | nvic->aircr;
    case SCB_CCR:
        return nvic->ccr;
    case SCB_CFSR:
        return nvic->cfsr;
    case SCB_HFSR:
        return nvic->hfsr;
    case SCB_BFAR:
        return nvic->bfar;
    default:
        return 0;
    }
}

static void scb_write(struct board *board, uint32_t offset, uint32_t value)
{
    struct board_nvic *nvic = &board->nvic;
    switch (offset) {
    case SCB_ICSR:
        icsr_write(board, value);
        break;
    case SCB_VTOR:
        if ((value & 0x1ffU) != 0)
            board_misuse(board, "SCB_VTOR 0x%08x is not 512 byte aligned", value);
        nvic->vtor = value & ~0x7fU;
        break;
    case SCB_AIRCR:
        aircr_write(board, value);
        break;
    case SCB_CCR:
        nvic->ccr = value;
        break;
    case SCB_CFSR:
        nvic->cfsr &= ~value;
        break;
    case SCB_HFSR:
        nvic->hfsr &= ~value;
        break;
    default:
        break;
    }
}

/* The byte wide priority registers, in any access size. NULL elsewhere. */
static uint8_t *priority_byte(struct board_nvic *nvic, uint32_t offset)
{
    if (offset >= NVIC_IPR && offset < NVIC_IPR_END)
        return &nvic->priority[offset - NVIC_IPR];
    if (offset >= SCB_SHPR1 && offset < SCB_SHPR_END)
        return &nvic->system_priority[offset - SCB_SHPR1 + 4];
    return NULL;
}

static uint32_t scs_read(void *ctx, uint32_t offset, unsigned size)
{
    struct board *board = ctx;
    uint8_t *priority = priority_byte(&board->nvic, offset);
    if (priority != NULL) {
        uint32_t value = 0;
        memcpy(&value, priority, size);
        return value;
    }
    if (offset >= SYST_CSR && offset <= SYST_CALIB)
        return systick_read(board, offset);
    bool clear;
    uint32_t *word = nvic_word(&board->nvic, offset, &clear);
    return word != NULL ? *word : scb_read(board, offset);
}

static void scs_write(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct board *board = ctx;
    uint8_t *priority = priority_byte(&board->nvic, offset);
    bool clear;
    if (priority != NULL) {
        for (unsigned i = 0; i < size; i++)
            priority[i] = (uint8_t)(value >> (8 * i) & PRIORITY_MASK);
        return;
    }
    if (offset >= SYST_CSR && offset <= SYST_CALIB) {
        systick_write(board, offset, value);
        return;
    }
    uint32_t *word = nvic_word(&board->nvic, offset, &clear);
    if (word != NULL) {
        *word = clear ? *word & ~value : *word | value;
        board_cpu_update_waiting(&board->nvic);
        return;
    }
    scb_write(board, offset, value);
}

static void scs_reset(void *ctx, enum board_cause cause)
{
    struct board *board = ctx;
    (void)cause;
    memset(&board->systick, 0, sizeof board->systick);
}

static uint32_t dbgmcu_read(void *ctx, uint32_t offset, unsigned size)
{
    const struct board *board = ctx;
    (void)size;
    return offset == 0 ? board->chip->idcode : 0;
}

static void dbgmcu_write(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    (void)ctx;
    (void)offset;
    (void)size;
    (void)value;
}

void board_scs_add_devices(struct board *board)
{
    board_add_device(board, &(struct board_device){.name = "SCS",
                                                   .base = 0xe000e000U,
                                                   .len = 0x1000,
                                                   .narrow = true,
                                                   .ctx = board,
                                                   .read = scs_read,
                                                   .write = scs_write,
                                                   .reset = scs_reset,
                                                   .deadline = systick_deadline,
                                                   .advance = systick_advance});
    board_add_device(board, &(struct board_device){.name = "DBGMCU",
                                                   .base = 0xe0042000U,
                                                   .len = 0x400,
                                                   .ctx = board,
                                                   .read = dbgmcu_read,
                                                   .write = dbgmcu_write});
}
