#include "server/deployment.h"

#include <assert.h>
#include <string.h>

#include "server/rollout_target.h"

bool deployment_preboot(const struct deployment *deployment)
{
    return deployment->state == DEPLOYMENT_OFFERED || deployment->state == DEPLOYMENT_DOWNLOADING ||
           deployment->state == DEPLOYMENT_INSTALLING;
}

bool deployment_active(const struct deployment *deployment)
{
    return deployment_preboot(deployment) || deployment->state == DEPLOYMENT_TRIAL;
}

bool deployment_failure(enum deployment_state state)
{
    return state == DEPLOYMENT_FAILED || state == DEPLOYMENT_REVERTED ||
           state == DEPLOYMENT_TIMED_OUT || state == DEPLOYMENT_UNHEALTHY;
}

static struct deployment_change result(enum deployment_effect effect,
                                       const struct deployment *deployment)
{
    return (struct deployment_change){effect, deployment->state, deployment->state};
}

/* A failure that becomes another failure is still the failure of its round. */
static void stamp_round(const struct rollout *rollout, struct deployment *deployment,
                        enum deployment_state to)
{
    if (!(deployment_failure(deployment->state) && deployment_failure(to)))
        deployment->round = rollout->round;
}

static struct deployment_change move(struct rollout *rollout, struct deployment *deployment,
                                     enum deployment_state to, bool inferred, uint64_t now)
{
    struct deployment_change change = {DEPLOYMENT_MOVED, deployment->state, to};

    rollout_uncount_deployment(rollout, deployment);
    stamp_round(rollout, deployment, to);
    deployment->state = to;
    deployment->inferred = inferred;
    deployment->changed_at = now;
    rollout_count_deployment(rollout, deployment);
    return change;
}

void deployment_open(struct rollout *rollout, struct deployment *deployment,
                     struct deployment *previous, uint64_t id, uint8_t stage, uint64_t now)
{
    uint8_t attempt = 1;

    if (previous != NULL) {
        attempt = previous->attempt;
        if (previous->state != DEPLOYMENT_SKIPPED && attempt < UINT8_MAX)
            attempt++;
        rollout_uncount_deployment(rollout, previous);
        if (previous->state == DEPLOYMENT_RETRY)
            previous->state = DEPLOYMENT_FAILED;
    }
    *deployment = (struct deployment){
        .id = id,
        .rollout_id = rollout->id,
        .offered_at = now,
        .changed_at = now,
        .state = DEPLOYMENT_OFFERED,
        .stage = stage,
        .attempt = attempt,
        .round = rollout->round,
    };
    rollout_count_deployment(rollout, deployment);
    rollout_rate_take(rollout, now);
}

void deployment_supersede(struct rollout *rollout, struct deployment *deployment, uint64_t now)
{
    if (deployment_active(deployment))
        move(rollout, deployment, DEPLOYMENT_SKIPPED, true, now);
}

/* The server does not want it any more, so the device's giving up says nothing about the release.
 */
static bool withdrawn(const struct rollout *rollout, const struct rollout_device *device)
{
    enum rollout_reason reason = rollout_release_fits(rollout, device);

    return rollout->state == ROLLOUT_CANCELLED ||
           (reason != ROLLOUT_REASON_NONE && reason != ROLLOUT_REASON_NOT_SEEN);
}

/* Whether the rollout may still offer a next try. */
static bool retries(const struct rollout *rollout, const struct deployment *deployment)
{
    return deployment->attempt <= rollout->retries &&
           (rollout->state == ROLLOUT_RUNNING || rollout->state == ROLLOUT_PAUSED ||
            rollout->state == ROLLOUT_HALTED);
}

static enum deployment_state after_failure(const struct rollout *rollout,
                                           const struct rollout_device *device,
                                           const struct deployment *deployment)
{
    if (!deployment_preboot(deployment))
        return DEPLOYMENT_FAILED;
    if (withdrawn(rollout, device))
        return DEPLOYMENT_SKIPPED;
    return retries(rollout, deployment) ? DEPLOYMENT_RETRY : DEPLOYMENT_FAILED;
}

