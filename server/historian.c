#include "server/historian.h"

#include <string.h>

#include "db/history.h"

#define MINUTE 60U
#define HOUR 3600U
#define DAY 86400U
#define FINE_DAYS 2U

static bool same_rows(const struct census *a, const struct census *b)
{
    if (a->row_count != b->row_count || a->others != b->others)
        return false;
    for (size_t i = 0; i < a->row_count; i++)
        if (a->rows[i].devices != b->rows[i].devices ||
            strcmp(a->rows[i].product, b->rows[i].product) != 0 ||
            strcmp(a->rows[i].text, b->rows[i].text) != 0)
            return false;
    return true;
}

static int add_sample(struct db *db, const struct census *census, int64_t at)
{
    struct db_sample rest = {.at = at, .devices = census->others};
    int error = DB_OK;

    for (size_t i = 0; i < census->row_count && error == DB_OK; i++) {
        const struct census_row *row = &census->rows[i];
        struct db_sample sample = {.at = at, .devices = row->devices};

        if (i >= HISTORY_ROWS_MAX) {
            rest.devices += row->devices;
            continue;
        }
        memcpy(sample.product, row->product, sizeof(row->product));
        memcpy(sample.version, row->text, sizeof(row->text));
        error = db_history_add(db, &sample);
    }
    if (error == DB_OK && rest.devices > 0)
        error = db_history_add(db, &rest);
    return error;
}

static int write_sample(void *ctx, struct db *db)
{
    struct historian *historian = ctx;
    int64_t at = (int64_t)(historian->minute * MINUTE);
    int error = add_sample(db, &historian->now, at);

    if (error == DB_OK && at % HOUR == 0)
        error =
            db_history_thin(db, at - HISTORY_DAYS * (int64_t)DAY, at - FINE_DAYS * (int64_t)DAY);
    return error;
}

void historian_tick(struct historian *historian, uint64_t now)
{
    bool first = historian->minute == 0;

    if (now / MINUTE == historian->minute)
        return;
    census_read(historian->taker, &historian->now);
    if (historian->now.devices == 0 && historian->last.devices == 0)
        return; /* the first devices get a sample at once */
    historian->minute = now / MINUTE;
    if (!first && historian->minute * MINUTE % HOUR != 0 &&
        same_rows(&historian->now, &historian->last))
        return;
    if (writer_call(historian->writer, write_sample, historian) == DB_OK)
        historian->last = historian->now; /* else the next minute tries again */
}
