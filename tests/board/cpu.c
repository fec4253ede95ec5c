/*
 * What Unicorn's Cortex-M4 lacks: exceptions. ARMv7-M Architecture Reference Manual, section B1.5.
 *
 * Modelled: priorities and nesting, PRIMASK, BASEPRI and FAULTMASK, both stacks, tail chaining as a
 * return and a new entry. Every fault is a HardFault. Not modelled: the lazy FP frame (the board
 * stops when an exception arrives with live FP state), MPU, debug.
 */
#include "tests/board/board.h"

#include <string.h>

#define EXCEPTION_HARD_FAULT 3U
#define EXCEPTION_SVC 11U
#define EXCEPTION_IRQ 16U
#define EXCEPTIONS (EXCEPTION_IRQ + 96U)

#define PRIORITY_NONE 256 /* thread mode: everything may interrupt */

#define XPSR_THUMB (1U << 24)
#define XPSR_ALIGNED (1U << 9)
#define XPSR_EXCEPTION 0x1ffU
#define CONTROL_SPSEL (1U << 1)
#define CONTROL_FPCA (1U << 2)
#define RETURN_HANDLER 0xfffffff1U
#define RETURN_THREAD_MSP 0xfffffff9U
#define RETURN_THREAD_PSP 0xfffffffdU
#define FRAME_WORDS 8U

/* Unicorn's (QEMU's) exception numbers. */
#define UC_EXCP_SWI 2U
#define UC_EXCP_EXCEPTION_EXIT 8U

#define HFSR_FORCED (1U << 30)
#define CFSR_PRECISERR (1U << 9)
#define CFSR_BFARVALID (1U << 15)

static uint32_t reg(const struct board *board, int id)
{
    uint32_t value = 0;
    uc_reg_read(board->uc, id, &value);
    return value;
}

static void set_reg(struct board *board, int id, uint32_t value)
{
    uc_reg_write(board->uc, id, &value);
}

static bool is_active(const struct board_nvic *nvic, uint32_t number)
{
    return (nvic->active[number / 32] >> (number % 32) & 1U) != 0;
}

static void set_active(struct board_nvic *nvic, uint32_t number, bool active)
{
    uint32_t bit = 1U << (number % 32);
    nvic->active[number / 32] =
        active ? nvic->active[number / 32] | bit : nvic->active[number / 32] & ~bit;
}

static int priority_of(const struct board_nvic *nvic, uint32_t number)
{
    if (number == EXCEPTION_HARD_FAULT)
        return -1;
    return number < EXCEPTION_IRQ ? nvic->system_priority[number]
                                  : nvic->priority[number - EXCEPTION_IRQ];
}

/* ARMv7-M ExecutionPriority(). PRIGROUP only splits ties; with 4 bits of group it is not needed. */
static int execution_priority(const struct board *board)
{
    const struct board_nvic *nvic = &board->nvic;
    int priority = PRIORITY_NONE;
    for (uint32_t number = 1; number < EXCEPTIONS; number++)
        if (is_active(nvic, number) && priority_of(nvic, number) < priority)
            priority = priority_of(nvic, number);
    uint32_t basepri = reg(board, UC_ARM_REG_BASEPRI);
    if (basepri != 0 && (int)basepri < priority)
        priority = (int)basepri;
    if ((reg(board, UC_ARM_REG_PRIMASK) & 1U) != 0 && priority > 0)
        priority = 0;
    if ((reg(board, UC_ARM_REG_FAULTMASK) & 1U) != 0 && priority > -1)
        priority = -1;
    return priority;
}

void board_cpu_update_waiting(struct board_nvic *nvic)
{
    nvic->waiting = nvic->system_pending != 0;
    for (size_t i = 0; i < 3; i++)
        nvic->waiting = nvic->waiting || (nvic->pending[i] & nvic->enabled[i]) != 0;
}

