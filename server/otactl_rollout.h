/*
 * Rollouts: stages from their short form, and how far a rollout is, for people.
 */
#ifndef OTAD_SERVER_OTACTL_ROLLOUT_H
#define OTAD_SERVER_OTACTL_ROLLOUT_H

#include <stdio.h>

#include "server/otactl_args.h"

#define OTACTL_STAGE_HELP                                                                          \
    "group=NAME or percent=N (0.01 to 100), then ,success=PERCENT ,failures=N ,failure-percent=N " \
    ",soak=SECONDS ,offers=N-A-MINUTE ,at-once=N ,by-hand ,allowed-bp=N ,suspect-bp=N "            \
    ",confidence-bp=N"

/* What a rollout is made of beside name and firmware: for tables of options. */
#define OTACTL_ROLLOUT_OPTIONS                                                                     \
    {"stage", "STAGE", OTACTL_STAGE_HELP, OTACTL_REPEATED},                                        \
        {"group", "NAME", "only devices of this group; every device unless given",                 \
         OTACTL_REPEATED},                                                                         \
        {"tags", "SELECTOR", "only devices whose tags fit: site=berlin,ring in (canary,beta)",     \
         OTACTL_OPTIONAL},                                                                         \
        {"running-min", "VERSION", "only devices that run this version or newer",                  \
         OTACTL_OPTIONAL},                                                                         \
        {"running-max", "VERSION", "only devices that run this version or older",                  \
         OTACTL_OPTIONAL},                                                                         \
        {"security", NULL, "goes before rollouts that are not", OTACTL_OPTIONAL},                  \
        {"version-min", "VERSION", "devices below it need another release first",                  \
         OTACTL_OPTIONAL},                                                                         \
        {"allow-downgrade", NULL, "offer it to devices that run a newer version, too",             \
         OTACTL_OPTIONAL},                                                                         \
        {"window", "WINDOW", "update only then, local time: 22:00-04:00 or sat,sun,22:00-04:00",   \
         OTACTL_OPTIONAL},                                                                         \
        {"timeout", "SECONDS", "a device that is silent for longer than this has failed",          \
         OTACTL_OPTIONAL},                                                                         \
        {"timeouts", "LIST", "by state: offered=S,downloading=S,installing=S,trial=S,retry=S",     \
         OTACTL_OPTIONAL},                                                                         \
        {"retries", "N", "further tries of a device that failed before a boot", OTACTL_OPTIONAL},  \
        {"retry-wait", "SECONDS", "before each of them", OTACTL_OPTIONAL},                         \
        {"health", "SECONDS", "so long after its confirm a device's bad events count",             \
         OTACTL_OPTIONAL},                                                                         \
        {"health-events", "N", "so many make it unhealthy; 1 unless given", OTACTL_OPTIONAL},      \
        {"postpone-max", "SECONDS", "devices may postpone until so long after the start",          \
         OTACTL_OPTIONAL},                                                                         \
    {                                                                                              \
        "seed", "N", "of the devices' order: the same seed, the same canaries", OTACTL_OPTIONAL    \
    }

/*
 * One stage, "group=NAME" or "percent=N", then any of
 *     success=N            percent of the stage that must succeed before the next one starts
 *     failures=N           this many failures halt the rollout
 *     failure-percent=N    or this share of the stage
 *     soak=SECONDS         wait this long after success
 *     offers=N             at most so many offers a minute
 *     at-once=N            at most so many devices under way
 *     by-hand              goes on only when told to
 *     allowed-bp, suspect-bp, confidence-bp=N   the sequential test, in basis points
 * as the API's JSON; NULL after the mistake was told.
 */
cJSON *otactl_stage_parse(const char *text);

/* A body for POST by OTACTL_ROLLOUT_OPTIONS (or some of them), name and firmware; NULL after the
 * mistake was told. */
cJSON *otactl_rollout_body(const struct otactl_args *args, const char *name, const char *firmware);
/* "firmware": the id as the server gave it; a number stays one. */
void otactl_rollout_add_firmware(cJSON *body, const char *id);
/* POST a rollout of this firmware; *rollout is the server's answer. */
int otactl_rollout_plan(struct otactl *ctl, const struct otactl_args *args, const char *name,
                        const char *firmware, cJSON **rollout);

/* `rollout plan`. */
extern const struct otactl_option otactl_rollout_plan_options[];
int otactl_rollout_plan_run(struct otactl *ctl, const struct otactl_args *args);

/* Which way a rollout in this state ends: OTACTL_OK for completed, OTACTL_FAILED for halted and
 * cancelled, -1 while it goes on. */
int otactl_rollout_end(const cJSON *rollout);

/* A headline and one line with a bar per stage, each at most `width` characters (0: no limit).
 * Lines printed. */
unsigned otactl_rollout_draw(FILE *out, const cJSON *rollout, unsigned width);
/* The same in one line without a bar, for logs; "" at the end of it is cut to cap - 1 bytes. */
void otactl_rollout_line(const cJSON *rollout, char *buf, size_t cap);

/* `rollout watch`: until the rollout ends. */
int otactl_rollout_watch(struct otactl *ctl, const char *id, unsigned interval_seconds);

#endif
