/*
 * Rollouts: how one release reaches a fleet in stages, and stops by itself when it is bad.
 *
 * The engine is pure: plain structs in, plain structs out; no SQL, no clock, no HTTP, no threads,
 * no heap. The caller holds a lock around each rollout it passes, keeps what is marked durable, and
 * feeds time in seconds since 1970. docs/rollouts.md has the rules in prose.
 *
 *                schedule          start_at comes
 *      draft ------------> scheduled ----+
 *        |                               v      pause            success of the last stage
 *        +----------- start ---------> running <------> paused   running ------> completed
 *                                        ^ |    resume     |
 *                           resume+force | | threshold     | threshold
 *                                        | v               |
 *                                       halted <-----------+
 *      cancel: from every state but completed ------------> cancelled
 *      halt by hand: from running and paused -------------> halted
 *
 * The modules: rollout.h (this: the structs, the life of a rollout), rollout_target.h (which stage
 * takes a device, what keeps it out), rollout_decide.h (what to answer a poll), deployment.h (one
 * try of one device), rollout_reason.h (why, in words), selector.h, window.h, sequential.h.
 *
 * Counting. A device counts once in a rollout: by its newest deployment there (by_state), else as
 * waiting or excluded. Engine functions keep by_state and the round counts themselves. `members`
 * and `excluded` depend on facts the engine does not see change, so the caller keeps them:
 *
 *     struct rollout_place before = rollout_place(rollout, &device, newest);
 *     ... anything that changes the device's facts or its newest deployment in any rollout ...
 *     rollout_place_move(rollout, before, rollout_place(rollout, &device, newest));
 *
 * and, once after the start (by order or by ROLLOUT_EVENT_STARTED), rollout_place_add() for each
 * device that exists; then it sets `counted` and ticks. Offers go out meanwhile; no stage ends
 * before. While it counts, it moves places only of the devices it has been through.
 */
#ifndef OTAD_SERVER_ROLLOUT_H
#define OTAD_SERVER_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"
#include "protocol/text.h"
#include "protocol/version.h"
#include "server/selector.h"
#include "server/sequential.h"
#include "server/window.h"

#define ROLLOUT_STAGES_MAX 16
#define ROLLOUT_GROUPS_MAX 16         /* groups a target may name */
#define ROLLOUT_SHARE_WHOLE 10000U    /* basis points of the target */
#define ROLLOUT_RETRIES_MAX 10        /* further tries of one device after the first */
#define ROLLOUT_SECONDS_MAX 31536000U /* a year: soak, timeouts, health */
#define ROLLOUT_TIMEOUT_DEFAULT 3600U /* seconds */
#define ROLLOUT_NEVER UINT64_MAX      /* a time that does not come */

/* Values stand in databases; never reused. */
enum rollout_state {
    ROLLOUT_DRAFT = 0,
    ROLLOUT_SCHEDULED = 1,
    ROLLOUT_RUNNING = 2,
    ROLLOUT_PAUSED = 3,
    ROLLOUT_HALTED = 4, /* stopped by a rule of its own or by hand; `halt` says which */
    ROLLOUT_COMPLETED = 5,
    ROLLOUT_CANCELLED = 6,
};
#define ROLLOUT_STATE_COUNT 7

enum rollout_stage_state {
    ROLLOUT_STAGE_WAITING = 0,
    ROLLOUT_STAGE_ACTIVE = 1,
    ROLLOUT_STAGE_DONE = 2, /* its devices are still offered the release, and still watched */
};

