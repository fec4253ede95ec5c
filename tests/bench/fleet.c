/*
 * bench-fleet: what the bench does to a database without a server.
 *
 *   bench-fleet fill DB COUNT        a database with COUNT accepted devices that have polled once
 *   bench-fleet commits DB SECONDS   the writes of a report, one commit each: prints how many a
 * second
 *
 * `commits` is what group commit is measured against: the same two statements on the same rows,
 * with the same durability, and nothing around them, neither HTTP nor JSON nor a decision.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/db.h"
#include "db/deployments.h"
#include "db/devices.h"
#include "db/events.h"
#include "db/groups.h"
#include "protocol/text.h"
#include "server/secret.h"
#include "tests/bench/device.h"

#define ROWS_PER_COMMIT 50000U
#define CREATED_AT 1700000000

static void check(int error, const char *what)
{
    if (error >= 0)
        return;
    fprintf(stderr, "bench-fleet: %s: %s\n", what, db_error_name(error));
    exit(1);
}

static void add_device(struct db *db, uint32_t number, int64_t group)
{
    struct db_device row = {.state = DB_DEVICE_ACCEPTED, .created_at = CREATED_AT, .counter = 1};
    struct bench_device device = {.name = ""};

    bench_device_make(&device, number);
    if (!secret_hash(device.token, strlen(device.token), row.token_hash))
        abort();
    memcpy(row.name, device.name, sizeof(device.name));
    memcpy(row.product, BENCH_PRODUCT, sizeof(BENCH_PRODUCT));
    memcpy(row.hardware, BENCH_HARDWARE, sizeof(BENCH_HARDWARE));
    row.group_id = number <= BENCH_CANARY ? group : 0;
    check(db_device_add(db, &row), "adding a device");
    memcpy(row.version, BENCH_VERSION, sizeof(BENCH_VERSION));
    check(ota_hex_decode(row.hash, DB_HASH_LEN, ota_text_of(BENCH_HASH)), "the hash");
    row.last_seen = CREATED_AT;
    check(db_device_seen(db, &row), "its facts");
}

static void fill(const char *path, uint32_t count)
{
    struct db_group group = {.name = "canary", .created_at = CREATED_AT};
    struct db *db;

    check(db_open(&db, path, DB_WRITER), path);
    check(db_group_add(db, &group), "the group");
    check(db_group_find(db, group.name, &group), "the group");
    check(db_begin(db), "begin");
    for (uint32_t number = 1; number <= count; number++) {
        add_device(db, number, group.id);
        if (number % ROWS_PER_COMMIT == 0) {
            check(db_commit(db), "commit");
            check(db_checkpoint(db), "checkpoint");
            check(db_begin(db), "begin");
        }
    }
    check(db_commit(db), "commit");
    db_close(db);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void commit_report(struct db *db, int64_t id)
{
    struct db_deployment deployment;
    struct db_event event = {.event = 1, .percent = 50};

    check(db_deployment_get(db, id, &deployment), "a deployment");
    event.device_id = deployment.device_id;
    event.deployment_id = id;
    event.seq = deployment.seq + 1;
    event.at = CREATED_AT;
    deployment.seq++;
    deployment.events++;
    check(db_begin(db), "begin");
    check(db_event_add(db, &event), "the event");
    check(db_deployment_update(db, &deployment), "the deployment");
    check(db_commit(db), "commit");
}

static void commits(const char *path, double seconds)
{
    struct db *db;
    int64_t deployments;
    uint64_t count = 0;
    double start;
    double end;

    check(db_open(&db, path, DB_WRITER), path);
    deployments = db_deployment_last_id(db);
    if (deployments <= 0)
        check(DB_E_NOT_FOUND, "deployments");
    start = end = now();
    while (end - start < seconds) {
        commit_report(db, 1 + (int64_t)(count * 7919 % (uint64_t)deployments));
        count++;
        end = now();
    }
    db_close(db);
    printf("%.0f\n", (double)count / (end - start));
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        fill(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
    else if (argc == 4 && strcmp(argv[1], "commits") == 0)
        commits(argv[2], strtod(argv[3], NULL));
    else
        return fputs("usage: bench-fleet fill DB COUNT | commits DB SECONDS\n", stderr), 2;
    return 0;
}
