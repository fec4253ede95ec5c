/* Between the engine's rollouts and deployments and their rows. Pure but for the time of a call. */
#ifndef OTAD_ROLLOUT_STORE_H
#define OTAD_ROLLOUT_STORE_H

#include "db/deployments.h"
#include "db/rollouts.h"
#include "server/fleet.h"

/* The whole row, settings and state. The id is 0 for a rollout that has none yet. */
void rollout_to_row(const struct fleet_rollout *rollout, struct db_rollout *row);
/* Settings and state; release and file come from `firmware`. False when the row makes no sense. */
bool rollout_from_row(struct fleet_rollout *rollout, const struct db_rollout *row,
                      const struct db_firmware *firmware);
/* The release and the file of `firmware`; false when its version does not parse. */
bool rollout_set_firmware(struct fleet_rollout *rollout, const struct db_firmware *firmware);

void deployment_to_row(const struct fleet_try *try, uint32_t device_id, struct db_deployment *row);
void deployment_from_row(struct fleet_try *try, const struct db_deployment *row);

#endif
