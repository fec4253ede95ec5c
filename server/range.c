#include "server/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* 1*DIGIT, held at UINT64_MAX when it is larger. False when there is no digit. */
static bool take_number(const char **at, uint64_t *value)
{
    const char *start = *at;
    uint64_t sum = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        sum = sum > (UINT64_MAX - digit) / 10 ? UINT64_MAX : sum * 10 + digit;
    }
    *value = sum;
    return *at != start;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t')
        (*at)++;
}

static enum range_answer suffix(uint64_t count, uint64_t total, struct range *range)
{
    if (count == 0 || total == 0)
        return RANGE_UNSATISFIABLE;
    range->len = count < total ? count : total;
    range->first = total - range->len;
    return RANGE_PART;
}

enum range_answer range_parse(const char *header, uint64_t total, struct range *range)
{
    static const char unit[] = "bytes=";
    const char *at = header;
    uint64_t first = 0;
    uint64_t last = 0;
    bool has_first;
    bool has_last;

    if (header == NULL || strncasecmp(at, unit, sizeof(unit) - 1) != 0)
        return RANGE_WHOLE;
    at += sizeof(unit) - 1;
    skip_blanks(&at);
    has_first = take_number(&at, &first);
    if (*at++ != '-')
        return RANGE_WHOLE;
    has_last = take_number(&at, &last);
    skip_blanks(&at);
    if (*at != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return RANGE_WHOLE;
    if (!has_first)
        return suffix(last, total, range);
    if (first >= total)
        return RANGE_UNSATISFIABLE;
    if (!has_last || last >= total)
        last = total - 1;
    range->first = first;
    range->len = last - first + 1;
    return RANGE_PART;
}
