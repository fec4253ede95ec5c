/* The update client against servers and connections that spoil the download. */
#include "device/core/client.h"

#include <string.h>

#include "protocol/error.h"
#include "tests/client/device_world.h"
#include "tests/support/support.h"

static void put_counter(struct world *world, struct ota_manifest *manifest)
{
    manifest->counter = world->server.twist;
}

static void put_size(struct world *world, struct ota_manifest *manifest)
{
    manifest->image_len = world->server.twist;
}

static void slow_down(struct world *world, const struct ota_http_request *request,
                      struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware)
        answer->byte_ms = 50; /* 20 bytes a second: 10 KB take over 8 minutes */
}

/* Twist the answers to firmware requests, `twist` of them; 0 for all. */
static bool is_twisted(const struct world *world)
{
    return world->server.firmware &&
           (world->server.twist == 0 || world->server.fetches <= world->server.twist);
}

#define TWIST(name, statements)                                                                    \
    static void name(struct world *world, const struct ota_http_request *request,                  \
                     struct world_answer *answer)                                                  \
    {                                                                                              \
        (void)request;                                                                             \
        if (is_twisted(world)) {                                                                   \
            statements                                                                             \
        }                                                                                          \
    }

TWIST(start_later, answer->head.range_start++; answer->head.range_end++;)
TWIST(
    start_early,
    if (answer->head.range_start > 0) {
        answer->head.range_start--;
        answer->head.range_end--;
    } else { answer->head.has_range = false; })
TWIST(total_larger, answer->head.range_total++;)
TWIST(total_smaller, answer->head.range_total = answer->head.range_end + 1;)
TWIST(range_longer, answer->head.range_end++; answer->head.range_total += 2; answer->len++;
      answer->head.length++;)
TWIST(length_other, answer->head.length--;)
TWIST(no_range, answer->head.has_range = false;)
TWIST(coded, answer->head.coded = true;)
TWIST(status_416, answer->head.status = 416;)
TWIST(status_418, answer->head.status = 418;)
TWIST(status_302, answer->head.status = 302;)
TWIST(status_404, answer->head.status = 404;)
TWIST(status_410, answer->head.status = 410;)
TWIST(status_401, answer->head.status = 401;)
TWIST(status_503, answer->head.status = 503; answer->head.has_retry_after = true;
      answer->head.retry_after_seconds = 77;)
TWIST(not_http, answer->refused = OTA_E_HTTP;)
TWIST(unreachable, answer->refused = OTA_E_TRANSPORT;)
TWIST(silent, answer->silent = true;)
TWIST(nothing, answer->head.has_length = false; answer->len = 0;)
TWIST(whole_too_long, answer->head.status = 200; answer->head.has_range = false;
      answer->head.length = world->next.len + 1;)
TWIST(whole_too_short, answer->head.status = 200; answer->head.has_range = false;
      answer->head.length = world->next.len - 1;)

/* A deployment that fails with `reason`, after `fetches` requests, without a reset. */
static void assert_fails(struct world *world, const char *reason)
{
    world_boot(world);
    world_run(world, world_never, 4 * WORLD_HOUR_MS);
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 1);
    assert_string_equal(world_report_of(world, OTA_EVENT_FAILED, 0)->reason, reason);
    assert_int_equal(world->resets, 0);
    assert_true(world_runs(world, &world->old));
    uint64_t taken = world->server.firmware_taken;
    unsigned fetches = world->server.fetches;
    world_run(world, world_never, 4 * WORLD_HOUR_MS);
    assert_int_equal(world->server.firmware_taken, taken);
    assert_int_equal(world->server.fetches, fetches);
}

static void test_lies(void **state)
{
    static const struct {
        void (*twist)(struct world *world, const struct ota_http_request *request,
                      struct world_answer *answer);
        const char *reason;
        unsigned fetches;
    } rows[] = {
        {start_later, "http_range", 3},  {start_early, "http_range", 3},
        {total_larger, "http_range", 3}, {total_smaller, "http_range", 3},
        {range_longer, "http_range", 3}, {length_other, "http_range", 3},
        {no_range, "http_range", 3},     {coded, "http", 3},
        {status_416, "http_range", 3},   {status_418, "http_status", 3},
        {status_302, "http_status", 3},  {status_404, "gone", 1},
        {status_410, "gone", 1},         {not_http, "http", 3},
        {nothing, "http_range", 3},      {whole_too_long, "size", 3},
        {whole_too_short, "size", 3},
    };
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_restart(world);
        world->config.range_len = 4000;
        world->server.twist_answer = rows[i].twist;
        assert_fails(world, rows[i].reason);
        assert_int_equal(world->server.fetches, rows[i].fetches);
        assert_int_equal(world_slot_erases(world), 0);
    }
}

