#include "device/core/client_delta.h"

#include <string.h>

#include "device/core/client_download.h"
#include "device/core/client_exchange.h"
#include "device/core/client_log.h"
#include "device/core/client_report.h"
#include "device/core/client_slot.h"
#include "device/port/crypto.h"
#include "protocol/error.h"

#define RUNS_MAX 16   /* of the decoder in one step: 4 KB of the image */
#define HASH_LEN 256U /* bytes read at a time */

_Static_assert(sizeof(struct ota_delta) <= OTA_DELTA_STATE_MAX, "what docs/delta.md promises");
_Static_assert(OTA_CLIENT_CHUNK_LEN + OTA_DELTA_CHECKPOINT_MAX <= OTA_MANIFEST_MAX,
               "a checkpoint fits behind what is still to be decoded");
_Static_assert(OTA_DELTA_CHECKPOINT_MAX <= OTA_RECORD_LEN_MAX, "and into a record");
_Static_assert(OTA_DELTA_WRITE_LEN % OTA_FLASH_WRITE_LEN_MAX == 0, "pieces are whole units");
_Static_assert(OTA_FEED_BYTES % HASH_LEN == 0, "the watchdog is fed");

static struct ota_client_delta *delta_of(const struct ota_client *client)
{
    return client->config->delta;
}

/* ---- the decoder's I/O ---- */

static int read_base(void *ctx, uint32_t offset, void *buf, size_t len)
{
    const struct ota_client *client = ctx;
    const struct ota_flash *flash = client->config->flash;

    return flash->read(flash->ctx, client->config->map->primary.addr + offset, buf, len);
}

static int read_result(void *ctx, uint32_t offset, void *buf, size_t len)
{
    const struct ota_client *client = ctx;
    const struct ota_flash *flash = client->config->flash;

    return flash->read(flash->ctx, client->slot.addr + offset, buf, len);
}

static int write_result(void *ctx, uint32_t offset, const void *buf, size_t len)
{
    struct ota_client *client = ctx;

    delta_of(client)->resumed = false;
    return ota_client_slot_write(client, offset, buf, (uint32_t)len);
}

/* ---- beginning ---- */

static bool has_base(const struct ota_client *client, const struct ota_manifest_delta *patch)
{
    static const uint8_t none[OTA_HASH_LEN];

    return memcmp(patch->base_hash, none, OTA_HASH_LEN) == 0 ||
           memcmp(patch->base_hash, client->hash, OTA_HASH_LEN) == 0;
}

static void choose(struct ota_client *client, struct ota_update *update,
                   const struct ota_manifest_delta *patch)
{
    if (!has_base(client, patch)) {
        ota_client_log_error(client, "patch", OTA_E_DELTA_BASE);
        (void)ota_client_report(client, update, OTA_EVENT_DOWNLOADING, 0,
                                ota_error_name(OTA_E_DELTA_BASE));
        return;
    }
    update->file = OTA_UPDATE_PATCH;
    update->file_len = patch->patch_len;
    ota_client_update_copy(update->url, patch->url);
}

static void open_delta(struct ota_client *client)
{
    struct ota_client_delta *delta = delta_of(client);
    uint8_t *saved = client->work.answer;

    delta->io = (struct ota_delta_io){client, read_base, read_result, write_result};
    int len = ota_journal_read(&client->journal, OTA_RECORD_DELTA, saved, OTA_DELTA_CHECKPOINT_MAX);
    delta->resumed =
        len > 0 && ota_delta_resume(&delta->decoder, &delta->io, saved, (size_t)len) == OTA_OK;
    if (!delta->resumed)
        ota_delta_init(&delta->decoder, &delta->io);
    delta->open = true;
}

static uint32_t wants(const struct ota_client *client)
{
    return ota_delta_wants(&delta_of(client)->decoder);
}

/* The patch is for the bytes in our primary, all of them. */
static int check_base(const struct ota_client *client, const struct ota_delta_header *header)
{
    struct ota_sha256 sha;
    uint8_t block[HASH_LEN];

    if (header->base_len > client->config->map->primary.len)
        return OTA_E_DELTA_BASE;
    ota_sha256_init(&sha);
    for (uint32_t at = 0; at < header->base_len;) {
        uint32_t left = header->base_len - at;
        uint32_t part = left < sizeof block ? left : sizeof block;
        if (at % OTA_FEED_BYTES == 0)
            ota_client_feed(client);
        if (read_base((void *)(uintptr_t)client, at, block, part) != OTA_OK)
            return OTA_E_DELTA_BASE;
        ota_sha256_update(&sha, block, part);
        at += part;
    }
    ota_sha256_final(&sha, block);
    return memcmp(block, header->base_hash, OTA_DELTA_HASH_LEN) == 0 ? OTA_OK : OTA_E_DELTA_BASE;
}

