/*
 * Rollouts: stages from their short form, and how far a rollout is, for people.
 */
#ifndef OTAD_SERVER_OTACTL_ROLLOUT_H
#define OTAD_SERVER_OTACTL_ROLLOUT_H

#include <stdio.h>

#include "server/otactl.h"

/*
 * One stage, "group=NAME" or "percent=N", then any of
 *     success=N            percent of the stage that must succeed before the next one starts
 *     failures=N           this many failures halt the rollout
 *     failure-percent=N    or this share of the stage
 *     soak=SECONDS         wait this long after success
 * as the API's JSON; NULL after the mistake was told.
 */
cJSON *otactl_stage_parse(const char *text);

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
