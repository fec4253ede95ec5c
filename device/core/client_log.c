#include "device/core/client_log.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/out.h"

#define LINE_MAX 63 /* characters */

_Static_assert(LINE_MAX < OTA_CLIENT_LOG_MAX, "a line fits");

/* Forget the oldest line. */
static void drop_line(struct ota_client *client)
{
    size_t len = 0;

    while (len < client->log_len && client->log[len++] != '|')
        continue;
    client->log_len = (uint16_t)(client->log_len - len);
    memmove(client->log, client->log + len, client->log_len);
}

/* What repeats is kept once, so that a long outage doesn't push out what led to it. */
static bool is_last(const struct ota_client *client, const struct ota_out *line)
{
    size_t at = client->log_len - line->len;

    return client->log_len >= line->len && memcmp(client->log + at, line->buf, line->len) == 0 &&
           (at == 0 || client->log[at - 1] == '|');
}

static void put_line(struct ota_client *client, const struct ota_out *line)
{
    line->buf[line->len] = '\0';
    client->config->platform->log(client->config->platform->ctx, line->buf);
    if (is_last(client, line))
        return;
    while (client->log_len + line->len + 1 > OTA_CLIENT_LOG_MAX)
        drop_line(client);
    if (client->log_len > 0)
        client->log[client->log_len++] = '|';
    memcpy(client->log + client->log_len, line->buf, line->len);
    client->log_len = (uint16_t)(client->log_len + line->len);
}

/* "WHAT: WORD", or without a word "WHAT NUMBER". */
static void log_line(struct ota_client *client, const char *what, const char *word, uint32_t number)
{
    char buf[LINE_MAX + 1];
    struct ota_out line;

    ota_out_open(&line, buf, LINE_MAX);
    ota_out_put(&line, what);
    ota_out_put_text(&line, ": ", word);
    if (word == NULL)
        ota_out_put_number(&line, " ", number);
    put_line(client, &line);
}

void ota_client_log_error(struct ota_client *client, const char *what, int error)
{
    log_line(client, what, ota_error_name(error), 0);
}

void ota_client_log_number(struct ota_client *client, const char *what, uint32_t number)
{
    log_line(client, what, NULL, number);
}
