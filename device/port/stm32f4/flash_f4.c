#include "device/port/stm32f4/flash_f4.h"

#include <string.h>

#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/stm32f4_regs.h"
#include "protocol/error.h"

#define BANK_LEN 0x100000U
#define WORD_LEN 4U

static bool is_inside(uint32_t addr, size_t len)
{
    uint32_t at = addr - STM32_FLASH_BASE;
    return at <= stm32f4_board.flash_len && len <= stm32f4_board.flash_len - at;
}

/* The number of the sector that `addr` lies in, as FLASH_CR.SNB wants it: bank 2 starts at 16. Four
 * of 16 KB, one of 64 KB, seven of 128 KB a bank. RM0090 tables 5 and 6, section 3.9.7. */
static uint32_t sector_number(uint32_t addr)
{
    uint32_t at = addr - STM32_FLASH_BASE;
    uint32_t bank = at / BANK_LEN * 16;
    at %= BANK_LEN;
    return bank + (at < 0x10000 ? at / 0x4000 : 4 + at / 0x20000);
}

static uint32_t flash_sector_len(void *ctx, uint32_t addr)
{
    (void)ctx;
    uint32_t number = sector_number(addr) % 16;
    uint32_t len = number < 4 ? 0x4000 : number == 4 ? 0x10000 : 0x20000;
    return is_inside(addr, len) && addr % len == 0 ? len : 0;
}

static int flash_read(void *ctx, uint32_t addr, void *buf, size_t len)
{
    (void)ctx;
    if (!is_inside(addr, len))
        return OTA_E_FLASH;
    memcpy(buf, (const void *)(uintptr_t)addr, len);
    return OTA_OK;
}

static void begin(uint32_t mode)
{
    STM32_FLASH->keyr = FLASH_KEYR_KEY1;
    STM32_FLASH->keyr = FLASH_KEYR_KEY2;
    STM32_FLASH->sr = FLASH_SR_ERRORS | FLASH_SR_EOP;
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32 | mode;
}

static int wait(void)
{
    while ((STM32_FLASH->sr & FLASH_SR_BSY) != 0)
        stm32f4_feed();
    return (STM32_FLASH->sr & FLASH_SR_ERRORS) == 0 ? OTA_OK : OTA_E_FLASH;
}

static void end(void)
{
    STM32_FLASH->cr = FLASH_CR_LOCK;
}

/* The caches may hold what the erase took away. They must be off to be reset. Section 3.5.2. */
static void reset_caches(void)
{
    uint32_t acr = STM32_FLASH->acr;
    uint32_t off = acr & ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN);

    STM32_FLASH->acr = off;
    STM32_FLASH->acr = off | FLASH_ACR_ICRST | FLASH_ACR_DCRST;
    STM32_FLASH->acr = off;
    STM32_FLASH->acr = acr;
}

static int flash_program(void *ctx, uint32_t addr, const void *buf, size_t len)
{
    const uint8_t *from = buf;
    int error = OTA_OK;

    (void)ctx;
    if (!is_inside(addr, len) || addr % WORD_LEN != 0 || len % WORD_LEN != 0)
        return OTA_E_FLASH;
    begin(FLASH_CR_PG);
    for (size_t done = 0; done < len && error == OTA_OK; done += WORD_LEN) {
        volatile uint32_t *to = (volatile uint32_t *)(uintptr_t)(addr + done);
        uint32_t word;
        memcpy(&word, from + done, WORD_LEN);
        *to = word;
        stm32f4_barrier();
        error = wait();
        if (*to != word)
            error = OTA_E_FLASH;
    }
    end();
    return error;
}

static int flash_erase(void *ctx, uint32_t addr)
{
    if (flash_sector_len(ctx, addr) == 0)
        return OTA_E_FLASH;
    stm32f4_feed();
    begin(FLASH_CR_SER | FLASH_CR_SNB(sector_number(addr)));
    STM32_FLASH->cr |= FLASH_CR_STRT;
    stm32f4_barrier();
    int error = wait();
    end();
    reset_caches();
    return error;
}

const struct ota_flash stm32f4_flash = {
    .ctx = NULL,
    .write_len = WORD_LEN,
    .write_once = false,
    .sector_len = flash_sector_len,
    .read = flash_read,
    .program = flash_program,
    .erase = flash_erase,
};
