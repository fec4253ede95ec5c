/*
 * Keeps how many devices run which version, for the dashboard's curve: a sample a minute when it
 * has changed, and one each full hour. After two days only the full hours are kept, for 90 days.
 */
#ifndef OTAD_HISTORIAN_H
#define OTAD_HISTORIAN_H

#include "server/census.h"
#include "server/writer.h"

#define HISTORY_DAYS 90
#define HISTORY_ROWS_MAX 40 /* of one sample; the devices beyond are one row */

struct historian {
    struct census_taker *taker;
    struct writer *writer;
    uint64_t minute; /* that was looked at last */
    struct census last;
    struct census now;
};

/* To be called often; does something once a minute. On one thread, not the writer's. */
void historian_tick(struct historian *historian, uint64_t now);

#endif
