/* The update client: the way of an update, and what may come between. */
#include "device/core/client.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

static void test_update(void **state)
{
    static const enum ota_event events[] = {OTA_EVENT_DOWNLOADING, OTA_EVENT_INSTALLED,
                                            OTA_EVENT_TRIAL, OTA_EVENT_CONFIRMED};
    struct world *world = world_fresh(state);

    world_update(world);
    assert_int_equal(world->server.report_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        const struct world_report *report = &world->server.reports[i];
        assert_int_equal(report->event, events[i]);
        assert_string_equal(report->deployment, "42");
        assert_int_equal(report->seq, i < 2 ? i + 1 : 33 + i - 2); /* a block a boot */
        assert_string_equal(report->reason, "");
        assert_int_equal(report->version.minor, i < 2 ? 0 : 1);
    }
    assert_int_equal(world->server.firmware_taken, world->next.len);
    assert_int_equal(world->resets, 1);
}

static void test_update_in_pieces(void **state)
{
    struct world *world = *state;

    for (size_t piece = 1; piece < 40; piece += 3) {
        world_restart(world);
        world->piece = piece;
        world->config.range_len = 1000;
        world_update(world);
        assert_int_equal(world->server.firmware_taken, world->next.len);
        assert_int_equal(world->server.fetches, (world->next.len + 999) / 1000);
    }
}

static void test_write_lengths(void **state)
{
    static const uint32_t lens[] = {1, 2, 8, 16, 32};
    (void)state;

    for (unsigned i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct flash_geometry geometry = world_small;
        geometry.write_len = lens[i];
        geometry.write_once = lens[i] >= 16;
        geometry.program_us = 25 * lens[i];
        struct world *world = world_new(&geometry, WORLD_BODY_LEN);
        world->piece = 333;
        world_update(world);
        world_free(world);
    }
}

static void test_next_update(void **state)
{
    struct world *world = world_fresh(state);

    world_update(world);
    world->server.image = &world->other;
    world->server.deployment = "43";
    ota_client_poll_now(&world->client);
    world_run(world, world_never, 5 * WORLD_MINUTE_MS);
    assert_true(world_idle(world));
    assert_true(world_runs(world, &world->other));
    assert_string_equal(world_report_of(world, OTA_EVENT_CONFIRMED, 1)->deployment, "43");
}

static void test_up_to_date(void **state)
{
    struct world *world = world_fresh(state);

    world_update(world);
    unsigned erases = world_slot_erases(world);
    world->server.deployment = "44"; /* the same image once more */
    ota_client_poll_now(&world->client);
    world_run(world, world_never, 5 * WORLD_MINUTE_MS);
    assert_int_equal(world_slot_erases(world), erases);
    assert_int_equal(world_count(world, OTA_EVENT_CONFIRMED), 2);
}

static void test_downgrade(void **state)
{
    struct world *world = world_fresh(state);
    struct world_image back;

    world_update(world);
    world_image_make(&back, &world->release, (struct ota_version){0, 9, 0, 0}, 6, 500, 77);
    world->server.image = &back;
    world->server.deployment = "45";
    ota_client_poll_now(&world->client);
    /* The world's server would not know what runs: look at the flash instead of polling. */
    assert_true(world_run(world, world_reset_asked, WORLD_HOUR_MS));
    world_boot(world);
    assert_int_equal(world->client.boot_phase, OTA_BOOT_TRIAL);
    assert_int_equal(world->client.version.minor, 9);
    world_image_free(&back);
}

/* Offers that change each time are answered ever more slowly. */
static void put_new_deployment(struct world *world, struct ota_manifest *manifest)
{
    static char name[16];

    strcpy(name, "d00000");
    for (unsigned i = 5, n = world->server.polls; n > 0; n /= 10)
        name[i--] = (char)('0' + n % 10);
    manifest->deployment = ota_text_of(name);
    manifest->product = ota_text_of("another");
}

