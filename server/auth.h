/* The one place that authenticates: Bearer tokens of operators, devices and enrolments, and the
 * sessions of the dashboard, which stand for an operator. */
#ifndef OTAD_AUTH_H
#define OTAD_AUTH_H

#include "server/request.h"

/* Fill rq->who, or set the problem: 401 with the reason (missing, malformed, unknown, revoked,
 * expired), 403 when the role is not enough. True: go on. */
bool auth_check(struct request *rq, enum role needed);

#endif
