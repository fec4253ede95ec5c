#include "server/api.h"

void api_healthz(struct request *rq)
{
    struct json_writer *out = request_json(rq, 200);

    json_object(out);
    json_put_string(out, "status", "ok");
    json_object_end(out);
}

/* Ready: not draining, and the last commit went well. */
void api_readyz(struct request *rq)
{
    int health = writer_health(rq->app->writer);
    struct json_writer *out;

    if (atomic_load(&rq->app->draining)) {
        request_problem(rq, 503, "draining", "The server is shutting down.");
        return;
    }
    if (health != DB_OK) {
        request_problem(rq, 503, "storage_failed", "The last change could not be written (%s); %s.",
                        db_error_name(health),
                        health == DB_E_FULL ? "free some space on the disk" : "see the log");
        return;
    }
    out = request_json(rq, 200);
    json_object(out);
    json_put_string(out, "status", "ready");
    json_object_end(out);
}