static bool half_way(struct world *world)
{
    return world->client.position >= world->next.len / 2;
}

static void slow_down(struct world *world, const struct ota_http_request *request,
                      struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware)
        answer->byte_ms = 50; /* 20 bytes a second: 10 KB take over 8 minutes */
}

static void begin_slow_download(struct world *world)
{
    world->config.range_len = 512;
    world->config.rate_bytes_min = 1;
    world->server.twist_answer = slow_down;
    world_boot(world);
    assert_true(world_run(world, half_way, WORLD_HOUR_MS));
}

static void test_hold(void **state)
{
    struct world *world = world_fresh(state);

    begin_slow_download(world);
    world->server.action = OTA_ACTION_HOLD;
    world_run(world, world_never, 3 * WORLD_MINUTE_MS);
    uint64_t taken = world->server.firmware_taken;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.firmware_taken, taken);
    assert_true(taken < world->next.len);

    world->server.action = OTA_ACTION_INSTALL;
    world_run(world, world_never, WORLD_HOUR_MS);
    world_assert_updated(world);
    assert_int_equal(world->server.firmware_taken, world->next.len);
}

static void test_hold_before_install(void **state)
{
    struct world *world = world_fresh(state);

    world_boot(world);
    assert_true(world_run(world, half_way, WORLD_HOUR_MS));
    world->server.action = OTA_ACTION_HOLD;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.firmware_taken, world->next.len);
    assert_int_equal(world->resets, 0);
    world->server.action = OTA_ACTION_INSTALL;
    world_run(world, world_never, WORLD_HOUR_MS);
    world_assert_updated(world);
    assert_int_equal(world->server.firmware_taken, world->next.len);
}

static void test_none_stops(void **state)
{
    struct world *world = world_fresh(state);

    begin_slow_download(world);
    world->server.action = OTA_ACTION_NONE;
    world_run(world, world_never, 3 * WORLD_MINUTE_MS);
    uint64_t taken = world->server.firmware_taken;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.firmware_taken, taken);
    assert_int_equal(world->resets, 0);
}

static void test_cancel(void **state)
{
    struct world *world = world_fresh(state);

    begin_slow_download(world);
    world->server.action = OTA_ACTION_CANCEL;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 1);
    assert_string_equal(world_report_of(world, OTA_EVENT_FAILED, 0)->reason, "cancelled");
    world->server.action = OTA_ACTION_INSTALL;
    uint64_t taken = world->server.firmware_taken;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.firmware_taken, taken);
    assert_int_equal(world->resets, 0);
}

static void test_cancel_unheard_of(void **state)
{
    struct world *world = world_fresh(state);

    world->server.action = OTA_ACTION_CANCEL;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.report_count, 1);
    assert_string_equal(world->server.reports[0].reason, "cancelled");
    assert_string_equal(world->server.reports[0].deployment, "42");
}

static void test_cancel_too_late(void **state)
{
    struct world *world = world_fresh(state);

    world_update(world);
    world->server.action = OTA_ACTION_CANCEL;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 0);
}

static void test_supersede(void **state)
{
    struct world *world = world_fresh(state);

    begin_slow_download(world);
    world->server.image = &world->other;
    world->server.deployment = "43";
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_true(world_runs(world, &world->other));
    assert_string_equal(world_report_of(world, OTA_EVENT_CONFIRMED, 0)->deployment, "43");
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 0);
}

static void test_supersede_same_image(void **state)
{
    struct world *world = world_fresh(state);

    begin_slow_download(world);
    world->server.deployment = "43";
    world_run(world, world_never, WORLD_HOUR_MS);
    world_assert_updated(world);
    assert_string_equal(world_report_of(world, OTA_EVENT_CONFIRMED, 0)->deployment, "43");
    assert_int_equal(world->server.firmware_taken, world->next.len);
}

