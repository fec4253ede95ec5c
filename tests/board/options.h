/* The board's command line. */
#ifndef OTA_TESTS_BOARD_OPTIONS_H
#define OTA_TESTS_BOARD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_LIST_MAX 16

struct options_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t count;
};

struct options {
    const char *chip;
    const char *flash;
    const char *boot;
    const char *app;
    const char *stats;
    const char *name;
    const char *holds;
    struct options_list load;
    struct options_list until;
    struct options_list link_down;
    uint64_t time_ms;
    uint64_t wall_s;
    uint64_t speed;
    uint64_t seed;
    uint64_t cut;
    uint64_t tear;
    uint64_t refuse;
    uint64_t weak;
    uint64_t reset_every;
    uint64_t sweep;
    uint64_t drop;
    uint64_t corrupt;
    uint64_t reorder;
    uint64_t duplicate;
    uint64_t bad_seeds;
    bool offline;
    bool no_hse;
    bool no_watchdog;
    bool allow_misuse;
    bool quiet;
    bool verbose;
    bool help;
};

extern const char options_usage[];

/* false, with a sentence on stderr, for what is not understood. Strings point into argv. */
bool options_parse(struct options *options, int argc, char **argv);

#endif
