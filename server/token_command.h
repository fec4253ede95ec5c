/* API tokens made outside of a request: the first one, and `otad token add`. */
#ifndef OTAD_TOKEN_COMMAND_H
#define OTAD_TOKEN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "db/db.h"

/* Whether no API token was ever made. */
bool token_is_first(struct db *db);
/* An admin token into a file of mode 0600. False: `error` holds the reason. */
bool token_make_first(struct db *db, const char *path, char *error, size_t cap);
/* `otad token add ...` from args[0] on: the exit status. Works while a server runs. */
int token_add_command(int argc, char **args);

#endif
