#include "device/net/transport_lwip.h"

#include <string.h>

#include <lwip/dns.h>
#include <lwip/pbuf.h>
#include <lwip/sys.h>

#include "protocol/error.h"

enum link {
    LINK_DOWN,
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_UP,
    LINK_BROKEN /* lwIP has taken the PCB back; what it delivered before is still to be read */
};

#define SEND_PIECE_LEN 128U  /* bytes of request on the stack at a time */
#define POLL_HALF_SECONDS 2U /* how often lwIP asks after an unused connection */

void ota_lwip_transport_init(struct ota_lwip_transport *lwip, const struct ota_lwip_config *config)
{
    memset(lwip, 0, sizeof *lwip);
    lwip->config = config;
}

static void forget_received(struct ota_lwip_transport *lwip)
{
    if (lwip->received != NULL) {
        pbuf_free(lwip->received);
        lwip->received = NULL;
    }
}

/* The PCB without its callbacks: nothing it does from now on concerns us. */
static struct altcp_pcb *detach(struct ota_lwip_transport *lwip)
{
    struct altcp_pcb *pcb = lwip->pcb;
    if (pcb != NULL) {
        altcp_arg(pcb, NULL);
        altcp_recv(pcb, NULL);
        altcp_err(pcb, NULL);
        altcp_poll(pcb, NULL, 0);
    }
    lwip->pcb = NULL;
    lwip->link = LINK_DOWN;
    lwip->closed = false;
    forget_received(lwip);
    return pcb;
}

/* At once, without lingering states that would hold memory. Not from inside a callback of the PCB.
 */
static void drop(struct ota_lwip_transport *lwip)
{
    struct altcp_pcb *pcb = detach(lwip);
    if (pcb != NULL)
        altcp_abort(pcb);
}

