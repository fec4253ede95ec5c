/*
 * A reader of CSV lines (RFC 4180 without line breaks inside of quotes), in place.
 */
#ifndef OTAD_CSV_H
#define OTAD_CSV_H

#include <stddef.h>

#define CSV_FIELDS_MAX 16

struct csv {
    char *at;
    char *end;
    unsigned line; /* of the row given last, counted from 1 */
};

void csv_open(struct csv *csv, char *text, size_t len);
/* The next row that is not empty: the number of its fields, which are cut and unquoted in place and
 * end with a NUL; 0 at the end, -1 for a broken quote, a NUL, or more than CSV_FIELDS_MAX fields.
 */
int csv_next(struct csv *csv, char *fields[CSV_FIELDS_MAX]);

#endif
