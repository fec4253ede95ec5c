/*
 * One sector:
 *
 *     +--------+--------+------+------+--------+--------+---   -+
 *     | record | record | SEAL | SEAL | record | record | 0xff  |
 *     +--------+--------+------+------+--------+--------+---   -+
 *     copied by the compaction        appended since     ^ end
 *
 * One record: header and payload, each padded with 0xff to whole program units:
 *
 *     type u8 | 0 u8 | len u16 | sequence u32 | crc u32 || payload
 *
 * The CRC-32 (IEEE 802.3) covers the record's flash address, the eight bytes before it and the
 * payload. Finding records needs no pointers: walk from the start, step over a whole record, else
 * one unit on. So a torn record costs its own place and nothing else.
 *
 * The active sector is the one with the newer seal. A sector without a seal is a compaction that
 * was cut, or half erased; it is erased before it is used again. Until then the other one counts.
 *
 * Seals and the records that a device can't do without are written twice, so that the rot of any
 * single one loses nothing.
 */
#include "device/core/journal.h"

#include <stdbool.h>
#include <string.h>

#include "protocol/crc32.h"
#include "protocol/error.h"

/* As on flash; little endian, like every chip that this runs on. */
struct header {
    uint8_t type;
    uint8_t zero;
    uint16_t len;
    uint32_t sequence;
    uint32_t crc;
};

#define HEADER_LEN 12U /* bytes */
#define UNIT_MIN 4U    /* bytes: records start at multiples of this or of write_len */
#define CHUNK OTA_FLASH_WRITE_LEN_MAX
#define APPEND_TRIES 3

/* Never on flash as a caller's record. */
#define RECORD_SEAL ((unsigned)OTA_RECORD_TYPES)

_Static_assert(sizeof(struct header) == HEADER_LEN, "no padding on flash");
_Static_assert(CHUNK % UNIT_MIN == 0 && CHUNK > HEADER_LEN, "a chunk is whole units");
#ifdef __BYTE_ORDER__
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are stored as they are");
#endif

/* A payload in RAM, or in flash while it is moved to the other sector. */
struct source {
    const void *bytes; /* NULL: at addr */
    uint32_t addr;
    uint32_t len;
};

static const struct source nothing = {"", 0, 0};

/* `len` in whole program units. */
static uint32_t padded(const struct ota_journal *journal, uint32_t len)
{
    uint32_t unit = journal->flash->write_len;
    if (unit < UNIT_MIN)
        unit = UNIT_MIN;
    return (len + unit - 1) & ~(unit - 1);
}

/* Bytes that a record takes on flash. */
static uint32_t record_len(const struct ota_journal *journal, uint32_t payload_len)
{
    return padded(journal, HEADER_LEN) + padded(journal, payload_len);
}

static struct source payload_at(const struct ota_journal *journal, uint32_t addr, uint32_t len)
{
    return (struct source){NULL, addr + padded(journal, HEADER_LEN), len};
}

/* Bytes of the active sector from `addr` to its end. */
static uint32_t room(const struct ota_journal *journal, uint32_t addr)
{
    const struct ota_flash_area *area = &journal->map->journal[journal->active];
    return area->addr + area->len - addr;
}

static uint32_t copies_of(unsigned type)
{
    return type == OTA_RECORD_BOOT || type == OTA_RECORD_CREDENTIAL || type == RECORD_SEAL ? 2 : 1;
}

static int fetch(const struct ota_journal *journal, const struct source *source, uint32_t at,
                 void *buf, uint32_t len)
{
    if (source->bytes == NULL)
        return journal->flash->read(journal->flash->ctx, source->addr + at, buf, len);
    memcpy(buf, (const uint8_t *)source->bytes + at, len);
    return OTA_OK;
}

/* The piece of `source` at `at`, `*len` bytes of it, behind it 0xff. */
static int fetch_chunk(const struct ota_journal *journal, const struct source *source, uint32_t at,
                       uint8_t chunk[CHUNK], uint32_t *len)
{
    *len = source->len - at < CHUNK ? source->len - at : CHUNK;
    memset(chunk, 0xff, CHUNK);
    return fetch(journal, source, at, chunk, *len);
}

