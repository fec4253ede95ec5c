/*
 * The audit log: who changed what, with which token, from where. One row for each change that an
 * operator made by the API, in the change's own transaction: none without the other. A route needs
 * nothing of its own for that; the action is made of its method and pattern.
 *
 *     POST /api/v1/rollouts            rollouts.create      POST /api/v1/rollouts/7/halt
 * rollouts.halt PATCH /api/v1/devices/lamp-1     devices.change       DELETE ... devices.delete
 */
#ifndef OTAD_AUDIT_H
#define OTAD_AUDIT_H

#include "db/audit.h"
#include "server/request.h"

/* After `handle` did its work: a row if the request was an operator's. An error of db/. */
int audit_request(struct request *rq, struct db *db);
/* What was done with the program itself, "tokens.create", beside a server or without one. */
int audit_command(struct db *db, const char *action, const char *detail);

/* The action's word of a route. */
void audit_action(const struct route *route, char action[DB_AUDIT_WORD_MAX + 1]);

#endif