static void test_passing_trouble(void **state)
{
    static const struct {
        void (*twist)(struct world *world, const struct ota_http_request *request,
                      struct world_answer *answer);
        unsigned times;
    } rows[] = {{status_401, 9}, {status_503, 9},  {unreachable, 9}, {silent, 9},
                {coded, 2},      {start_later, 2}, {not_http, 2},    {status_416, 2}};
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_restart(world);
        world->server.twist_answer = rows[i].twist;
        world->server.twist = rows[i].times;
        world_boot(world);
        world_run(world, world_never, 4 * WORLD_HOUR_MS);
        world_assert_updated(world);
        assert_int_equal(world->server.firmware_taken, world->next.len);
    }
}

/* A 200 in answer to a range, at every place. */
static void whole_always(struct world *world, const struct ota_http_request *request,
                         struct world_answer *answer)
{
    const struct world_image *image = world->server.image;

    (void)request;
    if (!world->server.firmware)
        return;
    answer->head.status = 200;
    answer->head.has_range = false;
    answer->head.length = image->len;
    answer->body = image->bytes;
    answer->len = image->len;
    if (world->server.fetches <= world->server.twist)
        answer->cut_at = 1000 * world->server.fetches;
}

static void test_whole_for_range(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = whole_always;
    world->server.twist = 5;
    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    world_assert_updated(world);
    assert_int_equal(world->server.fetches, 6);
    assert_int_equal(world->server.firmware_taken,
                     1000 + 2000 + 3000 + 4000 + 5000 + world->next.len);
    assert_int_equal(world_slot_erases(world) > 0, 1);
}

/* Each range a little shorter than asked for: legal. */
TWIST(
    range_shorter, if (answer->len > 100) {
        answer->head.range_end -= 50;
        answer->head.length -= 50;
        answer->len -= 50;
    })

static void test_short_ranges(void **state)
{
    struct world *world = world_fresh(state);

    world->config.range_len = 777;
    world->server.twist_answer = range_shorter;
    world_update(world);
    assert_in_range(world->server.firmware_taken, world->next.len, world->next.len + 100);
}

TWIST(endless, answer->endless = true; answer->head.has_length = false;)
TWIST(endless_whole, answer->endless = true; answer->head.has_length = false;
      answer->head.has_range = false; answer->head.status = 200; answer->body = world->next.bytes;
      answer->len = world->next.len;)

static void check_endless(struct world *world)
{
    uint32_t slot_end = world->sim.map.secondary.addr + world->sim.map.secondary.len;
    unsigned last = flash_sim_sector(&world->sim, slot_end - 1);

    world_boot(world);
    world_run(world, world_never, WORLD_HOUR_MS);
    /* What comes beyond is cut off; what came is the image. */
    world_assert_updated(world);
    assert_in_range(world->server.firmware_taken, world->next.len,
                    world->next.len + OTA_CLIENT_CHUNK_LEN);
    assert_int_equal(world->sim.erases[last], 0);
}

static void test_endless(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = endless;
    check_endless(world);
    world_restart(world);
    world->server.twist_answer = endless_whole;
    check_endless(world);
}

/* From the second fetch on the server has another file, and says so. */
static void change_file(struct world *world, const struct ota_http_request *request,
                        struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware && world->server.fetches == world->server.twist) {
        static struct world_image changed;
        changed = world->next;
        strcpy(changed.etag, "\"other\"");
        world->server.image = &changed;
        answer->cut_at = 10; /* the next request will meet it */
    }
}

static void test_changed_etag(void **state)
{
    struct world *world = world_fresh(state);

    world->config.range_len = 1000;
    world->server.twist_answer = change_file;
    world->server.twist = 5;
    world_update(world);
    /* 4010 bytes of the first file, then all of the second. */
    assert_in_range(world->server.firmware_taken, world->next.len + 4000, world->next.len + 4020);
    assert_non_null(strstr(world->log, "download from 0"));
}

/* Always the range that was asked for, and always of a new file. */
static void new_etag_each_time(struct world *world, const struct ota_http_request *request,
                               struct world_answer *answer)
{
    if (!world->server.firmware)
        return;
    answer->head.status = 206;
    answer->head.has_range = true;
    answer->head.range_start = request->range_start;
    answer->head.range_end = request->range_end;
    answer->head.range_total = world->next.len;
    answer->body = world->next.bytes + request->range_start;
    answer->len = request->range_end - request->range_start + 1;
    answer->head.length = (uint32_t)answer->len;
    strcpy(answer->head.etag, "\"x0000\"");
    answer->head.etag[4] = (char)('0' + world->server.fetches / 10 % 10);
    answer->head.etag[5] = (char)('0' + world->server.fetches % 10);
}

