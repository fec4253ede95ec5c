/* What the commands of otad beside `serve` have in common: flags, and the database they work on. */
#ifndef OTAD_COMMAND_LINE_H
#define OTAD_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "db/db.h"
#include "server/request.h"

struct command_flag {
    const char *name; /* "--data"; that one is $OTAD_DATA unless given */
    const char **value;
    bool required;
};

/* Pairs of a flag and its value. False: what is wrong stands on standard error. */
bool command_read_flags(const struct command_flag *flags, size_t count, int argc, char **args);

/* A role by its word. False: what is wrong stands on standard error. */
bool command_read_role(const char *word, enum role *role);

/* The database of a data directory, or NULL: why stands on standard error. */
struct db *command_open_db(const char *data_dir);

#endif
