/* Clocks and power; RM0090 sections 5.4 and 7.3. */
#include "tests/board/rcc.h"

#include <string.h>

#define CR 0x00U
#define PLLCFGR 0x04U
#define CFGR 0x08U
#define AHB1RSTR 0x10U
#define APB2RSTR 0x24U
#define AHB1ENR 0x30U
#define CSR 0x74U
#define REG_LEN (RCC_REGISTERS * 4U)

#define CR_HSION (1U << 0)
#define CR_HSIRDY (1U << 1)
#define CR_HSEON (1U << 16)
#define CR_HSERDY (1U << 17)
#define CR_HSEBYP (1U << 18)
#define CR_PLLON (1U << 24)
#define CR_PLLRDY (1U << 25)
#define PLLCFGR_HSE (1U << 22)
#define CFGR_SW 3U
#define SW_HSI 0U
#define SW_HSE 1U
#define SW_PLL 2U
#define CSR_LSION (1U << 0)
#define CSR_LSIRDY (1U << 1)
#define CSR_RMVF (1U << 24)
#define CSR_PINRSTF (1U << 26)
#define CSR_BORRSTF (1U << 25)
#define CSR_PORRSTF (1U << 27)
#define CSR_SFTRSTF (1U << 28)
#define CSR_IWDGRSTF (1U << 29)
#define CSR_FLAGS 0xfe000000U

#define HSI_HZ 16000000U
#define HSE_BYPASS_PS (2 * BOARD_PS_PER_US)
#define HSE_CRYSTAL_PS (2 * BOARD_PS_PER_MS)
#define PLL_LOCK_PS (200 * BOARD_PS_PER_US)
#define LSI_START_PS (40 * BOARD_PS_PER_US)
#define PCLK1_MAX(hclk_max) ((hclk_max) / 4U)
#define PCLK2_MAX(hclk_max) ((hclk_max) / 2U)

static uint32_t *reg(struct rcc *rcc, uint32_t offset)
{
    return &rcc->reg[offset / 4];
}

static uint32_t get(const struct rcc *rcc, uint32_t offset)
{
    return rcc->reg[offset / 4];
}

static bool ready(const struct rcc *rcc, uint64_t at)
{
    return at != 0 && rcc->board->now >= at;
}

static uint64_t pll_vco(const struct rcc *rcc)
{
    uint32_t cfg = get(rcc, PLLCFGR);
    uint64_t in = (cfg & PLLCFGR_HSE) != 0 ? rcc->hse_hz : HSI_HZ;
    uint32_t m = cfg & 0x3fU;
    return m == 0 ? 0 : in * (cfg >> 6 & 0x1ffU) / m;
}

static uint32_t pll_out(const struct rcc *rcc)
{
    uint32_t p = 2 * ((get(rcc, PLLCFGR) >> 16 & 3U) + 1);
    return (uint32_t)(pll_vco(rcc) / p);
}

uint32_t rcc_pll48(const struct rcc *rcc)
{
    uint32_t q = get(rcc, PLLCFGR) >> 24 & 0xfU;
    return !ready(rcc, rcc->pll_at) || q < 2 ? 0 : (uint32_t)(pll_vco(rcc) / q);
}

static uint32_t apb_divider(uint32_t bits)
{
    return (bits & 4U) == 0 ? 1 : 2U << (bits & 3U);
}

uint32_t rcc_timer_clock(const struct rcc *rcc)
{
    return apb_divider(get(rcc, CFGR) >> 10 & 7U) == 1 ? rcc->pclk1 : 2 * rcc->pclk1;
}

static void check_pll(struct rcc *rcc)
{
    uint32_t cfg = get(rcc, PLLCFGR);
    uint32_t m = cfg & 0x3fU;
    uint32_t in = (cfg & PLLCFGR_HSE) != 0 ? rcc->hse_hz : HSI_HZ;
    uint64_t vco = pll_vco(rcc);
    if (m < 2 || in / m < 950000 || in / m > 2100000) {
        board_misuse(rcc->board, "the PLL's input is %u Hz, not 1 to 2 MHz", m ? in / m : 0);
    } else if (vco < 100000000 || vco > 432000000) {
        board_misuse(rcc->board, "the PLL's VCO is %llu Hz, not 100 to 432 MHz",
                     (unsigned long long)vco);
    }
}

