/*
 * Power cuts: the bootloader, core and journal on simulated flash, cut at every operation.
 *
 *     powercut [--sweep] [--every N] [--only WORD] [--runs N] [--first N] [--seconds N] [--seed N]
 *
 * --sweep    each scenario on each geometry: a cut at every operation, torn in each way, then on to
 *            the end and through one more update
 * --runs N   random runs with two to four cuts, the later ones mostly during recovery
 * --first N  number of the first of them, to repeat one
 * --seconds  stop the random runs after so long, whatever N says
 * --every N  sweep every N-th operation only; --only: on the geometries whose name has WORD
 * Ends with a failure when a single run ended dead or wrong; prints the seed that repeats it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/powercut/world.h"

#define FAILURES_SHOWN_MAX 10
#define MULTI_CUTS_MIN 2
#define MULTI_CUTS_MAX 4
#define WATCHDOG_MS 17000U /* what the STM32F4's IWDG waits at the least: chip.h */
#define RECOVERY_WINDOW                                                                            \
    60 /* operations: about one boot's worth of journal and a piece of a sector */

static const struct flash_geometry geometries[] = {
    /* STM32F4: RM0090 section 3; DS8626 tables 40 and 41, x32, worst case. */
    {"stm32f4", 16384, 131072, 3, 4, false, 2000000, 100},
    /* Small uniform sectors: STM32L4, F0, SPI NOR. */
    {"uniform-4k", 4096, 4096, 8, 4, false, 400000, 100},
    {"uniform-8k", 8192, 8192, 5, 8, false, 25000, 90},
    /* STM32H7: a word of 32 bytes is written once and guarded by ECC. */
    {"ecc-32", 16384, 16384, 4, 32, true, 4000000, 400},
};
#define GEOMETRIES (sizeof geometries / sizeof geometries[0])

/* The images: A runs at first. */
static const struct world_image_plan plans[] = {
    {'A', 640, 3, WORLD_GOOD, NULL, false},     {'B', 980, 3, WORLD_GOOD, NULL, false},
    {'C', 300, 4, WORLD_HANGS, NULL, false},    {'D', 200, 5, WORLD_GOOD, NULL, false},
    {'E', 700, 4, WORLD_REJECTS, NULL, false},  {'F', 400, 6, WORLD_GOOD, NULL, true},
    {'G', 500, 9, WORLD_GOOD, "kettle", false}, {'H', 510, 6, WORLD_GOOD, NULL, false},
};

struct scenario {
    const char *name;
    const char *goals;   /* names of images, in order */
    const char *reached; /* those that must be confirmed at the end */
    bool chatty;
    bool rot;
    uint32_t journal_left; /* 0: a fresh journal; else filled up to so few bytes */
};

