#include "server/rollout.h"

#include <stdio.h>

/* The word at `value`, NULL outside the table. */
#define WORD(table, value)                                                                         \
    ((size_t)(value) < sizeof(table) / sizeof(table)[0] ? (table)[(size_t)(value)] : NULL)

const char *rollout_state_name(enum rollout_state state)
{
    static const char *const words[] = {
        [ROLLOUT_DRAFT] = "draft",         [ROLLOUT_SCHEDULED] = "scheduled",
        [ROLLOUT_RUNNING] = "running",     [ROLLOUT_PAUSED] = "paused",
        [ROLLOUT_HALTED] = "halted",       [ROLLOUT_COMPLETED] = "completed",
        [ROLLOUT_CANCELLED] = "cancelled",
    };
    return WORD(words, state);
}

const char *rollout_stage_state_name(enum rollout_stage_state state)
{
    static const char *const words[] = {
        [ROLLOUT_STAGE_WAITING] = "waiting",
        [ROLLOUT_STAGE_ACTIVE] = "active",
        [ROLLOUT_STAGE_DONE] = "done",
    };
    return WORD(words, state);
}

const char *rollout_halt_name(enum rollout_halt_cause cause)
{
    static const char *const words[] = {
        [ROLLOUT_HALT_NONE] = "none",
        [ROLLOUT_HALT_FAILURE_COUNT] = "failure_count",
        [ROLLOUT_HALT_FAILURE_PERCENT] = "failure_percent",
        [ROLLOUT_HALT_SEQUENTIAL] = "sequential",
        [ROLLOUT_HALT_SHORT] = "short",
        [ROLLOUT_HALT_OPERATOR] = "operator",
    };
    return WORD(words, cause);
}

const char *rollout_event_name(enum rollout_event event)
{
    static const char *const words[] = {
        [ROLLOUT_EVENT_NONE] = "none",
        [ROLLOUT_EVENT_STARTED] = "started",
        [ROLLOUT_EVENT_MET] = "met",
        [ROLLOUT_EVENT_UNMET] = "unmet",
        [ROLLOUT_EVENT_ADVANCED] = "advanced",
        [ROLLOUT_EVENT_HALTED] = "halted",
        [ROLLOUT_EVENT_COMPLETED] = "completed",
    };
    return WORD(words, event);
}

const char *deployment_state_name(enum deployment_state state)
{
    static const char *const words[DEPLOYMENT_STATE_COUNT] = {
        [DEPLOYMENT_NONE] = "none",
        [DEPLOYMENT_OFFERED] = "offered",
        [DEPLOYMENT_DOWNLOADING] = "downloading",
        [DEPLOYMENT_INSTALLING] = "installing",
        [DEPLOYMENT_TRIAL] = "trial",
        [DEPLOYMENT_RETRY] = "retry",
        [DEPLOYMENT_SUCCEEDED] = "succeeded",
        [DEPLOYMENT_FAILED] = "failed",
        [DEPLOYMENT_REVERTED] = "reverted",
        [DEPLOYMENT_TIMED_OUT] = "timed_out",
        [DEPLOYMENT_UNHEALTHY] = "unhealthy",
        [DEPLOYMENT_SKIPPED] = "skipped",
    };
    return WORD(words, state);
}

int rollout_halt_sentence(const struct rollout *rollout, char *buf, size_t cap)
{
    const struct rollout_halt *halt = &rollout->halt;
    const struct rollout_stage *stage = &rollout->stages[halt->stage];
    unsigned number = halt->stage + 1U;

    switch (halt->cause) {
    case ROLLOUT_HALT_NONE:
        break;
    case ROLLOUT_HALT_FAILURE_COUNT:
        return snprintf(buf, cap, "Stage %u: %u of %u devices failed; the limit is %u.", number,
                        halt->failures, halt->devices, stage->failure_count);
    case ROLLOUT_HALT_FAILURE_PERCENT:
        return snprintf(buf, cap, "Stage %u: %u of %u devices failed; the limit is %u %%.", number,
                        halt->failures, halt->devices, stage->failure_percent);
    case ROLLOUT_HALT_SEQUENTIAL:
        return snprintf(buf, cap,
                        "Stage %u: %u failures beside %u successes are more than %u.%02u %% "
                        "allows, with a confidence of %u.%02u %%.",
                        number, halt->failures, halt->successes,
                        stage->sequential.allowed_bp / 100U, stage->sequential.allowed_bp % 100U,
                        (SEQUENTIAL_WHOLE_BP - stage->sequential.error_bp) / 100,
                        (SEQUENTIAL_WHOLE_BP - stage->sequential.error_bp) % 100);
    case ROLLOUT_HALT_SHORT:
        return snprintf(buf, cap,
                        "Stage %u: no device is left to try, and %u of %u succeeded where %u %% "
                        "were wanted.",
                        number, halt->successes, halt->devices, stage->success_percent);
    case ROLLOUT_HALT_OPERATOR:
        return snprintf(buf, cap, "Stage %u: halted by hand, with %u failures beside %u successes.",
                        number, halt->failures, halt->successes);
    }
    if (cap > 0)
        buf[0] = '\0';
    return 0;
}
