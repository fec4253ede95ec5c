#include <stdio.h>
#include <string.h>

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
        request_problem(rq, 503, "storage_failed", "The last change could not be written (%s).",
                        db_error_name(health));
        return;
    }
    out = request_json(rq, 200);
    json_object(out);
    json_put_string(out, "status", "ready");
    json_object_end(out);
}

struct page {
    char text[8192];
    size_t len;
};

static void put(struct page *page, const char *type, const char *name, const char *help,
                unsigned long long value)
{
    size_t room = sizeof(page->text) - page->len;
    int len = snprintf(page->text + page->len, room, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name,
                       help, name, type, name, value);

    if (len > 0 && (size_t)len < room)
        page->len += (size_t)len;
}

/* Prometheus text format 0.0.4. */
void api_metrics(struct request *rq)
{
    struct app *app = rq->app;
    struct app_counters *counters = &app->counters;
    struct herald_counts herald;
    struct writer_stats writer;
    struct page page = {.len = 0};
    size_t live;

    writer_read_stats(app->writer, &writer);
    fleet_lock(app->fleet);
    fleet_live(app->fleet, &live);
    put(&page, "gauge", "otad_devices", "Registered devices.", fleet_count(app->fleet));
    fleet_unlock(app->fleet);
    put(&page, "gauge", "otad_rollouts_live", "Rollouts that are neither draft nor ended.", live);
    put(&page, "counter", "otad_requests_total", "Requests begun.",
        atomic_load(&counters->requests));
    put(&page, "counter", "otad_polls_total", "Manifest polls.", atomic_load(&counters->polls));
    herald_count(app->herald, &herald);
    put(&page, "gauge", "otad_polls_waiting", "Long polls that are held.", herald.waiting);
    put(&page, "counter", "otad_polls_held_total", "Polls that were held.", herald.held);
    put(&page, "counter", "otad_polls_woken_total", "Held polls woken by news or an operator.",
        herald.woken);
    put(&page, "counter", "otad_reports_total", "Reports.", atomic_load(&counters->reports));
    put(&page, "counter", "otad_refused_tokens_total", "Requests with no good token.",
        atomic_load(&counters->refused_tokens));
    put(&page, "counter", "otad_client_errors_total", "Answers of 400 to 499.",
        atomic_load(&counters->answers[4]));
    put(&page, "counter", "otad_server_errors_total", "Answers of 500 to 599.",
        atomic_load(&counters->answers[5]));
    put(&page, "counter", "otad_writes_total", "Changes that were committed.", writer.jobs);
    put(&page, "counter", "otad_commits_total", "Transactions that they took.", writer.groups);
    put(&page, "counter", "otad_commits_failed_total", "Transactions that failed.", writer.failed);
    request_json(rq, 200);
    rq->answer.type = "text/plain; version=0.0.4; charset=utf-8";
    rq->answer.body = strdup(page.text);
    rq->answer.len = rq->answer.body != NULL ? page.len : 0;
}
