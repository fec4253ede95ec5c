/* The fleet in numbers, now and over time. */
#include <stdlib.h>
#include <string.h>

#include "db/history.h"
#include "server/api.h"
#include "server/historian.h"

#define HOURS_MAX (HISTORY_DAYS * 24)
#define HOURS_DEFAULT 24
#define POINTS 200 /* at most so many samples of a history */

static void put_rows(struct json_writer *out, const struct census *census)
{
    json_key(out, "versions");
    json_array(out);
    for (size_t i = 0; i < census->row_count; i++) {
        const struct census_row *row = &census->rows[i];

        json_object(out);
        json_put_string(out, "product", row->product);
        if (row->known)
            json_put_string(out, "version", row->text);
        else
            json_put_null(out, "version");
        json_put_int(out, "devices", row->devices);
        json_object_end(out);
    }
    json_array_end(out);
}

void api_fleet_show(struct request *rq)
{
    struct census *census = malloc(sizeof(*census));
    struct json_writer *out;

    if (census == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    census_read(&rq->app->census, census);
    out = request_json(rq, 200);
    json_object(out);
    json_put_time(out, "time", (int64_t)census->at);
    json_put_int(out, "devices", census->devices);
    json_put_int(out, "online", census->online);
    json_put_int(out, "stale", census->stale);
    json_put_int(out, "never_seen", census->never);
    json_put_int(out, "updating", census->updating);
    json_put_int(out, "failing", census->failing);
    json_put_int(out, "pending", census->pending);
    json_put_int(out, "rejected", census->rejected);
    json_put_int(out, "online_seconds", rq->app->census.online_seconds);
    json_put_int(out, "poll_seconds", rq->app->config.poll_seconds);
    put_rows(out, census);
    json_object_end(out);
    free(census);
}

/* Rows of one time become one element. */
static void put_samples(struct json_writer *out, const struct db_sample *samples, int count)
{
    for (int i = 0; i < count; i++) {
        const struct db_sample *sample = &samples[i];

        if (i == 0 || samples[i - 1].at != sample->at) {
            json_object(out);
            json_put_time(out, "time", sample->at);
            json_key(out, "versions");
            json_array(out);
        }
        json_object(out);
        if (sample->product[0] != '\0')
            json_put_string(out, "product", sample->product);
        else
            json_put_null(out, "product");
        if (sample->version[0] != '\0')
            json_put_string(out, "version", sample->version);
        else
            json_put_null(out, "version");
        json_put_int(out, "devices", sample->devices);
        json_object_end(out);
        if (i + 1 == count || samples[i + 1].at != sample->at) {
            json_array_end(out);
            json_object_end(out);
        }
    }
}

void api_fleet_history(struct request *rq)
{
    static const char *const names[] = {"hours", NULL};
    const int max = POINTS * (HISTORY_ROWS_MAX + 1);
    struct db_sample *samples;
    struct json_writer *out;
    int64_t hours;
    int64_t from;
    int count;

    if (!request_check_query(rq, names) ||
        !request_query_number(rq, "hours", 1, HOURS_MAX, HOURS_DEFAULT, &hours))
        return;
    samples = calloc((size_t)max, sizeof(*samples));
    if (samples == NULL) {
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    from = (int64_t)app_now() - hours * 3600;
    count = db_history_list(request_reader(rq), from, hours * 3600 / POINTS + 1, max, samples);
    if (count < 0) {
        request_db_problem(rq, count);
    } else {
        out = request_json(rq, 200);
        json_object(out);
        json_put_time(out, "from", from);
        json_key(out, "samples");
        json_array(out);
        put_samples(out, samples, count);
        json_array_end(out);
        json_object_end(out);
    }
    free(samples);
}
