#include "server/otactl_args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/nearest.h"

#define COMMAND_NAME_MAX 64

void otactl_command_name(const struct otactl_command *command, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s%s%s", command->noun ? command->noun : "", command->noun ? " " : "",
             command->verb);
}

static const char *dashes(const struct otactl_option *option)
{
    return option->name[1] == '\0' ? "-" : "--";
}

static void print_option(FILE *out, const struct otactl_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s", dashes(option), option->name, option->value ? " " : "",
             option->value ? option->value : "");
    if (strlen(left) > 28)
        fprintf(out, "  %s\n  %-28s ", left, "");
    else
        fprintf(out, "  %-28s ", left);
    fprintf(out, "%s%s%s\n", option->help, option->rule == OTACTL_REQUIRED ? " (required)" : "",
            option->rule == OTACTL_REPEATED ? " (may be repeated)" : "");
}

void otactl_command_help(FILE *out, const struct otactl_command *command)
{
    char name[COMMAND_NAME_MAX];
    otactl_command_name(command, name, sizeof name);
    fprintf(out, "usage: otactl %s%s%s%s\n\n%s\n", name, command->options ? " [options]" : "",
            command->operands[0] ? " " : "", command->operands, command->help);
    if (command->options != NULL)
        fputs("\noptions:\n", out);
    for (const struct otactl_option *o = command->options; o != NULL && o->name != NULL; o++)
        print_option(out, o);
}

