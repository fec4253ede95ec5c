/* Steering's insides, shared by steer.c (devices speak), steer_time.c (operators and time do),
 * steer_devices.c (devices come and go) and steer_explain.c (somebody asks why). */
#ifndef OTAD_STEER_INNER_H
#define OTAD_STEER_INNER_H

#include "server/rollout_decide.h"
#include "server/rollout_target.h"
#include "server/steer.h"

/* Numbers of events in a device's history: those of a report are enum ota_event, the server's own
 * are this plus enum deployment_state. They stand in the database. */
#define STEER_EVENT_STATE 100

/* The rollouts that may mean a device, with its newest try in each. */
struct steer_candidates {
    size_t count;
    struct rollout_candidate at[FLEET_LIVE_MAX + 1];
    struct fleet_rollout *rollouts[FLEET_LIVE_MAX + 1];
    struct fleet_try *tries[FLEET_LIVE_MAX + 1];
};

/* Live rollouts of the device's product, and the one of its active deployment even if it ended. */
void steer_gather(struct fleet *fleet, const struct fleet_device *device,
                  struct steer_candidates *candidates);

/* Where a device counts, in each rollout that has counted it. */
struct steer_seats {
    size_t count;
    struct {
        struct fleet_rollout *rollout;
        struct rollout_place place;
        bool moved;
    } at[FLEET_LIVE_MAX];
};

/* Before and after a change of the device's facts or tries; with the lock. */
void steer_take_seats(struct fleet *fleet, const struct fleet_device *device,
                      struct steer_seats *seats);
int steer_move_seats(struct fleet *fleet, const struct fleet_device *device,
                     struct steer_seats *seats);
/* Let the rollouts whose counts moved act on it. */
int steer_advance_seats(const struct steer *steer, struct db *db, const struct steer_seats *seats,
                        uint64_t now);

/* Let the engine act on a rollout, as often as it wants to, and write down what it did. */
int steer_advance(const struct steer *steer, struct db *db, struct fleet_rollout *rollout,
                  uint64_t now);

/* Wake for the earliest deadline of the device's tries; with the lock. */
void steer_arm(struct fleet *fleet, struct fleet_device *device, uint64_t now);

/* One row of history, unless the try has had its share. `report` NULL: the server's own event. */
int steer_write_event(struct db *db, const struct fleet_device *device, struct fleet_try *try,
                      int event, const struct ota_report *report, uint64_t now);
int steer_write_facts(struct fleet *fleet, struct db *db, const struct fleet_device *device);

#endif
