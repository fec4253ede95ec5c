/*
 * Why a device is, or is not, being updated: one reason, one stable word, one sentence each.
 *
 * docs/rollouts.md has the same table; a test compares.
 */
#ifndef OTAD_SERVER_ROLLOUT_REASON_H
#define OTAD_SERVER_ROLLOUT_REASON_H

/* Values are not stored; the words are. */
enum rollout_reason {
    ROLLOUT_REASON_NONE = 0,

    /* It is, or is about to be. */
    ROLLOUT_REASON_OFFERED,     /* this poll is answered with an offer */
    ROLLOUT_REASON_UNDER_WAY,   /* its deployment goes on */
    ROLLOUT_REASON_IN_TRIAL,    /* runs the new image, must confirm it */
    ROLLOUT_REASON_RUNS_TARGET, /* nothing to do */

    /* No rollout means it. */
    ROLLOUT_REASON_NO_ROLLOUT,
    ROLLOUT_REASON_NOT_ACCEPTED,
    ROLLOUT_REASON_NOT_SEEN,
    ROLLOUT_REASON_PRODUCT,
    ROLLOUT_REASON_HARDWARE,
    ROLLOUT_REASON_GROUP,
    ROLLOUT_REASON_TAGS,
    ROLLOUT_REASON_RUNNING_RANGE,
    ROLLOUT_REASON_NO_STAGE,

    /* The release is not for what it runs, or its owner does not want it. */
    ROLLOUT_REASON_COUNTER_LOW,
    ROLLOUT_REASON_COUNTER_JUMP,
    ROLLOUT_REASON_DOWNGRADE,
    ROLLOUT_REASON_DOWNGRADE_COUNTER,
    ROLLOUT_REASON_STEPPING_STONE,
    ROLLOUT_REASON_OPTED_OUT,

    /* Not now. */
    ROLLOUT_REASON_DRAFT,
    ROLLOUT_REASON_SCHEDULED,
    ROLLOUT_REASON_PAUSED,
    ROLLOUT_REASON_HALTED,
    ROLLOUT_REASON_COMPLETED,
    ROLLOUT_REASON_CANCELLED,
    ROLLOUT_REASON_STAGE_NOT_REACHED,
    ROLLOUT_REASON_THRESHOLD,
    ROLLOUT_REASON_RATE,
    ROLLOUT_REASON_IN_FLIGHT,
    ROLLOUT_REASON_WINDOW,
    ROLLOUT_REASON_POSTPONED,
    ROLLOUT_REASON_RETRY_WAIT,
    ROLLOUT_REASON_OTHER_DEPLOYMENT, /* another rollout's deployment is under way */
    ROLLOUT_REASON_OUTRANKED,        /* a rollout that goes before this one has it, or will soon */

    /* It had its chance in this rollout. */
    ROLLOUT_REASON_FAILED,
    ROLLOUT_REASON_REVERTED,
    ROLLOUT_REASON_TIMED_OUT,
    ROLLOUT_REASON_UNHEALTHY,
    ROLLOUT_REASON_LEFT, /* succeeded, and runs another image now */
};
#define ROLLOUT_REASON_COUNT (ROLLOUT_REASON_LEFT + 1)

/* The stable word, "stage_not_reached"; NULL for no value. */
const char *rollout_reason_name(enum rollout_reason reason);
/* One sentence for the operator; NULL for no value. */
const char *rollout_reason_sentence(enum rollout_reason reason);

#endif