/* The state that a report speaks of. */
static enum deployment_state reported_state(const struct rollout *rollout,
                                            const struct rollout_device *device,
                                            const struct deployment *deployment,
                                            const struct ota_report *report)
{
    bool runs_target = memcmp(report->hash, rollout->release.hash, OTA_HASH_LEN) == 0;

    switch (report->event) {
    case OTA_EVENT_DOWNLOADING:
        return DEPLOYMENT_DOWNLOADING;
    case OTA_EVENT_INSTALLED:
        return DEPLOYMENT_INSTALLING;
    case OTA_EVENT_TRIAL:
        return runs_target ? DEPLOYMENT_TRIAL : DEPLOYMENT_NONE;
    case OTA_EVENT_CONFIRMED:
        return runs_target ? DEPLOYMENT_SUCCEEDED : DEPLOYMENT_FAILED;
    case OTA_EVENT_REVERTED:
        return DEPLOYMENT_REVERTED;
    case OTA_EVENT_FAILED:
        return after_failure(rollout, device, deployment);
    case OTA_EVENT_HEALTH: /* deployment_health() */
        break;
    }
    return DEPLOYMENT_NONE;
}

static bool is_progress(enum deployment_state state)
{
    return state == DEPLOYMENT_DOWNLOADING || state == DEPLOYMENT_INSTALLING ||
           state == DEPLOYMENT_TRIAL;
}

static struct deployment_change progress(struct rollout *rollout, struct deployment *deployment,
                                         enum deployment_state to, uint32_t percent, uint64_t now)
{
    if (!deployment_active(deployment) || to < deployment->state)
        return result(DEPLOYMENT_NOTED, deployment);
    if (percent > 100)
        percent = 100;
    if (to == DEPLOYMENT_DOWNLOADING && percent > deployment->percent) {
        deployment->percent = (uint8_t)percent;
        deployment->changed_at = now;
    }
    if (to == deployment->state)
        return result(DEPLOYMENT_NOTED, deployment);
    return move(rollout, deployment, to, false, now);
}

struct deployment_change deployment_report(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment,
                                           const struct ota_report *report, uint64_t now)
{
    enum deployment_state to;

    assert(deployment->rollout_id == rollout->id);
    if (report->event == OTA_EVENT_HEALTH)
        return deployment_health(rollout, device, deployment, report->seq, report->events, now);
    if (device->newest_deployment > deployment->id || deployment->state == DEPLOYMENT_SKIPPED ||
        report->seq <= deployment->seq)
        return result(DEPLOYMENT_UNCHANGED, deployment);
    to = reported_state(rollout, device, deployment, report);
    deployment->seq = report->seq;
    if (to == DEPLOYMENT_NONE)
        return result(DEPLOYMENT_NOTED, deployment);
    if (is_progress(to))
        return progress(rollout, deployment, to, report->percent, now);
    if (!deployment_active(deployment) && !deployment->inferred)
        return result(DEPLOYMENT_NOTED, deployment);
    if (to == deployment->state) {
        deployment->inferred = false;
        return result(DEPLOYMENT_NOTED, deployment);
    }
    return move(rollout, deployment, to, false, now);
}

static bool in_health_time(const struct rollout *rollout, const struct deployment *deployment,
                           uint64_t now)
{
    uint64_t since = now > deployment->changed_at ? now - deployment->changed_at : 0;

    return deployment->state == DEPLOYMENT_SUCCEEDED && since < rollout->health_seconds;
}

struct deployment_change deployment_health(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment, uint64_t seq,
                                           uint32_t events, uint64_t now)
{
    uint32_t allowed = rollout->health_events > 0 ? rollout->health_events : 1;

    assert(deployment->rollout_id == rollout->id);
    if (device->newest_deployment > deployment->id || deployment->state == DEPLOYMENT_SKIPPED ||
        seq <= deployment->seq)
        return result(DEPLOYMENT_UNCHANGED, deployment);
    deployment->seq = seq;
    if (!in_health_time(rollout, deployment, now))
        return result(DEPLOYMENT_NOTED, deployment);
    if (events > (uint32_t)(UINT16_MAX - deployment->health))
        events = (uint32_t)(UINT16_MAX - deployment->health);
    deployment->health = (uint16_t)(deployment->health + events);
    if (deployment->health < allowed)
        return result(DEPLOYMENT_NOTED, deployment);
    return move(rollout, deployment, DEPLOYMENT_UNHEALTHY, false, now);
}

/* The device runs the release and has confirmed it. */
static bool mended_by_success(const struct deployment *deployment)
{
    return deployment_active(deployment) || deployment->state == DEPLOYMENT_RETRY ||
           (deployment_failure(deployment->state) && deployment->inferred);
}

/* The device runs something else than the release. */
static bool broken_by_other_image(const struct rollout *rollout,
                                  const struct rollout_device *device,
                                  const struct deployment *deployment, uint64_t now)
{
    if (deployment->state == DEPLOYMENT_TRIAL)
        return true;
    return in_health_time(rollout, deployment, now) && device->newest_deployment <= deployment->id;
}

