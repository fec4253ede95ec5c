/* What changes, as server-sent events. */
#include "server/api.h"
#include "server/streams.h"

void api_events(struct request *rq)
{
    struct stream *stream = stream_open(rq->app->streams, rq);

    if (stream == NULL) {
        request_problem(rq, 503, "too_many_streams",
                        "Too many dashboards are open at once. This one asks again by itself.");
        rq->answer.retry_after = 15;
        return;
    }
    request_no_content(rq);
    rq->answer.status = 200;
    rq->answer.type = "text/event-stream";
    rq->answer.stream = stream;
    rq->answer.seconds = STREAM_SECONDS;
    request_add_header(rq, "Cache-Control", "no-store");
    request_add_header(rq, "X-Accel-Buffering", "no"); /* nginx passes it on as it comes */
}
