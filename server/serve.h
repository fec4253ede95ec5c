/* `otad serve`: start the parts in order, run until a signal, stop them in reverse. */
#ifndef OTAD_SERVE_H
#define OTAD_SERVE_H

#include "server/config.h"

/* The exit status: 0 after SIGTERM or SIGINT, 1 when something could not be started (told on
 * standard error). */
int serve(const struct config *config);

#endif
