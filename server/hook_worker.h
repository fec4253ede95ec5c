/* Webhooks' insides, shared by hooks.c (what is told) and hook_worker.c (the thread that sends). */
#ifndef OTAD_HOOK_WORKER_H
#define OTAD_HOOK_WORKER_H

#include "server/hooks.h"

#define HOOK_KEY_LEN 32 /* bytes of the key that secrets are made with */

const uint8_t *hook_worker_key(const struct hooks *hooks);

#endif
