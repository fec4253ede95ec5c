#include "device/net/tls_bearssl.h"

#include <string.h>

#include <lwip/altcp_tcp.h>
#include <lwip/priv/altcp_priv.h>

#include "device/net/tls_profile.h"
#include "device/net/transport_lwip.h"
#include "protocol/error.h"

#define LOG_LINE_MAX 48 /* bytes */

static void pump(struct ota_tls *tls);

const char *ota_tls_error_name(int error)
{
    switch (error) {
    case BR_ERR_OK:
        return "none";
    case BR_ERR_X509_NOT_TRUSTED:
        return "untrusted";
    case BR_ERR_X509_BAD_SERVER_NAME:
        return "name";
    case BR_ERR_X509_EXPIRED:
        return "expired";
    case BR_ERR_X509_BAD_SIGNATURE:
        return "signature";
    case BR_ERR_X509_NOT_CA:
    case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
        return "key usage";
    case BR_ERR_BAD_MAC:
        return "record";
    case BR_ERR_TOO_LARGE:
        return "record too large";
    case BR_ERR_UNSUPPORTED_VERSION:
        return "version";
    case BR_ERR_IO:
        return "closed";
    default:
        break;
    }
    if (error >= BR_ERR_SEND_FATAL_ALERT)
        return "alert";
    if (error >= BR_ERR_RECV_FATAL_ALERT)
        return "refused by the server";
    return error >= BR_ERR_X509_INVALID_VALUE ? "certificate" : "protocol";
}

static void log_error(const struct ota_tls *tls)
{
    static const char prefix[] = "tls: ";
    char line[LOG_LINE_MAX];
    const char *name = ota_tls_error_name(tls->error);
    if (tls->config->log == NULL || sizeof prefix + strlen(name) > sizeof line)
        return;
    memcpy(line, prefix, sizeof prefix);
    strcpy(line + sizeof prefix - 1, name);
    tls->config->log(tls->config->ctx, line);
}

/* ---- the end of a connection ---- */

/* Take our layer away. What lies below is the caller's to end. */
static struct altcp_pcb *dismantle(struct ota_tls *tls)
{
    struct altcp_pcb *conn = tls->conn;
    struct altcp_pcb *inner = conn->inner_conn;
    tls->conn = NULL;
    tls->established = false;
    tls->finished = false;
    if (tls->received != NULL)
        pbuf_free(tls->received);
    tls->received = NULL;
    if (inner != NULL) {
        altcp_arg(inner, NULL);
        altcp_recv(inner, NULL);
        altcp_sent(inner, NULL);
        altcp_err(inner, NULL);
        altcp_poll(inner, NULL, 0);
    }
    conn->inner_conn = NULL;
    altcp_free(conn);
    return inner;
}

static void abort_below(struct ota_tls *tls)
{
    struct altcp_pcb *inner = dismantle(tls);
    if (inner != NULL) {
        altcp_abort(inner);
        tls->aborted = true;
    }
}

/* The connection is of no use any more: tell the upper layer, which forgets it, and end it. */
static void fail(struct ota_tls *tls, int error, err_t told)
{
    struct altcp_pcb *conn = tls->conn;
    altcp_err_fn on_error = conn->err;
    void *arg = conn->arg;
    tls->error = error;
    tls->resumable = false;
    if (error != BR_ERR_OK)
        log_error(tls);
    abort_below(tls);
    if (on_error != NULL)
        on_error(arg, told);
}

/* ---- the engine ---- */

