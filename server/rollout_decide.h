/*
 * What to answer a device that polls, and why.
 *
 * Precedence between rollouts that mean one device: security releases first, then the newest start,
 * then the higher id. A device has one active deployment. It is left alone until it ends, unless
 * its image has not been booted yet and (a) its rollout was halted or cancelled, or the release is
 * not fit for the device any more, and another has an offer, or (b) a security release has one and
 * this is none.
 *
 *     poll -> deployment_reconcile() for each candidate's deployment -> rollout_decide()
 *                                                                          |
 *       NONE, HOLD, CONTINUE, CANCEL: answer it                            |
 *       OFFER: deployment_supersede() the one in `supersedes`, if any; -----+
 *              deployment_open(); make both durable; then answer
 *
 * A plain function over const structs: explaining is deciding with the device's last known facts.
 */
#ifndef OTAD_SERVER_ROLLOUT_DECIDE_H
#define OTAD_SERVER_ROLLOUT_DECIDE_H

#include <stddef.h>
#include <stdint.h>

#include "server/rollout.h"
#include "server/rollout_reason.h"

/* One rollout and this device's newest deployment in it, NULL if it has none. */
struct rollout_candidate {
    const struct rollout *rollout;
    const struct deployment *newest;
};

enum rollout_action {
    ROLLOUT_ACTION_NONE = 0,
    ROLLOUT_ACTION_OFFER,    /* open a deployment and answer install */
    ROLLOUT_ACTION_CONTINUE, /* answer install for the deployment it has */
    ROLLOUT_ACTION_HOLD,     /* it has one; keep what it has, fetch nothing, do not boot it */
    ROLLOUT_ACTION_CANCEL,   /* give the one it has up; repeated until it says so or times out */
};

#define ROLLOUT_NO_CANDIDATE SIZE_MAX

struct rollout_decision {
    enum rollout_action action;
    enum rollout_reason reason;
    size_t candidate;    /* whom action and reason are about, or ROLLOUT_NO_CANDIDATE */
    size_t supersedes;   /* OFFER: whose deployment ends first, or ROLLOUT_NO_CANDIDATE */
    uint8_t stage;       /* OFFER: for deployment_open() */
    uint64_t not_before; /* seconds since 1970: when asking again may bring more; 0 = not known */
};

/* `candidates`, in any order: every rollout that is neither draft nor ended and has the device's
 * product, and the rollout of its active deployment in whatever state. At most one of the
 * deployments is active (deployment_active()); should there be more, the newest counts. With no
 * candidates the answer is NONE, NO_ROLLOUT. */
struct rollout_decision rollout_decide(const struct rollout_candidate *candidates, size_t count,
                                       const struct rollout_device *device, uint64_t now);

/* One rollout by itself, as if it were the only one: what it would do, and why not. */
struct rollout_decision rollout_consider(const struct rollout_candidate *candidate,
                                         const struct rollout_device *device, uint64_t now);

/* Why candidate `which` does or does not update the device, the others considered: its own reason,
 * or OTHER_DEPLOYMENT or OUTRANKED when it would and another is in the way. */
struct rollout_decision rollout_explain(const struct rollout_candidate *candidates, size_t count,
                                        size_t which, const struct rollout_device *device,
                                        uint64_t now);

/* Whether `a` goes before `b`. */
bool rollout_goes_before(const struct rollout *a, const struct rollout *b);

#endif