/* Where one try of one device stands. Values stand in databases; never reused. */
enum deployment_state {
    DEPLOYMENT_NONE = 0,
    DEPLOYMENT_OFFERED = 1,     /* told of it; has not said anything yet */
    DEPLOYMENT_DOWNLOADING = 2, /* fetching */
    DEPLOYMENT_INSTALLING = 3,  /* verified in the spare slot, about to boot it */
    DEPLOYMENT_TRIAL = 4,       /* runs the new image, unconfirmed */
    DEPLOYMENT_RETRY = 5,       /* failed before a boot; budget left, waits for the next try */
    DEPLOYMENT_SUCCEEDED = 6,
    DEPLOYMENT_FAILED = 7,
    DEPLOYMENT_REVERTED = 8,
    DEPLOYMENT_TIMED_OUT = 9,  /* the server's verdict on silence; a late final report mends it */
    DEPLOYMENT_UNHEALTHY = 10, /* confirmed, then misbehaved within the health time */
    DEPLOYMENT_SKIPPED = 11,   /* ended without a verdict: cancelled, superseded or not wanted */
};
#define DEPLOYMENT_STATE_COUNT 12

/* ---- a rollout ---- */

struct rollout_release {
    char product[OTA_NAME_MAX + 1];
    char hardware[OTA_NAME_MAX + 1];
    struct ota_version version;
    uint32_t counter;           /* security counter */
    uint8_t hash[OTA_HASH_LEN]; /* image hash */
    bool security;              /* goes before rollouts that are not */
    bool has_version_min;       /* a stepping stone: devices below version_min need another first */
    struct ota_version version_min;
};

/* Who is meant, beside product and hardware. Everything given must hold. */
struct rollout_target {
    uint32_t groups[ROLLOUT_GROUPS_MAX]; /* one of these; none = every device */
    uint8_t group_count;
    bool has_running_min; /* runs this version or newer */
    bool has_running_max; /* runs this version or older */
    struct ota_version running_min;
    struct ota_version running_max;
    struct selector tags;
};

enum rollout_rule {
    ROLLOUT_RULE_SHARE = 1, /* the devices whose hash lies below share_bp of the whole target */
    ROLLOUT_RULE_GROUP = 2, /* the devices of one group */
};

struct rollout_counts {
    uint32_t members;  /* devices the stage takes; by the caller, see the top */
    uint32_t excluded; /* of them: not to be updated (run it already, newer, opted out, ...) */
    uint32_t by_state[DEPLOYMENT_STATE_COUNT]; /* devices by their newest deployment */
    /* Verdicts reached since start or the last forced resume; thresholds look at these. */
    uint32_t round_failures;
    uint32_t round_successes;
};

struct rollout_stage {
    /* Settings: fixed once started. */
    enum rollout_rule rule;
    uint32_t group;          /* RULE_GROUP */
    uint16_t share_bp;       /* RULE_SHARE: 1 to ROLLOUT_SHARE_WHOLE */
    uint8_t success_percent; /* 0 to 100 of the stage's devices must have succeeded to go on */
    uint8_t failure_percent; /* 1 to 100 of the stage's devices failed: halt; 0 = no such rule */
    uint32_t failure_count;  /* so many devices failed: halt; 0 = no such rule */
    struct sequential sequential;
    uint32_t soak_seconds; /* success must have stood this long before going on */
    uint32_t
        offers_a_minute;    /* of the whole rollout while this stage is the current; 0 = no limit */
    uint32_t in_flight_max; /* likewise: devices under way at once; 0 = no limit */
    bool by_hand;           /* goes on only when told to */

    /* State: durable. */
    enum rollout_stage_state state;
    bool accepted;       /* an operator took it as it is: success counts as reached */
    uint64_t started_at; /* seconds since 1970, 0 = not yet */
    uint64_t met_at;     /* since when success stands; 0 = it does not */
    uint64_t done_at;

    struct rollout_counts counts; /* not durable: recounted at start-up */
};

enum rollout_halt_cause {
    ROLLOUT_HALT_NONE = 0,
    ROLLOUT_HALT_FAILURE_COUNT = 1,
    ROLLOUT_HALT_FAILURE_PERCENT = 2,
    ROLLOUT_HALT_SEQUENTIAL = 3,
    ROLLOUT_HALT_SHORT = 4,    /* every device of the stage has a verdict, too few succeeded */
    ROLLOUT_HALT_OPERATOR = 5, /* somebody has seen what no rule sees */
};

struct rollout_halt {
    enum rollout_halt_cause cause;
    uint8_t stage;
    uint32_t failures; /* at that moment, in that stage and round */
    uint32_t successes;
    uint32_t devices; /* to be updated in that stage */
    uint64_t at;
};