/* In order; from inside a callback, whose result this is. */
static err_t close_idle(struct ota_lwip_transport *lwip)
{
    struct altcp_pcb *pcb = detach(lwip);
    if (pcb != NULL && altcp_close(pcb) != ERR_OK) {
        altcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

void ota_lwip_transport_close(struct ota_lwip_transport *lwip)
{
    lwip->active = false;
    lwip->request = NULL;
    (void)close_idle(lwip);
}

/* ---- what lwIP tells ---- */

static err_t on_received(void *arg, struct altcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct ota_lwip_transport *lwip = arg;
    (void)pcb;
    (void)error;
    if (!lwip->active) {
        /* The peer closes a kept connection, or speaks unasked: either way it is of no use. */
        if (data != NULL)
            pbuf_free(data);
        return close_idle(lwip);
    }
    if (data == NULL)
        lwip->closed = true;
    else if (lwip->received == NULL)
        lwip->received = data;
    else
        pbuf_cat(lwip->received, data);
    return ERR_OK;
}

static void on_error(void *arg, err_t error)
{
    struct ota_lwip_transport *lwip = arg;
    lwip->pcb = NULL;
    lwip->refused = error == OTA_LWIP_ERR_TLS;
    lwip->link = lwip->active ? LINK_BROKEN : LINK_DOWN;
}

static err_t on_connected(void *arg, struct altcp_pcb *pcb, err_t error)
{
    struct ota_lwip_transport *lwip = arg;
    (void)error; /* lwIP tells failure through on_error() only */
    altcp_nagle_disable(pcb);
    lwip->link = LINK_UP;
    return ERR_OK;
}

static err_t on_poll(void *arg, struct altcp_pcb *pcb)
{
    struct ota_lwip_transport *lwip = arg;
    (void)pcb;
    if (!lwip->active && sys_now() - lwip->since_ms >= lwip->config->keep_ms_max)
        return close_idle(lwip);
    return ERR_OK;
}

static void connect_to(struct ota_lwip_transport *lwip, const ip_addr_t *address)
{
    lwip->link = LINK_BROKEN;
    lwip->refused = false;
    lwip->pcb = altcp_new_ip_type(lwip->config->allocator, IP_GET_TYPE(address));
    if (lwip->pcb == NULL)
        return;
    altcp_arg(lwip->pcb, lwip);
    altcp_recv(lwip->pcb, on_received);
    altcp_err(lwip->pcb, on_error);
    altcp_poll(lwip->pcb, on_poll, POLL_HALF_SECONDS);
    if (altcp_connect(lwip->pcb, address, lwip->config->port, on_connected) == ERR_OK)
        lwip->link = LINK_CONNECTING;
}

static void on_resolved(const char *name, const ip_addr_t *address, void *arg)
{
    struct ota_lwip_transport *lwip = arg;
    (void)name;
    if (lwip->link != LINK_RESOLVING)
        return; /* an answer to a question that was given up */
    if (address == NULL)
        lwip->link = LINK_BROKEN;
    else
        connect_to(lwip, address);
}

static void open_link(struct ota_lwip_transport *lwip)
{
    ip_addr_t address;
    lwip->link = LINK_RESOLVING;
    err_t error = dns_gethostbyname(lwip->config->host, &address, on_resolved, lwip);
    if (error == ERR_OK)
        connect_to(lwip, &address);
    else if (error != ERR_INPROGRESS)
        lwip->link = LINK_BROKEN;
}

/* ---- the exchange ---- */

static int begin(struct ota_lwip_transport *lwip)
{
    int error = ota_http_writer_init(&lwip->writer, lwip->config->authority, lwip->request);
    if (error != OTA_OK)
        return error;
    ota_http_parser_init(&lwip->parser);
    lwip->answered = false;
    lwip->reused = lwip->link == LINK_UP;
    if (lwip->link != LINK_UP)
        open_link(lwip);
    return OTA_OK;
}

static int start(void *ctx, const struct ota_http_request *request)
{
    struct ota_lwip_transport *lwip = ctx;
    if (lwip->active)
        return OTA_E_STATE;
    lwip->request = request;
    lwip->since_ms = sys_now();
    int error = begin(lwip);
    lwip->active = error == OTA_OK;
    return error;
}

/* The exchange is over; the connection stays only when it is clean. */
static int finish(struct ota_lwip_transport *lwip, int result)
{
    lwip->active = false;
    lwip->request = NULL;
    lwip->since_ms = sys_now();
    bool clean = result == OTA_HTTP_DONE && lwip->link == LINK_UP && !lwip->closed &&
                 lwip->received == NULL && ota_http_writer_done(&lwip->writer) &&
                 ota_http_parser_keeps(&lwip->parser);
    if (!clean && result == OTA_HTTP_DONE)
        (void)close_idle(lwip);
    else if (!clean)
        drop(lwip);
    return result;
}

/* The connection is gone before the answer was whole. A kept one may have died unseen while nobody
 * used it: that is worth a second try on a new one. */
static int lost(struct ota_lwip_transport *lwip)
{
    bool again = lwip->reused && !lwip->answered && !lwip->refused;
    drop(lwip);
    if (!again || begin(lwip) != OTA_OK)
        return finish(lwip, lwip->refused ? OTA_E_TLS : OTA_E_TRANSPORT);
    return OTA_HTTP_BUSY;
}

static void send_request(struct ota_lwip_transport *lwip)
{
    uint8_t piece[SEND_PIECE_LEN];
    for (;;) {
        struct ota_http_writer before = lwip->writer;
        size_t room = altcp_sndbuf(lwip->pcb);
        size_t len =
            ota_http_writer_read(&lwip->writer, piece, room < sizeof piece ? room : sizeof piece);
        if (len == 0)
            break;
        if (altcp_write(lwip->pcb, piece, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK) {
            lwip->writer = before; /* no memory now; poll() comes again */
            break;
        }
    }
    (void)altcp_output(lwip->pcb);
}

/* Give bytes that were parsed back: to the pool, and to the peer as window. */
static void consume(struct ota_lwip_transport *lwip, size_t used)
{
    if (used == 0)
        return;
    lwip->received = pbuf_free_header(lwip->received, (u16_t)used);
    if (lwip->pcb != NULL)
        altcp_recved(lwip->pcb, (u16_t)used);
    lwip->answered = true;
    if (lwip->request == NULL)
        lwip->since_ms = sys_now(); /* until the head is there, its deadline stands */
}

/* Run the parser over what is there until it has an event to tell. */
static int parse(struct ota_lwip_transport *lwip, struct ota_http_response *response, void *buf,
                 size_t *len)
{
    size_t room = *len;
    int event;
    size_t used;
    do {
        const struct pbuf *data = lwip->received;
        const uint8_t *bytes = data != NULL ? data->payload : (const uint8_t *)"";
        size_t bytes_len = data != NULL ? data->len : 0;
        *len = room;
        event = ota_http_parse(&lwip->parser, response, bytes, bytes_len, &used, buf, len);
        consume(lwip, used);
    } while (event == OTA_HTTP_BUSY && used > 0 && lwip->received != NULL);
    return event;
}

static int busy(struct ota_lwip_transport *lwip)
{
    bool in_head = lwip->request != NULL;
    uint32_t deadline_ms = in_head ? lwip->config->head_ms_max : lwip->config->idle_ms_max;
    if (in_head)
        deadline_ms += lwip->request->wait_seconds * 1000;
    if (lwip->received != NULL)
        return OTA_HTTP_BUSY; /* it is the caller who has no room */
    if (lwip->closed) {
        return ota_http_parse_end(&lwip->parser) == OTA_HTTP_DONE ? finish(lwip, OTA_HTTP_DONE)
                                                                  : lost(lwip);
    }
    if (lwip->link == LINK_BROKEN)
        return lost(lwip);
    if (sys_now() - lwip->since_ms >= deadline_ms)
        return finish(lwip, OTA_E_TIMEOUT);
    if (lwip->link == LINK_UP && in_head)
        send_request(lwip);
    return OTA_HTTP_BUSY;
}

static int poll(void *ctx, struct ota_http_response *response, void *buf, size_t *len)
{
    struct ota_lwip_transport *lwip = ctx;
    if (!lwip->active) {
        *len = 0;
        return OTA_E_STATE;
    }
    int event = parse(lwip, response, buf, len);
    switch (event) {
    case OTA_HTTP_BUSY:
        return busy(lwip);
    case OTA_HTTP_HEAD:
        lwip->request = NULL;
        lwip->since_ms = sys_now();
        return event;
    case OTA_HTTP_BODY:
        return event;
    default:
        return finish(lwip, event);
    }
}

static void abort_exchange(void *ctx)
{
    struct ota_lwip_transport *lwip = ctx;
    if (lwip->active)
        (void)finish(lwip, OTA_E_CANCELLED);
}

struct ota_transport ota_lwip_transport_seam(struct ota_lwip_transport *lwip)
{
    return (struct ota_transport){
        .ctx = lwip, .start = start, .poll = poll, .abort = abort_exchange};
}
