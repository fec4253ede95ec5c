#include "server/otactl.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_file.h"
#include "server/otactl_http.h"

#define SERVER_DEFAULT "http://127.0.0.1:8080"
#define TOKEN_FILE_MAX 4096U

/* Every subject; the help lists them in this order. */
static const struct otactl_command *const subjects[] = {
    otactl_key_commands,    otactl_release_commands, otactl_firmware_commands,
    otactl_device_commands, otactl_group_commands,   otactl_rollout_commands,
    otactl_token_commands,
};

static const struct otactl_option globals[] = {
    {"server", "URL", "otad's address; else $OTACTL_SERVER, else " SERVER_DEFAULT, OTACTL_OPTIONAL},
    {"token-file", "FILE", "file with an API token; else $OTACTL_TOKEN, $OTACTL_TOKEN_FILE",
     OTACTL_OPTIONAL},
    {"cacert", "FILE", "PEM of the CA that signed otad's certificate; else $OTACTL_CACERT",
     OTACTL_OPTIONAL},
    {"json", NULL, "print the server's JSON", OTACTL_OPTIONAL},
    {0},
};

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

/* All commands, or those of one noun. false when there are none. */
static bool print_commands(FILE *out, const char *noun)
{
    bool any = false;
    for (size_t s = 0; s < OTACTL_COUNT(subjects); s++) {
        for (const struct otactl_command *c = subjects[s]; c->verb != NULL; c++) {
            if (noun != NULL && (c->noun == NULL || strcmp(c->noun, noun) != 0))
                continue;
            print_command(out, c);
            any = true;
        }
    }
    return any;
}

static void print_help(FILE *out)
{
    fputs("usage: otactl COMMAND [options]\n\nThe command line of otad.\n\ncommands:\n", out);
    print_commands(out, NULL);
    fputs("\noptions of every command:\n", out);
    for (const struct otactl_option *o = globals; o->name != NULL; o++)
        fprintf(out, "  --%s%s%-*s %s\n", o->name, o->value ? " " : "",
                (int)(27 - strlen(o->name) - (o->value ? 1 : 0)), o->value ? o->value : "",
                o->help);
    fputs("  --help                        the help of a command: otactl rollout create --help\n"
          "  --version                     the version of otactl\n\n"
          "exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 server not reachable,\n"
          "            4 token missing, unknown, or its role is too low\n",
          out);
}

static const struct otactl_command *find_command(const char *first, const char *second)
{
    for (size_t s = 0; s < OTACTL_COUNT(subjects); s++) {
        for (const struct otactl_command *c = subjects[s]; c->verb != NULL; c++) {
            if (c->noun == NULL
                    ? strcmp(c->verb, first) == 0
                    : second != NULL && strcmp(c->noun, first) == 0 && strcmp(c->verb, second) == 0)
                return c;
        }
    }
    return NULL;
}

static int tell_unknown(const char *first, const char *second)
{
    fflush(stdout);
    if (print_commands(stderr, first))
        return otactl_fail(OTACTL_USAGE, "%s%s%s is no command; those of %s are above", first,
                           second != NULL ? " " : "", second != NULL ? second : "", first);
    return otactl_fail(OTACTL_USAGE, "%s is no command; otactl --help lists them", first);
}

static const char *value_or_env(const struct otactl_args *args, const char *option, const char *env)
{
    const char *value = otactl_args_value(args, option);
    if (value == NULL)
        value = getenv(env);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* --token-file before $OTACTL_TOKEN before $OTACTL_TOKEN_FILE; *token is to be freed. */
static int find_token(const struct otactl_args *args, char **token)
{
    const char *file = otactl_args_value(args, "token-file");
    const char *direct = getenv("OTACTL_TOKEN");
    if (file == NULL && direct != NULL && direct[0] != '\0') {
        *token = otactl_strdup(direct);
    } else {
        uint8_t *bytes = NULL;
        size_t len = 0;
        file = value_or_env(args, "token-file", "OTACTL_TOKEN_FILE");
        if (file == NULL)
            return otactl_fail(
                OTACTL_UNAUTHORIZED,
                "no token: set OTACTL_TOKEN or OTACTL_TOKEN_FILE, or give --token-file "
                "(otad wrote its first one to admin-token in its data directory)");
        if (otactl_file_read(file, TOKEN_FILE_MAX, &bytes, &len) != OTACTL_OK)
            return OTACTL_UNAUTHORIZED;
        *token = (char *)bytes;
    }
    (*token)[strcspn(*token, "\r\n\t ")] = '\0';
    for (const char *at = *token; *at != '\0'; at++) {
        if (*at < 0x21 || *at > 0x7e)
            return otactl_fail(OTACTL_UNAUTHORIZED, "the token has characters that no token has");
    }
    return OTACTL_OK;
}

static int connect_and_run(struct otactl *ctl, const struct otactl_args *args)
{
    char *token = NULL;
    int code = find_token(args, &token);
    if (code == OTACTL_OK) {
        const char *server = value_or_env(args, "server", "OTACTL_SERVER");
        struct otactl_http_config config = {
            .server = server != NULL ? server : SERVER_DEFAULT,
            .token = token,
            .ca_file = value_or_env(args, "cacert", "OTACTL_CACERT"),
        };
        code = otactl_http_new(&ctl->http, &config);
    }
    free(token);
    if (code == OTACTL_OK)
        code = args->command->run(ctl, args);
    otactl_http_free(ctl->http);
    return code;
}

static int run_command(const struct otactl_command *command, int argc, char **argv)
{
    struct otactl ctl = {0};
    struct otactl_args args;
    int code = otactl_args_parse(&args, command, globals, argc, argv);
    ctl.terminal = isatty(STDOUT_FILENO) != 0;
    if (code == OTACTL_OK && args.help) {
        otactl_command_help(stdout, command);
    } else if (code == OTACTL_OK) {
        ctl.json = otactl_args_has(&args, "json");
        code = command->offline ? command->run(&ctl, &args) : connect_and_run(&ctl, &args);
    }
    otactl_args_free(&args);
    return code;
}

/* Options of every command may stand before it: they move behind it. Returns where the command is.
 */
static int skip_globals(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        bool has_value = strchr(argv[at], '=') != NULL;
        bool takes_value = strcmp(argv[at], "--server") == 0 || strcmp(argv[at], "--cacert") == 0 ||
                           strcmp(argv[at], "--token-file") == 0;
        at += takes_value && !has_value ? 2 : 1;
    }
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
        print_help(asked ? stdout : stderr);
        return asked ? OTACTL_OK : OTACTL_USAGE;
    }
    const char *second = at + 1 < argc ? argv[at + 1] : NULL;
    const struct otactl_command *command = find_command(argv[at], second);
    if (command == NULL && second != NULL && strcmp(second, "--help") == 0 &&
        print_commands(stdout, argv[at]))
        return OTACTL_OK;
    if (command == NULL)
        return tell_unknown(argv[at], second);

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