/* Records that wait to be sent. true when some were. */
static bool push(struct ota_tls *tls)
{
    size_t len = 0;
    const uint8_t *bytes = br_ssl_engine_sendrec_buf(&tls->client.eng, &len);
    size_t room = altcp_sndbuf(tls->conn->inner_conn);
    if (bytes == NULL || len == 0 || room == 0)
        return false;
    len = len < room ? len : room;
    len = len < UINT16_MAX ? len : UINT16_MAX;
    if (altcp_write(tls->conn->inner_conn, bytes, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK)
        return false; /* no memory now; sent() or poll() comes again */
    br_ssl_engine_sendrec_ack(&tls->client.eng, len);
    return true;
}

/* Received bytes for which the engine has room. true when there were some. */
static bool pull(struct ota_tls *tls)
{
    size_t room = 0;
    uint8_t *to = br_ssl_engine_recvrec_buf(&tls->client.eng, &room);
    if (to == NULL || room == 0 || tls->received == NULL)
        return false;
    u16_t len = tls->received->len < room ? tls->received->len : (u16_t)room;
    memcpy(to, tls->received->payload, len);
    br_ssl_engine_recvrec_ack(&tls->client.eng, len);
    tls->received = pbuf_free_header(tls->received, len);
    altcp_recved(tls->conn->inner_conn, len);
    return true;
}

/* The upper layer gave the last piece back, with or without altcp_recved(). */
static void on_lent_freed(struct pbuf *pbuf)
{
    union {
        struct pbuf *pbuf;
        uint8_t *bytes;
    } first = {pbuf};
    union {
        uint8_t *bytes;
        struct ota_tls *tls;
    } owner = {first.bytes - offsetof(struct ota_tls, lent)};
    owner.tls->lent_freed = true;
}

/* Plain text to the upper layer, in place. true when the connection is still there and there was
 * some. */
static bool lend(struct ota_tls *tls)
{
    size_t len = 0;
    uint8_t *bytes = br_ssl_engine_recvapp_buf(&tls->client.eng, &len);
    struct altcp_pcb *conn = tls->conn;
    if (bytes == NULL || len == 0 || tls->lent_len != 0 || !tls->established)
        return false;
    len = len < UINT16_MAX ? len : UINT16_MAX;
    tls->lent.custom_free_function = on_lent_freed;
    struct pbuf *pbuf =
        pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &tls->lent, bytes, (u16_t)len);
    tls->lent_len = len;
    tls->lent_freed = false;
    if (conn->recv == NULL) {
        pbuf_free(pbuf);
        return false;
    }
    /* ERR_OK and ERR_ABRT both mean that it was taken; our transport knows no other answer. */
    (void)conn->recv(conn->arg, conn, pbuf, ERR_OK);
    return tls->conn == conn;
}

static void tell_connected(struct ota_tls *tls)
{
    struct altcp_pcb *conn = tls->conn;
    tls->established = true;
    tls->resumable = true;
    tls->handshakes++;
    if (conn->connected != NULL)
        (void)conn->connected(conn->arg, conn, ERR_OK);
}

/* Nothing more will come: the end, in order or not. */
static void tell_end(struct ota_tls *tls)
{
    struct altcp_pcb *conn = tls->conn;
    int error = br_ssl_engine_last_error(&tls->client.eng);
    bool closed = (br_ssl_engine_current_state(&tls->client.eng) & BR_SSL_CLOSED) != 0;
    if (closed && error != BR_ERR_OK) {
        fail(tls, error, OTA_LWIP_ERR_TLS);
    } else if (!closed) {
        /* TCP ended before TLS did. What came may have been cut short by anybody. */
        fail(tls, tls->established ? BR_ERR_OK : BR_ERR_IO,
             tls->established ? ERR_CLSD : OTA_LWIP_ERR_TLS);
    } else if (!tls->finished && conn->recv != NULL) {
        tls->finished = true;
        (void)conn->recv(conn->arg, conn, NULL, ERR_OK);
    }
}

static bool has_ended(const struct ota_tls *tls)
{
    bool closed = (br_ssl_engine_current_state(&tls->client.eng) & BR_SSL_CLOSED) != 0;
    return closed || (tls->finished && tls->received == NULL && tls->lent_len == 0);
}

static void run_engine(struct ota_tls *tls)
{
    const struct altcp_pcb *conn = tls->conn;
    bool more = true;
    while (more && tls->conn == conn) {
        more = push(tls) || pull(tls);
        unsigned state = br_ssl_engine_current_state(&tls->client.eng);
        if (!tls->established && (state & BR_SSL_SENDAPP) != 0)
            tell_connected(tls);
        else if (!more)
            more = lend(tls);
    }
    if (tls->conn != conn)
        return;
    (void)altcp_output(tls->conn->inner_conn);
    if (has_ended(tls))
        tell_end(tls);
}

