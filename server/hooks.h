/*
 * Webhooks: what happens to rollouts and devices, told to other servers.
 *
 *     change --> hooks_tell_*() --> outbox, in the change's transaction
 *                                      |
 *              worker thread <---------+--> POST, signed --> 2xx: gone; else later, in order
 *
 * A message is delivered at least once, to each hook in order. Hooks are served side by side, so
 * that none waits for another; one that fails is tried again after 10 s, 20 s, ... up to an hour,
 * and its messages are given up after three days. Nothing is sent to an address that is not public
 * unless that is allowed: the resolved address is checked as the socket is made, so that no name
 * and no change of it leads elsewhere. Redirects are not followed, proxies of the environment not
 * used.
 *
 * Signature, in a header: `Otad-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 over the time, a dot and
 * the body; the key is the hook's secret as text. It is made of the row's salt by a key in the data
 * directory, so that the database alone does not give it away.
 */
#ifndef OTAD_HOOKS_H
#define OTAD_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "db/webhooks.h"
#include "protocol/report.h"
#include "server/fleet.h"

#define HOOKS_MAX 16           /* webhooks of a server */
#define HOOKS_SECRET_LEN 47    /* characters: otw_ and 43 base64url */
#define HOOKS_SIGNATURE_LEN 64 /* hex digits */

struct app;
struct hooks;

/* The names of all events, ended by NULL. */
extern const char *const HOOKS_EVENTS[];

/* Read or make the key in the data directory, and start the worker; takes `db` (a reader) over.
 * NULL, and the reason in error. */
struct hooks *hooks_start(struct app *app, struct db *db, char *error, size_t cap);
/* What is not delivered stays in the outbox. Before the writer ends. */
void hooks_stop(struct hooks *hooks);
void hooks_free(struct hooks *hooks);

/* A hook's secret. */
bool hooks_secret(const struct hooks *hooks, const uint8_t salt[DB_WEBHOOK_SALT_LEN],
                  char secret[HOOKS_SECRET_LEN + 1]);
bool hooks_sign(const char *secret, int64_t now, const char *body, size_t len,
                char signature[HOOKS_SIGNATURE_LEN + 1]);

/* On the writer thread, in the transaction of the change. `event` as in the rollout's log. */
int hooks_tell_rollout(struct db *db, const struct fleet_rollout *rollout, const char *event,
                       const char *detail, const char *actor, uint64_t now);
/* A try has come to one of its ends; nothing for other states. */
int hooks_tell_try(struct db *db, const struct fleet_device *device, const struct fleet_try *try,
                   uint64_t now);
/* A device has reported crashes of its application, whether a rollout still counts them or not. */
int hooks_tell_health(struct db *db, const struct fleet_device *device, const struct fleet_try *try,
                      const struct ota_report *report, uint64_t now);
/* A message for one hook, to try it out. */
int hooks_tell_ping(struct db *db, int64_t hook_id, uint64_t now);

#endif