static const struct otactl_option *find_in(const struct otactl_option *options, const char *name,
                                           size_t len)
{
    for (const struct otactl_option *o = options; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

/* "; did you mean --stage" or "". To be freed. */
static char *suggest(const struct otactl_args *args, const struct otactl_option *globals,
                     const char *given)
{
    struct nearest nearest = {0};
    char *name = otactl_format("%.*s", (int)strcspn(given, "="), given);
    const struct otactl_option *const tables[] = {args->command->options, globals};
    for (size_t t = 0; t < 2; t++) {
        for (const struct otactl_option *o = tables[t]; o != NULL && o->name != NULL; o++) {
            if (o->name[1] != '\0')
                nearest_offer(&nearest, name + strspn(name, "-"), o->name);
        }
    }
    free(name);
    return nearest.word != NULL ? otactl_format(", did you mean --%s?", nearest.word)
                                : otactl_strdup("");
}

static int unknown_option(const struct otactl_args *args, const struct otactl_option *globals,
                          const char *given)
{
    char name[COMMAND_NAME_MAX];
    char allowed[1024] = "";
    size_t used = 0;
    otactl_command_name(args->command, name, sizeof name);
    for (const struct otactl_option *o = args->command->options; o != NULL && o->name != NULL;
         o++) {
        int n = snprintf(allowed + used, sizeof allowed - used, " %s%s", dashes(o), o->name);
        used += n > 0 && (size_t)n < sizeof allowed - used ? (size_t)n : 0;
    }
    char *meant = suggest(args, globals, given);
    int code =
        otactl_fail(OTACTL_USAGE, "%s: unknown option %s%s%s it takes:%s", name, given, meant,
                    meant[0] != '\0' ? "" : ";", used > 0 ? allowed : " none of its own");
    free(meant);
    return code;
}

static int take_option(struct otactl_args *args, const struct otactl_option *globals, int argc,
                       char *const *argv, int *at)
{
    const char *text = argv[*at];
    const char *name = text + (text[1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    const struct otactl_option *option = find_in(args->command->options, name, len);
    if (option == NULL)
        option = find_in(globals, name, len);
    if (option == NULL || (text[1] == '-') != (len > 1))
        return unknown_option(args, globals, text);

    struct otactl_given *given = &args->given[args->given_count];
    given->option = option;
    given->value = name[len] == '=' ? name + len + 1 : NULL;
    if (option->value == NULL && given->value != NULL)
        return otactl_fail(OTACTL_USAGE, "--%s takes no value", option->name);
    if (option->value != NULL && given->value == NULL) {
        if (*at + 1 >= argc)
            return otactl_fail(OTACTL_USAGE, "%s needs a value: %s", text, option->value);
        given->value = argv[++*at];
    }
    args->given_count++;
    return OTACTL_OK;
}

bool otactl_option_is_choice(const char *shape)
{
    return shape != NULL && strchr(shape, '|') != NULL &&
           strpbrk(shape, "ABCDEFGHIJKLMNOPQRSTUVWXYZ.") == NULL;
}

static int check_choice(const struct otactl_given *given)
{
    const char *shape = given->option->value;
    size_t len = strlen(given->value);
    for (const char *word = shape; word != NULL; word = strchr(word, '|')) {
        word += *word == '|';
        if (strcspn(word, "|") == len && memcmp(word, given->value, len) == 0)
            return OTACTL_OK;
    }
    return otactl_fail(OTACTL_USAGE, "--%s %s: one of %s is needed", given->option->name,
                       given->value, shape);
}

static int check_rules(const struct otactl_args *args)
{
    const struct otactl_command *command = args->command;
    char name[COMMAND_NAME_MAX];
    otactl_command_name(command, name, sizeof name);
    if (args->operand_count < command->operands_min || args->operand_count > command->operands_max)
        return otactl_fail(OTACTL_USAGE, "%s takes %s, %zu given; see otactl %s --help", name,
                           command->operands[0] ? command->operands : "options only",
                           args->operand_count, name);
    for (const struct otactl_option *o = command->options; o != NULL && o->name != NULL; o++) {
        if (o->rule == OTACTL_REQUIRED && !otactl_args_has(args, o->name))
            return otactl_fail(OTACTL_USAGE, "%s needs %s%s %s: %s", name, dashes(o), o->name,
                               o->value, o->help);
        if (o->rule != OTACTL_REPEATED && otactl_args_nth(args, o->name, 1) != NULL)
            return otactl_fail(OTACTL_USAGE, "%s takes %s%s once", name, dashes(o), o->name);
    }
    int code = OTACTL_OK;
    for (size_t i = 0; i < args->given_count && code == OTACTL_OK; i++) {
        if (otactl_option_is_choice(args->given[i].option->value))
            code = check_choice(&args->given[i]);
    }
    return code;
}

int otactl_args_parse(struct otactl_args *args, const struct otactl_command *command,
                      const struct otactl_option *globals, int argc, char *const *argv)
{
    size_t cap = argc > 0 ? (size_t)argc : 1;
    *args = (struct otactl_args){.command = command};
    args->given = otactl_alloc(cap * sizeof *args->given);
    args->operands = otactl_alloc(cap * sizeof *args->operands);

    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            args->help = true;
            return OTACTL_OK;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            int code = take_option(args, globals, argc, argv, &i);
            if (code != OTACTL_OK)
                return code;
        } else {
            args->operands[args->operand_count++] = argv[i];
        }
    }
    return check_rules(args);
}

void otactl_args_free(struct otactl_args *args)
{
    free(args->given);
    free(args->operands);
    *args = (struct otactl_args){0};
}

const char *otactl_args_nth(const struct otactl_args *args, const char *name, size_t n)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0 && n-- == 0)
            return args->given[i].value != NULL ? args->given[i].value : "";
    }
    return NULL;
}

const char *otactl_args_value(const struct otactl_args *args, const char *name)
{
    const char *last = NULL;
    for (size_t n = 0;; n++) {
        const char *value = otactl_args_nth(args, name, n);
        if (value == NULL)
            return last;
        last = value;
    }
}

bool otactl_args_has(const struct otactl_args *args, const char *name)
{
    return otactl_args_nth(args, name, 0) != NULL;
}

bool otactl_number_parse(const char *text, uint64_t *number)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]) || (hex && !isxdigit((unsigned char)text[2])))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, hex ? 16 : 10);
    if (errno != 0 || *end != '\0')
        return false;
    *number = value;
    return true;
}

int otactl_args_number(const struct otactl_args *args, const char *name, uint64_t min, uint64_t max,
                       uint64_t *number)
{
    assert(min <= max);
    uint64_t value = 0;
    const char *text = otactl_args_value(args, name);
    if (text == NULL)
        return OTACTL_OK;
    if (!otactl_number_parse(text, &value) || value < min || value > max)
        return otactl_fail(OTACTL_USAGE, "--%s %s: a number from %llu to %llu is needed", name,
                           text, (unsigned long long)min, (unsigned long long)max);
    *number = value;
    return OTACTL_OK;
}
