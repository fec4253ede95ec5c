/* The board's core: Unicorn, memories, the bus, time, and the run loop. */
#include "tests/board/board.h"

#include <stdlib.h>
#include <string.h>

#define RUBBISH_SEED 0x9e3779b9U
#define PERIPHERALS_BASE 0x40000000U
#define PERIPHERALS_LEN 0x00080000U
#define AHB2_BASE 0x50000000U
#define AHB2_LEN 0x00061000U
#define PPB_BASE 0xe0000000U
#define PPB_LEN 0x00100000U
#define SYSTEM_MEMORY_BASE 0x1fff0000U
#define SYSTEM_MEMORY_LEN 0x10000U
#define UNIQUE_ID 0x1fff7a10U  /* RM0090 section 39.1 */
#define FLASH_SIZE 0x1fff7a22U /* RM0090 section 39.2, KB */
#define NO_ADDRESS 0xfffffffeU /* where no code ever arrives */
#define PAGE 4096U

static void say(struct board *board, const char *kind, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void say(struct board *board, const char *kind, const char *format, va_list args)
{
    fprintf(stderr, "[%12.6f] %s", (double)board->now / (double)BOARD_PS_PER_S, kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void board_trace(struct board *board, const char *format, ...)
{
    if (!board->verbose)
        return;
    va_list args;
    va_start(args, format);
    say(board, "", format, args);
    va_end(args);
}

/* Every way to make Unicorn return, but WFI. */
static void halt(struct board *board)
{
    board->stopped = true;
    uc_emu_stop(board->uc);
}

static void stop_with(struct board *board, enum board_stop stop, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void stop_with(struct board *board, enum board_stop stop, const char *format, va_list args)
{
    if (board->stop != BOARD_RUNNING)
        return;
    board->stop = stop;
    vsnprintf(board->note, sizeof board->note, format, args);
    halt(board);
}

void board_stop(struct board *board, enum board_stop stop, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    stop_with(board, stop, format, args);
    va_end(args);
}

void board_misuse(struct board *board, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (board->misuse_allowed)
        say(board, "misuse: ", format, args);
    else
        stop_with(board, BOARD_MISUSE, format, args);
    va_end(args);
}

void board_add_device(struct board *board, const struct board_device *device)
{
    if (board->device_count == BOARD_DEVICES_MAX)
        abort();
    board->devices[board->device_count++] = *device;
}

const struct board_device *board_device_at(const struct board *board, uint32_t addr)
{
    for (size_t i = 0; i < board->device_count; i++) {
        const struct board_device *device = &board->devices[i];
        if (addr >= device->base && addr - device->base < device->len)
            return device;
    }
    return NULL;
}

uint8_t *board_dma(struct board *board, uint32_t addr, uint32_t len)
{
    if (addr < BOARD_SRAM_BASE || len > board->chip->sram_len ||
        addr - BOARD_SRAM_BASE > board->chip->sram_len - len)
        return NULL;
    return board->sram + (addr - BOARD_SRAM_BASE);
}

/* Time and deadlines. */

void board_reschedule(struct board *board)
{
    board->deadline = 0;
}

static void call_devices(struct board *board)
{
    for (size_t i = 0; i < board->device_count; i++) {
        const struct board_device *device = &board->devices[i];
        if (device->deadline != NULL && board->now >= device->deadline(device->ctx))
            device->advance(device->ctx);
    }
}

static uint64_t earliest_deadline(const struct board *board)
{
    uint64_t earliest = board->end;
    for (size_t i = 0; i < board->device_count; i++) {
        const struct board_device *device = &board->devices[i];
        if (device->deadline != NULL) {
            uint64_t at = device->deadline(device->ctx);
            earliest = at < earliest ? at : earliest;
        }
    }
    return earliest;
}

static void check_deadlines(struct board *board)
{
    call_devices(board);
    board->deadline = earliest_deadline(board);
    if (board->now >= board->end)
        board_stop(board, BOARD_TIME_UP, "emulated time is up");
}

void board_skip_to(struct board *board, uint64_t until)
{
    while (board->now < until && board->stop == BOARD_RUNNING && !board->resetting) {
        uint64_t next = earliest_deadline(board);
        board->now = next > board->now && next < until ? next : until;
        check_deadlines(board);
    }
}

void board_request_reset(struct board *board, enum board_cause cause)
{
    if (!board->resetting) {
        board->resetting = true;
        board->cause = cause;
    }
    halt(board);
}

/* Unicorn's hooks. */

static void settle(struct board *board)
{
    if (board->unsettled) {
        board->unsettled = false;
        board->settle(board->flash_ctx);
    }
}

static void on_block(uc_engine *uc, uint64_t addr, uint32_t size, void *user)
{
    struct board *board = user;
    (void)uc;
    settle(board);
    while (addr >= board->flash_busy_lo && addr < board->flash_busy_hi &&
           board->stop == BOARD_RUNNING && !board->resetting)
        board_skip_to(board, earliest_deadline(board));
    /* A branch to itself waits for an interrupt or a reset. */
    if (addr == board->last_block && size == 2)
        board_skip_to(board, earliest_deadline(board));
    board->last_block = (uint32_t)addr;
    board->blocks++;
    /* Mixed 16 and 32 bit code with wait states and taken branches: about 1.4 cycles an
     * instruction of 2.8 bytes. */
    board->now += (uint64_t)(size / 2U) * board->ps_per_cycle;
    if (board->now >= board->deadline)
        check_deadlines(board);
    if (board->nvic.waiting && board_cpu_pending_exception(board) != 0)
        halt(board);
}

static const struct board_device *reach(struct board *board, uint32_t addr, unsigned size)
{
    settle(board);
    const struct board_device *device = board_device_at(board, addr);
    if (device == NULL) {
        board_misuse(board, "access to 0x%08x, where nothing is", addr);
        return NULL;
    }
    if (size != 4 && !device->narrow) {
        board_misuse(board, "%u byte access to %s+0x%x", size, device->name, addr - device->base);
        return NULL;
    }
    if (device->enable_offset != 0 && !board->clocked(board->clocked_ctx, device)) {
        board_misuse(board, "%s+0x%x is accessed while its clock is off", device->name,
                     addr - device->base);
        return NULL;
    }
    return device;
}

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    const struct board_window *window = user;
    uint32_t addr = window->base + (uint32_t)offset;
    const struct board_device *device = reach(window->board, addr, size);
    (void)uc;
    return device == NULL ? 0 : device->read(device->ctx, addr - device->base, size);
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    const struct board_window *window = user;
    uint32_t addr = window->base + (uint32_t)offset;
    const struct board_device *device = reach(window->board, addr, size);
    (void)uc;
    if (device != NULL)
        device->write(device->ctx, addr - device->base, size, (uint32_t)value);
}

static bool on_bad_memory(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
                          void *user)
{
    struct board *board = user;
    (void)uc;
    (void)type;
    (void)size;
    (void)value;
    board->fault = true;
    board->fault_addr = (uint32_t)addr;
    return false;
}

static bool on_bad_instruction(uc_engine *uc, void *user)
{
    struct board *board = user;
    (void)uc;
    board->fault = true;
    board->fault_addr = 0;
    return false;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    struct board *board = user;
    (void)uc;
    board->interrupt = number + 1;
    halt(board);
}

static bool on_flash_write(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
                           void *user)
{
    struct board *board = user;
    (void)uc;
    (void)type;
    if (addr < BOARD_FLASH_BASE || addr - BOARD_FLASH_BASE >= board->chip->flash_len)
        return on_bad_memory(uc, type, addr, size, value, user);
    board->flash_write(board->flash_ctx, (uint32_t)addr, (unsigned)size, (uint64_t)value);
    return true;
}

/* From 2.1 on Unicorn shows only the first store to a page that it may not write; while any store
 * to the flash is watched, it shows them all. */
static void on_any_flash_write(uc_engine *uc, uc_mem_type type, uint64_t addr, int size,
                               int64_t value, void *user)
{
    (void)uc;
    (void)type;
    (void)addr;
    (void)size;
    (void)value;
    (void)user;
}

static uc_err add_hook(struct board *board, int type, void *callback)
{
    uc_hook hook;
    return uc_hook_add(board->uc, &hook, type, callback, board, 1, 0);
}

/* ISO C has no conversion between function and object pointers; POSIX has. */
static void *hook_pointer(void (*function)(void))
{
    void *pointer;
    _Static_assert(sizeof pointer == sizeof function, "POSIX: dlsym relies on it");
    memcpy(&pointer, &function, sizeof pointer);
    return pointer;
}
#define HOOK(function) hook_pointer((void (*)(void))(function))

static uc_err map_memories(struct board *board)
{
    static const struct {
        uint32_t base;
        uint32_t len;
    } windows[BOARD_WINDOWS] = {
        {PERIPHERALS_BASE, PERIPHERALS_LEN}, {AHB2_BASE, AHB2_LEN}, {PPB_BASE, PPB_LEN}};
    const struct board_chip *chip = board->chip;
    uint32_t rom = UC_PROT_READ | UC_PROT_EXEC;
    uc_engine *uc = board->uc;

    uc_err error = uc_mem_map_ptr(uc, BOARD_FLASH_BASE, chip->flash_len, rom, board->flash);
    /* BOOT0 = 0: the flash is seen at 0 as well, RM0090 section 2.4. */
    error = error ? error : uc_mem_map_ptr(uc, 0, chip->flash_len, rom, board->flash);
    error = error ? error
                  : uc_mem_map_ptr(uc, BOARD_SRAM_BASE, chip->sram_len, UC_PROT_ALL, board->sram);
    error = error ? error
                  : uc_mem_map_ptr(uc, BOARD_CCM_BASE, BOARD_CCM_LEN, UC_PROT_READ | UC_PROT_WRITE,
                                   board->ccm);
    error = error ? error
                  : uc_mem_map_ptr(uc, SYSTEM_MEMORY_BASE, SYSTEM_MEMORY_LEN, rom,
                                   board->system_memory);
    for (size_t i = 0; i < BOARD_WINDOWS && error == UC_ERR_OK; i++) {
        board->windows[i] = (struct board_window){board, windows[i].base};
        error = uc_mmio_map(uc, windows[i].base, windows[i].len, on_read, &board->windows[i],
                            on_write, &board->windows[i]);
    }
    return error;
}

static uc_err watch_flash(struct board *board)
{
    uc_hook hook;
    if (uc_version(NULL, NULL) < UC_MAKE_VERSION(2, 1))
        return UC_ERR_OK; /* it costs time */
    return uc_hook_add(board->uc, &hook, UC_HOOK_MEM_WRITE, HOOK(on_any_flash_write), NULL,
                       BOARD_FLASH_BASE, BOARD_FLASH_BASE + board->chip->flash_len - 1);
}

static uc_err open_engine(struct board *board)
{
    uc_err error = uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &board->uc);
    error = error ? error : uc_ctl_set_cpu_model(board->uc, UC_CPU_ARM_CORTEX_M4);
    error = error ? error : map_memories(board);
    error = error ? error : add_hook(board, UC_HOOK_BLOCK, HOOK(on_block));
    error = error ? error : add_hook(board, UC_HOOK_INTR, HOOK(on_interrupt));
    error = error ? error : add_hook(board, UC_HOOK_MEM_WRITE_PROT, HOOK(on_flash_write));
    error = error ? error : watch_flash(board);
    error = error ? error : add_hook(board, UC_HOOK_INSN_INVALID, HOOK(on_bad_instruction));
    return error ? error
                 : add_hook(board,
                            UC_HOOK_MEM_UNMAPPED | UC_HOOK_MEM_FETCH_PROT | UC_HOOK_MEM_READ_PROT,
                            HOOK(on_bad_memory));
}

static uint8_t *pages(uint32_t len)
{
    uint8_t *memory = aligned_alloc(PAGE, len);
    if (memory == NULL)
        abort();
    return memory;
}

int board_init(struct board *board, const struct board_chip *chip)
{
    static const uint8_t unique_id[12] = "otad-board-1";
    memset(board, 0, sizeof *board);
    board->chip = chip;
    board->end = BOARD_NEVER;
    board->flash = pages(chip->flash_len);
    memset(board->flash, 0xff, chip->flash_len);
    board->sram = pages(chip->sram_len);
    board->ccm = pages(BOARD_CCM_LEN);
    board->system_memory = pages(SYSTEM_MEMORY_LEN);
    memset(board->system_memory, 0xff, SYSTEM_MEMORY_LEN);
    memcpy(board->system_memory + (UNIQUE_ID - SYSTEM_MEMORY_BASE), unique_id, sizeof unique_id);
    board->system_memory[FLASH_SIZE - SYSTEM_MEMORY_BASE] = (uint8_t)(chip->flash_len >> 10);
    board->system_memory[FLASH_SIZE - SYSTEM_MEMORY_BASE + 1] = (uint8_t)(chip->flash_len >> 18);
    board_scs_add_devices(board);
    return 0;
}

void board_free(struct board *board)
{
    if (board->uc != NULL)
        uc_close(board->uc);
    free(board->flash);
    free(board->sram);
    free(board->ccm);
    free(board->system_memory);
}

/* A new engine for every reset: no register, translated block or TLB entry outlives it. */
static void reset(struct board *board)
{
    if (board->uc != NULL) {
        uc_close(board->uc);
        board->uc = NULL;
    }
    uc_err error = open_engine(board);
    if (error != UC_ERR_OK) {
        fprintf(stderr, "board: Unicorn: %s\n", uc_strerror(error));
        abort();
    }
    board->resetting = false;
    board->locked_up = false;
    board->fault = false;
    board->interrupt = 0;
    board->resets[board->cause]++;
    for (size_t i = 0; i < board->device_count; i++)
        if (board->devices[i].reset != NULL)
            board->devices[i].reset(board->devices[i].ctx, board->cause);
    board_cpu_reset(board);
    board_reschedule(board);
}

/* What RAM holds after power-on; never zero, so that nothing can rely on it. */
static uint8_t next_rubbish(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (uint8_t)(*state >> 24);
}

static void fill_with_rubbish(uint8_t *memory, size_t len)
{
    uint32_t state = RUBBISH_SEED;
    for (size_t i = 0; i < len; i++)
        memory[i] = next_rubbish(&state);
}

uint32_t board_stack_used(const struct board *board)
{
    uint32_t state = RUBBISH_SEED;
    uint32_t run = 0;
    uint32_t longest = 0;
    uint32_t end = 0; /* of the longest run of bytes that nobody has written */
    for (uint32_t i = 0; i < board->chip->sram_len; i++) {
        run = board->sram[i] == next_rubbish(&state) ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            end = i + 1;
        }
    }
    return board->chip->sram_len - end;
}

void board_power_cycle(struct board *board)
{
    fill_with_rubbish(board->sram, board->chip->sram_len);
    fill_with_rubbish(board->ccm, BOARD_CCM_LEN);
    board->stop = BOARD_RUNNING;
    board->cause = BOARD_CAUSE_POWER;
    board->resetting = true;
}

static void sleep_until_interrupt(struct board *board)
{
    while (!board->nvic.waiting && board->stop == BOARD_RUNNING && !board->resetting) {
        uint64_t next = earliest_deadline(board);
        if (next == BOARD_NEVER && board->idle == NULL) {
            board_stop(board, BOARD_BROKEN, "the CPU sleeps and nothing can wake it");
            return;
        }
        if (next > board->now)
            board->now = board->idle != NULL ? board->idle(board->idle_ctx, next) : next;
        check_deadlines(board);
    }
}

/* Lockup, ARMv7-M section B1.5.15: the CPU is dead until a reset. */
static void sleep_until_reset(struct board *board)
{
    uint64_t next = earliest_deadline(board);
    if (next == BOARD_NEVER) {
        board_stop(board, BOARD_LOCKUP, "the CPU is locked up");
        return;
    }
    board_skip_to(board, next);
}

static void run_code(struct board *board)
{
    uint32_t pc = 0;
    uc_reg_read(board->uc, UC_ARM_REG_PC, &pc);
    board->stopped = false;
    uc_err error = uc_emu_start(board->uc, pc | 1U, NO_ADDRESS, 0, 0);
    settle(board);
    if (board->stop != BOARD_RUNNING || board->resetting)
        return;
    if (board->interrupt != 0) {
        uint32_t number = board->interrupt - 1;
        board->interrupt = 0;
        board_cpu_handle_interrupt(board, number);
    } else if (board->fault || error != UC_ERR_OK) {
        board->fault = false;
        board_cpu_fault(board);
    } else if (!board->stopped) {
        sleep_until_interrupt(board);
    }
}

enum board_stop board_run(struct board *board)
{
    while (board->stop == BOARD_RUNNING) {
        uint32_t exception;
        if (board->resetting)
            reset(board);
        else if (board->locked_up)
            sleep_until_reset(board);
        else if ((exception = board_cpu_pending_exception(board)) != 0)
            board_cpu_enter_exception(board, exception);
        else
            run_code(board);
    }
    return board->stop;
}
