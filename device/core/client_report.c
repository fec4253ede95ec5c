#include "device/core/client_report.h"

#include <string.h>

#include "device/core/client_log.h"
#include "protocol/error.h"

#define REPORTS_PATH "/device/v1/reports"
#define SEQ_BLOCK 32U /* numbers reserved by one journal write */
#define KEPT_HEAD offsetof(struct ota_client_kept, body)

_Static_assert(OTA_RECORD_REPORT_LAST - OTA_RECORD_REPORT_0 + 1 == OTA_CLIENT_REPORTS,
               "each place has its record type");
_Static_assert(sizeof(struct ota_client_kept) <= OTA_RECORD_LEN_MAX, "a report fits a record");

static enum ota_record record_of(unsigned slot)
{
    return (enum ota_record)(OTA_RECORD_REPORT_0 + slot);
}

/* Read a kept report into work.ask; bytes of its body, or 0. */
static size_t fetch(struct ota_client *client, unsigned slot)
{
    struct ota_client_kept *kept = &client->work.ask.kept;
    int len = ota_journal_read(&client->journal, record_of(slot), kept, sizeof *kept);

    return len > (int)KEPT_HEAD ? (size_t)len - KEPT_HEAD : 0;
}

int ota_client_report_init(struct ota_client *client)
{
    int len =
        ota_journal_read(&client->journal, OTA_RECORD_SEQUENCE, &client->seq, sizeof client->seq);

    if (len == OTA_E_FLASH)
        return len;
    if (len != (int)sizeof client->seq)
        client->seq = 0;
    client->seq_limit = client->seq;
    for (unsigned slot = 0; slot < OTA_CLIENT_REPORTS; slot++)
        client->reports[slot] = fetch(client, slot) > 0 ? client->work.ask.kept.seq : 0;
    client->report_due_ms = client->now_ms;
    return OTA_OK;
}

static int next_seq(struct ota_client *client)
{
    uint32_t limit = client->seq_limit + SEQ_BLOCK;

    if (client->seq == client->seq_limit) {
        int error = ota_journal_write(&client->journal, OTA_RECORD_SEQUENCE, &limit, sizeof limit);
        if (error != OTA_OK)
            return error;
        client->seq_limit = limit;
    }
    client->seq++;
    return OTA_OK;
}

/* Bytes of the body, or a negative error. */
static int encode(struct ota_client *client, struct ota_report *report, char *buf)
{
    int error = next_seq(client);
    if (error != OTA_OK)
        return error;
    report->seq = client->seq;
    report->version = client->version;
    memcpy(report->hash, client->hash, OTA_HASH_LEN);
    return ota_report_encode(report, buf, OTA_CLIENT_REPORT_MAX);
}

static unsigned oldest(const struct ota_client *client)
{
    unsigned found = 0;

    for (unsigned slot = 1; slot < OTA_CLIENT_REPORTS; slot++)
        if (client->reports[slot] != 0 &&
            (client->reports[found] == 0 || client->reports[slot] < client->reports[found]))
            found = slot;
    return found;
}

static unsigned place_for_one(const struct ota_client *client)
{
    for (unsigned slot = 0; slot < OTA_CLIENT_REPORTS; slot++)
        if (client->reports[slot] == 0)
            return slot;
    return oldest(client);
}

static int keep(struct ota_client *client, struct ota_report *report)
{
    struct ota_client_kept kept;

    int len = encode(client, report, kept.body);
    if (len < 0)
        return len;
    unsigned slot = place_for_one(client);
    kept.seq = client->seq;
    int error =
        ota_journal_write(&client->journal, record_of(slot), &kept, KEPT_HEAD + (size_t)len);
    if (error != OTA_OK)
        return error;
    client->reports[slot] = client->seq;
    client->report_due_ms = client->now_ms;
    return OTA_OK;
}

int ota_client_report(struct ota_client *client, const struct ota_update *update,
                      enum ota_event event, uint32_t number, const char *reason)
{
    struct ota_report report = {
        .deployment = ota_text_of(update->deployment),
        .event = event,
        .percent = number,
        .events = number,
        .fetched = number,
        .reason = ota_text_of(reason),
        .log = {client->log, client->log_len},
    };

    int error = keep(client, &report);
    if (error != OTA_OK)
        ota_client_log_error(client, "report", error);
    return error;
}

uint32_t ota_client_report_count(const struct ota_client *client)
{
    uint32_t count = 0;

    for (unsigned slot = 0; slot < OTA_CLIENT_REPORTS; slot++)
        count += client->reports[slot] != 0;
    return count;
}

static struct ota_http_request *ask(struct ota_client *client)
{
    struct ota_http_request *request = ota_client_ask(client, "POST");

    request->path = REPORTS_PATH;
    request->body = client->work.ask.kept.body;
    return request;
}

/* ---- sending ---- */

static void forget(struct ota_client *client, unsigned slot)
{
    /* Should the journal refuse, the report is sent again after a reset: harmless, the server knows
     * its number. */
    (void)ota_journal_write(&client->journal, record_of(slot), NULL, 0);
    client->reports[slot] = 0;
}

void ota_client_report_send(struct ota_client *client)
{
    struct ota_http_request *request = ask(client);
    unsigned slot = oldest(client);

    request->body_len = fetch(client, slot);
    if (request->body_len == 0) {
        forget(client, slot); /* it rotted away */
        return;
    }
    client->sent_seq = client->reports[slot];
    ota_client_begin(client, EXCHANGE_REPORT);
}

void ota_client_report_progress(struct ota_client *client, const struct ota_update *update,
                                uint32_t percent)
{
    struct ota_report report = {.deployment = ota_text_of(update->deployment),
                                .event = OTA_EVENT_DOWNLOADING,
                                .percent = percent};
    struct ota_http_request *request = ask(client);

    int len = encode(client, &report, client->work.ask.kept.body);
    if (len < 0)
        return;
    request->body_len = (size_t)len;
    client->sent_seq = 0;
    ota_client_begin(client, EXCHANGE_REPORT);
}

/* A report that the server will never take is not offered for ever. */
static bool is_final(int status)
{
    return (status >= 200 && status < 300) || status == 400 || status == 404;
}

/* The place may hold a newer report by now. */
static void forget_sent(struct ota_client *client)
{
    for (unsigned slot = 0; slot < OTA_CLIENT_REPORTS; slot++)
        if (client->sent_seq != 0 && client->reports[slot] == client->sent_seq)
            forget(client, slot);
}

void ota_client_report_end(struct ota_client *client, int error)
{
    if (error == OTA_OK && is_final(client->status)) {
        if (client->status >= 400)
            ota_client_log_number(client, "report dropped, status", (uint32_t)client->status);
        forget_sent(client);
        client->report_failures = 0;
        return;
    }
    if (error == OTA_OK)
        error = ota_client_status_error(client, 204);
    ota_client_log_error(client, "report", error);
    client->report_due_ms = ota_client_retry_ms(client, &client->report_failures);
}
