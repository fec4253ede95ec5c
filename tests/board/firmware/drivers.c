/*
 * The STM32F4 drivers themselves (device/port/stm32f4), one line of log for each result, for runs
 * in which the hardware fails.
 */
#include <string.h>

#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/clock.h"
#include "device/port/stm32f4/flash_f4.h"
#include "device/port/stm32f4/rng.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"
#include "tests/board/firmware/firmware.h"

#define SECTOR 0x08010000U
#define WORDS 8U

void systick_handler(void)
{
    stm32f4_systick();
}

static void tell(const char *what, int error)
{
    print(what);
    print(error == OTA_OK ? ": good\n" : ": ");
    if (error != OTA_OK) {
        print_hex((uint32_t)error);
        print("\n");
    }
}

static void test_flash(void)
{
    uint32_t words[WORDS];
    uint32_t found[WORDS];
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = 0x01010101U * (i + 1);
    tell("erase", stm32f4_flash.erase(NULL, SECTOR));
    tell("program", stm32f4_flash.program(NULL, SECTOR, words, sizeof words));
    (void)stm32f4_flash.read(NULL, SECTOR, found, sizeof found);
    tell("compare", memcmp(words, found, sizeof words) == 0 ? OTA_OK : OTA_E_FLASH);
    words[0] = 0xffffffff;
    tell("set bits", stm32f4_flash.program(NULL, SECTOR, words, sizeof words[0]));
    tell("unaligned", stm32f4_flash.program(NULL, SECTOR + 2, words, sizeof words[0]));
    tell("odd length", stm32f4_flash.program(NULL, SECTOR + 64, words, 3));
    tell("beyond the end", stm32f4_flash.program(NULL, 0x081ffffc, words, 8));
    tell("before the start", stm32f4_flash.program(NULL, 0x07fffffc, words, 4));
    tell("erase inside a sector", stm32f4_flash.erase(NULL, SECTOR + 4));
    check_equal(STM32_FLASH->cr, FLASH_CR_LOCK, "the driver leaves the controller locked");
}

static void test_second_bank(void)
{
    uint32_t word = 0x12345678;
    tell("erase in bank 2", stm32f4_flash.erase(NULL, 0x08120000));
    tell("program in bank 2", stm32f4_flash.program(NULL, 0x08120000, &word, sizeof word));
    check_equal(*(volatile uint32_t *)0x08120000, word, "bank 2 reads back");
}

static void test_random(void)
{
    uint8_t bytes[7] = {0};
    tell("random", stm32f4_random(NULL, bytes, sizeof bytes));
}

static void test_time(void)
{
    uint32_t us = stm32f4_micros();
    uint32_t ms = stm32f4_millis();
    while (stm32f4_millis() - ms < 100)
        stm32f4_sleep();
    us = stm32f4_micros() - us;
    check(us > 99000 && us < 101000, "milliseconds and microseconds agree");
}

void firmware_main(void)
{
    bool external = stm32f4_clock_start_external(stm32f4_board.hse_hz, stm32f4_board.hse_bypass);
    console_init(STM32F4_PCLK1_HZ);
    print(external ? "clock: external\n" : "clock: internal\n");
    STM32_TIM2->cr1 = 0;
    stm32f4_time_start();
    test_time();
    test_flash();
    test_second_bank();
    test_random();
    stm32f4_watchdog_start();
    stm32f4_log("the log of the port works too");
}