struct rollout_timeouts {
    uint32_t offered_seconds;
    uint32_t downloading_seconds; /* since the last rise of the percentage */
    uint32_t installing_seconds;
    uint32_t trial_seconds;
    uint32_t retry_seconds; /* a device that should try again and does not come */
};

struct rollout {
    /* Settings: durable, fixed once started. */
    uint64_t id;
    uint64_t seed; /* of the devices' places; the id, unless an operator wants the same canaries */
    struct rollout_release release;
    struct rollout_target target;
    struct rollout_stage stages[ROLLOUT_STAGES_MAX];
    uint8_t stage_count;
    bool allow_downgrade; /* to a lower version with the same security counter */
    struct window window;
    struct rollout_timeouts timeouts;
    uint8_t retries;             /* further tries of a device after the first */
    uint32_t retry_wait_seconds; /* before each of them */
    uint32_t health_seconds;     /* after a confirm, health reports count; 0 = never */
    uint32_t health_events;      /* so many bad events make a device unhealthy; 0 counts as 1 */
    uint32_t
        postpone_seconds_max; /* a device's postponing ends this long after start; 0 = no end */

    /* State: durable. */
    enum rollout_state state;
    uint8_t current;   /* stage; all before it are done */
    uint16_t round;    /* 0, then one more with each forced resume */
    uint64_t revision; /* from 1, one more with each change of this part; for ETag */
    uint64_t start_at; /* SCHEDULED */
    uint64_t started_at;
    uint64_t resumed_at; /* last resume; timeouts run anew from here */
    uint64_t ended_at;
    struct rollout_halt halt;

    /* Not durable. */
    bool counted;       /* members and excluded of every stage are complete */
    uint64_t bucket;    /* offers that may go out now, in 1/60 device */
    uint64_t bucket_at; /* when that was so */
};

/* ---- a device, as the engine sees it ---- */

/* A view that lives for one call; pointers belong to the caller. Facts as last told by the device;
 * while it polls, as told by this poll. */
struct rollout_device {
    struct ota_text id;
    struct ota_text product;
    struct ota_text hardware;
    uint32_t group; /* 0 = none */
    bool accepted;  /* false: pending or rejected, never offered anything */
    bool seen;      /* it has told what it runs; the four below are valid */
    bool trial;     /* runs an image it has not confirmed */
    struct ota_version version;
    uint32_t counter;                  /* its stored security counter */
    const uint8_t *hash;               /* OTA_HASH_LEN bytes; may be NULL unless seen */
    const struct ota_version *heading; /* what its active deployment brings; NULL if it has none */
    /* Id of its newest deployment, of whatever rollout, 0 = none. Ids rise: what is below is
     * superseded. */
    uint64_t newest_deployment;
    bool opted_out;
    uint64_t postponed_until;   /* 0 = not */
    int32_t utc_offset_minutes; /* local = UTC + this */
    const struct selector_tag *tags;
    size_t tag_count;
};

/* One try of one device; all durable. The caller knows whose it is. See deployment.h. */
struct deployment {
    uint64_t id; /* the deployment's number on the wire; ids rise, from 1 */
    uint64_t rollout_id;
    uint64_t seq;        /* highest report sequence taken */
    uint64_t offered_at; /* seconds since 1970 */
    uint64_t changed_at; /* last step forward: state, or percentage */
    enum deployment_state state;
    uint8_t stage; /* stays, whatever becomes of the device's group */
    uint8_t percent;
    uint8_t attempt; /* 1 = the first; tries the server withdrew do not count */
    uint16_t round;  /* of the rollout when the verdict fell */
    uint16_t health; /* bad events since the confirm */
    bool inferred;   /* the verdict is the server's own, a final report may mend it */
};

/* ---- the life of a rollout ---- */

