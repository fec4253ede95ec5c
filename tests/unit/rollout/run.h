/*
 * One run of the model test: the engine's caller and the model side by side, chance to drive them,
 * the steps that both take, and the rules that must hold after each.
 */
#ifndef OTA_TESTS_ROLLOUT_RUN_H
#define OTA_TESTS_ROLLOUT_RUN_H

#include <stdint.h>

#include "tests/unit/rollout/caller.h"
#include "tests/unit/rollout/model.h"

#define RUN_START_TIME 1700000000L
#define RUN_FOREIGN_IMAGE 9 /* of no rollout */

/* What the runs have met; each must be met at least once, or the test tests too little. */
struct met {
    unsigned long states[DEPLOYMENT_STATE_COUNT];
    unsigned long rollout_states[ROLLOUT_STATE_COUNT];
    unsigned long halts[ROLLOUT_HALT_OPERATOR + 1];
    unsigned long reasons[ROLLOUT_REASON_COUNT];
    unsigned long actions[ROLLOUT_ACTION_CANCEL + 1];
    unsigned long events[ROLLOUT_EVENT_COMPLETED + 1];
    unsigned long refusals[-ROLLOUT_REFUSED_REVISION + 1];
    unsigned long restarts, supersedes, repeats, steps;
};

struct run {
    struct met met; /* by all sequences */
    uint64_t seed, random;
    bool told;     /* step by step, on stderr */
    bool restless; /* restarts after each step */
    struct caller caller;
    struct model model;
    struct m_facts facts[M_DEVICES];           /* as they are; the engine learns them by polls */
    struct deployment old[M_TRIES + 1];        /* superseded ones, by id */
    unsigned could_fail[M_ROLLOUTS][M_STAGES]; /* sets of devices, see check_overshoot(run) */
    char what[160];                            /* the step, for a message */
};

/* ---- run_draw.c: chance, and what is drawn by it ---- */

unsigned run_draw(struct run *run, unsigned below);
bool run_chance(struct run *run, unsigned percent);
int run_pick(struct run *run, const int *values, unsigned count);
/* One of the numbers given. */
#define PICK(...)                                                                                  \
    run_pick(run, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

void run_draw_spec(struct run *run, struct m_spec *spec, int index);
/* A first share that ends exactly at the place of a device. */
void run_draw_edge(struct run *run, struct m_spec *spec, const int *places);
void run_draw_facts(struct run *run, struct m_facts *facts);
/* The settings alone, as they would be read from a database. */
void run_build_rollout(struct rollout *rollout, const struct m_spec *spec);
/* The server comes to know `facts` of the device. */
void run_learn(struct run *run, int device, const struct m_facts *facts);

/* ---- run_check.c: agreement, and the rules that hold always. All fail the test. ---- */

void run_hold(struct run *run, bool condition, const char *rule);
void run_agree(struct run *run, const char *about, int64_t engine, int64_t model);
void run_agree_on_words(struct run *run, const char *about, const char *engine, const char *model);
/* Every state, count and deadline. */
void run_compare(struct run *run);

void run_check_devices(struct run *run);
void run_check_overshoot(struct run *run);
/* At an offer and at a forced resume: who may yet fail without another offer. */
void run_note_could_fail(struct run *run, size_t r);
/* The caller's hooks; ctx is the run. */
void run_check_change(void *ctx, struct deployment_change change);
void run_check_event(void *ctx, size_t r, enum rollout_event event);
void run_check_offer(void *ctx, size_t d, const struct rollout_decision *decision);

/* A copy of all that the engine keeps, to see that a step changed nothing. */
struct kept {
    struct rollout rollouts[CALLER_ROLLOUTS];
    struct deployment newest[M_DEVICES][CALLER_ROLLOUTS];
};

void run_keep(struct run *run, struct kept *kept);
void run_hold_unchanged(struct run *run, const struct kept *kept, const char *rule);

/* ---- run_steps.c: what can happen ---- */

void run_tell(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
void run_set_time(struct run *run, long now);
enum rollout_refusal run_order(struct run *run, int r, char command, bool force, long start_at,
                               long if_revision);
/* A step by chance, and all that must hold after it. */
void run_take_step(struct run *run);

#endif