static const struct scenario scenarios[] = {
    {"install, trial, confirm", "B", "B", false, false, 0},
    {"trial that hangs, revert", "C", "", false, false, 0},
    {"trial that rejects, revert", "E", "", false, false, 0},
    {"refused images", "FG", "", false, false, 0},
    {"two updates in a row", "BD", "BD", true, false, 0},
    {"revert, then another update", "CB", "B", true, false, 0},
    {"primary rots, recover, update", "BD", "BD", false, true, 0},
    {"journal full at the start", "B", "B", true, false, 100},
    {"journal full at the request", "B", "B", true, false, 700},
    {"journal full during the swap", "C", "", true, false, 1500},
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

struct counts {
    uint64_t operations; /* swept */
    uint64_t cuts;       /* that happened */
    uint64_t runs;       /* with more than one cut planned */
    uint64_t dead;
    uint64_t wrong;
    uint64_t unfed_us_max;
    uint32_t primary_erases_max;   /* of one sector in one install */
    uint32_t secondary_erases_max; /* the download's included */
};

struct options {
    bool sweep;
    uint64_t every;
    uint64_t runs;
    uint64_t first;
    uint64_t seconds;
    uint64_t seed;
    const char *only;
};

static const struct world_image *image_named(const struct world *world, char name)
{
    for (unsigned i = 0; i < world->image_count; i++) {
        if (world->images[i].name == name)
            return &world->images[i];
    }
    abort();
}

static void stage(struct world *world, const struct scenario *scenario)
{
    world_reset(world, image_named(world, 'A'));
    for (const char *name = scenario->goals; *name != '\0'; name++)
        world->goals[world->goal_count++] = image_named(world, *name);
    world->chatty = scenario->chatty;
    world->rot_primary = scenario->rot;
    if (scenario->journal_left != 0)
        world_fill_journal(world, scenario->journal_left);
}

/* Good images are confirmed in the end, unless cuts used up their attempts. */
static void judge_goals(struct world *world, const struct scenario *scenario)
{
    if (world->verdict != WORLD_FINE || world->sim.cuts >= OTA_TRIAL_ATTEMPTS_MAX)
        return;
    for (const char *name = scenario->reached; *name != '\0'; name++) {
        long at = strchr(scenario->goals, *name) - scenario->goals;
        if ((world->reached >> at & 1U) == 0) {
            world->verdict = WORLD_WRONG;
            snprintf(world->message, sizeof world->message, "image %c was not confirmed", *name);
        }
    }
}

static void run(struct world *world, const struct scenario *scenario, struct counts *counts)
{
    world_live(world);
    judge_goals(world, scenario);
    counts->cuts += world->sim.cuts;
    unsigned cut_count = world->cut_count;
    if (world->verdict == WORLD_FINE)
        world_update(world, image_named(world, 'H'));
    world->cut_count = cut_count; /* for tell() */
    if (world->sim.unfed_us_max > counts->unfed_us_max)
        counts->unfed_us_max = world->sim.unfed_us_max;
    counts->dead += world->verdict == WORLD_DEAD;
    counts->wrong += world->verdict == WORLD_WRONG;
}

static void tell(const struct world *world, const struct scenario *scenario,
                 const struct counts *counts)
{
    if (world->verdict == WORLD_FINE || counts->dead + counts->wrong > FAILURES_SHOWN_MAX)
        return;
    printf("%s: %s, \"%s\":", world->verdict == WORLD_DEAD ? "DEAD" : "WRONG",
           world->sim.geometry->name, scenario->name);
    for (unsigned i = 0; i < world->cut_count; i++)
        printf(" cut after %" PRIu64 " (%d)", world->cuts[i].after, (int)world->cuts[i].tear);
    printf(": %s\n", world->message);
}

/* An install without a cut moves each sector once. */
static void judge_wear(struct world *world, struct counts *counts)
{
    const uint32_t *erases = world->sim.erases + 2; /* behind the journal's */
    unsigned primary = world->sim.geometry->slot_sectors;

    for (unsigned i = 0; i < 2 * primary + 1; i++) {
        uint32_t *most = i < primary ? &counts->primary_erases_max : &counts->secondary_erases_max;
        if (erases[i] > *most)
            *most = erases[i];
    }
    if (counts->primary_erases_max > 1 || counts->secondary_erases_max > 2) {
        world->verdict = WORLD_WRONG;
        snprintf(world->message, sizeof world->message, "an install moves a sector twice");
    }
}

/* How many operations the scenario takes when nothing is cut. */
static uint64_t measure(struct world *world, const struct scenario *scenario,
                        const struct world_snapshot *start, struct counts *counts)
{
    world_snapshot_load(world, start);
    memset(world->sim.erases, 0, sizeof world->sim.erases);
    world_live(world);
    judge_goals(world, scenario);
    if (strlen(scenario->goals) == 1 && strcmp(scenario->goals, scenario->reached) == 0)
        judge_wear(world, counts);
    uint64_t operations = world->sim.operations;
    counts->dead += world->verdict == WORLD_DEAD;
    counts->wrong += world->verdict == WORLD_WRONG;
    tell(world, scenario, counts);
    return operations;
}

static void sweep(struct world *world, const struct scenario *scenario,
                  const struct options *options, struct counts *counts)
{
    stage(world, scenario);
    struct world_snapshot *start = world_snapshot_new(world);
    uint64_t operations = measure(world, scenario, start, counts);

    for (uint64_t at = 0; at < operations; at += options->every) {
        for (int tear = 0; tear < FLASH_TEAR_KINDS; tear++) {
            world_snapshot_load(world, start);
            world->cuts[0] = (struct world_cut){at, (enum flash_tear)tear};
            world->cut_count = 1;
            uint64_t before = counts->cuts;
            run(world, scenario, counts);
            tell(world, scenario, counts);
            if (counts->cuts != before + 1 && world->verdict == WORLD_FINE) {
                printf("no cut at operation %" PRIu64 " of \"%s\"\n", at, scenario->name);
                counts->wrong++;
            }
        }
        counts->operations++;
    }
    world_snapshot_free(start);
}

static void plan_cuts(struct world *world, uint64_t operations)
{
    uint64_t span = MULTI_CUTS_MAX - MULTI_CUTS_MIN + 1;

    world->cut_count = MULTI_CUTS_MIN + (unsigned)(flash_sim_random(&world->sim) % span);
    for (unsigned i = 0; i < world->cut_count; i++) {
        bool soon = i > 0 && flash_sim_random(&world->sim) % 4 != 0;
        uint64_t window = soon ? RECOVERY_WINDOW : operations;
        world->cuts[i].after = flash_sim_random(&world->sim) % window;
        world->cuts[i].tear = (enum flash_tear)(flash_sim_random(&world->sim) % FLASH_TEAR_KINDS);
    }
}

/* One scenario on one geometry, ready to be run many times. */
struct stage {
    struct world_snapshot *start;
    uint64_t operations;
};

static bool is_over(const struct options *options, time_t began, uint64_t run_number)
{
    if (run_number >= options->runs)
        return true;
    return options->seconds != 0 && (uint64_t)(time(NULL) - began) >= options->seconds;
}

static void multi(struct world worlds[GEOMETRIES], const struct options *options,
                  struct counts *counts)
{
    static struct stage stages[GEOMETRIES][SCENARIOS];
    time_t began = time(NULL);

    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (size_t s = 0; s < SCENARIOS; s++) {
            stage(&worlds[g], &scenarios[s]);
            stages[g][s].start = world_snapshot_new(&worlds[g]);
            stages[g][s].operations =
                measure(&worlds[g], &scenarios[s], stages[g][s].start, counts);
        }
    }
    for (uint64_t i = options->first; !is_over(options, began, i - options->first); i++) {
        /* The large sectors take ten times as long: one run in eight is on them. */
        size_t g = i % 8 == 0 ? 0 : 1 + i % (GEOMETRIES - 1);
        size_t s = i / 8 % SCENARIOS;
        struct world *world = &worlds[g];
        world->sim.random = (options->seed + i) * 0x9e3779b97f4a7c15U | 1;
        world_snapshot_load(world, stages[g][s].start);
        plan_cuts(world, stages[g][s].operations);
        run(world, &scenarios[s], counts);
        tell(world, &scenarios[s], counts);
        if (world->verdict != WORLD_FINE && counts->dead + counts->wrong <= FAILURES_SHOWN_MAX)
            printf("  (random run %" PRIu64 ", --seed %" PRIu64 ")\n", i, options->seed);
        counts->runs++;
    }
    for (size_t g = 0; g < GEOMETRIES; g++) {
        for (size_t s = 0; s < SCENARIOS; s++)
            world_snapshot_free(stages[g][s].start);
    }
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--sweep") == 0) {
            options->sweep = true;
        } else if (value == NULL) {
            return false;
        } else if (strcmp(argv[i], "--every") == 0) {
            options->every = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0) {
            options->runs = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0) {
            options->first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            options->seconds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0) {
            options->only = argv[++i];
        } else {
            return false;
        }
    }
    return options->every > 0;
}

