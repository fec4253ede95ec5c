/*
 * The edge: sockets, libmicrohttpd, and the deadlines of slow clients.
 *
 * Plain HTTP: each thread runs one library daemon on an epoll descriptor of its own making, since
 * the library's internal epoll loop stalls at multiples of 128 ready sockets. HTTPS: the library's
 * POLL threads, since its epoll mode spins on a handshake that stops half way. docs/server.md has
 * the measurements.
 *
 * The library's timeout is one of inactivity: a client that sends a byte a second holds a
 * connection for ever. So each connection has an absolute deadline for what it is doing (waiting
 * for a request, sending a body, taking an answer), and a watch thread shuts those down that are
 * past it.
 */
#ifndef OTAD_EDGE_H
#define OTAD_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/app.h"

#define EDGE_IDLE_SECONDS 75     /* for the next request to be there, headers and all */
#define EDGE_BODY_SECONDS 30     /* for a body, */
#define EDGE_BODY_RATE 16384     /* plus its length at so many bytes/s, */
#define EDGE_ANSWER_SECONDS 60   /* and for an answer, */
#define EDGE_ANSWER_RATE 512     /* plus its length at so many bytes/s */
#define EDGE_INACTIVE_SECONDS 60 /* without a byte either way */

struct edge;

/* Listen and serve. NULL: `error` holds one line. */
struct edge *edge_start(struct app *app, char *error, size_t cap);
uint16_t edge_port(const struct edge *edge);
/* Take no new connections, and wait up to `seconds` until no request is under way. */
void edge_drain(struct edge *edge, unsigned seconds);
/* End all threads; nothing may be suspended any more (stop the writer first). */
void edge_stop(struct edge *edge);

#endif
