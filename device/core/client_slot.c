#include "device/core/client_slot.h"

#include <string.h>

#include "device/core/client_exchange.h"
#include "protocol/error.h"

#define SCAN_LEN 512U /* bytes read at a time */

_Static_assert(OTA_FLASH_WRITE_LEN_MAX + OTA_CLIENT_CHUNK_LEN + OTA_FLASH_WRITE_LEN_MAX <=
                   OTA_MANIFEST_MAX,
               "a chunk, the rest before it and the filling behind it fit");
_Static_assert(SCAN_LEN <= OTA_MANIFEST_MAX && OTA_FEED_BYTES % SCAN_LEN == 0, "a scan fits");

static void feed(void *ctx)
{
    ota_client_feed(ctx);
}

int ota_client_slot_forget(struct ota_client *client)
{
    client->position = 0;
    client->erased = 0;
    return ota_journal_write(&client->journal, OTA_RECORD_PROGRESS, NULL, 0) == OTA_OK
               ? OTA_OK
               : OTA_E_FLASH;
}

/* ---- where a download stands ---- */

/* Bytes up to and with the last one that isn't 0xff, among the first `len`; a block that can't be
 * read counts as written. */
static uint32_t written_len(struct ota_client *client, uint32_t len)
{
    const struct ota_flash *flash = client->config->flash;
    uint32_t base = client->slot.addr;
    uint8_t *block = client->work.answer;

    while (len > 0) {
        uint32_t part = len % SCAN_LEN != 0 ? len % SCAN_LEN : SCAN_LEN;
        if (len % OTA_FEED_BYTES == 0)
            feed(client);
        if (flash->read(flash->ctx, base + len - part, block, part) != OTA_OK)
            return len;
        for (uint32_t i = part; i > 0; i--)
            if (block[i - 1] != 0xff)
                return len - part + i;
        len -= part;
    }
    return 0;
}

int ota_client_slot_locate(struct ota_client *client, uint32_t image_len)
{
    const struct ota_flash *flash = client->config->flash;
    uint32_t size = client->sector_len;
    uint32_t sectors = 0;

    int len = ota_journal_read(&client->journal, OTA_RECORD_PROGRESS, &sectors, sizeof sectors);
    if (len == OTA_E_FLASH)
        return len;
    if (len != (int)sizeof sectors || sectors > client->slot.len / size)
        sectors = 0;

    uint32_t end = sectors * size < image_len ? sectors * size : image_len;
    uint32_t written = written_len(client, end);
    uint32_t unit = flash->write_once ? size : flash->write_len;
    client->position = written > 0 ? (written - 1) / unit * unit : 0;
    client->erased = flash->write_once ? client->position / size : sectors;
    client->located = true;
    return OTA_OK;
}

/* ---- programming ---- */

static int open_sector(struct ota_client *client, uint32_t addr)
{
    const struct ota_flash *flash = client->config->flash;
    uint32_t sectors = client->erased + 1;

    feed(client);
    if (flash->erase(flash->ctx, addr) != OTA_OK ||
        ota_journal_write(&client->journal, OTA_RECORD_PROGRESS, &sectors, sizeof sectors) !=
            OTA_OK)
        return OTA_E_FLASH;
    client->erased = sectors;
    return OTA_OK;
}

/* `len` bytes, whole units, at the position. */
static int program(struct ota_client *client, const uint8_t *bytes, uint32_t len)
{
    const struct ota_flash *flash = client->config->flash;
    uint32_t base = client->slot.addr;
    uint32_t size = client->sector_len;

    for (uint32_t done = 0; done < len;) {
        uint32_t open = client->erased * size - client->position;
        uint32_t part = len - done < open ? len - done : open;
        if (open == 0) {
            if (open_sector(client, base + client->position) != OTA_OK)
                return OTA_E_FLASH;
            continue;
        }
        if (flash->program(flash->ctx, base + client->position, bytes + done, part) != OTA_OK)
            return OTA_E_FLASH;
        client->position += part;
        done += part;
    }
    return OTA_OK;
}

int ota_client_slot_program(struct ota_client *client, uint32_t len)
{
    uint32_t unit = client->config->flash->write_len;
    uint32_t total = client->answer_len + len;
    uint32_t rest = total % unit;
    bool last = client->position + total == client->image_len;

    if (last && rest > 0) {
        memset(client->work.answer + total, 0xff, unit - rest);
        total += unit - rest;
        rest = 0;
    }
    int error = program(client, client->work.answer, total - rest);
    if (error != OTA_OK)
        return error;
    if (last)
        client->position = client->image_len;
    memmove(client->work.answer, client->work.answer + total - rest, rest);
    client->answer_len = (uint16_t)rest;
    return OTA_OK;
}

/* The end of the image, filled up to a unit. */
static int program_tail(struct ota_client *client, const uint8_t *bytes, uint32_t len)
{
    uint8_t unit[OTA_FLASH_WRITE_LEN_MAX];

    memset(unit, 0xff, sizeof unit);
    memcpy(unit, bytes, len);
    return program(client, unit, client->config->flash->write_len);
}

int ota_client_slot_write(struct ota_client *client, uint32_t offset, const uint8_t *bytes,
                          uint32_t len)
{
    uint32_t end = offset + len;
    int error = OTA_OK;

    if (end <= client->position)
        return OTA_OK;
    /* Between the last byte that isn't 0xff and a checkpoint there is nothing but 0xff. */
    if (offset > client->position) {
        if (offset > client->erased * client->sector_len)
            return OTA_E_STATE;
        client->position = offset;
    }
    uint32_t skip = client->position - offset;
    uint32_t rest = (len - skip) % client->config->flash->write_len;
    if (len - skip > rest)
        error = program(client, bytes + skip, len - skip - rest);
    if (error == OTA_OK && rest > 0)
        error = program_tail(client, bytes + len - rest, rest);
    if (error == OTA_OK && end == client->image_len)
        client->position = end;
    return error;
}

/* ---- the whole image ---- */

/* What the image says of itself, now known to be true, against what was promised and what we are.
 */
static int compare(const struct ota_client *client, const struct ota_update *update,
                   const struct ota_image_info *info)
{
    if (strcmp(info->product, client->config->product) != 0)
        return OTA_E_PRODUCT;
    if (strcmp(info->hardware, client->config->hardware) != 0)
        return OTA_E_HARDWARE;
    if (memcmp(&info->header.version, &update->version, sizeof update->version) != 0)
        return OTA_E_VERSION;
    if (info->counter != update->counter)
        return OTA_E_COUNTER_LOW;
    return info->image_len == update->image_len ? OTA_OK : OTA_E_SIZE;
}

int ota_client_slot_verify(struct ota_client *client, const struct ota_update *update,
                           bool *bytes_wrong)
{
    struct ota_image_info info;

    int error = ota_slots_verify(client->config->flash, client->slot.addr, client->slot.len,
                                 &client->config->release_keys, feed, client, &info);
    if (error == OTA_OK && memcmp(info.hash, update->hash, OTA_HASH_LEN) != 0)
        error = OTA_E_HASH;
    *bytes_wrong = error != OTA_OK;
    return error == OTA_OK ? compare(client, update, &info) : error;
}