static void update_speed(struct rcc *rcc)
{
    static const uint8_t ahb_shift[8] = {1, 2, 3, 4, 6, 7, 8, 9};
    uint32_t cfgr = get(rcc, CFGR);
    uint32_t sw = cfgr & CFGR_SW;
    uint32_t sysclk = sw == SW_PLL ? pll_out(rcc) : sw == SW_HSE ? rcc->hse_hz : HSI_HZ;
    uint32_t hpre = cfgr >> 4 & 0xfU;
    const struct board_chip *chip = rcc->board->chip;

    rcc->hclk = (hpre & 8U) != 0 ? sysclk >> ahb_shift[hpre & 7U] : sysclk;
    rcc->pclk1 = rcc->hclk / apb_divider(cfgr >> 10 & 7U);
    rcc->pclk2 = rcc->hclk / apb_divider(cfgr >> 13 & 7U);
    if (rcc->hclk > chip->hclk_max || rcc->pclk1 > PCLK1_MAX(chip->hclk_max) ||
        rcc->pclk2 > PCLK2_MAX(chip->hclk_max)) {
        board_misuse(rcc->board, "clocks over the limit: HCLK %u, PCLK1 %u, PCLK2 %u Hz", rcc->hclk,
                     rcc->pclk1, rcc->pclk2);
    }
    if (flash_ctl_latency(rcc->flash) < flash_ctl_latency_needed(rcc->hclk)) {
        board_misuse(rcc->board, "HCLK %u Hz with %u flash wait states", rcc->hclk,
                     flash_ctl_latency(rcc->flash));
    }
    uint64_t ps = BOARD_PS_PER_S / rcc->hclk;
    if (ps != rcc->board->ps_per_cycle)
        board_cpu_clock_changed(rcc->board, ps);
}

static void write_control(struct rcc *rcc, uint32_t value)
{
    uint32_t sw = get(rcc, CFGR) & CFGR_SW;
    uint32_t in_use = sw == SW_HSE ? CR_HSEON : sw == SW_PLL ? CR_PLLON : CR_HSION;
    if ((value & in_use) == 0)
        board_misuse(rcc->board, "the clock that runs the chip is switched off");
    if ((value & CR_HSEON) == 0) {
        rcc->hse_at = 0;
    } else if (rcc->hse_at == 0) {
        uint64_t start = (value & CR_HSEBYP) != 0 ? HSE_BYPASS_PS : HSE_CRYSTAL_PS;
        rcc->hse_at = rcc->hse_hz == 0 ? BOARD_NEVER : rcc->board->now + start;
    }
    if ((value & CR_PLLON) == 0) {
        rcc->pll_at = 0;
    } else if (rcc->pll_at == 0) {
        bool fed = (get(rcc, PLLCFGR) & PLLCFGR_HSE) == 0 || ready(rcc, rcc->hse_at);
        check_pll(rcc);
        rcc->pll_at = fed ? rcc->board->now + PLL_LOCK_PS : BOARD_NEVER;
    }
    *reg(rcc, CR) = value & ~(CR_HSIRDY | CR_HSERDY | CR_PLLRDY);
}

static void write_config(struct rcc *rcc, uint32_t value)
{
    uint32_t sw = value & CFGR_SW;
    if ((sw == SW_HSE && !ready(rcc, rcc->hse_at)) || (sw == SW_PLL && !ready(rcc, rcc->pll_at)) ||
        sw == 3) {
        board_misuse(rcc->board, "switch to system clock %u, which is not ready", sw);
        return;
    }
    *reg(rcc, CFGR) = value & ~0xcU;
    update_speed(rcc);
}

/* A 1 in xxxRSTR resets the peripheral whose enable bit has the same place. */
static void reset_devices(struct rcc *rcc, uint32_t offset, uint32_t bits)
{
    for (size_t i = 0; i < rcc->board->device_count; i++) {
        const struct board_device *device = &rcc->board->devices[i];
        if (device->enable_offset == offset + (AHB1ENR - AHB1RSTR) && device->reset != NULL &&
            (bits & device->enable_bit) != 0)
            device->reset(device->ctx, BOARD_CAUSE_SOFTWARE);
    }
}

