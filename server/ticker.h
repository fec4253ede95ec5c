/*
 * What happens by time alone, on two threads: one submits to the writer what is due (timeouts,
 * stage advances, counting, last-seen times in batches); one moves committed pages from the
 * database's log into its file, which inside of a commit would make the slowest acknowledgements.
 */
#ifndef OTAD_TICKER_H
#define OTAD_TICKER_H

#include "server/app.h"

struct ticker;

/* `keeper` is a DB_KEEPER connection; the ticker takes it over. NULL on failure. */
struct ticker *ticker_start(struct app *app, struct db *keeper);
/* Ends both threads; last-seen times are flushed. Before the writer stops. */
void ticker_stop(struct ticker *ticker);

#endif
