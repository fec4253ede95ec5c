/*
 * What rollouts should do, said a second time and naively.
 *
 * Nothing is kept but the specification and a log of what happened; every question replays the log
 * and counts devices one by one. It shares no code with the engine and includes none of its
 * headers: states and reasons are words. docs/rollouts.md is what both are written from.
 */
#ifndef OTA_TESTS_ROLLOUT_MODEL_H
#define OTA_TESTS_ROLLOUT_MODEL_H

#include <stdbool.h>

#define M_DEVICES 6
#define M_ROLLOUTS 3
#define M_STAGES 3
#define M_TRIES 96
#define M_LOG 2048
#define M_NEVER 0x7fffffffffffffffL

struct m_stage_spec {
    int group; /* 0: a share */
    int share_bp;
    int success, failure_percent, failure_count;
    int allowed_bp, suspect_bp, error_bp; /* allowed 0: no test */
    long soak;
    int rate, in_flight_max;
    bool by_hand;
};

struct m_spec {
    int id;
    unsigned long seed;
    int product, hardware, version, counter, image;
    bool security;
    int version_min; /* -1: none; likewise below */
    int running_min, running_max;
    int groups[2], group_count;
    int ring; /* a tag that the device must have; 0: none */
    struct m_stage_spec stages[M_STAGES];
    int stage_count;
    bool allow_downgrade;
    int window_days, window_from, window_to;
    long offered, downloading, installing, trial, retry; /* timeouts */
    int retries;
    long retry_wait;
    long health_seconds;
    int health_events;
    long postpone_max;
};

struct m_facts {
    bool present, accepted, seen, trial, opted_out;
    int product, hardware, group, ring;
    int image, version, counter;
    long postponed_until;
    int offset_minutes;
};

enum m_kind {
    M_START = 1,
    M_SCHEDULE,
    M_PAUSE,
    M_RESUME,
    M_CANCEL,
    M_DONE,
    M_MET,
    M_UNMET,
    M_HALT,
    M_COUNTED,
    M_FACTS,
    M_OFFER,
    M_STATE,
    M_SEQ,
    M_PERCENT,
    M_HEALTH,
    M_CONFIRMED_LATER,
    M_RESTART,
    M_CLOCK,
};

struct m_entry {
    enum m_kind kind;
    long t;
    int rollout, device, try;
    long a, b;
    struct m_facts facts;
};

/* What the log adds up to. States: o d i t y S F R L U K as in docs/rollouts.md's words. */
struct m_try {
    int rollout, device, stage, attempt, round, percent, health;
    char state;
    bool inferred;
    long changed, seq;
};

struct m_stage {
    char state; /* w a d */
    long met;
    bool accepted;
};

struct m_rollout {
    char state; /* d s r p h c x */
    int current, round, cursor;
    long started, resumed, start_at, revision;
    char halt; /* - c p s(equential) f(ell short) o(perator) */
    int halt_stage;
    double bucket;
    long bucket_at;
    struct m_stage stages[M_STAGES];
};

struct m_world {
    struct m_rollout rollouts[M_ROLLOUTS];
    struct m_facts facts[M_DEVICES];
    struct m_try tries[M_TRIES];
    int try_count;
    int newest[M_ROLLOUTS][M_DEVICES]; /* index of a try, -1 for none */
    int last[M_DEVICES];               /* of whatever rollout */
};

struct model {
    struct m_spec specs[M_ROLLOUTS];
    int rollout_count, device_count;
    bool count_at_once;
    int places[M_ROLLOUTS][M_DEVICES];
    long now;
    struct m_entry log[M_LOG];
    int log_len;
    struct m_world world; /* of the whole log */
};

struct m_order {
    char command; /* s(tart) t(imed) p(ause) r(esume) c(ancel) a(dvance) */
    bool force;
    long start_at, if_revision;
};

struct m_answer {
    const char *action; /* none offer continue hold cancel */
    const char *reason;
    int rollout, supersedes, stage;
};

/* Specs, counts and now are set; devices are named dev-000 and so on. */
void model_open(struct model *model);
const char *model_order(struct model *model, int rollout, const struct m_order *order);
void model_facts(struct model *model, int device, const struct m_facts *facts);
struct m_answer model_poll(struct model *model, int device, const struct m_facts *facts);
/* event: d i t c r f as in downloading installed trial confirmed reverted failed. */
void model_report(struct model *model, int try, long seq, char event, int percent, int image);
void model_health(struct model *model, int try, long seq, int events);
void model_expire(struct model *model);
void model_count(struct model *model, int rollout, int devices);
void model_restart(struct model *model);
void model_tick(struct model *model);

/* Counts of one stage, device by device. */
struct m_counts {
    int members, excluded, by_state[128], round_failures, round_successes;
};
struct m_counts model_counts(const struct model *model, int rollout, int stage);
long model_deadline(const struct model *model, int try);

#endif
