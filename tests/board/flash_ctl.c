/* The flash controller; RM0090 sections 3.4 to 3.9. */
#include "tests/board/flash_ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACR 0x00U
#define KEYR 0x04U
#define OPTKEYR 0x08U
#define SR 0x0cU
#define CR 0x10U
#define OPTCR 0x14U

#define ACR_LATENCY 0xfU
#define ACR_ICEN (1U << 9)
#define ACR_DCEN (1U << 10)
#define ACR_ICRST (1U << 11)
#define ACR_DCRST (1U << 12)

#define KEY1 0x45670123U
#define KEY2 0xcdef89abU

#define SR_EOP (1U << 0)
#define SR_OPERR (1U << 1)
#define SR_WRPERR (1U << 4)
#define SR_PGAERR (1U << 5)
#define SR_PGPERR (1U << 6)
#define SR_PGSERR (1U << 7)
#define SR_FLAGS (SR_EOP | SR_OPERR | SR_WRPERR | SR_PGAERR | SR_PGPERR | SR_PGSERR)
#define SR_BSY (1U << 16)

#define CR_PG (1U << 0)
#define CR_SER (1U << 1)
#define CR_MER (1U << 2)
#define CR_SNB(cr) ((cr) >> 3 & 0x1fU)
#define CR_PSIZE(cr) ((cr) >> 8 & 3U)
#define CR_STRT (1U << 16)
#define CR_EOPIE (1U << 24)
#define CR_ERRIE (1U << 25)
#define CR_LOCK (1U << 31)
#define CR_WRITABLE 0x030103ffU

/* DS8626 table 42: typical times at x32. */
#define PROGRAM_PS (16 * BOARD_PS_PER_US)
#define ERASE_16K_PS (250 * BOARD_PS_PER_MS)
#define ERASE_64K_PS (550 * BOARD_PS_PER_MS)
#define ERASE_128K_PS (1000 * BOARD_PS_PER_MS)

#define BANK_LEN 0x100000U
#define BANK_SECTORS 12U
#define ROW_LEN 16U

bool flash_ctl_sector(const struct board_chip *chip, uint32_t addr, uint32_t *start, uint32_t *len)
{
    if (addr < BOARD_FLASH_BASE || addr - BOARD_FLASH_BASE >= chip->flash_len)
        return false;
    uint32_t in_bank = (addr - BOARD_FLASH_BASE) % BANK_LEN;
    *len = in_bank < 0x10000 ? 0x4000 : in_bank < 0x20000 ? 0x10000 : 0x20000;
    *start = addr - in_bank % *len;
    return true;
}

/* SNB: 0 to 11 in bank 1, 16 to 27 in bank 2 (RM0090 section 3.9.7). 0 for no such sector. */
static uint32_t sector_by_number(const struct board_chip *chip, uint32_t snb)
{
    static const uint32_t starts[BANK_SECTORS] = {0,       0x4000,  0x8000,  0xc000,
                                                  0x10000, 0x20000, 0x40000, 0x60000,
                                                  0x80000, 0xa0000, 0xc0000, 0xe0000};
    uint32_t bank = snb / 16;
    uint32_t index = snb % 16;
    if (index >= BANK_SECTORS || (bank + 1) * BANK_LEN > chip->flash_len)
        return 0;
    return BOARD_FLASH_BASE + bank * BANK_LEN + starts[index];
}

static uint32_t next_random(struct flash_ctl *flash)
{
    flash->random ^= flash->random << 13;
    flash->random ^= flash->random >> 17;
    flash->random ^= flash->random << 5;
    return flash->random;
}

static uint8_t *memory_at(struct flash_ctl *flash, uint32_t addr)
{
    return flash->board->flash + (addr - BOARD_FLASH_BASE);
}