static uint32_t gap(const struct world *world, unsigned n)
{
    return world->server.poll_at[n % 64] - world->server.poll_at[(n - 1) % 64];
}

static void test_enrolment(void **state)
{
    struct world *world = world_fresh(state);

    world->config.token = NULL;
    world->config.enrolment_key = WORLD_ENROLMENT_KEY;
    world_update(world);
    assert_int_equal(world->server.enrolments, 1); /* the token outlives the reset */
    assert_null(strstr(world->log, "otd_"));
    assert_null(strstr(world->log, "ote_"));
}

static void lose_enrolment(struct world *world, const struct ota_http_request *request,
                           struct world_answer *answer)
{
    if (strstr(request->path, "enroll") != NULL && world->server.enrolments <= 2)
        answer->cut_at = answer->len - 1;
}

static void test_enrolment_lost(void **state)
{
    struct world *world = world_fresh(state);

    world->config.token = NULL;
    world->config.enrolment_key = WORLD_ENROLMENT_KEY;
    world->server.twist_answer = lose_enrolment;
    world_update(world);
    assert_int_equal(world->server.enrolments, 3);
}

static void test_pending(void **state)
{
    struct world *world = world_fresh(state);

    world->server.pending = true;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_in_range(world->server.polls, 4, 30);
    assert_in_range(gap(world, 2), 120000, WORLD_HOUR_MS);
    world->server.pending = false;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    world_assert_updated(world);
}

static void test_token_forgotten(void **state)
{
    struct world *world = world_fresh(state);

    world->config.token = NULL;
    world->config.enrolment_key = WORLD_ENROLMENT_KEY;
    world_update(world);
    world->server.token = "otd_another";
    world->server.action = OTA_ACTION_NONE;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->server.enrolments, 2);
    assert_true(world_idle(world));
}

static void bad_enrolment(struct world *world, const struct ota_http_request *request,
                          struct world_answer *answer)
{
    static const char *const bodies[] = {
        "{}",
        "[]",
        "{\"token\":7}",
        "{\"token\":\"\"}",
        "{\"token\":\"a\",\"token\":\"b\"}",
        "{\"token\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
        "{\"token\":\"a\"} ",
        "{\"token\":\"a"};

    if (strstr(request->path, "enroll") != NULL) {
        answer->body = (const uint8_t *)bodies[world->server.twist];
        answer->len = strlen(bodies[world->server.twist]);
    }
}

static void test_bad_enrolment(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < 8; i++) {
        world_restart(world);
        world->config.token = NULL;
        world->config.enrolment_key = WORLD_ENROLMENT_KEY;
        world->server.twist_answer = bad_enrolment;
        world->server.twist = i;
        world_boot(world);
        world_run(world, world_never, 10 * WORLD_MINUTE_MS);
        if (i != 6) /* a blank behind the object is allowed or not: SPEC.md's business */
            assert_int_equal(world->server.polls, 0);
        assert_true(world->server.enrolments > 1);
    }
}

static void test_config(void **state)
{
    struct world *world = world_fresh(state);
    struct ota_client_config config = world->config;

    config.token = NULL;
    assert_int_equal(ota_client_init(&world->client, &config, 0), OTA_E_RANGE);
    config = world->config;
    config.device_id = "no good";
    assert_int_equal(ota_client_init(&world->client, &config, 0), OTA_E_RANGE);
    config = world->config;
    config.server_key_count = 0;
    assert_int_equal(ota_client_init(&world->client, &config, 0), OTA_E_RANGE);
    config = world->config;
    config.release_keys.count = 0;
    assert_int_equal(ota_client_init(&world->client, &config, 0), OTA_E_RANGE);
}

static char last_poll[OTA_CLIENT_PATH_MAX + 1];

static void keep_poll(struct world *world, const struct ota_http_request *request,
                      struct world_answer *answer)
{
    (void)world;
    (void)answer;
    if (strstr(request->path, "/manifest?") != NULL)
        snprintf(last_poll, sizeof last_poll, "%s", request->path);
}