/* Move everything that can move. The connection may be gone afterwards. */
static void pump(struct ota_tls *tls)
{
    if (tls->pumping || tls->conn == NULL)
        return;
    tls->pumping = true;
    run_engine(tls);
    tls->pumping = false;
}

/* ---- what the layer below tells ---- */

/* The result of a callback of the layer below, which pump() may have aborted, or closed. */
static err_t pump_from_below(struct ota_tls *tls)
{
    tls->aborted = false;
    pump(tls);
    return tls->aborted ? ERR_ABRT : ERR_OK;
}

static err_t below_connected(void *arg, struct altcp_pcb *inner, err_t error)
{
    (void)inner;
    (void)error; /* failure comes through below_error() */
    return pump_from_below(arg);
}

static err_t below_received(void *arg, struct altcp_pcb *inner, struct pbuf *data, err_t error)
{
    struct ota_tls *tls = arg;
    (void)inner;
    (void)error;
    if (data == NULL)
        tls->finished = true;
    else if (tls->received == NULL)
        tls->received = data;
    else
        pbuf_cat(tls->received, data);
    return pump_from_below(tls);
}

static err_t below_sent(void *arg, struct altcp_pcb *inner, u16_t len)
{
    struct ota_tls *tls = arg;
    struct altcp_pcb *conn = tls->conn;
    (void)inner;
    err_t result = pump_from_below(tls);
    if (tls->conn == conn && tls->established && conn->sent != NULL)
        return conn->sent(conn->arg, conn, len);
    return result;
}

static err_t below_poll(void *arg, struct altcp_pcb *inner)
{
    struct ota_tls *tls = arg;
    struct altcp_pcb *conn = tls->conn;
    (void)inner;
    err_t result = pump_from_below(tls);
    if (tls->conn == conn && conn->poll != NULL)
        return conn->poll(conn->arg, conn);
    return result;
}

static void below_error(void *arg, err_t error)
{
    struct ota_tls *tls = arg;
    tls->conn->inner_conn = NULL; /* it is gone already */
    fail(tls, BR_ERR_OK, error);
}

/* ---- altcp's functions ---- */

static struct ota_tls *of(const struct altcp_pcb *conn)
{
    return conn->state;
}

static void tls_set_poll(struct altcp_pcb *conn, u8_t interval)
{
    altcp_poll(conn->inner_conn, below_poll, interval);
}

static void tls_recved(struct altcp_pcb *conn, u16_t len)
{
    struct ota_tls *tls = of(conn);
    (void)len;
    if (tls->lent_len == 0 || !tls->lent_freed)
        return;
    br_ssl_engine_recvapp_ack(&tls->client.eng, tls->lent_len);
    tls->lent_len = 0;
    pump(tls);
}

static err_t tls_connect(struct altcp_pcb *conn, const ip_addr_t *addr, u16_t port,
                         altcp_connected_fn connected)
{
    conn->connected = connected;
    return altcp_connect(conn->inner_conn, addr, port, below_connected);
}

static void tls_abort(struct altcp_pcb *conn)
{
    abort_below(of(conn));
}

static err_t tls_close(struct altcp_pcb *conn)
{
    struct ota_tls *tls = of(conn);
    struct altcp_pcb *inner = conn->inner_conn;
    if (inner == NULL) {
        (void)dismantle(tls);
        return ERR_OK;
    }
    br_ssl_engine_close(&tls->client.eng);
    while (push(tls)) /* close_notify, if there is room for it */
        ;
    err_t error = altcp_close(inner);
    if (error == ERR_OK) {
        conn->inner_conn = NULL;
        (void)dismantle(tls);
    }
    return error;
}

