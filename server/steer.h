/*
 * Steering: what the fleet is told and what it tells, by the engine's rules, made durable.
 *
 *     poll   --> steer_peek() --+--> answer                    nothing new: from memory alone
 *                               +--> steer_poll()  + commit --> answer
 *     report --> steer_report() + commit --> 204
 *     order  --> steer_order()  + commit --> 200
 *     time   --> steer_tick(), steer_count()
 *
 * All but steer_peek() and steer_due() run on the writer thread inside a job, and may return an
 * error of db/; the journal then takes back what they did to the fleet. They take the fleet's lock
 * themselves. The engine decides; this module feeds it, counts for it, and writes down what came of
 * it.
 */
#ifndef OTAD_STEER_H
#define OTAD_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "protocol/manifest.h"
#include "protocol/report.h"
#include "server/fleet.h"
#include "server/log.h"
#include "server/rollout_reason.h"

struct steer {
    struct fleet *fleet;
    const struct log *log;
};

/* What to answer a poll. The release's fields are valid for OTA_ACTION_INSTALL. */
struct steer_answer {
    enum ota_action action;
    enum rollout_reason reason;
    uint64_t deployment;
    uint64_t not_before; /* when asking again may bring more, 0: not known */
    struct rollout_release release;
    uint32_t image_len;
    uint8_t sig[OTA_SIGNATURE_DER_MAX];
    size_t sig_len;
};

/* What a poll would find. */
enum steer_sight {
    STEER_ANSWERED,  /* *answer stands, and nothing has to be written */
    STEER_OFFERS,    /* the engine would offer: *rollout */
    STEER_NEWS,      /* there is something to write first */
    STEER_UNSETTLED, /* a change is not durable yet */
};
/* With the fleet's lock held, any thread. `facts` NULL: as last told. */
enum steer_sight steer_look(struct fleet *fleet, struct fleet_device *device,
                            const struct fleet_facts *facts, uint64_t now,
                            struct steer_answer *answer, struct fleet_rollout **rollout);
/* The same for a poll. True: *answer stands and nothing has to be written. */
bool steer_peek(struct fleet *fleet, struct fleet_device *device, const struct fleet_facts *facts,
                uint64_t now, struct steer_answer *answer);

int steer_poll(const struct steer *steer, struct db *db, struct fleet_ref ref,
               const struct fleet_facts *facts, uint64_t now, struct steer_answer *answer);

enum steer_outcome {
    STEER_TAKEN,   /* written down */
    STEER_IGNORED, /* known already, or of a deployment that is past */
    STEER_UNKNOWN, /* no deployment of this device */
};
int steer_report(const struct steer *steer, struct db *db, struct fleet_ref ref,
                 const struct ota_report *report, uint64_t now, enum steer_outcome *outcome);

/* An operator's order. STEER_CROWDED: FLEET_LIVE_MAX rollouts are live already. */
#define STEER_CROWDED 1
#define STEER_REASON_MAX 160 /* characters of a reason */
/* `reason` of a halt by hand, else "". */
int steer_order(const struct steer *steer, struct db *db, struct fleet_rollout *rollout,
                const struct rollout_order *order, const char *reason, const char *actor,
                uint64_t now, int *refusal);
/* One line in a rollout's log. */
int steer_note(struct db *db, const struct fleet_rollout *rollout, const char *event,
               const char *detail, const char *actor, uint64_t now);

/* Devices come, go and change; the rollouts' counts follow. DB_E_INTERNAL when out of memory. */
int steer_add_device(const struct steer *steer, struct db *db, const struct db_device *row,
                     uint64_t now);
int steer_remove_device(const struct steer *steer, struct db *db, struct fleet_device *device,
                        uint64_t now);
/* A new token; the old one dies and is remembered as replaced. */
int steer_set_token(const struct steer *steer, struct db *db, struct fleet_device *device,
                    const uint8_t hash[DB_HASH_LEN], uint64_t now);
int steer_set_group(const struct steer *steer, struct db *db, struct fleet_device *device,
                    uint32_t group, uint64_t now);
/* `text` as tags_format() makes it. */
int steer_set_tags(const struct steer *steer, struct db *db, struct fleet_device *device,
                   const char *text, uint64_t now);
int steer_set_state(const struct steer *steer, struct db *db, struct fleet_device *device,
                    enum db_device_state state, uint64_t now);

/* Whether steer_tick() has something to do at `now`. Takes the lock; any thread. */
bool steer_due(struct fleet *fleet, uint64_t now);
/* Let time act: timeouts, soak, schedules. A bounded part of what is due; ask steer_due() again. */
int steer_tick(const struct steer *steer, struct db *db, uint64_t now);

/* Whether a rollout's members are still being counted, and the next part of that. */
bool steer_counting(struct fleet *fleet);
int steer_count(const struct steer *steer, struct db *db, uint64_t now);

/* The word of an event in a device's history. */
const char *steer_event_name(int event);

#endif
