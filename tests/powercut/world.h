/*
 * A device that lives: simulated flash, the bootloader, and an application that does what a server
 * asks of it, with power that may go at any flash operation.
 *
 * The judge keeps its own books, apart from the flash: which image was confirmed last, which was
 * asked for, which was given up, how high the counter must be. After each boot it compares the very
 * bytes in the primary with the images it made, and never asks the code under test.
 */
#ifndef OTA_TESTS_WORLD_H
#define OTA_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "device/boot/boot.h"
#include "tests/powercut/flash_sim.h"

#define WORLD_IMAGES_MAX 8
#define WORLD_GOALS_MAX 6
#define WORLD_CUTS_MAX 8

enum world_conduct {
    WORLD_GOOD,    /* passes its self-test and confirms */
    WORLD_HANGS,   /* never confirms; the watchdog resets it */
    WORLD_REJECTS, /* finds itself unfit */
};

struct world_image {
    char name;
    uint8_t *bytes;
    uint32_t len; /* bytes */
    uint32_t counter;
    enum world_conduct conduct;
    bool refused; /* the bootloader must not take it */
};

/* What the maker of an image may choose. */
struct world_image_plan {
    char name;
    uint32_t permille; /* of the primary that it fills */
    uint32_t counter;
    enum world_conduct conduct;
    const char *product; /* NULL: the device's */
    bool forged;         /* its signature is wrong */
};

/* A record that the application keeps, to see that the journal keeps it. */
struct world_note {
    uint32_t len;
    uint32_t seed;
    bool writing; /* a write of (next_len, next_seed) was cut */
    uint32_t next_len;
    uint32_t next_seed;
};

struct world_cut {
    uint64_t after; /* operations since the last cut, or since the start */
    enum flash_tear tear;
};

enum world_verdict {
    WORLD_FINE = 0,
    WORLD_DEAD,  /* nothing boots */
    WORLD_WRONG, /* something boots that must not, or a rule is broken */
};

struct world {
    struct flash_sim sim;
    struct ota_platform platform;
    struct ota_boot_config config;
    struct ota_boot_report report;
    struct ota_image_info info;
    uint8_t keys[1][OTA_PUBLIC_KEY_LEN];
    struct world_image images[WORLD_IMAGES_MAX];
    unsigned image_count;

    /* The server: what it wants, in this order. */
    const struct world_image *goals[WORLD_GOALS_MAX];
    unsigned goal_count;
    unsigned goal;    /* index of the one under way */
    unsigned asked;   /* index of the goal that the device was last asked for */
    unsigned reached; /* bit i: goal i was confirmed */
    bool rot_primary; /* once goal 0 is reached, the primary rots */
    bool chatty;      /* the application writes records of its own on the way */

    /* The judge's books. */
    const struct world_image *confirmed;
    const struct world_image *previous;   /* confirmed before that */
    const struct world_image *confirming; /* a confirm was begun, and may have been cut */
    const struct world_image *requested;  /* may be in the primary on trial */
    uint32_t counter;                     /* no boot may report less */
    struct world_note notes[OTA_RECORD_TYPES];
    bool lenient; /* sectors are broken: an install may fail, but nothing wrong may boot */

    struct world_cut cuts[WORLD_CUTS_MAX];
    unsigned cut_count;
    unsigned next_cut;
    unsigned boots;
    enum world_verdict verdict;
    char message[160];
    jmp_buf power_off;
};

void world_open(struct world *world, const struct flash_geometry *geometry);
void world_close(struct world *world);

/* Make and sign an image. */
const struct world_image *world_add_image(struct world *world, const struct world_image_plan *plan);

/* A new device that runs `image`: flash erased but for the primary; books fresh, no goals, no cuts.
 */
void world_reset(struct world *world, const struct world_image *image);

/* Live on until every goal is reached or given up. Power goes as world->cuts says. */
enum world_verdict world_live(struct world *world);

/* One more update to `image`, without cuts, that has to succeed. */
enum world_verdict world_update(struct world *world, const struct world_image *image);

/* Keep everything but the images, and go back to it: a snapshot of contents and books. */
struct world_snapshot {
    uint8_t *flash;
    struct world books;
};
struct world_snapshot *world_snapshot_new(struct world *world);
void world_snapshot_save(struct world *world, struct world_snapshot *snapshot);
void world_snapshot_load(struct world *world, const struct world_snapshot *snapshot);
void world_snapshot_free(struct world_snapshot *snapshot);

/* Write application records until the journal's active sector has less than `left` bytes free. */
void world_fill_journal(struct world *world, uint32_t left);

#endif
