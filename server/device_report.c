#include <string.h>

#include "protocol/error.h"
#include "server/api.h"

void device_report_read(struct request *rq)
{
    int error =
        rq->len <= OTA_REPORT_MAX
            ? ota_report_decode(&rq->as.report.report, rq->body != NULL ? rq->body : "", rq->len)
            : OTA_E_TOO_LARGE;

    atomic_fetch_add(&rq->app->counters.reports[error == OTA_OK ? rq->as.report.report.event : 0],
                     1);
    if (error != OTA_OK)
        request_problem(rq, 400, "report_malformed", "This is no report (%s).",
                        ota_error_name(error));
}

void device_report_write(struct request *rq)
{
    enum steer_outcome outcome;
    int error = steer_report(&rq->app->steer, rq->db, rq->who.device, &rq->as.report.report,
                             app_now(), &outcome);

    if (error != DB_OK)
        request_fail(rq, error);
    else if (outcome == STEER_UNKNOWN)
        request_problem(rq, 404, "deployment_unknown", "This device has no such deployment.");
    else
        request_no_content(rq);
}