static void test_etag_churn(void **state)
{
    struct world *world = world_fresh(state);
    unsigned sectors = (world->next.len + 4095) / 4096;

    world->config.range_len = 5000;
    world->server.twist_answer = new_etag_each_time;
    assert_fails(world, "http_range");
    assert_true(world_slot_erases(world) <= (OTA_CLIENT_RESTARTS_MAX + 1) * sectors);
}

static void no_etag(struct world *world, const struct ota_http_request *request,
                    struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware)
        answer->head.etag[0] = '\0';
}

static void test_no_etag(void **state)
{
    struct world *world = world_fresh(state);

    world->config.range_len = 1000;
    world->server.twist_answer = no_etag;
    world_update(world);
    assert_int_equal(world->server.firmware_taken, world->next.len);
}

/* The bytes of another image, of the same length, under the promised name. */
static void other_bytes(struct world *world, const struct ota_http_request *request,
                        struct world_answer *answer)
{
    if (is_twisted(world) && request->range_start >= 3000)
        answer->body = world->other.bytes + request->range_start;
}

static void test_mixed_images(void **state)
{
    struct world *world = world_fresh(state);

    world->config.range_len = 1000;
    world->server.twist_answer = other_bytes;
    assert_fails(world, "hash");
    assert_int_equal(world->server.firmware_taken, 2 * world->next.len);
}

static void all_other_bytes(struct world *world, const struct ota_http_request *request,
                            struct world_answer *answer)
{
    if (is_twisted(world))
        answer->body = world->other.bytes + request->range_start;
}

static void test_other_image(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = all_other_bytes; /* whole, and rightly signed */
    assert_fails(world, "hash");
}

static void test_one_bad_download(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = all_other_bytes;
    world->server.twist = 1;
    world_update(world);
    assert_int_equal(world->server.firmware_taken, 2 * world->next.len);
}

/* The manifest promises another version or counter than the image of that very hash has. */
static void put_version(struct world *world, struct ota_manifest *manifest)
{
    (void)world;
    manifest->version.major = 3;
}

static void test_manifest_against_image(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_fields = put_version;
    assert_fails(world, "version");
    assert_int_equal(world->server.firmware_taken, world->next.len);
    world_restart(world);
    world->server.twist_fields = put_counter;
    world->server.twist = 7;
    assert_fails(world, "counter_low");
    world_restart(world);
    world->server.twist_fields = put_size;
    world->server.twist = world->next.len - 1;
    world->server.twist_answer = NULL;
    assert_fails(world, "http_range");
}

/* Firmware answers break off after `twist` bytes each. */
static void cut_answers(struct world *world, const struct ota_http_request *request,
                        struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware)
        answer->cut_at = world->server.twist;
}

static void test_drops(void **state)
{
    static const unsigned cuts[] = {4, 5, 31, 511, 512, 513, 1460, 4095, 4096, 4097, 9999};
    struct world *world = *state;

    for (unsigned i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        world_restart(world);
        world->server.twist_answer = cut_answers;
        world->server.twist = cuts[i];
        world->server.poll_seconds = 604800;
        world_boot(world);
        world_run(world, world_never, 2 * WORLD_DAY_MS);
        world_assert_updated(world);
        /* What didn't fill a unit of flash was lost, and no more than that. */
        unsigned drops = world->next.len / (cuts[i] - cuts[i] % 4);
        assert_in_range(world->server.firmware_taken, world->next.len,
                        world->next.len + drops * (cuts[i] % 4));
    }
}

static void test_drops_at_each_byte(void **state)
{
    struct world *world = *state;

    for (unsigned at = 0; at < world->next.len; at += 211) {
        world_restart(world);
        world->server.twist_answer = whole_always;
        world->server.twist = 1;
        world_boot(world);
        world->server.twist_answer = cut_answers;
        world->server.twist = at;
        world_run(world, world_never, 3000);
        world->server.twist_answer = NULL;
        assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
        world_assert_updated(world);
    }
}

static bool took_enough(struct world *world)
{
    return world->server.firmware_taken >= world->server.twist;
}