static int check_header(const struct ota_client *client)
{
    const struct ota_delta_header *header = &delta_of(client)->decoder.header;

    if (header->result_len != client->image_len || header->patch_len != client->file_len)
        return OTA_E_DELTA_BLOCK;
    return header->base_len == 0 ? OTA_OK : check_base(client, header);
}

/* ---- giving it up ---- */

static int forget(struct ota_client *client)
{
    uint8_t none;

    delta_of(client)->open = false;
    if (ota_journal_read(&client->journal, OTA_RECORD_DELTA, &none, sizeof none) == OTA_E_NOT_FOUND)
        return OTA_OK;
    return ota_journal_write(&client->journal, OTA_RECORD_DELTA, NULL, 0) == OTA_OK ? OTA_OK
                                                                                    : OTA_E_FLASH;
}

static void detour(struct ota_client *client, struct ota_update *update, int reason)
{
    ota_client_log_error(client, "patch", reason);
    (void)ota_client_report(client, update, OTA_EVENT_DOWNLOADING,
                            ota_client_download_percent(client), ota_error_name(reason));
    update->file = OTA_UPDATE_REFUSED;
    update->etag[0] = '\0';
    if (forget(client) != OTA_OK || ota_client_update_store(client, update) != OTA_OK)
        ota_client_update_end(client, update, OTA_EVENT_FAILED, OTA_E_FLASH);
    client->poll_due_ms = client->now_ms;
}

/* ---- decoding ---- */

/* Hand over what the decoder wants of work.answer, and drop what it passes over. 0 when that is
 * nothing, because more has to come first. After a resume it may want a block that has been read
 * already: then the rest of the answer is of no use, and the next one begins there. */
static size_t feed(struct ota_client *client)
{
    struct ota_delta *decoder = &delta_of(client)->decoder;
    uint32_t first = client->file_at - client->answer_len; /* of the patch, in work.answer */
    uint32_t wanted = ota_delta_wants(decoder);
    size_t used = client->answer_len;

    if (wanted >= first && wanted - first < used) {
        used = wanted - first;
        used += ota_delta_feed(decoder, client->work.answer + used, client->answer_len - used);
    }
    client->answer_len = (uint16_t)(client->answer_len - used);
    memmove(client->work.answer, client->work.answer + used, client->answer_len);
    return used;
}

/* Without one, power loss costs time; nothing else does. */
static void keep_checkpoint(struct ota_client *client)
{
    uint8_t *saved = client->work.answer + client->answer_len;

    int len = ota_delta_save(&delta_of(client)->decoder, saved, OTA_DELTA_CHECKPOINT_MAX);
    if (len > 0)
        len = ota_journal_write(&client->journal, OTA_RECORD_DELTA, saved, (size_t)len);
    if (len < 0)
        ota_client_log_error(client, "checkpoint", len);
}

static int step(struct ota_client *client)
{
    struct ota_delta *decoder = &delta_of(client)->decoder;
    int error = OTA_OK;

    for (int run = 0; run < RUNS_MAX && error == OTA_OK; run++) {
        int event = ota_delta_run(decoder);
        if (event == OTA_DELTA_WANTS && feed(client) == 0)
            return 0;
        if (event == OTA_DELTA_DONE) {
            client->answer_len = 0;
            return 0;
        }
        if (event == OTA_DELTA_HEADER)
            error = check_header(client);
        else if (event == OTA_DELTA_CHECKPOINT)
            keep_checkpoint(client);
        else if (event < 0)
            error = event;
    }
    if (error == OTA_E_STATE) /* flash doesn't have what the checkpoint stands on */
        (void)forget(client);
    return error == OTA_OK ? 1 : error;
}

static const struct ota_client_delta_use delta_use = {
    .choose = choose,
    .open = open_delta,
    .wants = wants,
    .step = step,
    .forget = forget,
    .detour = detour,
};

struct ota_client_delta *ota_client_delta_init(struct ota_client_delta *delta)
{
    memset(delta, 0, sizeof *delta);
    delta->use = &delta_use;
    return delta;
}