/* What the next poll says after its counter. */
static const char *wishes_of_next_poll(struct world *world, uint32_t run_ms)
{
    last_poll[0] = '\0';
    world_run(world, world_never, run_ms);
    if (last_poll[0] == '\0')
        return "no poll";
    const char *counter = strstr(last_poll, "&counter=") + 1;
    return counter + strcspn(counter, "&");
}

static unsigned long postponing_of_next_poll(struct world *world)
{
    static const char name[] = "&postpone=";
    const char *wishes = wishes_of_next_poll(world, 1000);

    assert_memory_equal(wishes, name, sizeof name - 1);
    return strtoul(wishes + sizeof name - 1, NULL, 10);
}

static void test_wishes(void **state)
{
    struct world *world = world_fresh(state);
    struct ota_client_wishes wishes = {.has_utc_offset = true, .utc_offset_minutes = -90};

    world->server.action = OTA_ACTION_NONE;
    world->server.twist_answer = keep_poll;
    world_boot(world);
    assert_string_equal(wishes_of_next_poll(world, WORLD_MINUTE_MS), "");
    assert_int_equal(ota_client_set_wishes(&world->client, &wishes), OTA_OK);
    assert_string_equal(wishes_of_next_poll(world, 1000), "&utc_offset=-90");
    wishes = (struct ota_client_wishes){.opt_out = true};
    assert_int_equal(ota_client_set_wishes(&world->client, &wishes), OTA_OK);
    assert_string_equal(wishes_of_next_poll(world, 1000), "&opt_out=1");
    wishes = (struct ota_client_wishes){.postpone_seconds = 3600};
    assert_int_equal(ota_client_set_wishes(&world->client, &wishes), OTA_OK);
    assert_in_range(postponing_of_next_poll(world), 3480, 3600);
    world_run(world, world_never, WORLD_MINUTE_MS * 30);
    ota_client_poll_now(&world->client);
    assert_in_range(postponing_of_next_poll(world), 1600, 1800);
    world_run(world, world_never, WORLD_MINUTE_MS * 31);
    ota_client_poll_now(&world->client);
    assert_string_equal(wishes_of_next_poll(world, 1000), "");

    wishes = (struct ota_client_wishes){.postpone_seconds = OTA_CLIENT_POSTPONE_SECONDS_MAX + 1};
    assert_int_equal(ota_client_set_wishes(&world->client, &wishes), OTA_E_RANGE);
    wishes = (struct ota_client_wishes){.has_utc_offset = true, .utc_offset_minutes = 1081};
    assert_int_equal(ota_client_set_wishes(&world->client, &wishes), OTA_E_RANGE);
}

static void test_health(void **state)
{
    struct world *world = world_fresh(state);
    const struct world_report *told;

    world_boot(world);
    assert_int_equal(ota_client_report_health(&world->client, 1, ""), OTA_E_MISSING);
    world_update(world);
    assert_int_equal(ota_client_report_health(&world->client, 0, ""), OTA_E_RANGE);
    assert_int_equal(ota_client_report_health(&world->client, 65536, ""), OTA_E_RANGE);
    assert_int_equal(ota_client_report_health(&world->client, 1, "no word"), OTA_E_RANGE);
    assert_int_equal(ota_client_report_health(&world->client, 3, "watchdog"), OTA_OK);
    world_boot(world); /* kept over a reset */
    world_run(world, world_never, WORLD_MINUTE_MS);
    assert_int_equal(world_count(world, OTA_EVENT_HEALTH), 1);
    told = world_report_of(world, OTA_EVENT_HEALTH, 0);
    assert_int_equal(told->events, 3);
    assert_string_equal(told->reason, "watchdog");
    assert_string_equal(told->deployment, "42");
    assert_true(told->seq > world_report_of(world, OTA_EVENT_CONFIRMED, 0)->seq);
}

