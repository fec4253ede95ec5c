/*
 * An STM32F4 as a program: Unicorn's Cortex-M4 between the peripherals of this directory.
 *
 *     firmware (ELF) --> Unicorn --> bus --> device (rcc, flash_ctl, eth, usart, tim2, ...)
 *                           ^                    |
 *                           +--- cpu.c (NVIC) <--+ board_irq()
 *
 * This header is the seam between the core and a peripheral: a struct board_device for the bus, and
 * the few services below. docs/board.md tells what is modelled and what is not.
 *
 * Time is emulated, in picoseconds since power-on. It advances with the code that runs, and in
 * jumps while the CPU sleeps (WFI) or stalls. A device that wants to act later names a deadline;
 * the core calls it once that has come. Nothing here reads the host's clock except net.c.
 *
 * One thread. All state is in struct board and in the devices' own structs.
 */
#ifndef OTA_TESTS_BOARD_BOARD_H
#define OTA_TESTS_BOARD_BOARD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <unicorn/unicorn.h>

#define BOARD_PS_PER_US 1000000ULL
#define BOARD_PS_PER_MS 1000000000ULL
#define BOARD_PS_PER_S 1000000000000ULL
#define BOARD_NEVER UINT64_MAX

#define BOARD_SRAM_BASE 0x20000000U
#define BOARD_CCM_BASE 0x10000000U
#define BOARD_CCM_LEN 0x10000U
#define BOARD_FLASH_BASE 0x08000000U
#define BOARD_DEVICES_MAX 24
#define BOARD_WINDOWS 3
#define BOARD_NOTE_MAX 200 /* bytes of the sentence that says why the board stopped */

/* A chip of the family: what differs between them. chip.c has the table. */
struct board_chip {
    const char *name;
    uint32_t flash_len; /* bytes */
    uint32_t sram_len;  /* bytes at 0x20000000 */
    uint32_t bank_len;  /* bytes of a flash bank; a read of the other bank does not stall */
    uint32_t hclk_max;  /* Hz */
    uint32_t idcode;    /* DBGMCU_IDCODE */
};

enum board_cause { /* of a reset; RCC_CSR shows it to the firmware */
                   BOARD_CAUSE_POWER,
                   BOARD_CAUSE_SOFTWARE,
                   BOARD_CAUSE_WATCHDOG,
                   BOARD_CAUSES,
};

enum board_stop {
    BOARD_RUNNING = 0,
    BOARD_DONE,       /* what the caller waited for was seen */
    BOARD_POWER_LOST, /* the cut that was asked for */
    BOARD_TIME_UP,
    BOARD_LOCKUP, /* a fault inside a fault, and no watchdog to end it */
    BOARD_MISUSE, /* the firmware did what the reference manual forbids */
    BOARD_BROKEN, /* the emulator itself failed */
};

struct board;

struct board_device {
    const char *name;
    uint32_t base;
    uint32_t len;           /* bytes */
    bool narrow;            /* takes byte and half-word accesses; the others take words only */
    uint32_t enable_offset; /* RCC register and bit that clock it; 0 when always clocked */
    uint32_t enable_bit;
    void *ctx;
    /* `size` is 1, 2 or 4; offset is a multiple of it. */
    uint32_t (*read)(void *ctx, uint32_t offset, unsigned size);
    void (*write)(void *ctx, uint32_t offset, unsigned size, uint32_t value);
    void (*reset)(void *ctx, enum board_cause cause);
    /* Both NULL, or both set: when to call advance(), BOARD_NEVER for not. */
    uint64_t (*deadline)(void *ctx);
    void (*advance)(void *ctx);
};

struct board_nvic {
    uint32_t enabled[3];
    uint32_t pending[3];
    uint8_t priority[96];
    uint8_t system_priority[16]; /* by exception number */
    uint32_t active[4];          /* bit per exception number, system exceptions included */
    uint32_t system_pending;     /* bit per exception number below 16 */
    uint32_t vtor;
    uint32_t aircr;
    uint32_t ccr;
    uint32_t hfsr;
    uint32_t cfsr;
    uint32_t bfar;
    bool waiting; /* something is enabled and pending */
};

struct board_systick {
    uint32_t ctrl;
    uint32_t load;
    uint64_t epoch; /* ps at which the counter was last at its reload value */
    uint64_t ticks; /* reloads since epoch that were told */
    bool count_flag;
};

struct board_window { /* an address range that is all registers */
    struct board *board;
    uint32_t base;
};

