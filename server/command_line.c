#include "server/command_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA_FLAG "--data"
#define PATH_CAP 1152

static const struct command_flag *find(const struct command_flag *flags, size_t count,
                                       const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(flags[i].name, name) == 0)
            return &flags[i];
    return NULL;
}

static bool take_flags(const struct command_flag *flags, size_t count, int argc, char **args)
{
    for (int i = 0; i < argc; i += 2) {
        const struct command_flag *flag = find(flags, count, args[i]);

        if (flag == NULL) {
            fprintf(stderr, "otad: %s is no flag of this command\n", args[i]);
            return false;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "otad: %s needs a value\n", args[i]);
            return false;
        }
        *flag->value = args[i + 1];
    }
    return true;
}

bool command_read_flags(const struct command_flag *flags, size_t count, int argc, char **args)
{
    for (size_t i = 0; i < count; i++)
        *flags[i].value = strcmp(flags[i].name, DATA_FLAG) == 0 ? getenv("OTAD_DATA") : NULL;
    if (!take_flags(flags, count, argc, args))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (flags[i].required && *flags[i].value == NULL) {
            fprintf(stderr, "otad: %s is needed\n", flags[i].name);
            return false;
        }
    }
    return true;
}

bool command_read_role(const char *word, enum role *role)
{
    if (role_parse(role, word))
        return true;
    fprintf(stderr, "otad: --role %s: must be viewer, operator or admin\n", word);
    return false;
}

struct db *command_open_db(const char *data_dir)
{
    char path[PATH_CAP];
    struct db *db;
    int error;

    snprintf(path, sizeof(path), "%s/otad.db", data_dir);
    error = db_open(&db, path, DB_KEEPER);
    if (error == DB_OK)
        return db;
    fprintf(stderr, "otad: %s: %s; has otad been started there once?\n", path,
            db_error_name(error));
    return NULL;
}
