/* The transport through lwIP and libslirp against a scripted server on a loopback socket. */
#include "device/net/transport_lwip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lwip/sys.h>

#include "device/port/host/slirp_netif.h"
#include "protocol/error.h"
#include "tests/support/support.h"

/* What the server does with each connection, in order; the last entry repeats. */
struct script {
    const char *answer;   /* sent for each request */
    unsigned requests;    /* answered; then the next request closes the connection */
    size_t filler;        /* bytes sent behind the answer */
    uint32_t byte_ms;     /* 0: at once; else a byte of the answer each so many ms */
    bool close_after;     /* close when all is sent */
    bool close_when_idle; /* close after `requests` answers without waiting for another request */
};

struct server {
    int listener;
    int peer;
    uint16_t port;
    const struct script *scripts;
    unsigned scripts_len;
    unsigned accepted;
    unsigned answered; /* on this connection */
    char request[2048];
    size_t request_len;
    size_t sent; /* of this answer */
    bool answering;
    uint32_t next_ms;
};

struct fixture {
    struct slirp_netif *net;
    struct server server;
    struct ota_lwip_config config;
    struct ota_lwip_transport lwip;
    struct ota_transport transport;
    struct ota_http_response response;
    char body[512];
    size_t body_len;
};

static const struct script *script_of(const struct server *server)
{
    unsigned index = server->accepted - 1;
    return &server->scripts[index < server->scripts_len ? index : server->scripts_len - 1];
}

static void hang_up(struct server *server)
{
    if (server->peer >= 0)
        close(server->peer);
    server->peer = -1;
}

static void accept_peer(struct server *server)
{
    int peer = accept(server->listener, NULL, NULL);
    if (peer < 0)
        return;
    hang_up(server);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    server->peer = peer;
    server->accepted++;
    server->answered = 0;
    server->request_len = 0;
    server->answering = false;
}

static void read_request(struct server *server)
{
    ssize_t got = read(server->peer, server->request + server->request_len,
                       sizeof server->request - 1 - server->request_len);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        hang_up(server);
        return;
    }
    server->request_len += got > 0 ? (size_t)got : 0;
    server->request[server->request_len] = '\0';
    if (strstr(server->request, "\r\n\r\n") == NULL)
        return;
    if (server->answered == script_of(server)->requests) {
        hang_up(server);
        return;
    }
    server->answering = true;
    server->sent = 0;
    server->request_len = 0;
}

static char filler_byte(size_t at)
{
    return (char)('a' + at % 23);
}

static void end_answer(struct server *server)
{
    const struct script *script = script_of(server);
    server->answering = false;
    server->answered++;
    if (script->close_after || (script->close_when_idle && server->answered == script->requests))
        hang_up(server);
}

static void write_answer(struct server *server)
{
    const struct script *script = script_of(server);
    size_t head_len = strlen(script->answer);
    size_t total = head_len + script->filler;
    char piece[4096];
    size_t len = script->byte_ms != 0 ? 1 : sizeof piece;
    if (script->byte_ms != 0 && (int32_t)(sys_now() - server->next_ms) < 0)
        return;
    len = len < total - server->sent ? len : total - server->sent;
    for (size_t i = 0; i < len; i++) {
        size_t at = server->sent + i;
        piece[i] = at < head_len ? script->answer[at] : filler_byte(at - head_len);
    }
    ssize_t put = send(server->peer, piece, len, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) {
        hang_up(server);
        return;
    }
    server->sent += put > 0 ? (size_t)put : 0;
    server->next_ms = sys_now() + script->byte_ms;
    if (server->sent == total)
        end_answer(server);
}

static void serve(struct server *server)
{
    accept_peer(server);
    if (server->peer >= 0 && !server->answering)
        read_request(server);
    if (server->peer >= 0 && server->answering)
        write_answer(server);
}

static void listen_on(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 4), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    server->peer = -1;
}

static void play(struct fixture *fixture, const struct script *scripts, unsigned count)
{
    hang_up(&fixture->server);
    fixture->server.scripts = scripts;
    fixture->server.scripts_len = count;
    fixture->server.accepted = 0;
}
#define PLAY(fixture, scripts) play(fixture, scripts, sizeof(scripts) / sizeof((scripts)[0]))

static void step(struct fixture *fixture)
{
    serve(&fixture->server);
    slirp_netif_wait(fixture->net, 1);
}

static const struct ota_http_request get = {.method = "GET", .path = "/x", .bearer = "t"};

