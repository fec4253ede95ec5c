/*
 * Maintenance windows: the minutes of a week in which a device may be updated, in its local time.
 *
 * A window opens at `from_minute` of each day in `days` and closes at `to_minute`; with to <= from
 * it runs past midnight and belongs to the day on which it opened. Local time is UTC plus the
 * device's offset; daylight saving is the reporter's business. Pure functions, nothing is kept.
 */
#ifndef OTAD_SERVER_WINDOW_H
#define OTAD_SERVER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MINUTES_A_DAY 1440U
#define WINDOW_OFFSET_MINUTES_MAX 1080 /* 18 h either side of UTC, ISO 8601 practice */
#define WINDOW_EVERY_DAY 0x7fU

struct window {
    uint8_t days;         /* bit 0 Monday to bit 6 Sunday; 0 = no window, always open */
    uint16_t from_minute; /* 0 to 1439, local */
    uint16_t to_minute;   /* 0 to 1439, local; equal to from_minute = 24 hours */
};

bool window_valid(const struct window *window);

/* Whether it is open at `now` (seconds since 1970) for a device `offset_minutes` east of UTC. */
bool window_open(const struct window *window, int32_t offset_minutes, uint64_t now);

/* The first second at or after `now` at which it is open; `now` itself when it is open. */
uint64_t window_next_open(const struct window *window, int32_t offset_minutes, uint64_t now);

#endif
