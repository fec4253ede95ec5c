/* What the three files of the model share; see model.h. */
#ifndef OTA_TESTS_ROLLOUT_MODEL_INNER_H
#define OTA_TESTS_ROLLOUT_MODEL_INNER_H

#include "tests/unit/rollout/model.h"

/* ---- model_log.c: the log, and what it adds up to ---- */

/* One more entry at model->now; the world is replayed from the beginning. */
void m_append(struct model *model, struct m_entry entry);
void m_set_state(struct model *model, int try, char state, bool inferred);
void m_replay_all(struct model *model);
/* What the rate's bucket holds, in devices. */
double m_bucket_at(const struct model *model, const struct m_world *world, int rollout, long now);
bool m_is_failure(char state);
bool m_is_active(char state);
bool m_before_boot(char state);

/* ---- model_rules.c: who is meant, what is counted, when it stops and goes on ---- */

/* Reasons: NULL when nothing about the device is in the way; *stage is -1 for none. */
const char *m_plan(const struct model *model, int rollout, int device, const struct m_facts *f,
                   int *stage);
const char *m_unfit(const struct m_spec *spec, const struct m_facts *f);
bool m_runs_it(const struct m_spec *spec, const struct m_facts *f);
/* The rule that the stage breaks: c(ount) s(equential) p(ercent), 0 for none. */
char m_broken(const struct model *model, int rollout, int stage);
/* Devices in any of the states. */
int m_sum(const struct m_counts *counts, const char *states);

#endif
