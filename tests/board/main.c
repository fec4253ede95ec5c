/*
 * board: run firmware on an emulated STM32F4.
 *
 * The flash file is the chip's: it is made, and the images are programmed into it, when it is not
 * there yet; otherwise it is taken as it was left. Ending the process is a power cut.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/board/chip.h"
#include "tests/board/options.h"
#include "tests/board/sweep.h"

#define PRIMARY 0x08020000U
#define PATH_LEN_MAX 1024

enum status { /* of the process */
              STATUS_DONE = 0,
              STATUS_USAGE = 2,
              STATUS_POWER_LOST = 3,
              STATUS_TIME_UP = 4,
              STATUS_MISUSE = 5,
              STATUS_LOCKUP = 6,
              STATUS_BROKEN = 7,
              STATUS_WRONG = 8,
};

struct run {
    struct chip chip;
    struct options options;
    struct sweep sweep;
    size_t until_seen;
    struct timespec start;
    uint64_t watch_at; /* ps of the next look at the host's clock and signals */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void on_line(void *ctx, const char *line)
{
    struct run *run = ctx;
    const struct options_list *until = &run->options.until;
    struct board *board = &run->chip.board;
    if (!run->options.quiet) {
        printf("[%9.3f] %s\n", (double)board->now / (double)BOARD_PS_PER_S, line);
        fflush(stdout);
    }
    if (run->until_seen < until->count && strstr(line, until->items[run->until_seen]) != NULL &&
        ++run->until_seen == until->count)
        board_stop(board, BOARD_DONE, "seen: %s", line);
}

static double wall_seconds(const struct run *run)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - run->start.tv_sec) +
           (double)(now.tv_nsec - run->start.tv_nsec) / 1e9;
}

static uint64_t watch_deadline(void *ctx)
{
    const struct run *run = ctx;
    return run->watch_at;
}

static void watch_advance(void *ctx)
{
    struct run *run = ctx;
    run->watch_at = run->chip.board.now + 10 * BOARD_PS_PER_MS;
    if (interrupted)
        board_stop(&run->chip.board, BOARD_TIME_UP, "interrupted");
    else if (run->options.wall_s != 0 && wall_seconds(run) >= (double)run->options.wall_s)
        board_stop(&run->chip.board, BOARD_TIME_UP, "real time is up");
}

struct counter {
    const char *group;
    const char *name;
    uint64_t value;
};

static int write_stats(const struct run *run)
{
    const struct chip *chip = &run->chip;
    const uint32_t *resets = chip->board.resets;
    const struct counter counters[] = {
        {"resets", "power", resets[BOARD_CAUSE_POWER]},
        {"resets", "software", resets[BOARD_CAUSE_SOFTWARE]},
        {"resets", "watchdog", resets[BOARD_CAUSE_WATCHDOG]},
        {"flash", "operations", chip->flash.operations},
        {"flash", "programs", chip->flash.programs},
        {"flash", "erases", chip->flash.erases},
        {"flash", "refused", chip->flash.refused},
        {"flash", "torn", chip->flash.torn},
        {"flash", "stalls", chip->flash.stalls},
        {"frames", "sent", chip->eth.counts.sent},
        {"frames", "received", chip->eth.counts.received},
        {"frames", "overflowed", chip->eth.counts.overflowed},
        {"frames", "bad_checksum", chip->eth.counts.bad_checksum},
        {"frames", "lost", chip->eth.counts.lost},
        {"frames", "dropped", chip->net.dropped},
        {"frames", "corrupted", chip->net.corrupted},
        {"frames", "reordered", chip->net.reordered},
        {"watchdog", "longest_ms", chip->iwdg.longest / BOARD_PS_PER_MS},
        {"memory", "stack", board_stack_used(&chip->board)},
        {"leds", "green", chip->gpio.ports[1].rises[0]}, /* PB0, LD1 of the Nucleo-144 */
    };
    FILE *file = fopen(run->options.stats, "w");
    if (file == NULL) {
        perror(run->options.stats);
        return -1;
    }
    fprintf(file, "{\"seconds\":%.6f,\"wall_seconds\":%.3f,\"blocks\":%llu",
            (double)chip->board.now / (double)BOARD_PS_PER_S, wall_seconds(run),
            (unsigned long long)chip->board.blocks);
    const char *group = "";
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        bool first = strcmp(group, counters[i].group) != 0;
        if (first)
            fprintf(file, "%s,\"%s\":{", *group == '\0' ? "" : "}", counters[i].group);
        group = counters[i].group;
        fprintf(file, "%s\"%s\":%llu", first ? "" : ",", counters[i].name,
                (unsigned long long)counters[i].value);
    }
    fprintf(file, "}}\n");
    return fclose(file);
}

/* FILE, or FILE@ADDR. */
static int load(struct run *run, const char *item)
{
    char path[PATH_LEN_MAX];
    const char *at = strrchr(item, '@');
    size_t len = at == NULL ? strlen(item) : (size_t)(at - item);
    if (len >= sizeof path)
        return -1;
    memcpy(path, item, len);
    path[len] = '\0';
    return chip_load(&run->chip, path, at == NULL ? 0 : (uint32_t)strtoul(at + 1, NULL, 0));
}

static int program_flash(struct run *run)
{
    const struct options *options = &run->options;
    int made = flash_ctl_open(&run->chip.flash, options->flash);
    int error = made < 0 ? -1 : 0;
    if (made == 1 && options->boot != NULL)
        error = chip_load(&run->chip, options->boot, BOARD_FLASH_BASE);
    if (error == 0 && made == 1 && options->app != NULL)
        error = chip_load(&run->chip, options->app, PRIMARY);
    for (size_t i = 0; error == 0 && i < options->load.count; i++)
        error = load(run, options->load.items[i]);
    return error;
}