static void fail_reports(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    if (strstr(request->path, "reports") != NULL &&
        world->server.report_count <= world->server.twist)
        answer->head.status = 500;
}

static void test_report_repeated(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = fail_reports;
    world->server.twist = 8;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_true(world_idle(world));
    /* Each kept report came until it was taken, always under its number. */
    for (enum ota_event event = OTA_EVENT_INSTALLED; event <= OTA_EVENT_CONFIRMED; event++) {
        const struct world_report *first = world_report_of(world, event, 0);
        assert_non_null(first);
        for (unsigned n = 1; n < world_count(world, event); n++)
            assert_int_equal(world_report_of(world, event, n)->seq, first->seq);
    }
    assert_true(world->server.report_count > 10);
}

static void lose_reports(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    (void)world;
    if (strstr(request->path, "reports") != NULL)
        answer->refused = OTA_E_TRANSPORT;
}

static void test_reports_kept(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = lose_reports;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    struct ota_image_info info;
    assert_true(world_runs(world, &world->next)); /* an update doesn't wait for its reports */
    assert_int_equal(ota_boot_run(&world->boot, &world->boot_report, &info), OTA_OK);
    world_boot(world);
    world->server.twist_answer = NULL;
    world->server.report_count = 0;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    assert_int_equal(world->server.report_count, 3);
    assert_int_equal(world->server.reports[0].event, OTA_EVENT_INSTALLED);
    assert_int_equal(world->server.reports[1].event, OTA_EVENT_TRIAL);
    assert_int_equal(world->server.reports[2].event, OTA_EVENT_CONFIRMED);
    assert_true(world->server.reports[0].seq < world->server.reports[1].seq &&
                world->server.reports[1].seq < world->server.reports[2].seq);
}

static void test_reports_overflow(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = lose_reports;
    world->server.twist_fields = put_new_deployment;
    world_boot(world);
    world_run(world, world_never, 2 * WORLD_HOUR_MS);
    assert_true(world->server.report_count > 0);
    world->server.twist_answer = NULL;
    world->server.action = OTA_ACTION_NONE;
    world->server.twist_fields = NULL;
    world->server.report_count = 0;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    assert_int_equal(world->server.report_count, OTA_CLIENT_REPORTS);
    for (unsigned i = 1; i < OTA_CLIENT_REPORTS; i++)
        assert_int_equal(world->server.reports[i].seq, world->server.reports[i - 1].seq + 1);
}

static void silent_reports(struct world *world, const struct ota_http_request *request,
                           struct world_answer *answer)
{
    (void)world;
    answer->silent = strstr(request->path, "reports") != NULL;
}

static bool trial_report_under_way(struct world *world)
{
    return world->client.boot_phase == OTA_BOOT_TRIAL && world->client.verified &&
           world->server.active && world->server.answer.silent;
}

/* A report comes to be while an older one is under way whose place it has to take. */
static void test_report_replaced_under_way(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = lose_reports;
    world->server.twist_fields = put_new_deployment;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    world->server.twist_fields = NULL;
    world->server.twist_answer = silent_reports;
    world->fit = 0;
    assert_true(world_run(world, trial_report_under_way, WORLD_HOUR_MS));

    world->fit = 1;
    ota_client_step(&world->client, world->now_ms);
    assert_int_equal(world->client.boot_phase, OTA_BOOT_IDLE);
    world->server.answer.silent = false;
    world->server.twist_answer = NULL;
    world->server.report_count = 0;
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    assert_int_equal(world_count(world, OTA_EVENT_CONFIRMED), 1);
    assert_int_equal(world->server.report_count, OTA_CLIENT_REPORTS);
}

