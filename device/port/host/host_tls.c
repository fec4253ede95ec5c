#include "device/port/host/host_tls.h"

#include <stdio.h>
#include <time.h>

#include "device/port/host/tls_files.h"
#include "protocol/error.h"

static int fill_random(void *ctx, void *buf, size_t len)
{
    const struct ota_platform *platform = ctx;

    return platform->random(platform->ctx, buf, len);
}

static uint64_t now(void *ctx)
{
    (void)ctx;
    return (uint64_t)time(NULL);
}

static void say(void *ctx, const char *line)
{
    const struct ota_platform *platform = ctx;

    platform->log(platform->ctx, line);
}

bool host_tls_open(struct host_tls *tls, const char *name, const char *ca_file,
                   struct ota_platform *platform)
{
    int count = tls_files_read_anchors(ca_file, tls->anchors, HOST_TLS_ANCHORS_MAX);

    if (count <= 0) {
        fprintf(stderr, "ota-device: %s: %s\n", ca_file,
                count == 0 ? "must hold certificates in PEM form" : ota_error_name(count));
        return false;
    }
    tls->config = (struct ota_tls_config){
        .name = name,
        .anchors = tls->anchors,
        .anchor_count = (size_t)count,
        .records = tls->records,
        .records_len = sizeof tls->records,
        .ctx = platform,
        .random = fill_random,
        .time_floor = now,
        .log = say,
    };
    ota_tls_init(&tls->tls, &tls->config);
    tls->allocator = ota_tls_allocator(&tls->tls);
    return true;
}
