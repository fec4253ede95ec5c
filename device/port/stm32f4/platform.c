#include "device/port/stm32f4/platform.h"

#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/rng.h"

static void feed(void *ctx)
{
    (void)ctx;
    stm32f4_feed();
}

static void reset(void *ctx)
{
    (void)ctx;
    stm32f4_reset();
}

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    stm32f4_log(line);
}

const struct ota_platform stm32f4_platform = {
    .random = stm32f4_random, .feed = feed, .reset = reset, .log = log_line};
