/* completion ...: scripts for three shells. They ask otactl itself, so they are never out of date.
 */
#include "server/otactl_completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/otactl_answer.h"
#include "server/otactl_args.h"
#include "server/otactl_commands.h"

static const char bash_script[] =
    "_otactl() {\n"
    "    local line candidates=()\n"
    "    while IFS= read -r line; do\n"
    "        if [ \"$line\" = :files ]; then compopt -o default; COMPREPLY=(); return; fi\n"
    "        candidates+=(\"${line%%$'\\t'*}\")\n"
    "    done < <(otactl __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "    COMPREPLY=(\"${candidates[@]}\")\n"
    "}\n"
    "complete -F _otactl otactl\n";

static const char zsh_script[] =
    "#compdef otactl\n"
    "_otactl() {\n"
    "    local line candidates=()\n"
    "    for line in \"${(@f)$(otactl __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        if [[ $line == :files ]]; then _files; return; fi\n"
    "        [[ -n $line ]] && candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    done\n"
    "    _describe -V otactl candidates\n"
    "}\n"
    "if [[ ${funcstack[1]} == _otactl ]]; then _otactl \"$@\"; else compdef _otactl otactl; fi\n";

static const char fish_script[] = "function __otactl_complete\n"
                                  "    set -l words (commandline -opc) (commandline -ct)\n"
                                  "    set -l lines (otactl __complete $words[2..-1] 2>/dev/null)\n"
                                  "    if test \"$lines[1]\" = :files\n"
                                  "        __fish_complete_path (commandline -ct)\n"
                                  "    else\n"
                                  "        printf '%s\\n' $lines\n"
                                  "    end\n"
                                  "end\n"
                                  "complete -c otactl -f -a '(__otactl_complete)'\n";

static const struct {
    const char *shell;
    const char *script;
} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

static int run_completion(struct otactl *ctl, const struct otactl_args *args)
{
    (void)ctl;
    for (size_t i = 0; i < OTACTL_COUNT(scripts); i++) {
        if (strcmp(scripts[i].shell, args->operands[0]) == 0) {
            fputs(scripts[i].script, stdout);
            return OTACTL_OK;
        }
    }
    return otactl_fail(OTACTL_USAGE, "completion is there for bash, zsh and fish, not for %s",
                       args->operands[0]);
}

static void offer(const char *start, const char *before, const char *word, const char *help)
{
    char *whole = otactl_format("%s%s", before, word);
    if (strncmp(whole, start, strlen(start)) == 0)
        printf("%s\t%s\n", whole, help);
    free(whole);
}

/* "viewer|operator|admin": its words. "FILE", "KEY.pem", "IN.bin|IN.elf": a file name. Else nothing
 * is known: an id, a name, a number. */
static void offer_values(const char *shape, const char *start)
{
    char *rest = NULL;
    char *copy = otactl_strdup(shape);
    if (strstr(shape, "FILE") != NULL || strchr(shape, '.') != NULL || strcmp(shape, "OUT") == 0) {
        puts(":files");
    } else if (otactl_option_is_choice(shape)) {
        for (char *word = strtok_r(copy, "|", &rest); word != NULL;
             word = strtok_r(NULL, "|", &rest))
            offer(start, "", word, "");
    }
    free(copy);
}

static void offer_options(const struct otactl_option *options, const char *start)
{
    for (const struct otactl_option *o = options; o != NULL && o->name != NULL; o++)
        offer(start, o->name[1] == '\0' ? "-" : "--", o->name, o->help);
}

/* First words: each noun once, and the commands of one word; or the verbs of `noun`. */
static void offer_commands(const char *noun, const char *start)
{
    const struct otactl_command *c;
    const char *last = "";
    for (size_t i = 0; (c = otactl_command_at(i)) != NULL; i++) {
        if (noun != NULL) {
            if (c->noun != NULL && strcmp(c->noun, noun) == 0)
                offer(start, "", c->verb, c->help);
        } else if (c->noun == NULL) {
            offer(start, "", c->verb, c->help);
        } else if (strcmp(c->noun, last) != 0) {
            last = c->noun;
            offer(start, "", c->noun, "...");
        }
    }
}

static const struct otactl_option *find_option(const struct otactl_command *command,
                                               const char *word)
{
    const struct otactl_option *const tables[] = {command != NULL ? command->options : NULL,
                                                  otactl_globals};
    size_t dashes = strspn(word, "-");
    for (size_t t = 0; dashes > 0 && t < 2; t++) {
        for (const struct otactl_option *o = tables[t]; o != NULL && o->name != NULL; o++) {
            if (strcmp(o->name, word + dashes) == 0)
                return o;
        }
    }
    return NULL;
}

/* The words of the line that are neither options nor their values: at most two name the command. */
struct line {
    const char *words[2];
    size_t count;
    const struct otactl_command *command;
    const struct otactl_option *open; /* the option whose value comes last */
};

static void read_line(struct line *line, int argc, char **words)
{
    for (int i = 0; i + 1 < argc; i++) {
        if (line->open != NULL) {
            line->open = NULL;
        } else if (words[i][0] == '-') {
            const struct otactl_option *option = find_option(line->command, words[i]);
            line->open = option != NULL && option->value != NULL ? option : NULL;
        } else if (line->command == NULL && line->count < 2) {
            line->words[line->count++] = words[i];
            line->command =
                otactl_command_find(line->words[0], line->count > 1 ? line->words[1] : NULL);
        }
    }
}

int otactl_complete(int argc, char **words)
{
    struct line line = {0};
    const char *start = argc > 0 ? words[argc - 1] : "";
    read_line(&line, argc, words);
    if (line.open != NULL) {
        offer_values(line.open->value, start);
    } else if (start[0] == '-') {
        if (line.command != NULL)
            offer_options(line.command->options, start);
        offer_options(otactl_globals, start);
        offer(start, "--", "help", "the help of the command");
    } else if (line.command != NULL) {
        offer_values(line.command->operands, start);
    } else if (line.count < 2) {
        offer_commands(line.count == 1 ? line.words[0] : NULL, start);
    }
    return OTACTL_OK;
}

const struct otactl_command otactl_completion_commands[] = {
    {NULL, "completion", "bash|zsh|fish", "Print the completion for a shell: eval it or source it.",
     NULL, 1, 1, true, run_completion},
    {0},
};