/* Does the header's CRC fit its place and this payload? `set`: make it fit. */
static bool check_crc(const struct ota_journal *journal, uint32_t addr, struct header *header,
                      const struct source *source, bool set)
{
    uint8_t chunk[CHUNK];
    uint32_t len;

    uint32_t crc =
        ota_crc32(ota_crc32(0, &addr, sizeof addr), header, HEADER_LEN - sizeof header->crc);
    for (uint32_t at = 0; at < source->len; at += CHUNK) {
        if (fetch_chunk(journal, source, at, chunk, &len) != OTA_OK)
            return false;
        crc = ota_crc32(crc, chunk, len);
    }
    if (set)
        header->crc = crc;
    return header->crc == crc;
}

/* true if a whole record of the active sector starts at `addr`. */
static bool record_at(const struct ota_journal *journal, uint32_t addr, struct header *header)
{
    if (room(journal, addr) < HEADER_LEN ||
        journal->flash->read(journal->flash->ctx, addr, header, HEADER_LEN) != OTA_OK ||
        header->type == 0 || header->type > RECORD_SEAL || header->zero != 0 ||
        header->len > OTA_RECORD_LEN_MAX || record_len(journal, header->len) > room(journal, addr))
        return false;
    const struct source payload = payload_at(journal, addr, header->len);
    return check_crc(journal, addr, header, &payload, false);
}

/* Behind the last unit of the sector that is not erased, or can't be read. */
static uint32_t written_end(const struct ota_journal *journal)
{
    uint32_t start = journal->map->journal[journal->active].addr;
    uint32_t end = start + room(journal, start);
    uint32_t unit = padded(journal, 1);
    uint8_t bytes[CHUNK];

    for (; end > start; end -= unit) {
        if (journal->flash->read(journal->flash->ctx, end - unit, bytes, unit) != OTA_OK)
            break;
        for (uint32_t i = 0; i < unit; i++) {
            if (bytes[i] != 0xff)
                return end;
        }
    }
    return end;
}

/* Walk the sector `index`: fills active, newest, end, sequence. Returns how many seals it holds,
 * and the sequence number of the last one. */
static unsigned scan(struct ota_journal *journal, unsigned index, uint32_t *seal)
{
    uint32_t addr = journal->map->journal[index].addr;
    unsigned seals = 0;
    struct header header;

    journal->active = (uint8_t)index;
    journal->sequence = 0;
    journal->end = written_end(journal);
    memset(journal->newest, 0, sizeof journal->newest);
    while (addr < journal->end) {
        if (!record_at(journal, addr, &header)) {
            addr += padded(journal, 1);
            continue;
        }
        journal->sequence = header.sequence;
        if (header.type == RECORD_SEAL) {
            seals++;
            *seal = header.sequence;
        } else {
            journal->newest[header.type] = addr;
        }
        addr += record_len(journal, header.len);
        if (addr > journal->end)
            journal->end = addr; /* it ends in erased bytes of its own */
    }
    return seals;
}

static int program(const struct ota_journal *journal, uint32_t addr, const struct source *source)
{
    uint8_t chunk[CHUNK];
    uint32_t len;

    for (uint32_t at = 0; at < source->len; at += CHUNK) {
        if (fetch_chunk(journal, source, at, chunk, &len) != OTA_OK ||
            journal->flash->program(journal->flash->ctx, addr + at, chunk, padded(journal, len)) !=
                OTA_OK)
            return OTA_E_FLASH;
    }
    return OTA_OK;
}

/* Append one record to the active sector and read it back. A place that fails is left behind. */
static int append_one(struct ota_journal *journal, unsigned type, const struct source *payload)
{
    uint32_t len = record_len(journal, payload->len);

    for (int tries = 0; tries < APPEND_TRIES; tries++) {
        uint32_t addr = journal->end;
        struct header header = {(uint8_t)type, 0, (uint16_t)payload->len, journal->sequence + 1, 0};
        const struct source head = {&header, 0, HEADER_LEN};

        if (room(journal, addr) < len)
            return OTA_E_NO_SPACE;
        if (!check_crc(journal, addr, &header, payload, true))
            return OTA_E_FLASH;
        journal->end += len;
        if (program(journal, addr, &head) == OTA_OK &&
            program(journal, addr + padded(journal, HEADER_LEN), payload) == OTA_OK &&
            record_at(journal, addr, &header)) {
            journal->sequence++;
            if (type != RECORD_SEAL)
                journal->newest[type] = addr;
            return OTA_OK;
        }
    }
    return OTA_E_FLASH;
}

/* Append as many copies as the type has. Durable with the first. */
static int append(struct ota_journal *journal, unsigned type, const struct source *payload)
{
    uint32_t copies = copies_of(type);

    if (room(journal, journal->end) < copies * record_len(journal, payload->len))
        return OTA_E_NO_SPACE;
    int error = append_one(journal, type, payload);
    if (error == OTA_OK && copies > 1)
        (void)append_one(journal, type, payload);
    return error;
}