static bool set_link_down(struct phy *phy, const struct options_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        unsigned long long from;
        unsigned long long to;
        if (i == PHY_DOWN_WINDOWS || sscanf(list->items[i], "%llu-%llu", &from, &to) != 2)
            return false;
        phy->down[i].from = from * BOARD_PS_PER_MS;
        phy->down[i].to = to * BOARD_PS_PER_MS;
        phy->down_count = i + 1;
    }
    return true;
}

static uint64_t end_from(const struct board *board, const struct options *options)
{
    return options->time_ms == 0 ? BOARD_NEVER : board->now + options->time_ms * BOARD_PS_PER_MS;
}

static bool set_up(struct run *run)
{
    const struct options *options = &run->options;
    struct chip *chip = &run->chip;
    struct board *board = &chip->board;
    board->verbose = options->verbose;
    board->misuse_allowed = options->allow_misuse;
    board->end = end_from(board, options);
    chip->usart.on_line = on_line;
    chip->usart.on_line_ctx = run;
    chip->iwdg.bites = !options->no_watchdog;
    if (options->no_hse)
        chip->rcc.hse_hz = 0;
    chip->rng.seed = options->seed;
    chip->rng.bad_seeds = (uint32_t)options->bad_seeds;
    chip->flash.faults = (struct flash_faults){
        .cut = options->tear != 0 ? options->tear : options->cut,
        .tear = options->tear != 0,
        .refuse = options->refuse,
        .weak = options->weak,
        .reset_every = options->reset_every,
        .seed = (uint32_t)options->seed,
    };
    board_add_device(board, &(struct board_device){.name = "watch",
                                                   .ctx = run,
                                                   .deadline = watch_deadline,
                                                   .advance = watch_advance});
    if (!options->offline && net_init(&chip->net, board, &chip->eth) != 0)
        return false;
    chip->net.name = options->name;
    chip->net.speed = (unsigned)options->speed;
    chip->net.random ^= (uint32_t)options->seed;
    chip->net.faults =
        (struct net_faults){(unsigned)options->drop, (unsigned)options->corrupt,
                            (unsigned)options->reorder, (unsigned)options->duplicate};
    return set_link_down(&chip->phy, &options->link_down);
}

static enum status status_of(enum board_stop stop)
{
    switch (stop) {
    case BOARD_DONE:
        return STATUS_DONE;
    case BOARD_POWER_LOST:
        return STATUS_POWER_LOST;
    case BOARD_TIME_UP:
        return STATUS_TIME_UP;
    case BOARD_MISUSE:
        return STATUS_MISUSE;
    case BOARD_LOCKUP:
        return STATUS_LOCKUP;
    case BOARD_RUNNING:
    case BOARD_BROKEN:
        break;
    }
    return STATUS_BROKEN;
}

static enum status run_to_end(struct run *run)
{
    struct board *board = &run->chip.board;
    const char *holds = run->options.holds;
    enum status status = status_of(board_run(board));
    if (status == STATUS_DONE && holds != NULL && !chip_holds(&run->chip, holds, PRIMARY)) {
        snprintf(board->note, sizeof board->note, "0x%08x does not hold %s", PRIMARY, holds);
        status = STATUS_WRONG;
    }
    return status;
}

/* A fork of the sweep, whose power was lost: it comes back. */
static _Noreturn void survive(struct run *run)
{
    struct board *board = &run->chip.board;
    unsigned long long cut = run->sweep.flash->faults.cut;
    run->options.quiet = true;
    run->until_seen = 0;
    board->end = end_from(board, &run->options);
    board_power_cycle(board);
    enum status status = run_to_end(run);
    if (status != STATUS_DONE)
        fprintf(stderr, "board: after a power cut at operation %llu: %s\n", cut, board->note);
    _exit((int)status);
}

static enum status finish_sweep(struct run *run, enum status status)
{
    struct sweep *sweep = &run->sweep;
    if (sweep->forked)
        survive(run);
    sweep_wait(sweep);
    printf("sweep: %llu power cuts, %llu not survived\n", (unsigned long long)sweep->cuts,
           (unsigned long long)sweep->lost);
    return status == STATUS_DONE && sweep->lost > 0 ? STATUS_WRONG : status;
}

static enum status run_board(struct run *run)
{
    if (!set_up(run) || program_flash(run) != 0) {
        fprintf(stderr, "board: %s\n", run->chip.board.note);
        return STATUS_USAGE;
    }
    if (run->options.sweep != 0)
        sweep_start(&run->sweep, &run->chip.flash, run->options.sweep);
    enum status status = run_to_end(run);
    if (status != STATUS_DONE && !run->sweep.forked)
        fprintf(stderr, "board: %s\n", run->chip.board.note);
    if (run->options.sweep != 0)
        status = finish_sweep(run, status);
    if (run->options.stats != NULL && write_stats(run) != 0)
        status = STATUS_BROKEN;
    return status;
}

int main(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof *run); /* too large for a stack */
    if (run == NULL || !options_parse(&run->options, argc, argv)) {
        free(run);
        return STATUS_USAGE;
    }
    if (run->options.help) {
        fputs(options_usage, stdout);
        free(run);
        return STATUS_DONE;
    }
    clock_gettime(CLOCK_MONOTONIC, &run->start);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (chip_init(&run->chip, run->options.chip) != 0) {
        fprintf(stderr, "board: there is no chip %s\n", run->options.chip);
        free(run);
        return STATUS_USAGE;
    }
    enum status status = run_board(run);
    chip_free(&run->chip);
    free(run);
    return (int)status;
}
