/* Deployments: one try of one device to get one release. Numbers mean what server/deployment.h
 * says. */
#ifndef OTAD_DB_DEPLOYMENTS_H
#define OTAD_DB_DEPLOYMENTS_H

#include "db/db.h"
#include "db/devices.h"

struct db_deployment {
    int64_t id;
    int64_t rollout_id;
    int64_t device_id;
    int64_t seq;
    int64_t offered_at, changed_at;
    int state;
    int stage;
    int percent;
    int attempt;
    int round;
    int health;
    bool inferred;
    bool superseded;
    int events; /* rows of history written for it */
};

/* The highest id that was ever given, 0 for none; the caller counts on from there. */
int64_t db_deployment_last_id(struct db *db);
/* Adds it under its id. */
int db_deployment_add(struct db *db, const struct db_deployment *deployment);
int db_deployment_update(struct db *db, const struct db_deployment *deployment);
int db_deployment_get(struct db *db, int64_t id, struct db_deployment *deployment);
/* The newest one of a device. */
int db_deployment_of_device(struct db *db, int64_t device_id, struct db_deployment *deployment);
/* Every one that a server must know: the newest of each device in rollouts whose state lies below
 * `ended_from`, and those whose own state lies below `final_from`; in order of id. */
int db_deployments_each(struct db *db, int ended_from, int final_from,
                        int (*each)(void *ctx, const struct db_deployment *deployment), void *ctx);

/* The highest id of each device that has a deployment. */
int db_deployments_newest(struct db *db,
                          int (*each)(void *ctx, int64_t device_id, int64_t deployment_id),
                          void *ctx);

/* 1 when the device has or had a deployment of the image with this hash, 0 when not, or an error.
 */
int db_deployment_of_image(struct db *db, int64_t device_id, const uint8_t hash[DB_HASH_LEN]);

/* Devices of a rollout by their newest deployment there, for rollouts that have ended: how many of
 * `stage` stand in each state below `states`. */
int db_deployments_count(struct db *db, int64_t rollout_id, int stage, int states,
                         int64_t *by_state);

struct db_rollout_device {
    struct db_deployment deployment;
    char device[DB_DEVICE_NAME_MAX + 1];
    char reason[DB_NAME_MAX + 1]; /* of its last event that had one */
};
/* The newest deployments of a rollout, ascending by id; the count or an error. state 0: any. */
int db_rollout_devices_list(struct db *db, int64_t rollout_id, int state,
                            const struct db_page *page, struct db_rollout_device *devices);

#endif