/* What is wrong with a rollout's settings; 0 is nothing. Values are never reused. */
enum rollout_flaw {
    ROLLOUT_FLAW_NONE = 0,
    ROLLOUT_FLAW_NO_STAGE = -1,
    ROLLOUT_FLAW_STAGES = -2,      /* more than ROLLOUT_STAGES_MAX */
    ROLLOUT_FLAW_RULE = -3,        /* neither a share of 1 to 10000 bp nor a group */
    ROLLOUT_FLAW_SHARE_ORDER = -4, /* a share not above the one before takes nobody */
    ROLLOUT_FLAW_SHARE_LAST = -5,  /* the last stage is a share below the whole */
    ROLLOUT_FLAW_GROUP = -6,       /* two stages name one group, or one outside the target */
    ROLLOUT_FLAW_PERCENT = -7,     /* success or failure above 100 */
    ROLLOUT_FLAW_SEQUENTIAL = -8,
    ROLLOUT_FLAW_SECONDS = -9, /* soak, timeout or health over ROLLOUT_SECONDS_MAX; timeout 0 */
    ROLLOUT_FLAW_RETRIES = -10,
    ROLLOUT_FLAW_WINDOW = -11,
    ROLLOUT_FLAW_TARGET = -12,   /* too many groups, or a running range that is empty */
    ROLLOUT_FLAW_RELEASE = -13,  /* no product or hardware */
    ROLLOUT_FLAW_ROLLBACK = -14, /* not an older release of the same kind and counter */
};

/* A zeroed draft with the defaults: success 100 % is the caller's to set per stage; timeouts
 * ROLLOUT_TIMEOUT_DEFAULT, no retry, no window, seed = id. */
void rollout_init(struct rollout *rollout, uint64_t id);
/* One number for all timeouts. */
void rollout_set_timeouts(struct rollout *rollout, uint32_t seconds);

/* Check settings before they are stored. 0, or the first flaw with its stage in *stage if given. */
enum rollout_flaw rollout_check(const struct rollout *rollout, uint8_t *stage);
/* A draft that takes devices back from the release of `of` to the older release `to`: the same
 * groups and tags, only devices that run the version of `of`, all of them in one stage at the rate
 * of its last, downgrade allowed. 0, or ROLLOUT_FLAW_ROLLBACK and nothing changed. */
enum rollout_flaw rollout_init_rollback(struct rollout *rollback, uint64_t id,
                                        const struct rollout *of, const struct rollout_release *to);

/* One sentence that says what is wrong and what to do; never NULL. */
const char *rollout_flaw_sentence(enum rollout_flaw flaw);

enum rollout_command {
    ROLLOUT_START = 1, /* draft, scheduled -> running */
    ROLLOUT_SCHEDULE,  /* draft, scheduled -> scheduled, at `start_at` */
    ROLLOUT_PAUSE,     /* running -> paused: no new offers, those under way finish */
    ROLLOUT_RESUME,    /* paused -> running; halted -> running with `force` */
    ROLLOUT_CANCEL,    /* all but completed, cancelled -> cancelled */
    ROLLOUT_ADVANCE,   /* running: go on to the next stage; `force` when success is not reached */
    ROLLOUT_HALT,      /* running, paused -> halted */
};

struct rollout_order {
    enum rollout_command command;
    bool force;
    uint64_t start_at;    /* ROLLOUT_SCHEDULE: later than now */
    uint64_t if_revision; /* obey only if the rollout's is this one; 0 = whatever it is */
};

enum rollout_refusal {
    ROLLOUT_ALLOWED = 0,
    ROLLOUT_REFUSED_STATE = -1,    /* not from this state */
    ROLLOUT_REFUSED_FORCE = -2,    /* halted: only with force */
    ROLLOUT_REFUSED_STAGE = -3,    /* advance: the stage has not reached its success; force */
    ROLLOUT_REFUSED_SETTINGS = -4, /* start, schedule: rollout_check() finds a flaw */
    ROLLOUT_REFUSED_TIME = -5,     /* schedule: start_at is not in the future */
    ROLLOUT_REFUSED_REVISION = -6, /* it has changed since if_revision was read */
};

/* Obey an operator. ROLLOUT_ALLOWED and the rollout changed, or a refusal and nothing changed. Two
 * operators: the second order meets the state the first one left, or with if_revision is refused.
 * Tick afterwards. */
