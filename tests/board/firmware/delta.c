/*
 * The decoder of patches on a Cortex-M4: what it costs, and that it gives what it should.
 *
 * `make bench-delta` loads the base, the patch and the result that must come out. Each piece that
 * is written is compared; nothing is programmed, so that only the decoder takes time.
 */
#include <string.h>

#include "protocol/delta.h"
#include "protocol/error.h"
#include "tests/board/firmware/firmware.h"

static const uint8_t *const base = (const uint8_t *)0x08100000;
static const uint8_t *const result = (const uint8_t *)0x08180000;
static const uint8_t *const patch = (const uint8_t *)0x08080000;

static struct ota_delta delta;
static uint32_t written;
static uint32_t checkpoints;

static int read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    memcpy(buf, base + offset, len);
    return OTA_OK;
}

static int read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    (void)ctx;
    memcpy(buf, result + offset, len);
    return offset + len <= written ? OTA_OK : OTA_E_RANGE;
}

static int write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    (void)ctx;
    if (offset != written || memcmp(buf, result + offset, len) != 0)
        return OTA_E_HASH;
    written = offset + (uint32_t)len;
    return OTA_OK;
}

static const struct ota_delta_io io = {NULL, read_base, read_result, write_result};

static int decode(void)
{
    static uint8_t saved[OTA_DELTA_CHECKPOINT_MAX];
    ota_delta_init(&delta, &io);
    for (;;) {
        int event = ota_delta_run(&delta);
        if (event < 0 || event == OTA_DELTA_DONE)
            return event;
        if (event == OTA_DELTA_WANTS)
            ota_delta_feed(&delta, patch + ota_delta_wants(&delta), 256);
        if (event == OTA_DELTA_CHECKPOINT)
            checkpoints += ota_delta_save(&delta, saved, sizeof saved) > 0;
    }
}

void firmware_main(void)
{
    delay_us(1); /* starts the timer */
    uint32_t from = STM32_TIM2->cnt;
    int event = decode();
    uint32_t us = STM32_TIM2->cnt - from;
    check_equal((uint32_t)event, OTA_DELTA_DONE, "the patch gives the result");
    print("# us ");
    print_hex(us);
    print("\n# ram ");
    print_hex(sizeof delta);
    print("\n# checkpoints ");
    print_hex(checkpoints);
    print("\n");
}