/* One exchange to its end; the body's first bytes are kept, all of them counted and compared with
 * what filler_byte() sends when there is more. */
static int exchange(struct fixture *fixture)
{
    int event = fixture->transport.start(fixture->transport.ctx, &get);
    fixture->body_len = 0;
    while (event >= 0 && event != OTA_HTTP_DONE) {
        char piece[700];
        size_t len = sizeof piece;
        event = fixture->transport.poll(fixture->transport.ctx, &fixture->response, piece, &len);
        for (size_t i = 0; event == OTA_HTTP_BODY && i < len; i++) {
            size_t at = fixture->body_len++;
            if (at < sizeof fixture->body) {
                fixture->body[at] = piece[i];
            } else {
                assert_int_equal(piece[i], filler_byte(at));
            }
        }
        if (event == OTA_HTTP_BUSY)
            step(fixture);
    }
    return event;
}

static void rest(struct fixture *fixture, uint32_t ms)
{
    uint32_t begin = sys_now();
    while (sys_now() - begin < ms)
        step(fixture);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->net = slirp_netif_new(true);
    assert_non_null(fixture->net);
    listen_on(&fixture->server);
    *state = fixture;
    return 0;
}

static int begin(void **state)
{
    struct fixture *fixture = *state;
    fixture->config = (struct ota_lwip_config){
        .host = SLIRP_NETIF_HOST,
        .port = fixture->server.port,
        .authority = "127.0.0.1",
        .head_ms_max = 400,
        .idle_ms_max = 300,
        .keep_ms_max = 5000,
    };
    ota_lwip_transport_init(&fixture->lwip, &fixture->config);
    fixture->transport = ota_lwip_transport_seam(&fixture->lwip);
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    ota_lwip_transport_close(&fixture->lwip);
    hang_up(&fixture->server);
    rest(fixture, 20);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    close(fixture->server.listener);
    slirp_netif_free(fixture->net);
    free(fixture);
    return 0;
}

#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void test_kept(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 9}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
        assert_int_equal(fixture->body_len, 2);
        assert_memory_equal(fixture->body, "ok", 2);
        assert_int_equal(fixture->server.answered, i);
    }
    assert_int_equal(fixture->server.accepted, 1);
}

static void test_closed_while_idle(void **state)
{
    static const struct script scripts[] = {
        {.answer = OK2, .requests = 1, .close_when_idle = true}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
        assert_int_equal(fixture->server.accepted, i);
        rest(fixture, 30);
    }
}

static void test_dead_when_used(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 1}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(fixture->server.accepted, 2);
}

static void test_dead_twice(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 1},
                                            {.answer = OK2, .requests = 0}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(exchange(fixture), OTA_E_TRANSPORT);
    assert_int_equal(fixture->server.accepted, 2);
}

static void test_cut_off(void **state)
{
    static const struct script scripts[] = {
        {.answer = OK2, .requests = 1},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
         .requests = 9,
         .close_after = true}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(exchange(fixture), OTA_E_TRANSPORT);
    assert_int_equal(fixture->body_len, 2);
    assert_int_equal(fixture->server.accepted, 2);
}

static void test_until_close(void **state)
{
    static const struct script scripts[] = {
        {.answer = "HTTP/1.1 200 OK\r\n\r\n", .requests = 9, .filler = 100, .close_after = true}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(fixture->body_len, 100);
}

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port = 1;
    assert_int_equal(exchange(fixture), OTA_E_TRANSPORT);
}

static void test_silent(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 9, .byte_ms = 100000}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    fixture->server.next_ms = sys_now() + 100000;
    assert_int_equal(exchange(fixture), OTA_E_TIMEOUT);
}

static void test_slow_head(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 9, .byte_ms = 50}};
    struct fixture *fixture = *state;
    uint32_t begin_ms = sys_now();
    PLAY(fixture, scripts);
    fixture->server.next_ms = begin_ms;
    assert_int_equal(exchange(fixture), OTA_E_TIMEOUT);
    assert_in_range(sys_now() - begin_ms, 390, 900);
}

