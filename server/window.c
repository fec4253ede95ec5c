#include "server/window.h"

#define MINUTE 60U
#define DAY (WINDOW_MINUTES_A_DAY * MINUTE)
#define WEEK (7U * DAY)
#define EPOCH_WEEKDAY 3U /* 1970-01-01 was a Thursday; Monday is 0 */

bool window_valid(const struct window *window)
{
    return window->days <= WINDOW_EVERY_DAY && window->from_minute < WINDOW_MINUTES_A_DAY &&
           window->to_minute < WINDOW_MINUTES_A_DAY;
}

/* Seconds since Monday 0:00 local. A week is added so that no offset makes it negative. */
static uint32_t second_of_week(int32_t offset_minutes, uint64_t now)
{
    int64_t offset = (int64_t)offset_minutes * MINUTE;
    uint64_t shift = (uint64_t)(offset + (int64_t)WEEK) % WEEK;

    return (uint32_t)((now % WEEK + shift + EPOCH_WEEKDAY * DAY) % WEEK);
}

/* Seconds until it is open: the windows repeat each week, so the nearest opening is found by asking
 * each day how long ago its own was. */
static uint32_t seconds_to_open(const struct window *window, uint32_t second)
{
    uint32_t minutes = (window->to_minute + WINDOW_MINUTES_A_DAY - window->from_minute - 1U) %
                           WINDOW_MINUTES_A_DAY +
                       1U;
    uint32_t nearest = WEEK;

    for (uint32_t day = 0; day < 7; day++) {
        if ((window->days >> day & 1U) == 0)
            continue;
        uint32_t opens = day * DAY + window->from_minute * MINUTE;
        uint32_t since = (second + WEEK - opens) % WEEK;

        if (since < minutes * MINUTE)
            return 0;
        if (WEEK - since < nearest)
            nearest = WEEK - since;
    }
    return nearest;
}

bool window_open(const struct window *window, int32_t offset_minutes, uint64_t now)
{
    return window_next_open(window, offset_minutes, now) == now;
}

uint64_t window_next_open(const struct window *window, int32_t offset_minutes, uint64_t now)
{
    if (window->days == 0)
        return now;
    return now + seconds_to_open(window, second_of_week(offset_minutes, now));
}
