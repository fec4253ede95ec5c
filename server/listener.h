/* The listening socket. */
#ifndef OTAD_LISTENER_H
#define OTAD_LISTENER_H

#include <stddef.h>
#include <stdint.h>

/* Listen on `host` and `port` (0: any free one); *bound is the port. A socket that doesn't block,
 * or -1: `error` holds one line. */
int listener_open(const char *host, uint16_t port, uint16_t *bound, char *error, size_t cap);

#endif