static void put(struct flash_ctl *flash, uint32_t addr, const uint8_t *bytes, uint32_t len)
{
    memcpy(memory_at(flash, addr), bytes, len);
    if (flash->fd >= 0 &&
        pwrite(flash->fd, bytes, len, (off_t)(addr - BOARD_FLASH_BASE)) != (ssize_t)len)
        board_stop(flash->board, BOARD_BROKEN, "flash file: %s", strerror(errno));
}

static void raise_error(struct flash_ctl *flash, uint32_t flag)
{
    flash->sr |= flag | ((flash->cr & CR_ERRIE) != 0 ? SR_OPERR : 0);
    flash->refused++;
    board_trace(flash->board, "flash: refused, SR |= 0x%x", flag);
}

static bool is_protected(const struct flash_ctl *flash, uint32_t addr)
{
    uint32_t start;
    uint32_t len;
    if (!flash_ctl_sector(flash->board->chip, addr, &start, &len))
        return true;
    for (uint32_t i = 0; i < BANK_SECTORS; i++)
        if (sector_by_number(flash->board->chip, i) == start)
            return (flash->optcr >> (16 + i) & 1U) == 0;
    return false;
}

/* Bits between `before` and `after`: each one that changes may or may not have. */
static void mix(struct flash_ctl *flash, const uint8_t *before, const uint8_t *after, uint8_t *torn,
                uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        uint8_t taken = (uint8_t)(next_random(flash) >> 11);
        torn[i] = (uint8_t)((before[i] & ~taken) | (after[i] & taken));
    }
}

/* A half-done erase: some of it done, some of it undefined, some of it not begun. What is undefined
 * is all of it in half of the cases. */
static void tear_erase(struct flash_ctl *flash, uint32_t addr, uint32_t len)
{
    uint8_t *torn = malloc(len);
    uint8_t *erased = malloc(len);
    if (torn == NULL || erased == NULL)
        abort();
    memset(erased, 0xff, len);
    memcpy(torn, flash->op_before, len);
    bool everywhere = (next_random(flash) & 0x100U) != 0;
    uint32_t done = everywhere ? 0 : next_random(flash) % (len + 1);
    uint32_t undefined = everywhere ? len : next_random(flash) % (len - done + 1);
    memset(torn, 0xff, done);
    mix(flash, flash->op_before + done, erased, torn + done, undefined);
    put(flash, addr, torn, len);
    free(torn);
    free(erased);
}

static void tear_program(struct flash_ctl *flash, uint32_t addr, const uint8_t *after, uint32_t len)
{
    uint8_t torn[8];
    mix(flash, flash->op_before, after, torn, len);
    put(flash, addr, torn, len);
}

static bool fault_due(struct flash_ctl *flash, uint64_t at)
{
    return at != 0 && flash->operations == at;
}

static void lose_power(struct flash_ctl *flash)
{
    if (flash->faults.tear)
        flash->torn++;
    board_stop(flash->board, BOARD_POWER_LOST, "power lost %s flash operation %llu at 0x%08x",
               flash->faults.tear ? "in" : "before", (unsigned long long)flash->operations,
               flash->op_addr);
}

static void begin_busy(struct flash_ctl *flash, uint64_t duration)
{
    struct board *board = flash->board;
    uint32_t bank = (flash->op_addr - BOARD_FLASH_BASE) / board->chip->bank_len;
    flash->sr |= SR_BSY;
    flash->busy_until = board->now + duration;
    board->flash_busy_lo = BOARD_FLASH_BASE + bank * board->chip->bank_len;
    board->flash_busy_hi = board->flash_busy_lo + board->chip->bank_len;
    board_reschedule(board);
}

static void wait_while_busy(struct flash_ctl *flash)
{
    if (flash->busy_until != 0) {
        flash->stalls++;
        board_skip_to(flash->board, flash->busy_until);
    }
}

static uint64_t deadline(void *ctx)
{
    const struct flash_ctl *flash = ctx;
    return flash->busy_until == 0 ? BOARD_NEVER : flash->busy_until;
}

