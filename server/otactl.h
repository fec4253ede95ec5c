/*
 * otactl: the command line of otad.
 *
 *     otactl.c ............... finds the command and runs it
 *     otactl_commands.c ...... the table of all commands, the help, options that every command
 * knows otactl_SUBJECT.c ....... the commands of one subject, as a table that otactl_commands.c
 * lists otactl_args.c .......... reads a command's options from its own description of them
 *     otactl_connect.c ....... which server with which token: flags, environment, profile
 *     otactl_http.c .......... one REST call, with every failure told in one sentence
 *     otactl_table.c ......... answers as aligned columns
 *     otactl_key_file.c, otactl_elf.c, otactl_file.c ... keys, firmware files, files
 *
 * A command returns one of the exit codes below and has already said on stderr why, when it is not
 * OTACTL_OK. A new subject is one .c file, one line in otactl_commands.c's list and one in
 * otactl.mk.
 */
#ifndef OTAD_SERVER_OTACTL_H
#define OTAD_SERVER_OTACTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "server/version.h"

#define OTACTL_VERSION OTAD_VERSION

/* Exit codes; scripts rely on them. */
enum otactl_exit {
    OTACTL_OK = 0,
    OTACTL_FAILED = 1,       /* refused by the server, or the work itself failed */
    OTACTL_USAGE = 2,        /* a wrong flag, value or operand */
    OTACTL_UNREACHABLE = 3,  /* no answer from the server */
    OTACTL_UNAUTHORIZED = 4, /* no token, an unknown one, or one whose role is too low */
};

struct otactl_http;

/* What every command gets. Strings live as long as the process. */
struct otactl {
    struct otactl_http *http; /* NULL for commands that need no server */
    bool json;                /* print the server's JSON instead of a table */
    bool terminal;            /* stdout is a terminal: redraw, truncate to its width */
};

struct otactl_option {
    const char *name;  /* without dashes; a single letter is given as -X */
    const char *value; /* what stands for the value in the help; NULL for a switch */
    const char *help;
    enum { OTACTL_OPTIONAL = 0, OTACTL_REQUIRED = 1, OTACTL_REPEATED = 2 } rule;
};

struct otactl_args;

struct otactl_command {
    const char *noun; /* NULL for a command of one word */
    const char *verb;
    const char *operands;                /* as in the help: "FILE", "ID..." or "" */
    const char *help;                    /* one line */
    const struct otactl_option *options; /* ends with a NULL name; NULL for none */
    unsigned operands_min;
    unsigned operands_max;
    bool offline; /* needs no server */
    int (*run)(struct otactl *ctl, const struct otactl_args *args);
};

/* The tables, each ended by a NULL verb. */
extern const struct otactl_command otactl_profile_commands[];
extern const struct otactl_command otactl_completion_commands[];
extern const struct otactl_command otactl_ci_commands[];
extern const struct otactl_command otactl_key_commands[];
extern const struct otactl_command otactl_release_commands[];
extern const struct otactl_command otactl_delta_commands[];
extern const struct otactl_command otactl_firmware_commands[];
extern const struct otactl_command otactl_device_commands[];
extern const struct otactl_command otactl_group_commands[];
extern const struct otactl_command otactl_rollout_commands[];
extern const struct otactl_command otactl_token_commands[];
extern const struct otactl_command otactl_user_commands[];
extern const struct otactl_command otactl_fleet_commands[];
extern const struct otactl_command otactl_audit_commands[];
extern const struct otactl_command otactl_webhook_commands[];

/* One line on stderr, "otactl: " first. Text that came from elsewhere is printed with control
 * characters replaced. Returns `code`, so that a failure is one statement. */
int otactl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void otactl_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory for a short-lived process: never NULL, ends the process when there is none. */
void *otactl_alloc(size_t len); /* zeroed */
void *otactl_grow(void *memory, size_t len);
char *otactl_strdup(const char *text);
char *otactl_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
