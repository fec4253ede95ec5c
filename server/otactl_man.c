#include "server/otactl_man.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_args.h"
#include "server/otactl_commands.h"

#define TEXT_COLUMNS 78

/* Words of a macro line: "\&" keeps each from being read as a macro. */
static void put_words(const char *macro, const char *words)
{
    printf(" %s", macro);
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        printf(" \\&%.*s", (int)len, words);
        words += len;
        words += strspn(words, " ");
    }
}

/* Text in lines of at most 78 columns, none of which is read as a macro or has an escape. */
static void put_text(const char *text, const char *end)
{
    char *line = otactl_format("%s%s", text, end);
    size_t column = 0;
    for (char *word = line; *word != '\0'; word += strspn(word, " ")) {
        size_t len = strcspn(word, " ");
        if (column > 0 && column + 1 + len > TEXT_COLUMNS) {
            putchar('\n');
            column = 0;
        }
        fputs(column > 0 ? " " : word[0] == '.' || word[0] == '\'' ? "\\&" : "", stdout);
        for (size_t i = 0; i < len; i++)
            fputs(word[i] == '\\' ? "\\e" : (char[]){word[i], '\0'}, stdout);
        column += len + 1;
        word += len;
    }
    putchar('\n');
    free(line);
}

static void put_options(const struct otactl_option *options)
{
    puts(".Bl -tag -width Ds");
    for (const struct otactl_option *o = options; o->name != NULL; o++) {
        printf(".It Fl %s%s", o->name[1] != '\0' ? "-" : "", o->name);
        if (o->value != NULL)
            put_words("Ar", o->value);
        putchar('\n');
        put_text(o->help, o->rule == OTACTL_REQUIRED   ? " (required)."
                          : o->rule == OTACTL_REPEATED ? " (may be repeated)."
                                                       : ".");
    }
    puts(".El");
}

static void put_command(const struct otactl_command *command)
{
    char name[64];
    otactl_command_name(command, name, sizeof name);
    printf(".It");
    put_words("Cm", name);
    if (command->operands[0] != '\0')
        put_words("Ar", command->operands);
    putchar('\n');
    put_text(command->help, "");
    if (command->options != NULL)
        put_options(command->options);
}

int otactl_man(const char *part)
{
    const struct otactl_command *c;
    if (strcmp(part, "globals") == 0) {
        put_options(otactl_globals);
        return OTACTL_OK;
    }
    if (strcmp(part, "commands") != 0)
        return otactl_fail(OTACTL_USAGE, "__man takes globals or commands");
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; (c = otactl_command_at(i)) != NULL; i++)
        put_command(c);
    puts(".El");
    return OTACTL_OK;
}