enum rollout_refusal rollout_command(struct rollout *rollout, const struct rollout_order *order,
                                     uint64_t now);
/* One sentence for a refusal of `command` in `state`: what is wrong and what to do; never NULL. */
const char *rollout_refusal_sentence(enum rollout_refusal refusal, enum rollout_command command,
                                     enum rollout_state state);

enum rollout_event {
    ROLLOUT_EVENT_NONE = 0,
    ROLLOUT_EVENT_STARTED,  /* its schedule came */
    ROLLOUT_EVENT_MET,      /* the current stage reached its success; soak runs */
    ROLLOUT_EVENT_UNMET,    /* it no longer stands (devices joined, or fell ill) */
    ROLLOUT_EVENT_ADVANCED, /* stage current - 1 done, stage `current` active */
    ROLLOUT_EVENT_HALTED,   /* see rollout->halt */
    ROLLOUT_EVENT_COMPLETED,
};

/* Let time and counts act: one change a call, so that each can be logged; call again until NONE.
 * Call it after every order, report, expiry, and change of members, and at *next_at (if given: the
 * next second at which it would act by time alone, ROLLOUT_NEVER if none). */
enum rollout_event rollout_tick(struct rollout *rollout, uint64_t now, uint64_t *next_at);

/* ---- counting ---- */

/* Where a device counts in a rollout. */
struct rollout_place {
    bool member; /* some stage takes it */
    bool excluded;
    uint8_t stage;
};

void rollout_place_add(struct rollout *rollout, struct rollout_place place);
/* Take it from one place to another; equal places cost nothing. */
void rollout_place_move(struct rollout *rollout, struct rollout_place from,
                        struct rollout_place to);

/* Start-up: zero all counts, then one call for the newest deployment of each device in it, and
 * rollout_place_add() for each device. A device that is deleted is taken out the same way back. */
void rollout_count_reset(struct rollout *rollout);
void rollout_count_deployment(struct rollout *rollout, const struct deployment *deployment);
void rollout_uncount_deployment(struct rollout *rollout, const struct deployment *deployment);
void rollout_place_remove(struct rollout *rollout, struct rollout_place place);

/* Sums over a stage. */
uint32_t rollout_stage_failures(const struct rollout_stage *stage); /* all rounds */
uint32_t
rollout_stage_in_flight(const struct rollout_stage *stage);        /* offered to trial, and retry */
uint32_t rollout_stage_devices(const struct rollout_stage *stage); /* members - excluded */
uint32_t rollout_stage_waiting(const struct rollout_stage *stage); /* to be updated, not begun */

/* The failure rule that is broken in `stage` now, if any: the first of count, sequential, percent.
 * Until all is counted, percent is of the devices counted so far: too strict, enough to hold offers
 * back. */
enum rollout_halt_cause rollout_stage_broken(const struct rollout *rollout, uint8_t stage);

/* ---- offers ---- */

/* Whether the rate allows an offer now; else *at is when it will. */
bool rollout_rate_allows(const struct rollout *rollout, uint64_t now, uint64_t *at);
/* How many offers it may make now, by rate and by devices at once; UINT32_MAX for no limit. */
uint32_t rollout_room(const struct rollout *rollout, uint64_t now);
/* Take one offer from the rate; deployment_open() does. */
void rollout_rate_take(struct rollout *rollout, uint64_t now);

/* ---- words ---- */

/* Stable lower-case words for API and database ("running", "timed_out"); NULL for no value. */
const char *rollout_state_name(enum rollout_state state);
const char *rollout_stage_state_name(enum rollout_stage_state state);
const char *rollout_halt_name(enum rollout_halt_cause cause);
const char *rollout_event_name(enum rollout_event event);
const char *deployment_state_name(enum deployment_state state);
/* "Stage 1 was halted: 3 of its 20 devices failed, 3 are the limit." Characters without the NUL, as
 * snprintf; empty when not halted. */
int rollout_halt_sentence(const struct rollout *rollout, char *buf, size_t cap);

#endif