static void advance(void *ctx)
{
    struct flash_ctl *flash = ctx;
    flash->busy_until = 0;
    flash->sr &= ~SR_BSY;
    flash->sr |= (flash->cr & CR_EOPIE) != 0 ? SR_EOP : 0;
    flash->cr &= ~CR_STRT;
    flash->board->flash_busy_lo = 0;
    flash->board->flash_busy_hi = 0;
}

/* Counts the operation and lets the faults that are due happen. false when it must not go on. */
static bool begin_operation(struct flash_ctl *flash, uint32_t addr, uint32_t len)
{
    flash->operations++;
    flash->op_addr = addr;
    flash->op_len = len;
    memcpy(flash->op_before, memory_at(flash, addr), len);
    if (flash->on_operation != NULL)
        flash->on_operation(flash->on_operation_ctx);
    if (fault_due(flash, flash->faults.refuse)) {
        raise_error(flash, SR_WRPERR);
        return false;
    }
    if (flash->faults.reset_every != 0 && flash->operations % flash->faults.reset_every == 0) {
        board_request_reset(flash->board, BOARD_CAUSE_SOFTWARE);
        return false;
    }
    return true;
}

static void erase_sector(struct flash_ctl *flash, uint32_t addr)
{
    uint32_t start;
    uint32_t len;
    if (!flash_ctl_sector(flash->board->chip, addr, &start, &len) || is_protected(flash, addr)) {
        raise_error(flash, SR_WRPERR);
        return;
    }
    if (!begin_operation(flash, start, len))
        return;
    flash->erases++;
    if (fault_due(flash, flash->faults.cut)) {
        if (flash->faults.tear)
            tear_erase(flash, start, len);
        lose_power(flash);
        return;
    }
    board_trace(flash->board, "flash: erase 0x%08x, %u KB", start, len >> 10);
    memset(memory_at(flash, start), 0xff, len);
    if (fault_due(flash, flash->faults.weak))
        memory_at(flash, start)[len / 3] = 0xef;
    uint8_t *copy = memory_at(flash, start);
    put(flash, start, copy, len);
    flash->stale = flash->stale || (flash->acr & (ACR_ICEN | ACR_DCEN)) != 0;
    uc_ctl_remove_cache(flash->board->uc, (uint64_t)start, (uint64_t)start + len);
    begin_busy(flash, len == 0x4000 ? ERASE_16K_PS : len == 0x10000 ? ERASE_64K_PS : ERASE_128K_PS);
}

static void start_operation(struct flash_ctl *flash)
{
    if ((flash->cr & CR_MER) != 0) {
        board_misuse(flash->board, "mass erase: it would take the bootloader with it");
        return;
    }
    if ((flash->cr & CR_SER) == 0) {
        raise_error(flash, SR_PGSERR);
        return;
    }
    uint32_t addr = sector_by_number(flash->board->chip, CR_SNB(flash->cr));
    if (addr == 0) {
        board_misuse(flash->board, "erase of sector number %u, which %s has not", CR_SNB(flash->cr),
                     flash->board->chip->name);
        return;
    }
    erase_sector(flash, addr);
}

/* The flag that a store sets, 0 when it is one. RM0090 section 3.6.4. */
static uint32_t store_error(const struct flash_ctl *flash, uint32_t addr, uint32_t len)
{
    if ((flash->cr & CR_LOCK) != 0 || (flash->cr & CR_PG) == 0)
        return SR_PGSERR;
    if (addr / ROW_LEN != (addr + len - 1) / ROW_LEN)
        return SR_PGAERR;
    if (len != 1U << CR_PSIZE(flash->cr) || addr % len != 0)
        return SR_PGPERR;
    return is_protected(flash, addr) ? SR_WRPERR : 0;
}

