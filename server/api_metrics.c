/* GET /metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "server/api.h"
#include "server/herald.h"
#include "server/metrics.h"
#include "server/mqtt.h"
#include "server/version.h"

#define SLICE 4096U        /* devices looked at without letting go of the fleet */
#define SILENT_POLLS 3U    /* poll intervals after which a device is silent */
#define SILENT_GRACE_S 60U /* on top of them */
#define PATH_CAP 1152

struct fleet_numbers {
    unsigned long long by_state[DB_DEVICE_REJECTED + 1];
    unsigned long long never_seen; /* these two: of accepted devices */
    unsigned long long silent;
    unsigned long long rollouts[ROLLOUT_STATE_COUNT];
    unsigned long long under_way[DEPLOYMENT_STATE_COUNT];
};

static void count_device(struct fleet_numbers *numbers, const struct fleet_device *device,
                         uint64_t now, uint64_t silent_after)
{
    if (device->state <= DB_DEVICE_REJECTED)
        numbers->by_state[device->state]++;
    if (device->state != DB_DEVICE_ACCEPTED)
        return;
    if (device->last_seen == 0)
        numbers->never_seen++;
    else if (device->last_seen + silent_after < now)
        numbers->silent++;
}

static void count_rollout(struct fleet_numbers *numbers, const struct rollout *rollout)
{
    numbers->rollouts[rollout->state]++;
    if (!fleet_is_live(rollout))
        return;
    for (size_t s = 0; s < rollout->stage_count; s++)
        for (size_t i = DEPLOYMENT_OFFERED; i <= DEPLOYMENT_RETRY; i++)
            numbers->under_way[i] += rollout->stages[s].counts.by_state[i];
}

static void count_fleet(struct app *app, struct fleet_numbers *numbers)
{
    struct fleet *fleet = app->fleet;
    struct fleet_rollout *rollout;
    uint64_t silent_after = SILENT_POLLS * (uint64_t)app->config.poll_seconds + SILENT_GRACE_S;
    uint64_t now = app_now();
    uint32_t slots = 1;

    *numbers = (struct fleet_numbers){.silent = 0};
    /* In slices: polls are answered in between. */
    for (uint32_t first = 0; first < slots; first += SLICE) {
        fleet_lock(fleet);
        slots = fleet_slots(fleet);
        for (uint32_t i = first; i < slots && i < first + SLICE; i++) {
            const struct fleet_device *device = fleet_at(fleet, i);
            if (device != NULL)
                count_device(numbers, device, now, silent_after);
        }
        fleet_unlock(fleet);
    }
    fleet_lock(fleet);
    for (size_t i = 0; (rollout = fleet_rollout_at(fleet, i)) != NULL; i++)
        count_rollout(numbers, &rollout->r);
    fleet_unlock(fleet);
}

static void put_labelled(struct metrics_page *page, const char *name, const char *label,
                         const char *word, unsigned long long value)
{
    char labels[96];

    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, word);
    metrics_value(page, name, labels, (double)value);
}

static void put_fleet(struct metrics_page *page, struct app *app)
{
    struct fleet_numbers numbers;

    count_fleet(app, &numbers);
    metrics_family(page, "gauge", "otad_devices", "Devices by state of their registration.");
    for (int i = DB_DEVICE_ACCEPTED; i <= DB_DEVICE_REJECTED; i++)
        put_labelled(page, "otad_devices", "state", api_device_state_name((enum db_device_state)i),
                     numbers.by_state[i]);
    metrics_put(page, "gauge", "otad_devices_never_seen",
                "Accepted devices that have not asked yet.", numbers.never_seen);
    metrics_put(page, "gauge", "otad_devices_silent",
                "Accepted devices that have not asked for three poll intervals and a minute.",
                numbers.silent);
    metrics_family(page, "gauge", "otad_rollouts", "Rollouts by state.");
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++)
        put_labelled(page, "otad_rollouts", "state", rollout_state_name((enum rollout_state)i),
                     numbers.rollouts[i]);
    metrics_family(page, "gauge", "otad_deployments_under_way",
                   "Devices on their way in rollouts that go on.");
    for (int i = DEPLOYMENT_OFFERED; i <= DEPLOYMENT_RETRY; i++)
        put_labelled(page, "otad_deployments_under_way", "state",
                     deployment_state_name((enum deployment_state)i), numbers.under_way[i]);
}

