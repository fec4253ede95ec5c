/* ota-device: an STM32F4 with the update client, as a process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/boot/boot.h"
#include "device/core/client_delta.h"
#include "device/net/transport_lwip.h"
#include "device/port/host/broker.h"
#include "device/port/host/chip.h"
#include "device/port/host/host_tls.h"
#include "device/port/host/options.h"
#include "device/port/host/slirp_netif.h"
#include "protocol/error.h"

#define GOES_ON (-1)

struct device {
    struct host_options options;
    struct host_chip chip;
    struct ota_boot_report boot_report;
    struct slirp_netif *net;
    struct host_tls tls;
    struct ota_lwip_config lwip_config;
    struct ota_lwip_transport lwip;
    struct ota_transport transport;
    struct ota_client_config config;
    struct ota_client_delta delta;
    struct ota_client client;
    struct host_broker *broker; /* NULL: none */
};

static bool open_network(struct device *device)
{
    const struct host_options *options = &device->options;
    uint32_t timeout_ms = options->timeout_seconds * 1000;
    bool local = host_is_this_machine(options->host);
    bool broker_local = options->mqtt_host[0] == '\0' || host_is_this_machine(options->mqtt_host);

    device->net = slirp_netif_new(local && broker_local);
    if (device->net == NULL) {
        fprintf(stderr, "ota-device: libslirp does not start\n");
        return false;
    }
    if (options->tls &&
        !host_tls_open(&device->tls, options->host, options->ca_file, &device->chip.platform))
        return false;
    device->lwip_config = (struct ota_lwip_config){
        .host = local ? SLIRP_NETIF_HOST : options->host,
        .port = options->port,
        .authority = options->authority,
        .allocator = options->tls ? &device->tls.allocator : NULL,
        .head_ms_max = timeout_ms != 0 ? timeout_ms : OTA_LWIP_HEAD_MS_MAX,
        .idle_ms_max = timeout_ms != 0 ? timeout_ms : OTA_LWIP_IDLE_MS_MAX,
        .keep_ms_max = OTA_LWIP_KEEP_MS_MAX,
    };
    ota_lwip_transport_init(&device->lwip, &device->lwip_config);
    device->transport = ota_lwip_transport_seam(&device->lwip);
    return true;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void configure(struct device *device)
{
    const struct host_options *options = &device->options;

    device->config = (struct ota_client_config){
        .device_id = options->id,
        .product = options->product,
        .hardware = options->hardware,
        .token = or_null(options->token),
        .enrolment_key = or_null(options->enrolment_key),
        .server_keys = options->server_keys,
        .server_key_count = options->server_key_count,
        .release_keys = {options->release_keys, options->release_key_count},
        .delta = options->no_delta ? NULL : ota_client_delta_init(&device->delta),
        .flash = &device->chip.file.flash,
        .map = &ota_flash_file_map,
        .platform = &device->chip.platform,
        .transport = &device->transport,
        .boot_report = &device->boot_report,
        .self_test = host_chip_self_test,
        .self_test_ctx = &device->chip,
        .poll_ms = options->poll_seconds * 1000,
        .trial_ms_max = options->trial_seconds * 1000,
        .range_len = options->range_bytes,
        .wait_seconds = options->wait_seconds,
    };
}

static bool boot(struct device *device)
{
    const struct ota_boot_config config = {
        .flash = &device->chip.file.flash,
        .map = &ota_flash_file_map,
        .platform = &device->chip.platform,
        .keys = device->config.release_keys,
        .product = device->options.product,
        .hardware = device->options.hardware,
    };
    struct ota_boot_report *report = &device->boot_report;
    struct ota_image_info info;
    char version[OTA_VERSION_TEXT_MAX + 1];
    char line[64];

    int error = ota_boot_run(&config, report, &info);
    if (error != OTA_OK) {
        fprintf(stderr, "ota-device: nothing to start: %s%s\n", ota_error_name(error),
                device->options.image == NULL ? "; a new device wants --image" : "");
        return false;
    }
    device->chip.start = report->start;
    device->chip.body_offset = info.header.body_offset;
    ota_version_format(&info.header.version, version, sizeof version);
    snprintf(line, sizeof line, "boot %s%s", version,
             report->phase == OTA_BOOT_TRIAL ? " on trial" : "");
    device->chip.platform.log(&device->chip, line);
    return true;
}

/* The exit status, or GOES_ON. */
static int is_over(const struct device *device)
{
    struct ota_client_status status;

    ota_client_status(&device->client, &status);
    if (device->options.once && status.verified)
        return EXIT_SUCCESS;
    if (device->options.once && status.failures > 0)
        return EXIT_FAILURE;
    return device->options.exit_when_idle && status.idle ? EXIT_SUCCESS : GOES_ON;
}

/* What the command line says of the owner's wishes; a client forgets them with each reset. */
static void wish(struct device *device)
{
    const struct host_options *options = &device->options;
    const struct ota_client_wishes wishes = {
        .opt_out = options->opt_out,
        .has_utc_offset = options->utc_offset != NULL,
        .utc_offset_minutes =
            options->utc_offset != NULL ? (int16_t)strtol(options->utc_offset, NULL, 10) : 0,
        .postpone_seconds = options->postpone_seconds};

    if (wishes.opt_out || wishes.has_utc_offset || wishes.postpone_seconds != 0)
        (void)ota_client_set_wishes(&device->client, &wishes); /* the options are within bounds */
}

/* Once, when the image that runs is a confirmed one. */
static void tell_health(struct device *device)
{
    uint32_t events = device->options.bad_events;

    if (events != 0 && ota_client_report_health(&device->client, events, "crash") == OTA_OK)
        device->options.bad_events = 0;
}

/* From one reset to the next. The exit status, or GOES_ON. */
static int run(struct device *device)
{
    int status = GOES_ON;

    device->chip.reset_asked = false;
    if (!boot(device))
        return EXIT_FAILURE;
    int error = ota_client_init(&device->client, &device->config, host_chip_now_ms());
    if (error != OTA_OK) {
        fprintf(stderr, "ota-device: the client does not start: %s\n", ota_error_name(error));
        return EXIT_FAILURE;
    }
    wish(device);
    while (!device->chip.reset_asked && status == GOES_ON) {
        device->chip.platform.feed(&device->chip);
        tell_health(device);
        uint32_t wait_ms = ota_client_step(&device->client, host_chip_now_ms());
        uint32_t broker_ms = host_broker_step(device->broker, host_chip_now_ms());
        slirp_netif_wait(device->net, wait_ms < broker_ms ? wait_ms : broker_ms);
        status = is_over(device);
    }
    ota_lwip_transport_close(&device->lwip);
    host_broker_close(device->broker);
    return status;
}

int main(int argc, char **argv)
{
    static struct device device;
    int status;

    if (!host_options_parse(&device.options, argc, argv, &status))
        return status;
    if (!host_chip_open(&device.chip, device.options.dir, device.options.id) ||
        (device.options.image != NULL &&
         !host_chip_provision(&device.chip, device.options.image)) ||
        !open_network(&device))
        return EXIT_FAILURE;
    configure(&device);
    if (device.options.mqtt_host[0] != '\0') {
        device.broker = host_broker_new(&device.options, &device.chip, &device.client);
        if (device.broker == NULL)
            return EXIT_FAILURE;
    }
    host_chip_watch(argv);
    do {
        status = run(&device);
    } while (status == GOES_ON);
    host_broker_free(device.broker);
    slirp_netif_free(device.net);
    ota_flash_file_close(&device.chip.file);
    return status;
}
