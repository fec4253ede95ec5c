#include "device/core/client_log.h"

#include <string.h>

#include "device/core/client_text.h"
#include "protocol/error.h"
#include "protocol/text.h"

#define LINE_MAX 64 /* bytes with the NUL */

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
static bool is_last(const struct ota_client *client, const struct ota_client_text *line)
{
    size_t at = client->log_len - line->len;

    return client->log_len >= line->len && memcmp(client->log + at, line->at, line->len) == 0 &&
           (at == 0 || client->log[at - 1] == '|');
}

static void put_line(struct ota_client *client, const struct ota_client_text *line)
{
    client->config->platform->log(client->config->platform->ctx, line->at);
    if (is_last(client, line))
        return;
    while (client->log_len + line->len + 1 > OTA_CLIENT_LOG_MAX)
        drop_line(client);
    if (client->log_len > 0)
        client->log[client->log_len++] = '|';
    memcpy(client->log + client->log_len, line->at, line->len);
    client->log_len = (uint16_t)(client->log_len + line->len);
}

static void log_line(struct ota_client *client, const char *what, const char *between,
                     const char *detail)
{
    char buf[LINE_MAX];
    struct ota_client_text line;

    ota_client_text_open(&line, buf, sizeof buf);
    ota_client_text_put(&line, what);
    ota_client_text_put(&line, between);
    ota_client_text_put(&line, detail);
    put_line(client, &line);
}

void ota_client_log_error(struct ota_client *client, const char *what, int error)
{
    log_line(client, what, ": ", ota_error_name(error));
}

void ota_client_log_number(struct ota_client *client, const char *what, uint32_t number)
{
    char digits[OTA_DECIMAL_MAX + 1];

    digits[ota_decimal_encode(number, digits)] = '\0';
    log_line(client, what, " ", digits);
}