static err_t tls_write(struct altcp_pcb *conn, const void *bytes, u16_t len, u8_t flags)
{
    struct ota_tls *tls = of(conn);
    size_t room = 0;
    (void)flags; /* it is always copied */
    uint8_t *to = br_ssl_engine_sendapp_buf(&tls->client.eng, &room);
    if (to == NULL || room < len)
        return ERR_MEM;
    memcpy(to, bytes, len);
    br_ssl_engine_sendapp_ack(&tls->client.eng, len);
    return ERR_OK;
}

static err_t tls_output(struct altcp_pcb *conn)
{
    struct ota_tls *tls = of(conn);
    br_ssl_engine_flush(&tls->client.eng, 0);
    pump(tls);
    return ERR_OK;
}

static u16_t tls_sndbuf(struct altcp_pcb *conn)
{
    size_t room = 0;
    return br_ssl_engine_sendapp_buf(&of(conn)->client.eng, &room) == NULL ? 0
           : room < UINT16_MAX                                             ? (u16_t)room
                                                                           : UINT16_MAX;
}

static const struct altcp_functions functions = {
    .set_poll = tls_set_poll,
    .recved = tls_recved,
    .bind = altcp_default_bind,
    .connect = tls_connect,
    .abort = tls_abort,
    .close = tls_close,
    .shutdown = altcp_default_shutdown,
    .write = tls_write,
    .output = tls_output,
    .mss = altcp_default_mss,
    .sndbuf = tls_sndbuf,
    .sndqueuelen = altcp_default_sndqueuelen,
    .nagle_disable = altcp_default_nagle_disable,
    .nagle_enable = altcp_default_nagle_enable,
    .nagle_disabled = altcp_default_nagle_disabled,
    .setprio = altcp_default_setprio,
    .dealloc = altcp_default_dealloc,
    .addrinfo = altcp_default_get_tcp_addrinfo,
    .getip = altcp_default_get_ip,
    .getport = altcp_default_get_port,
};

/* ---- a new connection ---- */

static bool begin_session(struct ota_tls *tls)
{
    const struct ota_tls_config *config = tls->config;
    uint8_t entropy[OTA_TLS_ENTROPY_LEN];
    if (config->random(config->ctx, entropy, sizeof entropy) != OTA_OK)
        return false;
    br_ssl_engine_inject_entropy(&tls->client.eng, entropy, sizeof entropy);
    memset(entropy, 0, sizeof entropy);
    ota_tls_x509_set_floor(&tls->x509, config->time_floor(config->ctx));
    return br_ssl_client_reset(&tls->client, config->name, tls->resumable) == 1;
}

static struct altcp_pcb *allocate(void *arg, u8_t ip_type)
{
    struct ota_tls *tls = arg;
    bool lent = tls->lent_len != 0 && !tls->lent_freed;
    if (tls->conn != NULL || lent)
        return NULL;
    tls->lent_len = 0;
    if (!begin_session(tls))
        return NULL;
    struct altcp_pcb *inner = altcp_tcp_new_ip_type(ip_type);
    if (inner == NULL)
        return NULL;
    struct altcp_pcb *conn = altcp_alloc();
    if (conn == NULL) {
        altcp_abort(inner);
        return NULL;
    }
    conn->inner_conn = inner;
    conn->fns = &functions;
    conn->state = tls;
    tls->conn = conn;
    altcp_arg(inner, tls);
    altcp_recv(inner, below_received);
    altcp_sent(inner, below_sent);
    altcp_err(inner, below_error);
    return conn;
}

altcp_allocator_t ota_tls_allocator(struct ota_tls *tls)
{
    return (altcp_allocator_t){allocate, tls};
}

void ota_tls_init(struct ota_tls *tls, const struct ota_tls_config *config)
{
    memset(tls, 0, sizeof *tls);
    tls->config = config;
    ota_tls_x509_init(&tls->x509, config->anchors, config->anchor_count);
    ota_tls_profile(&tls->client, &tls->x509.minimal);
    br_ssl_engine_set_x509(&tls->client.eng, &tls->x509.vtable);
    br_ssl_engine_set_buffer(&tls->client.eng, config->records, config->records_len, 0);
    if (config->identity != NULL)
        ota_tls_profile_identity(&tls->client, config->identity->chain, config->identity->chain_len,
                                 &config->identity->key);
}