/* `value` ends up holding what shall stand in flash. */
static void program_unit(struct flash_ctl *flash, uint32_t addr, uint8_t *value, uint32_t len)
{
    uint8_t after[8];
    if (!begin_operation(flash, addr, len)) {
        memcpy(value, flash->op_before, len);
        return;
    }
    for (uint32_t i = 0; i < len; i++)
        after[i] = flash->op_before[i] & value[i];
    if (fault_due(flash, flash->faults.weak))
        after[0] ^= flash->op_before[0] & 1U;
    flash->programs++;
    if (fault_due(flash, flash->faults.cut)) {
        memcpy(value, flash->op_before, len);
        if (flash->faults.tear) {
            tear_program(flash, addr, after, len);
            memcpy(value, memory_at(flash, addr), len);
        }
        lose_power(flash);
        return;
    }
    put(flash, addr, after, len);
    memcpy(value, after, len);
    begin_busy(flash, PROGRAM_PS);
}

/* The seam to the core: see board.h, flash_write. */
static void on_store(void *ctx, uint32_t addr, unsigned size, uint64_t value)
{
    struct flash_ctl *flash = ctx;
    if (flash->store_count == FLASH_PENDING_MAX) {
        board_stop(flash->board, BOARD_BROKEN, "too many stores to flash in one block");
        return;
    }
    struct flash_store *store = &flash->stores[flash->store_count];
    *store = (struct flash_store){.addr = addr, .len = size};
    memcpy(store->bytes, &value, size);
    wait_while_busy(flash);
    uint32_t error = store_error(flash, addr, size);
    bool powered = flash->board->stop == BOARD_RUNNING && !flash->board->resetting;
    if (powered && error == 0) {
        program_unit(flash, addr, store->bytes, size);
    } else {
        memcpy(store->bytes, memory_at(flash, addr), size);
        if (powered)
            raise_error(flash, error);
    }
    flash->store_count++;
    flash->board->unsettled = true;
}

static void settle(void *ctx)
{
    struct flash_ctl *flash = ctx;
    for (size_t i = 0; i < flash->store_count; i++) {
        memcpy(memory_at(flash, flash->stores[i].addr), flash->stores[i].bytes,
               flash->stores[i].len);
    }
    flash->store_count = 0;
}

static void write_key(struct flash_ctl *flash, uint32_t value)
{
    static const uint32_t keys[2] = {KEY1, KEY2};
    if (flash->key_failed || flash->keys >= 2 || value != keys[flash->keys]) {
        board_trace(flash->board, "flash: wrong key, CR stays locked until a reset");
        flash->key_failed = true;
        flash->cr |= CR_LOCK;
        flash->board->fault = true; /* section 3.6.1: a bus error */
        flash->board->fault_addr = 0x40023c00U + KEYR;
        uc_emu_stop(flash->board->uc);
        return;
    }
    if (++flash->keys == 2)
        flash->cr &= ~CR_LOCK;
    if (flash->stale)
        board_misuse(flash->board, "flash is unlocked again with stale caches: the last erase was "
                                   "not followed by a reset of both");
}

static void write_control(struct flash_ctl *flash, uint32_t value)
{
    wait_while_busy(flash);
    if ((flash->cr & CR_LOCK) != 0) {
        board_trace(flash->board, "flash: CR is locked");
        return;
    }
    flash->cr = value & CR_WRITABLE;
    if (CR_PSIZE(value) == 3)
        board_misuse(flash->board, "PSIZE x64 needs VPP, which no board here has");
    if ((value & CR_LOCK) != 0) {
        flash->cr |= CR_LOCK;
        flash->keys = 0;
    } else if ((value & CR_STRT) != 0) {
        start_operation(flash);
    }
}

