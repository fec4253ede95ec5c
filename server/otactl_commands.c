#include "server/otactl_commands.h"

#include <string.h>

#include "server/nearest.h"
#include "server/otactl_answer.h"
#include "server/otactl_args.h"

/* Every subject; the help lists them in this order. */
static const struct otactl_command *const subjects[] = {
    otactl_profile_commands, otactl_key_commands,      otactl_release_commands,
    otactl_delta_commands,   otactl_firmware_commands, otactl_device_commands,
    otactl_group_commands,   otactl_rollout_commands,  otactl_token_commands,
    otactl_user_commands,    otactl_fleet_commands,    otactl_ci_commands,
    otactl_webhook_commands, otactl_audit_commands,    otactl_completion_commands,
};

const struct otactl_option otactl_globals[] = {
    {"server", "URL",
     "otad's address; else $OTACTL_SERVER, the profile's, or " OTACTL_SERVER_DEFAULT,
     OTACTL_OPTIONAL},
    {"token-file", "FILE",
     "file with an API token; else $OTACTL_TOKEN, $OTACTL_TOKEN_FILE, the profile's",
     OTACTL_OPTIONAL},
    {"cacert", "FILE", "PEM of the CA of otad's certificate; else $OTACTL_CACERT, the profile's",
     OTACTL_OPTIONAL},
    {"profile", "NAME", "server and token that otactl login kept; else $OTACTL_PROFILE",
     OTACTL_OPTIONAL},
    {"json", NULL, "print the server's JSON", OTACTL_OPTIONAL},
    {0},
};

const struct otactl_command *otactl_command_at(size_t n)
{
    for (size_t s = 0; s < OTACTL_COUNT(subjects); s++) {
        for (const struct otactl_command *c = subjects[s]; c->verb != NULL; c++) {
            if (n-- == 0)
                return c;
        }
    }
    return NULL;
}

const struct otactl_command *otactl_command_find(const char *first, const char *second)
{
    const struct otactl_command *c;
    for (size_t i = 0; (c = otactl_command_at(i)) != NULL; i++) {
        if (c->noun == NULL
                ? strcmp(c->verb, first) == 0
                : second != NULL && strcmp(c->noun, first) == 0 && strcmp(c->verb, second) == 0)
            return c;
    }
    return NULL;
}

static void print_command(FILE *out, const struct otactl_command *command)
{
    char name[64];
    char left[96];
    otactl_command_name(command, name, sizeof name);
    snprintf(left, sizeof left, "%s %s", name, command->operands);
    if (strlen(left) > 30)
        fprintf(out, "  %s\n  %-30s %s\n", left, "", command->help);
    else
        fprintf(out, "  %-30s %s\n", left, command->help);
}

bool otactl_commands_print(FILE *out, const char *noun)
{
    bool any = false;
    const struct otactl_command *c;
    for (size_t i = 0; (c = otactl_command_at(i)) != NULL; i++) {
        if (noun != NULL && (c->noun == NULL || strcmp(c->noun, noun) != 0))
            continue;
        print_command(out, c);
        any = true;
    }
    return any;
}

void otactl_help_print(FILE *out)
{
    fputs("usage: otactl COMMAND [options]\n\nThe command line of otad.\n\ncommands:\n", out);
    otactl_commands_print(out, NULL);
    fputs("\noptions of every command:\n", out);
    for (const struct otactl_option *o = otactl_globals; o->name != NULL; o++)
        fprintf(out, "  --%s%s%-*s %s\n", o->name, o->value ? " " : "",
                (int)(27 - strlen(o->name) - (o->value ? 1 : 0)), o->value ? o->value : "",
                o->help);
    fputs("  --help                        the help of a command: otactl rollout create --help\n"
          "  --version                     the version of otactl\n\n"
          "exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 server not reachable,\n"
          "            4 token missing, unknown, or its role is too low\n",
          out);
}

static const char *nearest_noun(const char *given)
{
    struct nearest nearest = {0};
    const struct otactl_command *c;
    for (size_t i = 0; (c = otactl_command_at(i)) != NULL; i++)
        nearest_offer(&nearest, given, c->noun != NULL ? c->noun : c->verb);
    return nearest.word;
}

static const char *nearest_verb(const char *noun, const char *given)
{
    struct nearest nearest = {0};
    const struct otactl_command *c;
    for (size_t i = 0; given != NULL && (c = otactl_command_at(i)) != NULL; i++) {
        if (c->noun != NULL && strcmp(c->noun, noun) == 0)
            nearest_offer(&nearest, given, c->verb);
    }
    return nearest.word;
}

int otactl_command_unknown(const char *first, const char *second)
{
    const char *verb = nearest_verb(first, second);
    fflush(stdout);
    if (verb != NULL)
        return otactl_fail(OTACTL_USAGE, "%s %s is no command; did you mean %s %s?", first, second,
                           first, verb);
    if (otactl_commands_print(stderr, first))
        return otactl_fail(OTACTL_USAGE, "%s%s%s is no command; those of %s are above", first,
                           second != NULL ? " " : "", second != NULL ? second : "", first);
    const char *noun = nearest_noun(first);
    if (noun != NULL)
        return otactl_fail(OTACTL_USAGE, "%s is no command; did you mean %s?", first, noun);
    return otactl_fail(OTACTL_USAGE, "%s is no command; otactl --help lists them", first);
}
