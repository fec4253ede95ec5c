#include "server/otactl_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "server/otactl.h"

#define COLUMN_GAP 2
#define COLUMN_WIDTH_MIN 6 /* a column that gives way keeps this much */
#define COLUMNS_MAX 16
#define SHORT_HASH_DIGITS 12

/* Bytes of the UTF-8 character at `at`, 0 when it is none or a control character. */
static size_t printable_len(const unsigned char *at)
{
    size_t len = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 0;
    if (len == 0 || at[0] > 0xf4 || at[0] < 0x20 || at[0] == 0x7f)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? 0 : len;
}

void otactl_text_clean(const char *text, char *buf, size_t cap)
{
    size_t used = 0;
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        size_t len = printable_len(at);
        if (used + (len > 0 ? len : 1) >= cap)
            break;
        if (len > 0) {
            memcpy(buf + used, at, len);
            used += len;
        } else {
            buf[used++] = '?';
        }
        at += len > 0 ? len : 1;
    }
    buf[used] = '\0';
}

size_t otactl_text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

unsigned otactl_terminal_width(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}

static const cJSON *find_member(const cJSON *object, const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL)
        return cJSON_GetObjectItemCaseSensitive(object, path);
    char *first = otactl_format("%.*s", (int)(dot - path), path);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(object, first);
    free(first);
    return find_member(inner, dot + 1);
}

void otactl_time_format(double seconds, char *buf, size_t cap)
{
    time_t when = (time_t)seconds;
    struct tm utc;
    if (seconds <= 0 || gmtime_r(&when, &utc) == NULL)
        snprintf(buf, cap, "never");
    else
        strftime(buf, cap, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* "a, b" of an array, "k=a, l=b" of an object. */
static void format_list(const cJSON *array, char *buf, size_t cap)
{
    size_t used = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, array)
    {
        const char *text = cJSON_GetStringValue(item);
        int n = snprintf(buf + used, cap - used, "%s%s%s%s", used > 0 ? ", " : "",
                         item->string != NULL ? item->string : "", item->string != NULL ? "=" : "",
                         text != NULL ? text : "...");
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

void otactl_cell_format(const struct otactl_column *column, const cJSON *object,
                        char buf[OTACTL_CELL_MAX])
{
    char raw[OTACTL_CELL_MAX] = "";
    const cJSON *value = find_member(object, column->member);
    if (cJSON_IsString(value))
        snprintf(raw, sizeof raw, "%.*s",
                 column->shape == OTACTL_SHAPE_SHORT ? SHORT_HASH_DIGITS : OTACTL_CELL_MAX - 1,
                 value->valuestring);
    else if (cJSON_IsNumber(value) && column->shape == OTACTL_SHAPE_TIME)
        otactl_time_format(value->valuedouble, raw, sizeof raw);
    else if (cJSON_IsNumber(value))
        snprintf(raw, sizeof raw, "%.0f", value->valuedouble);
    else if (cJSON_IsBool(value))
        snprintf(raw, sizeof raw, "%s", cJSON_IsTrue(value) ? "yes" : "no");
    else if (cJSON_IsArray(value) || cJSON_IsObject(value))
        format_list(value, raw, sizeof raw);
    otactl_text_clean(raw, buf, OTACTL_CELL_MAX);
}

/* Takes width from the widest column, one by one, until the row fits. */
static void shrink(size_t *widths, size_t count, unsigned limit)
{
    for (;;) {
        size_t total = (count - 1) * COLUMN_GAP;
        size_t widest = 0;
        for (size_t c = 0; c < count; c++) {
            total += widths[c];
            widest = widths[c] > widths[widest] ? c : widest;
        }
        if (limit == 0 || total <= limit || widths[widest] <= COLUMN_WIDTH_MIN)
            return;
        widths[widest]--;
    }
}

static bool is_right(const struct otactl_column *column)
{
    return column->shape == OTACTL_SHAPE_SIZE || column->shape == OTACTL_SHAPE_COUNT;
}

/* At most `width` characters of text, ".." at the end when it is cut; padded unless `last`. */
static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t have = otactl_text_width(text);
    size_t shown = have > width ? width - 2 : have;
    size_t bytes = 0;
    for (size_t n = 0; text[bytes] != '\0'; bytes++) {
        if (((unsigned char)text[bytes] & 0xc0) != 0x80 && n++ == shown)
            break;
    }
    int pad = (int)(have > width ? 0 : width - have);
    fprintf(out, "%*s%.*s%s%*s", right ? pad : 0, "", (int)bytes, text, have > width ? ".." : "",
            right || last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", out);
}

void otactl_table_print(FILE *out, const struct otactl_column *columns, size_t count,
                        const cJSON *items, unsigned width, const char *nothing)
{
    size_t widths[COLUMNS_MAX];
    char cell[OTACTL_CELL_MAX];
    const cJSON *item = NULL;
    if (cJSON_GetArraySize(items) == 0) {
        fprintf(out, "%s\n", nothing);
        return;
    }
    count = count < COLUMNS_MAX ? count : COLUMNS_MAX;
    for (size_t c = 0; c < count; c++)
        widths[c] = strlen(columns[c].title);
    cJSON_ArrayForEach(item, items)
    {
        for (size_t c = 0; c < count; c++) {
            otactl_cell_format(&columns[c], item, cell);
            size_t have = otactl_text_width(cell);
            widths[c] = have > widths[c] ? have : widths[c];
        }
    }
    shrink(widths, count, width);
    for (size_t c = 0; c < count; c++)
        print_cell(out, columns[c].title, widths[c], is_right(&columns[c]), c + 1 == count);
    cJSON_ArrayForEach(item, items)
    {
        for (size_t c = 0; c < count; c++) {
            otactl_cell_format(&columns[c], item, cell);
            print_cell(out, cell, widths[c], is_right(&columns[c]), c + 1 == count);
        }
    }
}

void otactl_record_print(FILE *out, const struct otactl_column *columns, size_t count,
                         const cJSON *object)
{
    size_t width = 0;
    char cell[OTACTL_CELL_MAX];
    for (size_t c = 0; c < count; c++)
        width = strlen(columns[c].title) > width ? strlen(columns[c].title) : width;
    for (size_t c = 0; c < count; c++) {
        otactl_cell_format(&columns[c], object, cell);
        if (cell[0] != '\0')
            fprintf(out, "%-*s  %s\n", (int)width, columns[c].title, cell);
    }
}
