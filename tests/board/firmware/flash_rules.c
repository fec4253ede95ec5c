/* Every rule of the flash controller that a driver may break, and the flag that says so. */
#include "tests/board/firmware/firmware.h"

#define SECTOR 4U /* 64 KB at 0x08010000 */
#define ADDR 0x08010000U

static KEPT volatile uint32_t boots;

static volatile uint32_t *word(uint32_t offset)
{
    return (volatile uint32_t *)(ADDR + offset);
}

static void unlock(void)
{
    STM32_FLASH->keyr = FLASH_KEYR_KEY1;
    STM32_FLASH->keyr = FLASH_KEYR_KEY2;
}

static uint32_t wait(void)
{
    while ((STM32_FLASH->sr & FLASH_SR_BSY) != 0) {
    }
    return STM32_FLASH->sr & FLASH_SR_ERRORS;
}

static uint32_t take_errors(void)
{
    uint32_t errors = wait();
    STM32_FLASH->sr = FLASH_SR_ERRORS;
    return errors;
}

static void erase(uint32_t sector)
{
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32 | FLASH_CR_SER | FLASH_CR_SNB(sector);
    STM32_FLASH->cr |= FLASH_CR_STRT;
    wait();
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32;
}

static void test_locked(void)
{
    check_equal(STM32_FLASH->cr, FLASH_CR_LOCK, "the controller is locked after a reset");
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X32;
    check_equal(STM32_FLASH->cr, FLASH_CR_LOCK, "CR takes nothing while locked");
    *word(0) = 0x12345678;
    check_equal(take_errors(), FLASH_SR_PGSERR, "a store while locked sets PGSERR");
    check_equal(*word(0), 0xffffffff, "and changes nothing");
}

static void test_program(void)
{
    *word(0) = 0x12345678;
    check_equal(take_errors(), FLASH_SR_PGSERR, "a store without PG sets PGSERR");
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X32;
    *word(0) = 0xf0f0a5a5;
    check((STM32_FLASH->sr & FLASH_SR_BSY) != 0, "a store makes the controller busy");
    check_equal(take_errors(), 0, "a word is programmed without an error");
    check_equal(*word(0), 0xf0f0a5a5, "and reads back");
    *word(0) = 0xff00ffff;
    check_equal(take_errors(), 0, "a second program of the word is allowed");
    check_equal(*word(0), 0xf000a5a5, "and only clears bits");
    *word(4) = 1;
    *word(8) = 2;
    check_equal(*word(4) + *word(8), 3, "a store while busy waits for its turn");
    wait();
}

static void test_widths(void)
{
    *(volatile uint8_t *)(ADDR + 16) = 0x11;
    check_equal(take_errors(), FLASH_SR_PGPERR, "a byte under PSIZE x32 sets PGPERR");
    *(volatile uint16_t *)(ADDR + 18) = 0x2222;
    check_equal(take_errors(), FLASH_SR_PGPERR, "a half-word under PSIZE x32 sets PGPERR");
    check_equal(*word(16), 0xffffffff, "and neither changes anything");
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X8;
    *word(16) = 0x33333333;
    check_equal(take_errors(), FLASH_SR_PGPERR, "a word under PSIZE x8 sets PGPERR");
    *(volatile uint8_t *)(ADDR + 17) = 0x44;
    check_equal(take_errors(), 0, "a byte under PSIZE x8 is programmed");
    check_equal(*word(16), 0xffff44ff, "and its neighbours are left alone");
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X32;
    uint32_t unaligned = ADDR + 34;
    __asm volatile("str %0, [%1]" : : "r"(0), "r"(unaligned) : "memory");
    check_equal(take_errors(), FLASH_SR_PGPERR, "an unaligned word sets PGPERR");
    unaligned = ADDR + 46;
    __asm volatile("str %0, [%1]" : : "r"(0), "r"(unaligned) : "memory");
    check((take_errors() & FLASH_SR_PGAERR) != 0, "a word across a 128-bit row sets PGAERR");
    check_equal(*word(32) & *word(36) & *word(44) & *word(48), 0xffffffff,
                "and neither changes anything");
}

static void test_erase(void)
{
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32;
    STM32_FLASH->cr |= FLASH_CR_STRT;
    check_equal(take_errors(), FLASH_SR_PGSERR, "STRT without SER sets PGSERR");
    uint32_t before = STM32_TIM2->cnt;
    erase(SECTOR);
    uint32_t us = STM32_TIM2->cnt - before;
    check_equal(*word(0) & *word(4) & *word(16), 0xffffffff, "an erase sets the sector to ones");
    check(us > 400000 && us < 700000, "an erase of 64 KB takes about 550 ms");
    check_equal(*(volatile uint32_t *)0x08000000, 0x2001fc00, "and no other sector");
    volatile uint32_t four = 4; /* the compiler refuses a constant address in page 0 */
    check_equal(*(volatile uint32_t *)four, *(volatile uint32_t *)0x08000004, "flash is seen at 0");
}

/* Runs from RAM: nothing stalls it, and it counts while flash is busy. */
static RAM_CODE uint32_t count_while_erasing(void)
{
    uint32_t count = 0;
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32 | FLASH_CR_SER | FLASH_CR_SNB(SECTOR);
    STM32_FLASH->cr |= FLASH_CR_STRT;
    while ((STM32_FLASH->sr & FLASH_SR_BSY) != 0)
        count++;
    STM32_FLASH->cr = FLASH_CR_PSIZE_X32;
    return count;
}

static void test_error_flags(void)
{
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X32 | FLASH_CR_ERRIE;
    *(volatile uint8_t *)(ADDR + 16) = 0x11;
    check_equal(take_errors(), FLASH_SR_PGPERR | FLASH_SR_OPERR, "ERRIE adds OPERR");
    check_equal(STM32_FLASH->sr, 0, "flags are cleared by writing ones");
    STM32_FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_X32 | FLASH_CR_EOPIE;
    *word(64) = 0;
    wait();
    check_equal(STM32_FLASH->sr, FLASH_SR_EOP, "EOPIE adds EOP at the end of an operation");
    STM32_FLASH->sr = FLASH_SR_EOP;
}

void hard_fault_handler(void)
{
    boots = boots == 1 ? 2 : 0;
    STM32_SCB->aircr = SCB_AIRCR_RESET;
    for (;;) {
    }
}

static void test_wrong_key(void)
{
    STM32_FLASH->cr = FLASH_CR_LOCK;
    boots = 1;
    STM32_FLASH->keyr = 0xdeadbeef;
    STM32_FLASH->keyr = 0; /* not reached on the chip */
    check(false, "a wrong key is a bus error");
}

void firmware_main(void)
{
    if ((STM32_RCC->csr & RCC_CSR_PORRSTF) == 0 && boots == 2) {
        check(true, "a wrong key is a bus error");
        unlock();
        check_equal(STM32_FLASH->cr & FLASH_CR_LOCK, 0, "a reset allows another try");
        return;
    }
    STM32_RCC->csr |= RCC_CSR_RMVF;
    delay_us(1);
    test_locked();
    unlock();
    check_equal(STM32_FLASH->cr & FLASH_CR_LOCK, 0, "the two keys unlock the controller");
    test_program();
    test_widths();
    test_erase();
    check(count_while_erasing() > 1000, "code in RAM runs on during an erase");
    test_error_flags();
    test_wrong_key();
}