static bool is_wanted(const struct options *options, const char *geometry)
{
    return options->only == NULL || strstr(geometry, options->only) != NULL;
}

int main(int argc, char **argv)
{
    static struct world worlds[GEOMETRIES];
    struct options options = {.every = 1, .seed = 1};
    struct counts counts = {0};

    if (!parse(argc, argv, &options)) {
        fputs("usage: powercut [--sweep] [--every N] [--only GEOMETRY] [--runs N] [--first N] "
              "[--seconds N] [--seed N]\n",
              stderr);
        return 2;
    }
    for (size_t g = 0; g < GEOMETRIES; g++) {
        world_open(&worlds[g], &geometries[g]);
        for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
            world_add_image(&worlds[g], &plans[i]);
        if (!options.sweep || !is_wanted(&options, geometries[g].name))
            continue;
        for (size_t s = 0; s < SCENARIOS; s++) {
            struct counts before = counts;
            sweep(&worlds[g], &scenarios[s], &options, &counts);
            printf("%-10s  %-32s  %6" PRIu64 " operations  %6" PRIu64 " cuts\n", geometries[g].name,
                   scenarios[s].name, counts.operations - before.operations,
                   counts.cuts - before.cuts);
            fflush(stdout);
        }
    }
    if (options.runs > 0)
        multi(worlds, &options, &counts);
    for (size_t g = 0; g < GEOMETRIES; g++)
        world_close(&worlds[g]);
    printf("operations swept %" PRIu64 ", cuts %" PRIu64 ", multi-cut runs %" PRIu64
           ", dead %" PRIu64 ", wrong %" PRIu64 "\n",
           counts.operations, counts.cuts, counts.runs, counts.dead, counts.wrong);
    printf("erases of a sector in one install: primary %" PRIu32 ", secondary %" PRIu32
           " (1 by the download)\n",
           counts.primary_erases_max, counts.secondary_erases_max);
    printf("longest time between two feeds of the watchdog: %" PRIu64 " ms of %u ms\n",
           counts.unfed_us_max / 1000, WATCHDOG_MS);
    bool is_fed = counts.unfed_us_max / 1000 < WATCHDOG_MS;
    return counts.dead + counts.wrong == 0 && counts.cuts > 0 && is_fed ? 0 : 1;
}