/* The state that the deployment is in by what the device runs; the one it has when that fits. */
static enum deployment_state found_state(const struct rollout *rollout,
                                         const struct rollout_device *device,
                                         const struct deployment *deployment, uint64_t now)
{
    if (!device->seen || deployment->state == DEPLOYMENT_SKIPPED)
        return deployment->state;
    if (!rollout_runs_target(rollout, device))
        return broken_by_other_image(rollout, device, deployment, now) ? DEPLOYMENT_REVERTED
                                                                       : deployment->state;
    if (device->trial)
        return deployment_preboot(deployment) ? DEPLOYMENT_TRIAL : deployment->state;
    return mended_by_success(deployment) ? DEPLOYMENT_SUCCEEDED : deployment->state;
}

bool deployment_reconciles(const struct rollout *rollout, const struct rollout_device *device,
                           const struct deployment *deployment, uint64_t now)
{
    return found_state(rollout, device, deployment, now) != deployment->state;
}

struct deployment_change deployment_reconcile(struct rollout *rollout,
                                              const struct rollout_device *device,
                                              struct deployment *deployment, uint64_t now)
{
    enum deployment_state to = found_state(rollout, device, deployment, now);

    assert(deployment->rollout_id == rollout->id);
    if (to == deployment->state)
        return result(DEPLOYMENT_UNCHANGED, deployment);
    return move(rollout, deployment, to, to != DEPLOYMENT_TRIAL, now);
}

/* Seconds of silence that a state may last; 0 for those that may last for ever. */
static uint32_t patience(const struct rollout *rollout, enum deployment_state state)
{
    switch (state) {
    case DEPLOYMENT_OFFERED:
        return rollout->timeouts.offered_seconds;
    case DEPLOYMENT_DOWNLOADING:
        return rollout->timeouts.downloading_seconds;
    case DEPLOYMENT_INSTALLING:
        return rollout->timeouts.installing_seconds;
    case DEPLOYMENT_TRIAL:
        return rollout->timeouts.trial_seconds;
    case DEPLOYMENT_RETRY:
        return rollout->timeouts.retry_seconds;
    case DEPLOYMENT_NONE:
    case DEPLOYMENT_SUCCEEDED:
    case DEPLOYMENT_FAILED:
    case DEPLOYMENT_REVERTED:
    case DEPLOYMENT_TIMED_OUT:
    case DEPLOYMENT_UNHEALTHY:
    case DEPLOYMENT_SKIPPED:
        break;
    }
    return 0;
}

/* The rollout itself makes the device wait. */
static bool held(const struct rollout *rollout, enum deployment_state state)
{
    if (state == DEPLOYMENT_RETRY)
        return rollout->state == ROLLOUT_HALTED || rollout->state == ROLLOUT_PAUSED;
    return state != DEPLOYMENT_TRIAL && rollout->state == ROLLOUT_HALTED;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t deployment_deadline(const struct rollout *rollout, const struct rollout_device *device,
                             const struct deployment *deployment)
{
    uint32_t seconds = patience(rollout, deployment->state);
    uint64_t at = deployment->changed_at;

    if (seconds == 0 || held(rollout, deployment->state))
        return ROLLOUT_NEVER;
    if (deployment->state == DEPLOYMENT_TRIAL)
        return at + seconds;
    if (deployment->state == DEPLOYMENT_RETRY)
        at += rollout->retry_wait_seconds;
    at = later(at, rollout->resumed_at);
    at = later(at, rollout_postponed_until(rollout, device)) + seconds;
    if (window_open(&rollout->window, device->utc_offset_minutes, at))
        return at;
    return window_next_open(&rollout->window, device->utc_offset_minutes, at) + seconds;
}

struct deployment_change deployment_expire(struct rollout *rollout,
                                           const struct rollout_device *device,
                                           struct deployment *deployment, uint64_t now)
{
    bool retry = deployment->state == DEPLOYMENT_RETRY;

    assert(deployment->rollout_id == rollout->id);
    if (now < deployment_deadline(rollout, device, deployment))
        return result(DEPLOYMENT_UNCHANGED, deployment);
    if (deployment->state != DEPLOYMENT_TRIAL && withdrawn(rollout, device))
        return move(rollout, deployment, DEPLOYMENT_SKIPPED, true, now);
    return move(rollout, deployment, retry ? DEPLOYMENT_FAILED : DEPLOYMENT_TIMED_OUT, !retry, now);
}