struct board {
    const struct board_chip *chip;
    uc_engine *uc;
    uint8_t *flash; /* chip->flash_len bytes; flash_ctl.c owns what is in it */
    uint8_t *sram;
    uint8_t *ccm;
    uint8_t *system_memory; /* unique id and flash size */

    uint64_t now;           /* ps */
    uint64_t ps_per_cycle;  /* of HCLK; rcc.c keeps it */
    uint64_t deadline;      /* earliest of all, 0 to have them looked at */
    uint64_t end;           /* ps at which the board stops with BOARD_TIME_UP */
    uint64_t blocks;        /* translated blocks run */
    uint32_t last_block;    /* its address */
    uint32_t flash_busy_lo; /* fetches from [lo, hi) stall while a flash operation runs */
    uint32_t flash_busy_hi;

    struct board_window windows[BOARD_WINDOWS];
    struct board_device devices[BOARD_DEVICES_MAX];
    size_t device_count;

    struct board_nvic nvic;
    struct board_systick systick;
    uint32_t interrupt; /* set by the INTR hook: Unicorn's number + 1 */
    uint32_t fault_addr;
    bool fault;   /* a memory access or instruction failed */
    bool stopped; /* some hook asked Unicorn to stop: not a WFI */
    bool resetting;
    bool locked_up;
    enum board_cause cause;
    uint32_t resets[BOARD_CAUSES];

    enum board_stop stop;
    char note[BOARD_NOTE_MAX];
    bool misuse_allowed;
    bool verbose;

    /* Called when the CPU sleeps: wait until `until` at the latest, return the time reached. NULL
     * jumps. */
    uint64_t (*idle)(void *ctx, uint64_t until);
    void *idle_ctx;
    /* rcc.c: is the device's clock on? */
    bool (*clocked)(void *ctx, const struct board_device *device);
    void *clocked_ctx;
    /* flash_ctl.c: a store to flash. Unicorn lets the raw bytes land after the hook, so the
     * controller sets `unsettled` and puts the right ones there when settle() is called, before the
     * next block or register access. */
    void (*flash_write)(void *ctx, uint32_t addr, unsigned size, uint64_t value);
    void (*settle)(void *ctx);
    void *flash_ctx;
    bool unsettled;
};

/* Allocate memories and Unicorn. The devices add themselves afterwards. 0 or -1 with board->note.
 */
int board_init(struct board *board, const struct board_chip *chip);
void board_free(struct board *board);

/* Run from power-on, through resets, until board->stop is set. */
enum board_stop board_run(struct board *board);

/* Take power away and give it back: RAM is filled with rubbish, every device resets. */
void board_power_cycle(struct board *board);
/* Bytes between the end of SRAM and what was written below it: how deep a stack that starts there
 * went, by the rubbish that is still there. */
uint32_t board_stack_used(const struct board *board);

/* Services for devices. */
void board_add_device(struct board *board, const struct board_device *device);
void board_irq(struct board *board, unsigned number, bool pending);
void board_reschedule(struct board *board);
void board_request_reset(struct board *board, enum board_cause cause);
/* Stop with a sentence; the first reason wins. */
void board_stop(struct board *board, enum board_stop stop, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The reference manual says no. Stops the board, or only says so when misuse is allowed. */
void board_misuse(struct board *board, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line on stderr with the emulated time, when verbose. */
void board_trace(struct board *board, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The CPU polls a busy flag, or stalls: let time go on to `until`, deadlines included. */
void board_skip_to(struct board *board, uint64_t until);
/* Host pointer to `len` bytes of SRAM for a DMA; NULL outside of it. */
uint8_t *board_dma(struct board *board, uint32_t addr, uint32_t len);
/* The device at a bus address, NULL for none. */
const struct board_device *board_device_at(const struct board *board, uint32_t addr);

/* cpu.c: exceptions. scs.c: NVIC, SysTick and SCB registers. */
void board_scs_add_devices(struct board *board);
void board_cpu_update_waiting(struct board_nvic *nvic);
void board_cpu_reset(struct board *board);
/* The number of the exception that may be entered now, 0 for none. */
uint32_t board_cpu_pending_exception(const struct board *board);
void board_cpu_enter_exception(struct board *board, uint32_t number);
/* What Unicorn stopped for: exception return, SVC, or a fault. */
void board_cpu_handle_interrupt(struct board *board, uint32_t number);
void board_cpu_fault(struct board *board);
/* HCLK changes: what counts with it goes on from here. */
void board_cpu_clock_changed(struct board *board, uint64_t ps_per_cycle);

#endif
