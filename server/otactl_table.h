/*
 * Answers for people: a JSON array as aligned columns, one JSON object as lines of "name  value".
 *
 * Text in an answer may come from a device: control characters, the start of terminal escapes, are
 * replaced before anything is printed. On a terminal the widest columns give way until a row fits;
 * to a file or pipe everything is printed in full. No colours.
 */
#ifndef OTAD_SERVER_OTACTL_TABLE_H
#define OTAD_SERVER_OTACTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#define OTACTL_CELL_MAX 1024 /* bytes of one cell with its NUL */

/* How a value is shown. */
enum otactl_shape {
    OTACTL_SHAPE_PLAIN,
    OTACTL_SHAPE_SHORT, /* a hash: its first 12 digits */
    OTACTL_SHAPE_TIME,  /* seconds since 1970 as UTC; a text as it is */
    OTACTL_SHAPE_SIZE,  /* bytes, right-aligned */
    OTACTL_SHAPE_COUNT, /* a number, right-aligned */
};

struct otactl_column {
    const char *title;
    const char *member; /* "state", or "deployment.state" for a member of a member */
    enum otactl_shape shape;
};

/* Columns of the terminal on stdout, 0 when there is none: no limit. */
unsigned otactl_terminal_width(void);

/* `width` 0: no limit. An empty array prints `nothing` in place of a table. */
void otactl_table_print(FILE *out, const struct otactl_column *columns, size_t count,
                        const cJSON *items, unsigned width, const char *nothing);
/* "title  value" lines of one object; absent members are left out. */
void otactl_record_print(FILE *out, const struct otactl_column *columns, size_t count,
                         const cJSON *object);

/* Seconds since 1970 as a time in UTC; "never" for 0. */
void otactl_time_format(double seconds, char *buf, size_t cap);
/* One value as it would stand in a table: buf takes OTACTL_CELL_MAX bytes. */
void otactl_cell_format(const struct otactl_column *column, const cJSON *object,
                        char buf[OTACTL_CELL_MAX]);
/* Copies text with every control character (C0, DEL, and C1 in UTF-8) and every byte that is not
 * part of UTF-8 as '?'; cut to cap - 1 bytes at a character's edge. */
void otactl_text_clean(const char *text, char *buf, size_t cap);
/* Characters (not bytes) of clean text. */
size_t otactl_text_width(const char *text);

#endif
