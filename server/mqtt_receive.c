#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/report.h"
#include "server/herald.h"
#include "server/mqtt_inner.h"

#define REPORTS_UNDER_WAY_MAX 1024 /* with the writer; beyond it a device has to send again */

static void ignore(struct mqtt *mqtt, const char *why)
{
    atomic_fetch_add(&mqtt->ignored, 1);
    log_note(&mqtt->app->log, LOG_DEBUG, "mqtt_ignored", "%s", why);
}

/* The device of a topic, if it is one of ours and of that product. */
static bool find_device(struct mqtt *mqtt, const struct mqtt_address *address,
                        struct fleet_ref *ref)
{
    struct fleet *fleet = mqtt->app->fleet;
    struct fleet_device *device;

    fleet_lock(fleet);
    device = fleet_find_name(fleet, address->name);
    if (device != NULL && strcmp(fleet_product(fleet, device), address->product) != 0)
        device = NULL;
    if (device != NULL)
        *ref = fleet_ref(fleet, device);
    fleet_unlock(fleet);
    return device != NULL;
}

static bool says(const struct mosquitto_message *message, const char *word)
{
    return message->payloadlen == (int)strlen(word) &&
           memcmp(message->payload, word, strlen(word)) == 0;
}

static void take_presence(struct mqtt *mqtt, struct fleet_ref device,
                          const struct mosquitto_message *message)
{
    if (says(message, "online"))
        herald_set_online(mqtt->app->herald, device, true);
    else if (message->payloadlen == 0 || says(message, "offline"))
        herald_set_online(mqtt->app->herald, device, false);
    else
        ignore(mqtt, "a presence that is neither online nor offline");
}

/* ---- reports ---- */

struct report_job {
    struct writer_job job; /* first: a job is its report */
    struct mqtt *mqtt;
    struct mqtt_address from;
    struct fleet_ref device;
    enum steer_outcome outcome;
    struct ota_report report; /* points into `text` */
    char text[OTA_REPORT_MAX];
};

static int report_run(struct writer_job *job, struct db *db)
{
    struct report_job *report = (struct report_job *)job;

    return steer_report(&report->mqtt->app->steer, db, report->device, &report->report, app_now(),
                        &report->outcome);
}

/* What failed for now is not acknowledged: the device sends it again. */
static void report_done(struct writer_job *job, int error)
{
    struct report_job *report = (struct report_job *)job;
    struct mqtt *mqtt = report->mqtt;
    char ack[MQTT_PAYLOAD_MAX + 1];

    if (error == DB_OK) {
        snprintf(ack, sizeof(ack), "{\"seq\":%llu,\"status\":%d}",
                 (unsigned long long)report->report.seq,
                 report->outcome == STEER_UNKNOWN ? 404 : 204);
        mqtt_put(mqtt, MQTT_ACKS, report->from.product, report->from.name, ack);
        atomic_fetch_add(&mqtt->reports, 1);
        atomic_fetch_add(&mqtt->app->counters.reports[report->report.event], 1);
    }
    atomic_fetch_sub(&mqtt->reports_under_way, 1);
    free(report);
}

static void take_report(struct mqtt *mqtt, const struct mqtt_address *from, struct fleet_ref device,
                        const struct mosquitto_message *message)
{
    struct report_job *report;

    if (message->payloadlen <= 0 || message->payloadlen > OTA_REPORT_MAX ||
        atomic_load(&mqtt->reports_under_way) >= REPORTS_UNDER_WAY_MAX ||
        (report = calloc(1, sizeof(*report))) == NULL) {
        ignore(mqtt, "a report that is empty, too long or one too many");
        return;
    }
    report->job = (struct writer_job){.run = report_run, .done = report_done};
    report->mqtt = mqtt;
    report->from = *from;
    report->device = device;
    memcpy(report->text, message->payload, (size_t)message->payloadlen);
    atomic_fetch_add(&mqtt->reports_under_way, 1);
    if (ota_report_decode(&report->report, report->text, (size_t)message->payloadlen) == 0 &&
        writer_submit(mqtt->app->writer, &report->job))
        return;
    ignore(mqtt, "a report that is none, or the writer is busy");
    atomic_fetch_sub(&mqtt->reports_under_way, 1);
    free(report);
}

void mqtt_receive(struct mqtt *mqtt, const struct mosquitto_message *message)
{
    struct mqtt_address address;
    struct fleet_ref device;

    if (!mqtt_topic_parse(&address, message->topic))
        ignore(mqtt, "a topic that is none of ours");
    else if (!find_device(mqtt, &address, &device))
        ignore(mqtt, "a device that is not known here");
    else if (address.topic == MQTT_PRESENCE)
        take_presence(mqtt, device, message);
    else if (mqtt->app->config.mqtt_reports)
        take_report(mqtt, &address, device, message);
    else
        ignore(mqtt, "a report that was not asked for");
}
