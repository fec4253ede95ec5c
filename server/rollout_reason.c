#include "server/rollout_reason.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *sentence;
} reasons[ROLLOUT_REASON_COUNT] = {
    [ROLLOUT_REASON_OFFERED] = {"offered", "The device is offered the release."},
    [ROLLOUT_REASON_UNDER_WAY] = {"under_way", "The device is being updated."},
    [ROLLOUT_REASON_IN_TRIAL] = {"in_trial",
                                 "The device runs the image on trial and has to confirm it first."},
    [ROLLOUT_REASON_RUNS_TARGET] = {"runs_target", "The device runs the release already."},

    [ROLLOUT_REASON_NO_ROLLOUT] = {"no_rollout",
                                   "No rollout is under way for the device's product."},
    [ROLLOUT_REASON_NOT_ACCEPTED] = {"not_accepted", "The device has not been accepted."},
    [ROLLOUT_REASON_NOT_SEEN] = {"not_seen",
                                 "The device has never polled, so what it runs is not known."},
    [ROLLOUT_REASON_PRODUCT] = {"product", "The release is for another product."},
    [ROLLOUT_REASON_HARDWARE] = {"hardware", "The release is for other hardware."},
    [ROLLOUT_REASON_GROUP] = {"group", "The device is in none of the rollout's groups."},
    [ROLLOUT_REASON_TAGS] = {"tags", "The device's tags do not match the rollout's selector."},
    [ROLLOUT_REASON_RUNNING_RANGE] =
        {"running_range", "The device runs a version outside the range that the rollout is for."},
    [ROLLOUT_REASON_NO_STAGE] = {"no_stage", "No stage of the rollout takes the device."},

    [ROLLOUT_REASON_COUNTER_LOW] =
        {"counter_low",
         "The release's security counter is below the device's, which would refuse it."},
    [ROLLOUT_REASON_COUNTER_JUMP] =
        {"counter_jump", "The release's security counter is too far above the device's; it needs a "
                         "release between them first."},
    [ROLLOUT_REASON_DOWNGRADE] =
        {"downgrade",
         "The device runs a newer version, and the rollout does not allow downgrades."},
    [ROLLOUT_REASON_DOWNGRADE_COUNTER] =
        {"downgrade_counter",
         "A downgrade needs the same security counter, and the release has another."},
    [ROLLOUT_REASON_STEPPING_STONE] =
        {"stepping_stone",
         "The device runs a version below the release's minimum; it needs another release first."},
    [ROLLOUT_REASON_OPTED_OUT] = {"opted_out", "The device has opted out of updates."},

    [ROLLOUT_REASON_DRAFT] = {"draft", "The rollout has not been started."},
    [ROLLOUT_REASON_SCHEDULED] = {"scheduled", "The rollout's start time has not come."},
    [ROLLOUT_REASON_PAUSED] = {"paused", "The rollout is paused."},
    [ROLLOUT_REASON_HALTED] = {"halted", "The rollout has halted."},
    [ROLLOUT_REASON_COMPLETED] = {"completed", "The rollout is completed and offers nothing more."},
    [ROLLOUT_REASON_CANCELLED] = {"cancelled", "The rollout has been cancelled."},
    [ROLLOUT_REASON_STAGE_NOT_REACHED] = {"stage_not_reached",
                                          "The device is in a stage that has not begun."},
    [ROLLOUT_REASON_THRESHOLD] =
        {"threshold", "A failure threshold has been reached; the rollout is about to halt."},
    [ROLLOUT_REASON_RATE] = {"rate",
                             "The offers that the rollout makes in a minute are used up for now."},
    [ROLLOUT_REASON_IN_FLIGHT] = {"in_flight",
                                  "As many devices as the stage allows at once are being updated."},
    [ROLLOUT_REASON_WINDOW] = {"window", "The device's maintenance window is closed."},
    [ROLLOUT_REASON_POSTPONED] = {"postponed", "The device has asked to wait."},
    [ROLLOUT_REASON_RETRY_WAIT] = {"retry_wait", "The device failed and waits for its next try."},
    [ROLLOUT_REASON_OTHER_DEPLOYMENT] = {"other_deployment",
                                         "The device is being updated by another rollout."},
    [ROLLOUT_REASON_OUTRANKED] = {"outranked", "Another rollout goes before this one."},

    [ROLLOUT_REASON_FAILED] = {"failed", "The device failed to install the release."},
    [ROLLOUT_REASON_REVERTED] = {"reverted",
                                 "The device booted the release and went back to its old image."},
    [ROLLOUT_REASON_TIMED_OUT] = {"timed_out", "The device took the offer and was not heard of."},
    [ROLLOUT_REASON_UNHEALTHY] = {"unhealthy",
                                  "The device confirmed the release and then misbehaved."},
    [ROLLOUT_REASON_LEFT] =
        {"left", "The device had installed the release and was found on another image later."},
};

const char *rollout_reason_name(enum rollout_reason reason)
{
    return (unsigned)reason < ROLLOUT_REASON_COUNT ? reasons[reason].name : NULL;
}

const char *rollout_reason_sentence(enum rollout_reason reason)
{
    return (unsigned)reason < ROLLOUT_REASON_COUNT ? reasons[reason].sentence : NULL;
}
