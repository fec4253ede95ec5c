/*
 * One try of one device to get one release.
 *
 *     offered -> downloading -> installing -> trial -> succeeded -> (health time) unhealthy,
 * reverted |            |             |           |
 *        +------------+-------------+-----------+--> failed | reverted   the device says so
 *        |            |             |           |
 *        +------------+-------------+-----------+--> timed_out           it says nothing
 *        +------------+-------------+--> skipped                         withdrawn, no verdict
 *     failed with budget left is `retry`; the next try is a new deployment.
 *
 * Steps may be left out (reports get lost), never taken back. What the device runs is the truth: a
 * poll with the target's hash, confirmed, is a success even when the report never came. A verdict
 * of the server's own (`inferred`) gives way to a final report; any other verdict stands.
 *
 * Each function that changes a deployment keeps its rollout's by_state and round counts. The caller
 * takes rollout_place() before and after, see rollout.h, and ticks the rollout afterwards.
 */
#ifndef OTAD_SERVER_DEPLOYMENT_H
#define OTAD_SERVER_DEPLOYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/report.h"
#include "server/rollout.h"

/* The device has it in hand: offered to trial. */
bool deployment_active(const struct deployment *deployment);
/* Its image has not been booted yet: offered to installing. */
bool deployment_preboot(const struct deployment *deployment);
/* Counts against the rollout: failed, reverted, timed out, unhealthy. */
bool deployment_failure(enum deployment_state state);

/* Begin the try that rollout_decide() asked for: fills *deployment, takes one offer from the rate,
 * counts it. `previous` is the device's newest deployment in this rollout so far or NULL; it
 * counts no longer, and a `retry` becomes the failure it was (durable as well). */
void deployment_open(struct rollout *rollout, struct deployment *deployment,
                     struct deployment *previous, uint64_t id, uint8_t stage, uint64_t now);

/* End an active deployment without a verdict, because another takes its place. */
void deployment_supersede(struct rollout *rollout, struct deployment *deployment, uint64_t now);

enum deployment_effect {
    DEPLOYMENT_UNCHANGED = 0, /* nothing new: a seq already taken, a superseded deployment */
    DEPLOYMENT_NOTED, /* taken (seq, percentage, health), no step: backwards, or the verdict stands
                       */
    DEPLOYMENT_MOVED, /* the state changed */
};

struct deployment_change {
    enum deployment_effect effect;
    enum deployment_state from;
    enum deployment_state to;
};

/* A report of the device about this deployment; changes nothing unless it is the device's newest
 * (device->newest_deployment). Anything but UNCHANGED must be made durable before
 * the report is acknowledged. */
struct deployment_change deployment_report(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment,
                                           const struct ota_report *report, uint64_t now);

/* `events` bad events (crashes, resets by the watchdog) of the application, told with a report
 * sequence of its own; counted within the rollout's health time after the confirm. */
struct deployment_change deployment_health(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment, uint64_t seq,
                                           uint32_t events, uint64_t now);

/* What the device says it runs, at each poll, against what is believed. Another image after a
 * success is held against the release only within the health time, and only if this is the device's
 * newest deployment. */
struct deployment_change deployment_reconcile(struct rollout *rollout,
                                              const struct rollout_device *device,
                                              struct deployment *deployment, uint64_t now);
/* Whether that would change it: for those who may only read. */
bool deployment_reconciles(const struct rollout *rollout, const struct rollout_device *device,
                           const struct deployment *deployment, uint64_t now);

/* When silence becomes a verdict, ROLLOUT_NEVER if it does not: final states, and those that a
 * halted rollout or a closed window makes wait. May move later as time passes, never earlier but by
 * a step of the deployment: wake at it, ask again. */
uint64_t deployment_deadline(const struct rollout *rollout, const struct rollout_device *device,
                             const struct deployment *deployment);

/* At its deadline or later: timed_out; failed for a retry that did not come; skipped if the rollout
 * was cancelled. Before it: UNCHANGED. */
struct deployment_change deployment_expire(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment, uint64_t now);

#endif