static void put_requests(struct metrics_page *page, struct app *app)
{
    struct app_counters *counters = &app->counters;
    struct herald_counts herald;

    metrics_put(page, "counter", "otad_polls_total", "Manifest polls.",
                atomic_load(&counters->polls));
    herald_count(app->herald, &herald);
    metrics_put(page, "gauge", "otad_patches_ready", "Patches that are offered.",
                patches_count(app->patches));
    metrics_put(page, "gauge", "otad_polls_waiting", "Long polls that are held.", herald.waiting);
    metrics_put(page, "counter", "otad_polls_held_total", "Polls that were held.", herald.held);
    metrics_put(page, "counter", "otad_polls_woken_total",
                "Held polls woken by news or an operator.", herald.woken);
    metrics_put(page, "gauge", "otad_devices_online", "Devices that listen on the broker.",
                herald.online);
    metrics_put(page, "counter", "otad_notifications_total", "Devices told to poll by the broker.",
                herald.told);
    metrics_family(page, "counter", "otad_reports_total",
                   "Reports by what they tell; malformed: they could not be read.");
    put_labelled(page, "otad_reports_total", "event", "malformed",
                 atomic_load(&counters->reports[0]));
    for (int i = OTA_EVENT_DOWNLOADING; i <= OTA_EVENT_LAST; i++)
        put_labelled(page, "otad_reports_total", "event", ota_event_name((enum ota_event)i),
                     atomic_load(&counters->reports[i]));
    metrics_put(page, "counter", "otad_refused_tokens_total", "Requests with no good token.",
                atomic_load(&counters->refused_tokens));
    metrics_put_requests(page, counters->kinds);
}

static void put_broker(struct metrics_page *page, struct app *app)
{
    struct mqtt_counts counts;

    mqtt_count(app->mqtt, &counts);
    metrics_put(page, "gauge", "otad_mqtt_connected", "1 while the broker is connected.",
                counts.connected);
    metrics_put(page, "counter", "otad_mqtt_published_total", "Messages that the broker took.",
                counts.published);
    metrics_put(page, "counter", "otad_mqtt_dropped_total",
                "Messages that were not queued, as the queue was full.", counts.dropped);
    metrics_put(page, "counter", "otad_mqtt_ignored_total",
                "Messages with foreign topics, unknown devices or malformed payloads.",
                counts.ignored);
    metrics_put(page, "counter", "otad_mqtt_reports_total", "Reports over the broker.",
                counts.reports);
}

static unsigned long long file_bytes(const char *dir, const char *name)
{
    char path[PATH_CAP];
    struct stat found;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return stat(path, &found) == 0 ? (unsigned long long)found.st_size : 0;
}

static void put_storage(struct metrics_page *page, struct app *app)
{
    const char *dir = app->config.data_dir;
    struct writer_stats writer;
    struct statvfs disk = {0};

    writer_read_stats(app->writer, &writer);
    metrics_put(page, "counter", "otad_writes_total", "Changes that were committed.", writer.jobs);
    metrics_put(page, "counter", "otad_commits_total", "Transactions that they took.",
                writer.groups);
    metrics_put(page, "counter", "otad_commits_failed_total", "Transactions that failed.",
                writer.failed);
    metrics_put(page, "gauge", "otad_database_bytes", "The database's file and its log.",
                file_bytes(dir, "otad.db") + file_bytes(dir, "otad.db-wal"));
    if (statvfs(dir, &disk) == 0)
        metrics_put(page, "gauge", "otad_data_free_bytes",
                    "What the data directory's disk has left.",
                    (unsigned long long)disk.f_bavail * disk.f_frsize);
}

void api_metrics(struct request *rq)
{
    struct metrics_page page = {.len = 0};
    struct app *app = rq->app;

    metrics_family(&page, "gauge", "otad_build_info", "Always 1; the label tells the version.");
    metrics_value(&page, "otad_build_info", "version=\"" OTAD_VERSION "\"", 1);
    metrics_put(&page, "gauge", "process_start_time_seconds", "When otad was started.",
                app->started_at);
    put_fleet(&page, app);
    put_requests(&page, app);
    put_broker(&page, app);
    put_storage(&page, app);
    metrics_put_process(&page);
    if (page.failed) {
        free(page.text);
        request_problem(rq, 503, "out_of_memory", "The server is out of memory. Try again.");
        return;
    }
    request_json(rq, 200);
    rq->answer.type = "text/plain; version=0.0.4; charset=utf-8";
    rq->answer.body = page.text;
    rq->answer.len = page.len;
}