static bool is_pending(const struct board_nvic *nvic, uint32_t number)
{
    if (number < EXCEPTION_IRQ)
        return (nvic->system_pending >> number & 1U) != 0;
    uint32_t irq = number - EXCEPTION_IRQ;
    return (nvic->pending[irq / 32] & nvic->enabled[irq / 32] & 1U << (irq % 32)) != 0;
}

uint32_t board_cpu_pending_exception(const struct board *board)
{
    const struct board_nvic *nvic = &board->nvic;
    if (!nvic->waiting)
        return 0;
    int best = execution_priority(board);
    uint32_t found = 0;
    for (uint32_t number = 1; number < EXCEPTIONS; number++) {
        if (is_pending(nvic, number) && priority_of(nvic, number) < best) {
            best = priority_of(nvic, number);
            found = number;
        }
    }
    return found;
}

void board_irq(struct board *board, unsigned number, bool pending)
{
    uint32_t bit = 1U << (number % 32);
    uint32_t *word = &board->nvic.pending[number / 32];
    *word = pending ? *word | bit : *word & ~bit;
    board_cpu_update_waiting(&board->nvic);
}

static void lock_up(struct board *board, const char *why)
{
    board_trace(board, "lockup: %s (pc 0x%08x lr 0x%08x sp 0x%08x)", why, reg(board, UC_ARM_REG_PC),
                reg(board, UC_ARM_REG_LR), reg(board, UC_ARM_REG_SP));
    board->locked_up = true;
}

static bool push_frame(struct board *board, uint32_t return_pc)
{
    uint32_t sp = reg(board, UC_ARM_REG_SP);
    uint32_t xpsr = (reg(board, UC_ARM_REG_XPSR) & ~XPSR_ALIGNED) | XPSR_THUMB;
    uint32_t top = sp - FRAME_WORDS * 4;
    if ((top & 4U) != 0) { /* CCR.STKALIGN is 1 on this core */
        top -= 4;
        xpsr |= XPSR_ALIGNED;
    }
    const uint32_t frame[FRAME_WORDS] = {reg(board, UC_ARM_REG_R0),
                                         reg(board, UC_ARM_REG_R1),
                                         reg(board, UC_ARM_REG_R2),
                                         reg(board, UC_ARM_REG_R3),
                                         reg(board, UC_ARM_REG_R12),
                                         reg(board, UC_ARM_REG_LR),
                                         return_pc,
                                         xpsr};
    if (uc_mem_write(board->uc, top, frame, sizeof frame) != UC_ERR_OK)
        return false;
    set_reg(board, UC_ARM_REG_SP, top);
    return true;
}

static uint32_t return_value(const struct board *board)
{
    if ((reg(board, UC_ARM_REG_XPSR) & XPSR_EXCEPTION) != 0)
        return RETURN_HANDLER;
    return (reg(board, UC_ARM_REG_CONTROL) & CONTROL_SPSEL) != 0 ? RETURN_THREAD_PSP
                                                                 : RETURN_THREAD_MSP;
}

void board_cpu_enter_exception(struct board *board, uint32_t number)
{
    struct board_nvic *nvic = &board->nvic;
    uint32_t handler = 0;
    if ((reg(board, UC_ARM_REG_CONTROL) & CONTROL_FPCA) != 0) {
        board_stop(board, BOARD_BROKEN, "an exception with live FP state is not modelled");
        return;
    }
    if (number < EXCEPTION_IRQ)
        nvic->system_pending &= ~(1U << number);
    else
        board_irq(board, number - EXCEPTION_IRQ, false);
    board_cpu_update_waiting(nvic);
    uint32_t lr = return_value(board);
    if (!push_frame(board, reg(board, UC_ARM_REG_PC)) ||
        uc_mem_read(board->uc, nvic->vtor + number * 4, &handler, sizeof handler) != UC_ERR_OK) {
        lock_up(board, "no stack or vector for an exception");
        return;
    }
    set_active(nvic, number, true);
    set_reg(board, UC_ARM_REG_XPSR, XPSR_THUMB | number);
    set_reg(board, UC_ARM_REG_LR, lr);
    set_reg(board, UC_ARM_REG_PC, handler | 1U);
    if ((handler & 1U) == 0)
        board_cpu_fault(board);
}

