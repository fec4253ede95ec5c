#include "server/nearest.h"

#include <string.h>

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment over three rows: the one before last serves the swaps. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = min(min(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min(row[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *nearest, const char *given, const char *known)
{
    size_t given_len = strlen(given);
    size_t known_len = strlen(known);
    size_t allowed = given_len / 3 > 0 ? given_len / 3 : 1;
    size_t changes;

    if (given_len == 0 || given_len > NEAREST_WORD_MAX || known_len > NEAREST_WORD_MAX)
        return;
    changes = distance(given, given_len, known, known_len);
    if (changes > allowed || (nearest->word != NULL && changes >= nearest->distance))
        return;
    *nearest = (struct nearest){known, changes};
}
