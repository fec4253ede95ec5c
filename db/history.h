/* How many devices ran which version, over time. A sample is all rows of one second; it stands
 * until the next. */
#ifndef OTAD_DB_HISTORY_H
#define OTAD_DB_HISTORY_H

#include "db/devices.h"

struct db_sample {
    int64_t at;
    char product[DB_NAME_MAX + 1];
    char version[DB_VERSION_MAX + 1]; /* "": not known, or one of too many */
    int64_t devices;
};

int db_history_add(struct db *db, const struct db_sample *sample);
/* Rows of the samples since `from`, ascending by time: the last sample of each `step` seconds. At
 * most `max`; the count or an error. */
int db_history_list(struct db *db, int64_t from, int64_t step, int max, struct db_sample *samples);
/* Forget what is older than `oldest`, and before `hourly_before` all but the full hours. */
int db_history_thin(struct db *db, int64_t oldest, int64_t hourly_before);

#endif
