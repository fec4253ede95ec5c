#include "server/time_text.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

bool time_text_format(int64_t seconds, char text[TIME_TEXT_CAP])
{
    time_t at = (time_t)seconds;
    struct tm tm;

    return gmtime_r(&at, &tm) != NULL &&
           strftime(text, TIME_TEXT_CAP, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0;
}

/* Digits at text[at..at+count), -1 when one is none. */
static int digits(const char *text, size_t at, size_t count)
{
    int value = 0;

    for (size_t i = at; i < at + count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01. */
static int64_t days_to(int year, int month, int day)
{
    int64_t days = day - 1;

    for (int y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += days_in(year, m);
    return days;
}

/* "Z" or "+01:00" into seconds east of UTC. */
static bool parse_offset(const char *text, int *offset)
{
    int hours, minutes;

    *offset = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    hours = digits(text, 1, 2);
    minutes = digits(text, 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *offset = (hours * 60 + minutes) * (text[0] == '-' ? -60 : 60);
    return true;
}

bool time_text_parse(const char *text, int64_t *seconds)
{
    static const char form[] = "....-..-..T..:..:..";
    int year, month, day, hour, minute, second, offset;

    if (strlen(text) < sizeof(form))
        return false;
    for (size_t i = 0; form[i] != '\0'; i++)
        if (form[i] != '.' && text[i] != form[i])
            return false;
    year = digits(text, 0, 4);
    month = digits(text, 5, 2);
    day = digits(text, 8, 2);
    hour = digits(text, 11, 2);
    minute = digits(text, 14, 2);
    second = digits(text, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
        !parse_offset(text + 19, &offset))
        return false;
    *seconds = days_to(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    return *seconds >= 0;
}
