#include "server/otactl.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "server/otactl_args.h"
#include "server/otactl_commands.h"
#include "server/otactl_completion.h"
#include "server/otactl_connect.h"
#include "server/otactl_http.h"
#include "server/otactl_man.h"

static int run_command(const struct otactl_command *command, int argc, char **argv)
{
    struct otactl ctl = {0};
    struct otactl_args args;
    int code = otactl_args_parse(&args, command, otactl_globals, argc, argv);
    ctl.terminal = isatty(STDOUT_FILENO) != 0;
    if (code == OTACTL_OK && args.help) {
        otactl_command_help(stdout, command);
    } else if (code == OTACTL_OK) {
        ctl.json = otactl_args_has(&args, "json");
        code = command->offline ? OTACTL_OK : otactl_connect(&ctl, &args);
        if (code == OTACTL_OK)
            code = command->run(&ctl, &args);
        otactl_http_free(ctl.http);
    }
    otactl_args_free(&args);
    return code;
}

static bool takes_value(const char *flag)
{
    if (strncmp(flag, "--", 2) != 0 || strchr(flag, '=') != NULL)
        return false;
    for (const struct otactl_option *o = otactl_globals; o->name != NULL; o++) {
        if (strcmp(flag + 2, o->name) == 0)
            return o->value != NULL;
    }
    return false;
}

/* Options of every command may stand before it: they move behind it. Returns where the command is.
 */
static int skip_globals(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-')
        at += takes_value(argv[at]) ? 2 : 1;
    return at < argc ? at : argc;
}

static int dispatch(int argc, char **argv)
{
    int at = skip_globals(argc, argv);
    if (at == argc) {
        bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        if (argc > 1 && strcmp(argv[1], "--version") == 0) {
            puts("otactl " OTACTL_VERSION);
            return OTACTL_OK;
        }
        otactl_help_print(asked ? stdout : stderr);
        return asked ? OTACTL_OK : OTACTL_USAGE;
    }
    const char *second = at + 1 < argc ? argv[at + 1] : NULL;
    if (strcmp(argv[at], "__complete") == 0)
        return otactl_complete(argc - at - 1, argv + at + 1);
    if (strcmp(argv[at], "__man") == 0)
        return otactl_man(second != NULL ? second : "");
    const struct otactl_command *command = otactl_command_find(argv[at], second);
    if (command == NULL && second != NULL && strcmp(second, "--help") == 0 &&
        otactl_commands_print(stdout, argv[at]))
        return OTACTL_OK;
    if (command == NULL)
        return otactl_command_unknown(argv[at], second);

    int words = command->noun != NULL ? 2 : 1;
    int rest = argc - 1 - words;
    char **arguments = otactl_alloc((size_t)(rest + 1) * sizeof *arguments);
    for (int from = 1, to = 0; from < argc; from++) {
        if (from < at || from >= at + words)
            arguments[to++] = argv[from];
    }
    int code = run_command(command, rest, arguments);
    free(arguments);
    return code;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return otactl_fail(OTACTL_FAILED, "libcurl does not start");
    int code = dispatch(argc, argv);
    curl_global_cleanup();
    if (fflush(stdout) != 0 && code == OTACTL_OK)
        code = otactl_fail(OTACTL_FAILED, "the output cannot be written");
    return code;
}
