/*
 * Server-sent events: tells open dashboards what has changed, so that they ask for it.
 *
 *     one thread, twice a second:  rollouts, numbers of the fleet --differ?--> [ring of events]
 *     a stream's reader:           [ring] --> "event: rollout\ndata: {"id":7}\n\n"
 *
 * An event names what changed and not how it is now: what was missed does no harm, and rights are
 * checked where it is read. A stream that falls behind the ring, or is new, gets `hello`: look at
 * everything. The thread sleeps while nobody listens. A stream without news is suspended; it is
 * woken every 15 s to find out whether its client is still there, and ends after 5 minutes, so that
 * a browser comes back and shows that it still may.
 */
#ifndef OTAD_STREAMS_H
#define OTAD_STREAMS_H

#include <stdbool.h>

#include "server/request.h"

#define STREAMS_MAX 64      /* open at once */
#define STREAM_SECONDS 300U /* of one stream */

struct MHD_Response;
struct streams;
struct stream;

/* NULL: out of memory. */
struct streams *streams_start(struct app *app);
/* End all streams; none is opened any more. */
void streams_drain(struct streams *streams);
/* After streams_drain(), and when no connection is served any more. */
void streams_stop(struct streams *streams);

/* A new stream that answers `rq`; NULL when there are too many. */
struct stream *stream_open(struct streams *streams, struct request *rq);
/* Its response, which owns it from then on; NULL when out of memory, and it is closed. */
struct MHD_Response *stream_response(struct stream *stream);
void stream_close(struct stream *stream);

#endif
