/*
 * The table of all commands: help, completion and the manual page are made from it, so that a
 * command or flag that exists is in all three.
 */
#ifndef OTAD_SERVER_OTACTL_COMMANDS_H
#define OTAD_SERVER_OTACTL_COMMANDS_H

#include <stdio.h>

#include "server/otactl.h"

#define OTACTL_SERVER_DEFAULT "http://127.0.0.1:8080"

/* Options of every command; a NULL name ends them. */
extern const struct otactl_option otactl_globals[];

/* The n-th command in the order of the help, NULL behind the last. */
const struct otactl_command *otactl_command_at(size_t n);

/* The command typed as `first` or `first second`; second may be NULL. NULL when there is none. */
const struct otactl_command *otactl_command_find(const char *first, const char *second);

/* A line for each command, or for each of one noun. false when there are none. */
bool otactl_commands_print(FILE *out, const char *noun);
/* The whole help. */
void otactl_help_print(FILE *out);
/* Says on stderr that there is no such command, and which is meant or allowed. OTACTL_USAGE. */
int otactl_command_unknown(const char *first, const char *second);

#endif
