/*
 * What a request looks like on the wire, checked before anything else looks at it: the target's
 * characters and escapes, and the headers that frame a message. libmicrohttpd lets pass what would
 * let a proxy and us disagree about where a request ends (RFC 9112 section 11.2), so this does not.
 */
#ifndef OTAD_FRAMING_H
#define OTAD_FRAMING_H

#include "server/request.h"

struct framing {
    bool has_length;
    bool chunked;
    uint64_t length;
};

/* Fills rq->path, rq->peer, rq->body_len and *framing. False: the problem is set. */
bool framing_check(struct request *rq, const char *target, const char *version,
                   struct framing *framing);
/* Whether the route takes such a body. False: the problem is set. */
bool framing_check_body(struct request *rq, const struct framing *framing);

#endif
