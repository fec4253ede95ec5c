/*
 * Reads a command line by the command's own description (struct otactl_command).
 *
 * Options may stand before and behind operands, as "--name value", "--name=value" or "-o value";
 * "--" ends them. Everything wrong is told with what is allowed instead.
 */
#ifndef OTAD_SERVER_OTACTL_ARGS_H
#define OTAD_SERVER_OTACTL_ARGS_H

#include <stdio.h>

#include "server/otactl.h"

struct otactl_given {
    const struct otactl_option *option;
    const char *value;
};

struct otactl_args {
    const struct otactl_command *command;
    struct otactl_given *given; /* in the order of the command line */
    size_t given_count;
    const char **operands;
    size_t operand_count;
    bool help; /* --help was asked for; nothing was checked */
};

/* `globals` are options that stand beside the command's own. OTACTL_OK or OTACTL_USAGE. The strings
 * of argv are kept; otactl_args_free() lets the arrays go. */
int otactl_args_parse(struct otactl_args *args, const struct otactl_command *command,
                      const struct otactl_option *globals, int argc, char *const *argv);
void otactl_args_free(struct otactl_args *args);

/* The option's last value, NULL when it was not given. */
const char *otactl_args_value(const struct otactl_args *args, const char *name);
bool otactl_args_has(const struct otactl_args *args, const char *name);
/* The n-th value of a repeated option, NULL behind the last. */
const char *otactl_args_nth(const struct otactl_args *args, const char *name, size_t n);
/* The value as a number (decimal or 0x...) from min to max; `*number` stays as it was when the
 * option was not given. OTACTL_OK or OTACTL_USAGE. */
int otactl_args_number(const struct otactl_args *args, const char *name, uint64_t min, uint64_t max,
                       uint64_t *number);

/* A number from the whole text: true and the value, else false. */
bool otactl_number_parse(const char *text, uint64_t *number);

/* True for a value that is one of several words, written "viewer|operator|admin" in the table. */
bool otactl_option_is_choice(const char *shape);

/* "release sign": the command as it is typed. */
void otactl_command_name(const struct otactl_command *command, char *buf, size_t cap);
/* The full help of one command. */
void otactl_command_help(FILE *out, const struct otactl_command *command);

#endif
