/*
 * The least application that updates itself, for a power cut at each of its flash operations: asks
 * for the image that waits in the secondary, confirms it when it runs on trial, and says what runs.
 */
#include "device/core/journal.h"
#include "device/core/slots.h"
#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/clock.h"
#include "device/port/stm32f4/flash_f4.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"

static struct ota_journal journal;
static struct ota_image_info running;
static struct ota_image_info waiting;

/* The image that waits, unless it is the one that runs or none. */
static bool asks(void)
{
    struct ota_flash_area area = ota_slots_download_area(&stm32f4_flash, &stm32f4_board.map);
    const struct ota_flash_area *primary = &stm32f4_board.map.primary;
    return ota_slots_inspect(&stm32f4_flash, primary->addr, primary->len, &running) == OTA_OK &&
           ota_slots_inspect(&stm32f4_flash, area.addr, area.len, &waiting) == OTA_OK &&
           waiting.counter > running.counter &&
           ota_slots_request_install(&journal, waiting.counter, waiting.hash, running.hash) ==
               OTA_OK;
}

static int update(void)
{
    struct ota_boot_record record;
    int error = ota_journal_mount(&journal, &stm32f4_flash, &stm32f4_board.map);
    if (error == OTA_OK)
        error = ota_slots_load(&journal, &record);
    if (error != OTA_OK)
        return error;
    switch ((enum ota_boot_phase)record.phase) {
    case OTA_BOOT_TRIAL:
        return ota_slots_confirm(&journal);
    case OTA_BOOT_REVERTED:
    case OTA_BOOT_REFUSED:
        stm32f4_log(ota_error_name(record.error));
        return ota_slots_acknowledge(&journal);
    case OTA_BOOT_IDLE:
        if (asks())
            stm32f4_reset();
        return OTA_OK;
    case OTA_BOOT_REQUESTED:
    case OTA_BOOT_SWAPPING:
    case OTA_BOOT_REVERTING:
        break;
    }
    return OTA_E_STATE;
}

int main(void)
{
    (void)stm32f4_clock_start_external(stm32f4_board.hse_hz, stm32f4_board.hse_bypass);
    stm32f4_log_start(STM32F4_PCLK1_HZ);
    stm32f4_time_start();
    int error = update();
    stm32f4_log(error == OTA_OK ? "settled" : ota_error_name(error));
    for (;;) {
        stm32f4_feed();
        stm32f4_sleep();
    }
}