static void test_stalled_body(void **state)
{
    static const struct script scripts[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", .requests = 1}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_E_TIMEOUT);
    assert_int_equal(fixture->body_len, 2);
}

static void test_garbage(void **state)
{
    static const struct script scripts[] = {{.answer = "SSH-2.0-x\r\n", .requests = 9},
                                            {.answer = OK2, .requests = 9}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    assert_int_equal(exchange(fixture), OTA_E_HTTP);
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
}

static void test_spoken_unasked(void **state)
{
    static const struct script scripts[] = {
        {.answer = OK2 "HTTP/1.1 500 unasked\r\n\r\n", .requests = 9}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
        assert_int_equal(fixture->response.status, 200);
        assert_int_equal(fixture->server.accepted, i);
    }
}

static void test_large(void **state)
{
    static const struct script scripts[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n",
         .requests = 9,
         .filler = 262144}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
        assert_int_equal(fixture->body_len, 262144);
    }
    assert_int_equal(fixture->server.accepted, 1);
}

static void test_window(void **state)
{
    static const struct script scripts[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n",
         .requests = 9,
         .filler = 262144}};
    struct fixture *fixture = *state;
    char body[1];
    size_t len = 0;
    PLAY(fixture, scripts);
    assert_int_equal(fixture->transport.start(fixture->transport.ctx, &get), OTA_OK);
    int event = OTA_HTTP_BUSY;
    while (event == OTA_HTTP_BUSY) {
        step(fixture);
        len = 0;
        event = fixture->transport.poll(fixture->transport.ctx, &fixture->response, body, &len);
    }
    assert_int_equal(event, OTA_HTTP_HEAD);
    /* Nothing is taken for longer than the idle deadline: the window fills and no error comes. */
    rest(fixture, 400);
    len = 0;
    event = fixture->transport.poll(fixture->transport.ctx, &fixture->response, body, &len);
    assert_int_equal(event, OTA_HTTP_BUSY);
    assert_in_range(fixture->lwip.received->tot_len, TCP_WND / 2, TCP_WND);
    len = 1;
    event = fixture->transport.poll(fixture->transport.ctx, &fixture->response, body, &len);
    assert_int_equal(event, OTA_HTTP_BODY);
    fixture->transport.abort(fixture->transport.ctx);
}

static void test_aborts(void **state)
{
    static const struct script scripts[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 262144\r\n\r\n",
         .requests = 9,
         .filler = 262144}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(fixture->transport.start(fixture->transport.ctx, &get), OTA_OK);
        assert_int_equal(fixture->transport.start(fixture->transport.ctx, &get), OTA_E_STATE);
        for (unsigned steps = 0; steps < i % 20; steps++) {
            char piece[100];
            size_t len = sizeof piece;
            step(fixture);
            assert_true(fixture->transport.poll(fixture->transport.ctx, &fixture->response, piece,
                                                &len) >= 0);
        }
        fixture->transport.abort(fixture->transport.ctx);
    }
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_int_equal(fixture->body_len, 262144);
}

static void test_unused(void **state)
{
    static const struct script scripts[] = {{.answer = OK2, .requests = 9}};
    struct fixture *fixture = *state;
    PLAY(fixture, scripts);
    fixture->config.keep_ms_max = 50;
    assert_int_equal(exchange(fixture), OTA_HTTP_DONE);
    assert_non_null(fixture->lwip.pcb);
    rest(fixture, 1700);
    assert_null(fixture->lwip.pcb);
    assert_int_equal(fixture->server.peer, -1);
}

#define CASE(sentence, function)                                                                   \
    {                                                                                              \
        TEST(sentence, function), .setup_func = begin, .teardown_func = end                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("exchanges share one connection", test_kept),
        CASE("a connection that the server closed meanwhile is replaced", test_closed_while_idle),
        CASE("a kept connection that dies before the answer is tried once more",
             test_dead_when_used),
        CASE("a connection is tried once more only once", test_dead_twice),
        CASE("an answer that was cut off is told, and not asked again", test_cut_off),
        CASE("a body may last until the server closes", test_until_close),
        CASE("a refused connection is told", test_refused),
        CASE("a silent server runs into the deadline of the head", test_silent),
        CASE("a head that trickles runs into the same deadline", test_slow_head),
        CASE("a body that stalls runs into the idle deadline", test_stalled_body),
        CASE("what is not HTTP ends the connection", test_garbage),
        CASE("a server that speaks unasked loses the connection", test_spoken_unasked),
        CASE("256 KB arrive whole, twice on one connection", test_large),
        CASE("a body that is not taken fills the window and waits", test_window),
        CASE("an exchange may be ended at any point", test_aborts),
        CASE("a connection that nobody uses is closed", test_unused),
    };
    return cmocka_run_group_tests_name("transport_lwip", tests, setup, teardown);
}