static uint32_t read_register(void *ctx, uint32_t offset, unsigned size)
{
    const struct rcc *rcc = ctx;
    uint32_t value = offset < REG_LEN ? get(rcc, offset) : 0;
    (void)size;
    if (offset == CR) {
        value |= (value & CR_HSION) != 0 ? CR_HSIRDY : 0;
        value |= ready(rcc, rcc->hse_at) ? CR_HSERDY : 0;
        value |= ready(rcc, rcc->pll_at) ? CR_PLLRDY : 0;
    } else if (offset == CFGR) {
        value |= (value & CFGR_SW) << 2;
    } else if (offset == CSR) {
        value |= ready(rcc, rcc->lsi_at) ? CSR_LSIRDY : 0;
    }
    return value;
}

static void write_register(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct rcc *rcc = ctx;
    (void)size;
    if (offset == CR) {
        write_control(rcc, value);
    } else if (offset == CFGR) {
        write_config(rcc, value);
    } else if (offset == PLLCFGR && rcc->pll_at != 0) {
        board_misuse(rcc->board, "PLLCFGR is written while the PLL runs");
    } else if (offset == CSR) {
        uint32_t flags = (value & CSR_RMVF) != 0 ? 0 : get(rcc, CSR) & CSR_FLAGS;
        rcc->lsi_at = (value & CSR_LSION) == 0 ? 0
                      : rcc->lsi_at != 0       ? rcc->lsi_at
                                               : rcc->board->now + LSI_START_PS;
        *reg(rcc, CSR) = flags | (value & CSR_LSION);
    } else if (offset < REG_LEN) {
        *reg(rcc, offset) = value;
        if (offset >= AHB1RSTR && offset <= APB2RSTR)
            reset_devices(rcc, offset, value);
    }
}

static void reset(void *ctx, enum board_cause cause)
{
    static const uint32_t flags[BOARD_CAUSES] = {CSR_PORRSTF | CSR_BORRSTF | CSR_PINRSTF,
                                                 CSR_PINRSTF | CSR_SFTRSTF,
                                                 CSR_PINRSTF | CSR_IWDGRSTF};
    struct rcc *rcc = ctx;
    uint32_t kept = cause == BOARD_CAUSE_POWER ? 0 : get(rcc, CSR) & CSR_FLAGS;
    memset(rcc->reg, 0, sizeof rcc->reg);
    *reg(rcc, CR) = 0x81;
    *reg(rcc, PLLCFGR) = 0x24003010;
    *reg(rcc, AHB1ENR) = 0x00100000;
    *reg(rcc, CSR) = kept | flags[cause];
    rcc->pwr_cr = 0xc000;
    rcc->hse_at = 0;
    rcc->pll_at = 0;
    rcc->lsi_at = 0;
    update_speed(rcc);
}

static bool clocked(void *ctx, const struct board_device *device)
{
    const struct rcc *rcc = ctx;
    return (get(rcc, device->enable_offset) & device->enable_bit) == device->enable_bit;
}

static uint32_t read_power(void *ctx, uint32_t offset, unsigned size)
{
    const struct rcc *rcc = ctx;
    (void)size;
    return offset == 0 ? rcc->pwr_cr : 1U << 14; /* VOSRDY */
}

static void write_power(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
    struct rcc *rcc = ctx;
    (void)size;
    if (offset == 0)
        rcc->pwr_cr = value;
}

void rcc_init(struct rcc *rcc, struct board *board, const struct flash_ctl *flash)
{
    memset(rcc, 0, sizeof *rcc);
    rcc->board = board;
    rcc->flash = flash;
    rcc->hse_hz = 8000000;
    board->clocked = clocked;
    board->clocked_ctx = rcc;
    board_add_device(board, &(struct board_device){.name = "RCC",
                                                   .base = 0x40023800U,
                                                   .len = 0x400,
                                                   .ctx = rcc,
                                                   .read = read_register,
                                                   .write = write_register,
                                                   .reset = reset});
    board_add_device(board, &(struct board_device){.name = "PWR",
                                                   .base = 0x40007000U,
                                                   .len = 0x400,
                                                   .enable_offset = 0x40,
                                                   .enable_bit = 1U << 28,
                                                   .ctx = rcc,
                                                   .read = read_power,
                                                   .write = write_power});
}
