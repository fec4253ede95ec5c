#include "tests/board/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char options_usage[] =
    "usage: board --flash FILE [OPTION]...\n"
    "  --chip f407|f429        which chip (f429)\n"
    "  --flash FILE            the chip's flash; made when it is not there\n"
    "  --boot FILE             ELF to program into a new flash\n"
    "  --app FILE              image to program at 0x08020000 into a new flash\n"
    "  --load FILE[@ADDR]      to program into flash, new or not; an ELF needs no ADDR\n"
    "  --until TEXT            end with status 0 once a log line has TEXT; more: one after "
    "another\n"
    "  --time MS               end with status 4 after so much emulated time\n"
    "  --wall S                the same after so many real seconds\n"
    "  --speed N               a sleeping CPU sleeps a second in 1/N of one (1)\n"
    "  --cut N, --tear N       lose power before, or in, flash operation N: status 3\n"
    "  --refuse N              flash operation N is refused by the controller\n"
    "  --weak N                flash operation N leaves a wrong bit and no flag\n"
    "  --reset-every N         pull reset at each N-th flash operation\n"
    "  --sweep N               lose power at each N-th flash operation, each time in a fork that "
    "must\n"
    "                          still come to the last --until: status 8 when one does not\n"
    "  --holds FILE            what 0x08020000 must hold at the end: status 8 when it does not\n"
    "  --drop P, --corrupt P, --reorder P, --duplicate P    percent of frames\n"
    "  --link-down FROM-TO     the cable is out, in ms since power-on\n"
    "  --name NAME             the network's name server knows this one: 10.0.2.2\n"
    "  --offline               no network at all\n"
    "  --bad-seeds N           the RNG reports a seed error N times\n"
    "  --no-hse                the external clock never starts\n"
    "  --no-watchdog           it never bites\n"
    "  --seed N                make RNG, tearing and frame faults repeatable\n"
    "  --stats FILE            counters as JSON at the end\n"
    "  --allow-misuse          only tell, go on\n"
    "  --quiet                 no log of the firmware on stdout\n"
    "  --verbose               what the hardware does, on stderr\n"
    "status: 0 done, 2 usage, 3 power lost, 4 time is up, 5 misuse, 6 locked up, 7 emulator,\n"
    "        8 not what --sweep and --holds want\n";

enum kind { FLAG, TEXT, LIST, NUMBER };

struct option {
    const char *name;
    enum kind kind;
    void *target;
};

static bool store_number(uint64_t *target, const char *text)
{
    char *end;
    errno = 0;
    *target = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static bool store(const struct option *option, const char *value)
{
    struct options_list *list = option->target;
    switch (option->kind) {
    case FLAG:
        *(bool *)option->target = true;
        return true;
    case TEXT:
        *(const char **)option->target = value;
        return true;
    case NUMBER:
        return store_number(option->target, value);
    case LIST:
        if (list->count == OPTIONS_LIST_MAX)
            return false;
        list->items[list->count++] = value;
        return true;
    }
    return false;
}

static const struct option *find(const struct option *table, size_t count, const char *arg)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, table[i].name) == 0)
            return &table[i];
    return NULL;
}

bool options_parse(struct options *options, int argc, char **argv)
{
    const struct option table[] = {
        {"chip", TEXT, &options->chip},
        {"flash", TEXT, &options->flash},
        {"boot", TEXT, &options->boot},
        {"app", TEXT, &options->app},
        {"stats", TEXT, &options->stats},
        {"name", TEXT, &options->name},
        {"holds", TEXT, &options->holds},
        {"load", LIST, &options->load},
        {"until", LIST, &options->until},
        {"link-down", LIST, &options->link_down},
        {"time", NUMBER, &options->time_ms},
        {"wall", NUMBER, &options->wall_s},
        {"speed", NUMBER, &options->speed},
        {"seed", NUMBER, &options->seed},
        {"cut", NUMBER, &options->cut},
        {"tear", NUMBER, &options->tear},
        {"refuse", NUMBER, &options->refuse},
        {"weak", NUMBER, &options->weak},
        {"reset-every", NUMBER, &options->reset_every},
        {"sweep", NUMBER, &options->sweep},
        {"drop", NUMBER, &options->drop},
        {"corrupt", NUMBER, &options->corrupt},
        {"reorder", NUMBER, &options->reorder},
        {"duplicate", NUMBER, &options->duplicate},
        {"bad-seeds", NUMBER, &options->bad_seeds},
        {"offline", FLAG, &options->offline},
        {"no-hse", FLAG, &options->no_hse},
        {"no-watchdog", FLAG, &options->no_watchdog},
        {"allow-misuse", FLAG, &options->allow_misuse},
        {"quiet", FLAG, &options->quiet},
        {"verbose", FLAG, &options->verbose},
        {"help", FLAG, &options->help},
    };
    *options = (struct options){.chip = "f429", .speed = 1};
    for (int i = 1; i < argc; i++) {
        const struct option *option = find(table, sizeof table / sizeof table[0], argv[i]);
        bool takes_value = option != NULL && option->kind != FLAG;
        if (option == NULL || (takes_value && i + 1 == argc)) {
            fprintf(stderr, "board: %s: unknown, or without its value; see --help\n", argv[i]);
            return false;
        }
        const char *value = takes_value ? argv[++i] : NULL;
        if (!store(option, value)) {
            fprintf(stderr, "board: --%s %s: not understood\n", option->name, value);
            return false;
        }
    }
    if (options->help)
        return true;
    if (options->flash == NULL || options->speed == 0) {
        fprintf(stderr, "board: --flash FILE is needed, and --speed at least 1\n");
        return false;
    }
    if (options->sweep != 0 && (!options->offline || options->until.count == 0)) {
        fprintf(stderr, "board: --sweep needs --offline and --until\n");
        return false;
    }
    return true;
}