/* Resets at 20 places of a 256 KB download. */
static void test_resets(void **state)
{
    struct world *world = world_new(&world_f407, 262144);
    (void)state;

    world->piece = 1460;
    world->config.range_len = 65536;
    world_boot(world);
    for (unsigned i = 1; i <= 20; i++) {
        world->server.twist = world->next.len / 21 * i;
        assert_true(world_run(world, took_enough, WORLD_HOUR_MS));
        world_boot(world);
    }
    assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
    world_assert_updated(world);
    uint64_t extra = world->server.firmware_taken - world->next.len;
    print_message("             20 resets: %u bytes more than the image's %u\n", (unsigned)extra,
                  world->next.len);
    assert_true(extra * 20 <= world->next.len);
    world_free(world);
}

static void test_slow(void **state)
{
    struct world *world = world_fresh(state);

    world->server.twist_answer = slow_down; /* 20 bytes a second; 34 are wanted */
    world_boot(world);
    world_run(world, world_never, 4 * WORLD_HOUR_MS);
    assert_int_equal(world_count(world, OTA_EVENT_FAILED), 1);
    assert_string_equal(world_report_of(world, OTA_EVENT_FAILED, 0)->reason, "slow");
    /* Progress was kept: each try went on where the former ended. */
    assert_in_range(world->server.firmware_taken, OTA_CLIENT_SLOW_MAX * 1150,
                    OTA_CLIENT_SLOW_MAX * 1210);
    assert_in_range(world->client.position, OTA_CLIENT_SLOW_MAX * 1150, OTA_CLIENT_SLOW_MAX * 1210);
    assert_true(world->sim.unfed_us_max <= 2 * world_small.erase_us);
}

static void stall(struct world *world, const struct ota_http_request *request,
                  struct world_answer *answer)
{
    (void)request;
    if (world->server.firmware)
        answer->stop_at = world->server.twist;
}

static void test_stalls(void **state)
{
    struct world *world = *state;

    for (unsigned at = 0; at < 10000; at += 1777) {
        world_restart(world);
        world->server.twist_answer = stall;
        world->server.twist = at;
        world_boot(world);
        world_run(world, world_never, 5 * WORLD_MINUTE_MS);
        world->server.twist_answer = NULL;
        assert_true(world_run(world, world_idle, WORLD_HOUR_MS));
        world_assert_updated(world);
        assert_in_range(world->server.firmware_taken, world->next.len, world->next.len + 24);
    }
}

static void test_broken_slot(void **state)
{
    static const unsigned defects[] = {FLASH_NO_ERASE, FLASH_NO_PROGRAM, FLASH_HALF_ERASE,
                                       FLASH_BAD_PROGRAM};
    struct world *world = *state;

    for (unsigned i = 0; i < 4; i++) {
        world_restart(world);
        unsigned sector = flash_sim_sector(&world->sim, world->sim.map.secondary.addr + 2 * 4096);
        world->sim.defects[sector] = (uint8_t)defects[i];
        world_boot(world);
        world_run(world, world_never, 4 * WORLD_HOUR_MS);
        assert_int_equal(world_count(world, OTA_EVENT_FAILED), 1);
        assert_true(world_runs(world, &world->old));
        assert_true(world->sim.erases[sector] <= 2);
        world->sim.violations = 0; /* a sector that could not be erased is programmed */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("answers that lie about range, length or coding end the deployment", test_lies)},
        {TEST("trouble that passes does not", test_passing_trouble)},
        {TEST("a 200 in answer to a range counts from byte 0", test_whole_for_range)},
        {TEST("ranges shorter than asked for are taken", test_short_ranges)},
        {TEST("an endless body is stopped at the size", test_endless)},
        {TEST("a file that changes mid-way starts the download over", test_changed_etag)},
        {TEST("a file that always changes ends it, with bounded wear", test_etag_churn)},
        {TEST("a server without ETags is served", test_no_etag)},
        {TEST("pieces of two images are no image", test_mixed_images)},
        {TEST("another image under the promised name is not installed", test_other_image)},
        {TEST("one bad download is repeated once from the start", test_one_bad_download)},
        {TEST("a manifest that says other things than its image ends in a failure",
              test_manifest_against_image)},
        {TEST("dropped connections are gone on with at the byte", test_drops)},
        {TEST("a connection dropped at any byte is gone on with", test_drops_at_each_byte)},
        {TEST("20 resets over 256 KB cost at most 5 % more bytes", test_resets)},
        {TEST("a transfer below the floor is given up, with progress kept on the way", test_slow)},
        {TEST("a stall anywhere is overcome", test_stalls)},
        {TEST("a broken sector ends in a report, not in wear", test_broken_slot)},
    };
    return cmocka_run_group_tests_name("client_download", tests, world_setup, world_teardown);
}