static void test_reports_dropped(void **state)
{
    static const unsigned finals[] = {200, 204, 400, 404};
    struct world *world = *state;

    for (unsigned i = 0; i < 4; i++) {
        world_restart(world);
        world->server.report_status = finals[i];
        world_boot(world);
        assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
        assert_int_equal(world->server.report_count, 4);
        assert_int_equal(strstr(world->log, "report dropped") != NULL, finals[i] >= 400);
    }
}

static void test_self_test_fails(void **state)
{
    struct world *world = world_fresh(state);

    world->fit = OTA_E_SELF_TEST;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_true(world_runs(world, &world->old));
    assert_int_equal(world_count(world, OTA_EVENT_CONFIRMED), 0);
    assert_int_equal(world_count(world, OTA_EVENT_REVERTED), 1);
    const struct world_report *report = world_report_of(world, OTA_EVENT_REVERTED, 0);
    assert_string_equal(report->reason, "self_test");
    assert_string_equal(report->deployment, "42");
    assert_int_equal(report->version.minor, 0);
    assert_int_equal(world->client.counter_floor, 0); /* it rises with a confirm only */
    unsigned resets = world->resets;
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_int_equal(world->resets, resets); /* not tried again */

    world->fit = 1;
    world->server.deployment = "43";
    world_run(world, world_never, WORLD_HOUR_MS);
    world_assert_updated(world);
}

static void silent_on_trial(struct world *world, const struct ota_http_request *request,
                            struct world_answer *answer)
{
    (void)request;
    if (world->client.boot_phase == OTA_BOOT_TRIAL)
        answer->silent = true;
}

static void test_trial_without_server(void **state)
{
    struct world *world = world_fresh(state);

    world->config.trial_ms_max = 10 * WORLD_MINUTE_MS;
    world->server.twist_answer = silent_on_trial;
    world_boot(world);
    world_run(world, world_never, 2 * WORLD_HOUR_MS);
    assert_true(world_runs(world, &world->old));
    assert_int_equal(world_count(world, OTA_EVENT_REVERTED), 1);
    assert_string_equal(world_report_of(world, OTA_EVENT_REVERTED, 0)->reason, "not_confirmed");
    assert_int_equal(world->resets, 1 + OTA_TRIAL_ATTEMPTS_MAX);
    assert_true(world->server.polls > 10); /* it tried, in each attempt */
}

/* The server comes back within the trial: the backoff must not sleep through it. */
static void test_trial_with_late_server(void **state)
{
    struct world *world = world_fresh(state);

    world->config.trial_ms_max = 10 * WORLD_MINUTE_MS;
    world->server.twist_answer = silent_on_trial;
    world_boot(world);
    assert_true(world_run(world, world_reset_asked, WORLD_HOUR_MS));
    world_run(world, world_never, 7 * WORLD_MINUTE_MS);
    world->server.twist_answer = NULL;
    assert_true(world_run(world, world_idle, 5 * WORLD_MINUTE_MS));
    world_assert_updated(world);
    assert_int_equal(world->resets, 1);
}

static void put_stranger(struct world *world, struct ota_manifest *manifest)
{
    if (world->client.boot_phase == OTA_BOOT_TRIAL)
        manifest->device = ota_text_of("dev-0002");
}

static void test_trial_with_false_server(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_fields = put_stranger;
    world_boot(world);
    world_run(world, world_never, 2 * WORLD_HOUR_MS);
    assert_true(world_runs(world, &world->old));
    assert_int_equal(world_count(world, OTA_EVENT_CONFIRMED), 0);
    assert_int_equal(world_count(world, OTA_EVENT_REVERTED), 1);
}

static void test_self_test_takes_time(void **state)
{
    struct world *world = world_fresh(state);

    world->fit = 0;
    world_boot(world);
    world_run(world, world_never, 5 * WORLD_MINUTE_MS);
    assert_int_equal(world->client.boot_phase, OTA_BOOT_TRIAL);
    world->fit = 1;
    assert_true(world_run(world, world_idle, WORLD_MINUTE_MS));
    world_assert_updated(world);
}