/* The same to the sector `to`, which is not yet the active one, at *end. */
static int append_to(struct ota_journal *journal, unsigned to, uint32_t *end, unsigned type,
                     const struct source *payload)
{
    uint8_t from = journal->active;

    journal->active = (uint8_t)to;
    journal->end = *end;
    int error = append(journal, type, payload);
    *end = journal->end;
    journal->active = from;
    return error;
}

/* Move the live records to the other sector, `changed` in its type's place. After an error nothing
 * has changed but that sector. */
static int compact(struct ota_journal *journal, unsigned changed_type, const struct source *changed)
{
    unsigned from = journal->active;
    uint32_t end = journal->map->journal[from ^ 1U].addr;
    struct header header;

    int error = journal->flash->erase(journal->flash->ctx, end);
    for (unsigned type = 1; type < OTA_RECORD_TYPES && error == OTA_OK; type++) {
        struct source payload = nothing;
        uint32_t old = journal->newest[type];
        journal->newest[type] = 0;
        if (type == changed_type)
            payload = *changed;
        else if (old != 0 && record_at(journal, old, &header))
            payload = payload_at(journal, old, header.len);
        if (payload.len != 0)
            error = append_to(journal, from ^ 1U, &end, type, &payload);
    }
    if (error == OTA_OK)
        error = append_to(journal, from ^ 1U, &end, RECORD_SEAL, &nothing);
    if (error != OTA_OK) {
        (void)scan(journal, from, &end);
        return error == OTA_E_NO_SPACE ? OTA_E_JOURNAL_FULL : OTA_E_FLASH;
    }
    journal->active = (uint8_t)(from ^ 1U);
    journal->end = end;
    return OTA_OK;
}

int ota_journal_mount(struct ota_journal *journal, const struct ota_flash *flash,
                      const struct ota_flash_map *map)
{
    uint32_t seal[2] = {0, 0};
    unsigned seals[2];

    journal->flash = flash;
    journal->map = map;
    seals[0] = scan(journal, 0, &seal[0]);
    seals[1] = scan(journal, 1, &seal[1]);
    if (seals[0] == 0 && seals[1] == 0) {
        memset(journal->newest, 0, sizeof journal->newest); /* unsealed, so none of it counts */
        return compact(journal, 0, &nothing);
    }
    /* Sequence numbers wrap: the newer one is less than half their range ahead. */
    if (seals[1] == 0 || (seals[0] != 0 && (int32_t)(seal[0] - seal[1]) > 0))
        (void)scan(journal, 0, &seal[0]);
    /* A cut came between the two, or one has rotted. Best effort: one is enough. */
    if (seals[journal->active] == 1)
        (void)append_one(journal, RECORD_SEAL, &nothing);
    return OTA_OK;
}

int ota_journal_read(struct ota_journal *journal, enum ota_record type, void *buf, size_t cap)
{
    struct header header;

    if (type <= 0 || type >= OTA_RECORD_TYPES || journal->newest[type] == 0)
        return OTA_E_NOT_FOUND;
    if (!record_at(journal, journal->newest[type], &header))
        return OTA_E_FLASH;
    if (header.len == 0)
        return OTA_E_NOT_FOUND;
    if (header.len > cap)
        return OTA_E_NO_SPACE;
    const struct source payload = payload_at(journal, journal->newest[type], header.len);
    return fetch(journal, &payload, 0, buf, header.len) == OTA_OK ? (int)header.len : OTA_E_FLASH;
}

int ota_journal_write(struct ota_journal *journal, enum ota_record type, const void *buf,
                      size_t len)
{
    const struct source payload = {len == 0 ? "" : buf, 0, (uint32_t)len};

    if (type <= 0 || type >= OTA_RECORD_TYPES || len > OTA_RECORD_LEN_MAX)
        return OTA_E_RANGE;
    if (append(journal, type, &payload) == OTA_OK)
        return OTA_OK;
    return compact(journal, type, &payload);
}

int ota_journal_reserve(struct ota_journal *journal, size_t len)
{
    if (room(journal, journal->end) >= len)
        return OTA_OK;
    int error = compact(journal, 0, &nothing);
    if (error == OTA_OK && room(journal, journal->end) < len)
        return OTA_E_JOURNAL_FULL;
    return error;
}
