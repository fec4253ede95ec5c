/*
 * Rollouts: stages from their short form, and how far a rollout is, for people.
 */
#ifndef OTAD_SERVER_OTACTL_ROLLOUT_H
#define OTAD_SERVER_OTACTL_ROLLOUT_H

#include <stdio.h>

#include "server/otactl_args.h"

#define OTACTL_STAGE_HELP                                                                          \
    "group=NAME or percent=N, then ,success=PERCENT ,failures=N ,failure-percent=N ,soak=SECONDS"

/*
 * One stage, "group=NAME" or "percent=N", then any of
 *     success=N            percent of the stage that must succeed before the next one starts
 *     failures=N           this many failures halt the rollout
 *     failure-percent=N    or this share of the stage
 *     soak=SECONDS         wait this long after success
 * as the API's JSON; NULL after the mistake was told.
 */
cJSON *otactl_stage_parse(const char *text);

/* POST a rollout of this firmware by --stage, --group, --timeout and --allow-downgrade; *rollout is
 * the server's answer. */
int otactl_rollout_plan(struct otactl *ctl, const struct otactl_args *args, const char *name,
                        const char *firmware, cJSON **rollout);

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