static void put_hold_on_trial(struct world *world, struct ota_manifest *manifest)
{
    if (world->client.boot_phase == OTA_BOOT_TRIAL)
        manifest->action = world->server.twist ? OTA_ACTION_CANCEL : OTA_ACTION_HOLD;
}

static void test_trial_is_not_cancelled(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < 2; i++) {
        world_restart(world);
        world->server.twist_fields = put_hold_on_trial;
        world->server.twist = i;
        world_update(world);
        assert_int_equal(world_count(world, OTA_EVENT_FAILED), 0);
    }
}

static void test_bootloader_refuses(void **state)
{
    struct world *world = world_fresh(state);

    world_boot(world);
    assert_true(world_run(world, world_reset_asked, WORLD_HOUR_MS));
    /* A bit rots between the client's verification and the bootloader's. */
    flash_sim_flip(&world->sim, world->sim.map.secondary.addr + 4096 + 5000, 3);
    world_run(world, world_never, WORLD_HOUR_MS);
    assert_true(world_runs(world, &world->old));
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 1);
    assert_string_equal(world_report_of(world, OTA_EVENT_FAILED, 0)->reason, "hash");
    assert_int_equal(world->resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("an update goes from poll to confirmed, and each step is reported", test_update)},
        {TEST("an update in pieces and ranges of any size is the same", test_update_in_pieces)},
        {TEST("flash of every program unit is served, write-once flash too", test_write_lengths)},
        {TEST("one update follows another", test_next_update)},
        {TEST("an image that runs already is confirmed without a download", test_up_to_date)},
        {TEST("a lower version with the same counter may be installed", test_downgrade)},
        {TEST("hold keeps what is there and fetches nothing", test_hold)},
        {TEST("hold stands before the install too", test_hold_before_install)},
        {TEST("none stops a download", test_none_stops)},
        {TEST("cancel ends a deployment for good", test_cancel)},
        {TEST("cancel of a deployment unheard of is answered once", test_cancel_unheard_of)},
        {TEST("cancel comes too late after the confirm", test_cancel_too_late)},
        {TEST("a new deployment takes the place of the old one", test_supersede)},
        {TEST("a new deployment of the same image keeps its bytes", test_supersede_same_image)},
        {TEST("a device enrols once and keeps its token", test_enrolment)},
        {TEST("an enrolment whose answer was lost is repeated", test_enrolment_lost)},
        {TEST("a pending device waits", test_pending)},
        {TEST("a device that the server forgot enrols again", test_token_forgotten)},
        {TEST("an enrolment without a good token is repeated", test_bad_enrolment)},
        {TEST("a config that can't work is refused", test_config)},
        {TEST("the owner's wishes stand in each poll, as long as they hold", test_wishes)},
        {TEST("the application's bad events are told about the image that it confirmed",
              test_health)},
        {TEST("a report is repeated under its number until it is taken", test_report_repeated)},
        {TEST("reports outlive resets and come in order", test_reports_kept)},
        {TEST("when there are too many reports the newest are kept", test_reports_overflow)},
        {TEST("a report that takes the place of one under way is not lost with it",
              test_report_replaced_under_way)},
        {TEST("a report that the server refuses for good is dropped", test_reports_dropped)},
        {TEST("a failed self-test brings the old image back, and is reported",
              test_self_test_fails)},
        {TEST("a trial that never reaches the server ends in the old image",
              test_trial_without_server)},
        {TEST("a server that comes late in the trial is found", test_trial_with_late_server)},
        {TEST("a manifest for another device confirms nothing", test_trial_with_false_server)},
        {TEST("a self-test may take its time", test_self_test_takes_time)},
        {TEST("hold and cancel don't stop a confirm", test_trial_is_not_cancelled)},
        {TEST("what the bootloader refuses is reported", test_bootloader_refuses)},
    };
    return cmocka_run_group_tests_name("client", tests, world_setup, world_teardown);
}