static void leave_exception(struct board *board, uint32_t exc_return)
{
    uint32_t frame[FRAME_WORDS];
    uint32_t number = reg(board, UC_ARM_REG_XPSR) & XPSR_EXCEPTION;
    bool to_psp = (exc_return & 0xfU) == (RETURN_THREAD_PSP & 0xfU);
    uint32_t sp = reg(board, to_psp ? UC_ARM_REG_PSP : UC_ARM_REG_MSP);
    if (uc_mem_read(board->uc, sp, frame, sizeof frame) != UC_ERR_OK) {
        lock_up(board, "no stack to return from an exception");
        return;
    }
    set_active(&board->nvic, number, false);
    if (number != EXCEPTION_HARD_FAULT)
        set_reg(board, UC_ARM_REG_FAULTMASK, 0);
    uint32_t xpsr = frame[7];
    sp += FRAME_WORDS * 4 + ((xpsr & XPSR_ALIGNED) != 0 ? 4U : 0U);
    set_reg(board, UC_ARM_REG_XPSR, xpsr & ~XPSR_ALIGNED);
    set_reg(board, to_psp ? UC_ARM_REG_PSP : UC_ARM_REG_MSP, sp);
    if ((exc_return & 8U) != 0) {
        uint32_t control = reg(board, UC_ARM_REG_CONTROL) & ~CONTROL_SPSEL;
        set_reg(board, UC_ARM_REG_CONTROL, to_psp ? control | CONTROL_SPSEL : control);
    }
    set_reg(board, UC_ARM_REG_R0, frame[0]);
    set_reg(board, UC_ARM_REG_R1, frame[1]);
    set_reg(board, UC_ARM_REG_R2, frame[2]);
    set_reg(board, UC_ARM_REG_R3, frame[3]);
    set_reg(board, UC_ARM_REG_R12, frame[4]);
    set_reg(board, UC_ARM_REG_LR, frame[5]);
    set_reg(board, UC_ARM_REG_PC, frame[6] | 1U);
}

void board_cpu_fault(struct board *board)
{
    struct board_nvic *nvic = &board->nvic;
    board_trace(board, "fault at 0x%08x: pc 0x%08x lr 0x%08x sp 0x%08x", board->fault_addr,
                reg(board, UC_ARM_REG_PC), reg(board, UC_ARM_REG_LR), reg(board, UC_ARM_REG_SP));
    if (execution_priority(board) <= -1) {
        lock_up(board, "a fault inside HardFault");
        return;
    }
    nvic->hfsr |= HFSR_FORCED;
    nvic->cfsr |= CFSR_PRECISERR | CFSR_BFARVALID;
    nvic->bfar = board->fault_addr;
    board_cpu_enter_exception(board, EXCEPTION_HARD_FAULT);
}

void board_cpu_handle_interrupt(struct board *board, uint32_t number)
{
    if (number == UC_EXCP_EXCEPTION_EXIT) {
        leave_exception(board, reg(board, UC_ARM_REG_PC) | 1U);
    } else if (number == UC_EXCP_SWI) {
        board_cpu_enter_exception(board, EXCEPTION_SVC);
    } else {
        board->fault_addr = reg(board, UC_ARM_REG_PC);
        board_cpu_fault(board);
    }
}

void board_cpu_reset(struct board *board)
{
    uint32_t vectors[2] = {0, 0};
    memset(&board->nvic, 0, sizeof board->nvic);
    board->nvic.ccr = 0x200;
    uc_mem_read(board->uc, 0, vectors, sizeof vectors);
    set_reg(board, UC_ARM_REG_MSP, vectors[0]);
    set_reg(board, UC_ARM_REG_SP, vectors[0]);
    set_reg(board, UC_ARM_REG_LR, 0xffffffffU);
    set_reg(board, UC_ARM_REG_PC, vectors[1]);
    if ((vectors[1] & 1U) == 0)
        lock_up(board, "the reset vector has no Thumb bit");
}
