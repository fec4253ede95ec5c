/* "Did you mean": the known word that is closest to a mistyped one. */
#ifndef OTAD_SERVER_NEAREST_H
#define OTAD_SERVER_NEAREST_H

#include <stddef.h>

#define NEAREST_WORD_MAX 64 /* bytes; longer words are like none */

struct nearest {
    const char *word; /* the closest so far, NULL when none is close enough */
    size_t distance;
};

/* Offer one known word. It counts when at most a third of `given`, and one character at least,
 * would have to be changed, inserted, left out or swapped with its neighbour. `known` is kept. */
void nearest_offer(struct nearest *nearest, const char *given, const char *known);

#endif
