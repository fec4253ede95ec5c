#include "server/csv.h"

#include <stdbool.h>
#include <string.h>

void csv_open(struct csv *csv, char *text, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf"; /* what spreadsheets put in front of UTF-8 */

    *csv = (struct csv){.at = text, .end = text + len};
    if (len >= 3 && memcmp(text, mark, 3) == 0)
        csv->at += 3;
}

/* A quoted field that starts behind its quote; *at ends up behind the closing one. */
static bool unquote(char **at)
{
    char *in = *at;
    char *out = *at;

    for (;;) {
        if (*in == '\0')
            return false;
        if (*in == '"' && *++in != '"')
            break;
        *out++ = *in++;
    }
    if (*in != '\0' && *in != ',')
        return false;
    *out = '\0'; /* where the closing quote was, or before it */
    *at = in;
    return true;
}

static int split(char *line, char *fields[CSV_FIELDS_MAX])
{
    int count = 0;
    char *at = line;

    for (;;) {
        bool last;

        if (count == CSV_FIELDS_MAX)
            return -1;
        fields[count] = at;
        if (*at == '"') {
            fields[count] = ++at;
            if (!unquote(&at))
                return -1;
        } else {
            at += strcspn(at, ",");
        }
        count++;
        last = *at == '\0';
        *at++ = '\0';
        if (last)
            return count;
    }
}

int csv_next(struct csv *csv, char *fields[CSV_FIELDS_MAX])
{
    while (csv->at < csv->end) {
        char *line = csv->at;
        char *end = memchr(line, '\n', (size_t)(csv->end - line));
        size_t len;

        if (end == NULL)
            end = csv->end;
        csv->at = end < csv->end ? end + 1 : end;
        csv->line++;
        len = (size_t)(end - line);
        if (len > 0 && line[len - 1] == '\r')
            len--;
        if (memchr(line, '\0', len) != NULL)
            return -1;
        line[len] = '\0';
        if (len > 0)
            return split(line, fields);
    }
    return 0;
}