static void write_access(struct flash_ctl *flash, uint32_t value)
{
    uint32_t caches = ACR_ICEN | ACR_DCEN;
    if ((value & (ACR_ICRST | ACR_DCRST)) != 0 && (value & flash->acr & caches) != 0)
        board_misuse(flash->board, "a flash cache is reset while it is enabled");
    if ((value & ACR_ICRST) != 0 && (value & ACR_DCRST) != 0)
        flash->stale = false;
    flash->acr = value & 0x1f0fU;
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    struct flash_ctl *flash = ctx;
    (void)size;
    switch (offset) {
    case ACR:
        return flash->acr;
    case SR: {
        uint32_t value = flash->sr;
        /* A poll of BSY: the loop around it would only burn time. In steps, so that it can feed
         * the watchdog meanwhile. */
        if ((value & SR_BSY) != 0) {
            uint64_t step = flash->board->now + 20 * BOARD_PS_PER_US;
            board_skip_to(flash->board, step < flash->busy_until ? step : flash->busy_until);
        }
        return value;
    }
    case CR:
        return flash->cr;
    case OPTCR:
        return flash->optcr;
    default:
        return 0;
    }
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct flash_ctl *flash = ctx;
    (void)size;
    switch (offset) {
    case ACR:
        write_access(flash, value);
        break;
    case KEYR:
        write_key(flash, value);
        break;
    case SR:
        flash->sr &= ~(value & SR_FLAGS);
        break;
    case CR:
        write_control(flash, value);
        break;
    default:
        board_misuse(flash->board, "a write to the option bytes (FLASH+0x%x)", offset);
        break;
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    struct flash_ctl *flash = ctx;
    if (flash->busy_until != 0 && cause != BOARD_CAUSE_POWER) {
        uint8_t after[8];
        flash->torn++;
        if (flash->op_len > sizeof after) {
            tear_erase(flash, flash->op_addr, flash->op_len);
        } else {
            memcpy(after, memory_at(flash, flash->op_addr), flash->op_len);
            tear_program(flash, flash->op_addr, after, flash->op_len);
        }
    }
    flash->board->flash_busy_lo = 0;
    flash->board->flash_busy_hi = 0;
    flash->busy_until = 0;
    flash->acr = 0;
    flash->cr = CR_LOCK;
    flash->sr = 0;
    flash->optcr = 0x0fffaaedU;
    flash->keys = 0;
    flash->key_failed = false;
    flash->stale = false;
    flash->store_count = 0;
}

uint32_t flash_ctl_latency_needed(uint32_t hclk)
{
    return (hclk - 1) / 30000000U;
}

uint32_t flash_ctl_latency(const struct flash_ctl *flash)
{
    return flash->acr & ACR_LATENCY;
}

void flash_ctl_init(struct flash_ctl *flash, struct board *board)
{
    memset(flash, 0, sizeof *flash);
    flash->board = board;
    flash->fd = -1;
    flash->random = 0x2545f491U;
    board->flash_write = on_store;
    board->settle = settle;
    board->flash_ctx = flash;
    board_add_device(board, &(struct board_device){.name = "FLASH",
                                                   .base = 0x40023c00U,
                                                   .len = 0x400,
                                                   .ctx = flash,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset,
                                                   .deadline = deadline,
                                                   .advance = advance});
}

int flash_ctl_open(struct flash_ctl *flash, const char *path)
{
    struct board *board = flash->board;
    size_t len = board->chip->flash_len;
    struct stat status;
    flash->random = flash->faults.seed != 0 ? flash->faults.seed : flash->random;
    flash->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (flash->fd < 0 || fstat(flash->fd, &status) != 0) {
        snprintf(board->note, sizeof board->note, "%s: %s", path, strerror(errno));
        return -1;
    }
    bool made = status.st_size == 0;
    ssize_t done =
        made ? pwrite(flash->fd, board->flash, len, 0) : pread(flash->fd, board->flash, len, 0);
    if (done != (ssize_t)len || (!made && status.st_size != (off_t)len)) {
        snprintf(board->note, sizeof board->note, "%s: not %zu bytes of flash", path, len);
        return -1;
    }
    return made;
}

bool flash_ctl_load(struct flash_ctl *flash, uint32_t addr, const void *bytes, uint32_t len)
{
    uint32_t offset = addr - BOARD_FLASH_BASE;
    if (addr < BOARD_FLASH_BASE || len > flash->board->chip->flash_len ||
        offset > flash->board->chip->flash_len - len)
        return false;
    put(flash, addr, bytes, len);
    return true;
}
