#include <stdio.h>
#include <string.h>

#include "server/backup.h"
#include "server/config.h"
#include "server/healthcheck.h"
#include "server/patch_make.h"
#include "server/serve.h"
#include "server/token_command.h"
#include "server/version.h"
#include "server/user_command.h"

static void print_help(FILE *to)
{
    fprintf(to,
            "otad " OTAD_VERSION ", a firmware update server.\n\n"
            "  otad serve --data DIR [FLAGS]          serve; `otad serve --help` lists the flags\n"
            "  otad token add --data DIR --name NAME --role viewer|operator|admin\n"
            "                                         make an API token and print it once\n"
            "  otad user add|password|remove|list     the people who sign in to the dashboard\n"
            "  otad backup --data DIR --to NEWDIR     copy everything, while a server runs or not\n"
            "  otad --healthcheck URL                 0 if the server at URL is ready\n"
            "  otad --version\n");
}

static int run_serve(int argc, char **args)
{
    struct config config;
    char error[512];

    if (argc > 0 && strcmp(args[0], "--help") == 0) {
        printf("otad serve: each flag is an environment variable too, --poll-seconds is "
               "OTAD_POLL_SECONDS.\n\n");
        config_print_help();
        return 0;
    }
    if (!config_read(&config, argc, args, error, sizeof(error))) {
        fprintf(stderr, "otad: %s\n", error);
        return 2;
    }
    return serve(&config);
}

static int run_token(int argc, char **args)
{
    if (argc > 0 && strcmp(args[0], "add") == 0)
        return token_add_command(argc - 1, args + 1);
    fprintf(stderr, "otad: token takes `add`\n");
    return 2;
}

static int run_user(int argc, char **args)
{
    return user_command(argc, args);
}

static int run_backup(int argc, char **args)
{
    return backup_command(argc, args);
}

static int run_healthcheck(int argc, char **args)
{
    if (argc == 1)
        return healthcheck(args[0]);
    fprintf(stderr, "otad: --healthcheck takes one URL\n");
    return 2;
}

static int run_version(int argc, char **args)
{
    (void)argc;
    (void)args;
    puts("otad " OTAD_VERSION);
    return 0;
}

static int run_help(int argc, char **args)
{
    (void)argc;
    (void)args;
    print_help(stdout);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **args);
} COMMANDS[] = {
    {"serve", run_serve},
    {"token", run_token},
    {"user", run_user},
    {"backup", run_backup},
    {"--healthcheck", run_healthcheck},
    {"--version", run_version},
    {"--help", run_help},
    {PATCH_MAKE_COMMAND, patch_make_command},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 2, argv + 2);
    print_help(stderr);
    return 2;
}
