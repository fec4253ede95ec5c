/*
 * An application for the Nucleo-F429ZI that blinks and keeps itself up to date.
 *
 * Take it as the start of your own. What is yours goes where "Application" stands; the rest is what
 * an update needs: a network, a clock, a fed watchdog, and ota_client_step() in the main loop.
 */
#include <lwip/timeouts.h>

#include "device/core/client_delta.h"
#include "device/examples/nucleo-f429zi/broker.h"
#include "device/net/tls_bearssl.h"
#include "device/net/transport_lwip.h"
#include "device/port/provision.h"
#include "device/port/stm32f4/board.h"
#include "device/port/stm32f4/chip.h"
#include "device/port/stm32f4/clock.h"
#include "device/port/stm32f4/eth.h"
#include "device/port/stm32f4/flash_f4.h"
#include "device/port/stm32f4/led.h"
#include "device/port/stm32f4/lwip_port.h"
#include "device/port/stm32f4/platform.h"
#include "device/port/stm32f4/ticks.h"
#include "protocol/error.h"

#define PROVISION ((const uint8_t *)0x08004000U) /* flash sector 1 */
#define BLINK_MS 500U
#define ONLINE_MS_MAX 15000U
#define POLL_MS 60000U  /* until the server says otherwise */
#define TRIAL_MS 60000U /* for a new release to prove itself, then the old one comes back */

/* Everything there is. No heap. */
struct app {
    struct ota_provision provision;
    struct netif netif;
    struct stm32f4_eth eth;
    struct ota_tls_identity identity;
    struct ota_tls_config tls_config;
    struct ota_tls tls;
    altcp_allocator_t allocator;
    struct ota_lwip_config lwip_config;
    struct ota_lwip_transport lwip;
    struct ota_transport transport;
    struct ota_client_config config;
    struct ota_client client;
    struct ota_client_delta delta;
    struct broker_config broker_config;
    struct broker *broker; /* NULL: none */
    uint32_t blink_ms;
};

/* A moment that has passed: the build, or later when the server has said so and signed it. */
static uint64_t time_floor(void *ctx)
{
    const struct app *app = ctx;
    struct ota_client_status status;
    ota_client_status(&app->client, &status);
    return status.server_now > APP_BUILD_SECONDS ? status.server_now : APP_BUILD_SECONDS;
}

/* Application: is this release fit? 1 yes, 0 not yet, negative no. The client asks only after it
 * has reached the server, so what is left to prove is the application's own work. */
static int self_test(void *ctx)
{
    const struct app *app = ctx;
    return netif_is_link_up(&app->netif) ? 1 : 0;
}

/* There is an address, or there was time enough for one: then the client has to notice. */
static bool is_online(const struct app *app)
{
    return stm32f4_lwip_is_up(&app->netif) || stm32f4_millis() > ONLINE_MS_MAX;
}

static void start_tls(struct app *app)
{
    const struct ota_provision *provision = &app->provision;
    app->identity =
        (struct ota_tls_identity){provision->chain, provision->chain_len, provision->key};
    app->tls_config = (struct ota_tls_config){
        .name = provision->host,
        .anchors = provision->anchors,
        .anchor_count = provision->anchor_count,
        .identity = provision->chain_len > 0 ? &app->identity : NULL,
        .records = server_records,
        .records_len = server_records_len,
        .ctx = app,
        .random = stm32f4_platform.random,
        .time_floor = time_floor,
        .log = stm32f4_platform.log,
    };
    ota_tls_init(&app->tls, &app->tls_config);
    app->allocator = ota_tls_allocator(&app->tls);
}

static void start_transport(struct app *app)
{
    const struct ota_provision *provision = &app->provision;
    bool tls = provision->anchor_count > 0;
    if (tls)
        start_tls(app);
    app->lwip_config = (struct ota_lwip_config){
        .host = provision->address != NULL ? provision->address : provision->host,
        .port = provision->port,
        .authority = provision->authority,
        .allocator = tls ? &app->allocator : NULL,
        .head_ms_max = OTA_LWIP_HEAD_MS_MAX,
        .idle_ms_max = OTA_LWIP_IDLE_MS_MAX,
        .keep_ms_max = OTA_LWIP_KEEP_MS_MAX,
    };
    ota_lwip_transport_init(&app->lwip, &app->lwip_config);
    app->transport = ota_lwip_transport_seam(&app->lwip);
}

static int start_client(struct app *app)
{
    const struct ota_provision *provision = &app->provision;
    app->config = (struct ota_client_config){
        .device_id = provision->device_id,
        .product = APP_PRODUCT,
        .hardware = APP_HARDWARE,
        .token = provision->token,
        .enrolment_key = provision->enrolment_key,
        .certified = provision->chain_len > 0 && provision->enrolment_key == NULL,
        .server_keys = provision->server_keys,
        .server_key_count = provision->server_key_count,
        .release_keys = {provision->release_keys, provision->release_key_count},
        .delta = ota_client_delta_init(&app->delta),
        .flash = &stm32f4_flash,
        .map = &stm32f4_board.map,
        .platform = &stm32f4_platform,
        .transport = &app->transport,
        .boot_report = STM32F4_BOOT_REPORT,
        .self_test = self_test,
        .self_test_ctx = app,
        .poll_ms = POLL_MS,
        .trial_ms_max = TRIAL_MS,
        .wait_seconds = OTA_WAIT_SECONDS_MAX,
    };
    return ota_client_init(&app->client, &app->config, stm32f4_millis());
}

static void start_broker(struct app *app)
{
    app->broker_config = (struct broker_config){
        .provision = &app->provision,
        .product = APP_PRODUCT,
        .client = &app->client,
        .ctx = app,
        .random = stm32f4_platform.random,
        .time_floor = time_floor,
        .log = stm32f4_platform.log,
    };
    app->broker = broker_start(&app->broker_config, stm32f4_millis());
}

/* Application. */
static void blink(struct app *app)
{
    if (stm32f4_millis() - app->blink_ms < BLINK_MS)
        return;
    app->blink_ms = stm32f4_millis();
    stm32f4_led_toggle();
}

int main(void)
{
    static struct app app;
    (void)stm32f4_clock_start_external(stm32f4_board.hse_hz, stm32f4_board.hse_bypass);
    stm32f4_log_start(STM32F4_PCLK1_HZ);
    stm32f4_time_start();
    stm32f4_watchdog_start();
    int error = ota_provision_read(&app.provision, PROVISION, OTA_PROVISION_LEN_MAX);
    if (error == OTA_OK) {
        stm32f4_lwip_start(&app.netif, &app.eth, app.provision.network);
        start_transport(&app);
        error = start_client(&app);
        start_broker(&app);
    }
    if (error != OTA_OK)
        stm32f4_log(ota_error_name(error));
    for (;;) {
        stm32f4_feed();
        blink(&app);
        if (error == OTA_OK) {
            stm32f4_eth_poll(&app.netif);
            sys_check_timeouts();
            if (is_online(&app)) {
                (void)ota_client_step(&app.client, stm32f4_millis());
                broker_step(app.broker, stm32f4_millis());
            }
        }
        stm32f4_sleep();
    }
}
