/*
 * One sector:
 *
 *     +--------+--------+------+------+--------+--------+---   -+
 *     | record | record | SEAL | SEAL | record | record | 0xff  |
 *     +--------+--------+------+------+--------+--------+---   -+
 *     copied by the compaction        appended since     ^ end
 *
 * One record, padded with 0xff to whole program units; integers little endian:
 *
 *     type u8 | 0 u8 | len u16 | sequence u32 | crc u32 | payload
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

#include "protocol/error.h"

#define HEADER_LEN 12U /* bytes */
#define CRC_AT 8U      /* bytes into the header */
#define UNIT_MIN 4U    /* bytes: records start at multiples of this or of write_len */
#define CHUNK OTA_FLASH_WRITE_LEN_MAX
#define APPEND_TRIES 3

/* Never on flash as a caller's record. */
#define RECORD_SEAL ((unsigned)OTA_RECORD_TYPES)

_Static_assert(CHUNK % UNIT_MIN == 0 && CHUNK > HEADER_LEN, "a chunk is whole units");

/* A payload in RAM, or in flash while it is moved to the other sector. */
struct source {
    const uint8_t *bytes; /* NULL: at addr */
    uint32_t addr;
    uint32_t len;
};

struct header {
    uint32_t sequence;
    uint32_t crc;
    uint32_t len;
    unsigned type;
};

/* Four bits at a time: a table of 16 is a fair price. */
static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    crc = ~crc;
    while (len-- > 0) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static uint32_t get_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void put_le32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
}

static uint32_t unit_len(const struct ota_journal *journal)
{
    uint32_t write_len = journal->flash->write_len;
    return write_len > UNIT_MIN ? write_len : UNIT_MIN;
}

/* Bytes that a record takes on flash. */
static uint32_t record_len(const struct ota_journal *journal, uint32_t payload_len)
{
    uint32_t unit = unit_len(journal);
    return (HEADER_LEN + payload_len + unit - 1) / unit * unit;
}

static uint32_t area_end(const struct ota_journal *journal)
{
    const struct ota_flash_area *area = &journal->map->journal[journal->active];
    return area->addr + area->len;
}

static unsigned copies_of(unsigned type)
{
    return type == OTA_RECORD_BOOT || type == OTA_RECORD_CREDENTIAL || type == RECORD_SEAL ? 2 : 1;
}

static int fetch(const struct ota_journal *journal, const struct source *source, uint32_t at,
                 uint8_t *buf, uint32_t len)
{
    if (source->bytes != NULL) {
        memcpy(buf, source->bytes + at, len);
        return OTA_OK;
    }
    return journal->flash->read(journal->flash->ctx, source->addr + at, buf, len);
}

/* The CRC that a record at `addr` has with these first eight bytes and this payload. */
static int record_crc(const struct ota_journal *journal, uint32_t addr, const uint8_t head[CRC_AT],
                      const struct source *source, uint32_t *crc)
{
    uint8_t chunk[CHUNK];

    put_le32(chunk, addr);
    *crc = crc32(crc32(0, chunk, 4), head, CRC_AT);
    for (uint32_t at = 0; at < source->len; at += CHUNK) {
        uint32_t len = source->len - at < CHUNK ? source->len - at : CHUNK;
        if (fetch(journal, source, at, chunk, len) != OTA_OK)
            return OTA_E_FLASH;
        *crc = crc32(*crc, chunk, len);
    }
    return OTA_OK;
}

/* true if a whole record of the active sector starts at `addr`. */
static bool record_at(const struct ota_journal *journal, uint32_t addr, struct header *header)
{
    uint8_t head[HEADER_LEN];
    uint32_t crc;

    if (area_end(journal) - addr < HEADER_LEN ||
        journal->flash->read(journal->flash->ctx, addr, head, HEADER_LEN) != OTA_OK)
        return false;
    header->type = head[0];
    header->len = (uint32_t)head[2] | (uint32_t)head[3] << 8;
    header->sequence = get_le32(head + 4);
    header->crc = get_le32(head + CRC_AT);
    if (header->type == 0 || header->type > RECORD_SEAL || head[1] != 0 ||
        header->len > OTA_RECORD_LEN_MAX ||
        record_len(journal, header->len) > area_end(journal) - addr)
        return false;
    const struct source payload = {NULL, addr + HEADER_LEN, header->len};
    return record_crc(journal, addr, head, &payload, &crc) == OTA_OK && crc == header->crc;
}

/* Behind the last unit of the sector that is not erased, or can't be read. */
static uint32_t written_end(const struct ota_journal *journal)
{
    const struct ota_flash *flash = journal->flash;
    uint32_t start = journal->map->journal[journal->active].addr;
    uint32_t unit = unit_len(journal);
    uint8_t chunk[CHUNK];

    for (uint32_t end = area_end(journal); end > start; end -= CHUNK) {
        if (flash->read(flash->ctx, end - CHUNK, chunk, CHUNK) != OTA_OK)
            return end;
        for (uint32_t i = CHUNK; i > 0; i--) {
            if (chunk[i - 1] != 0xff)
                return end - CHUNK + (i + unit - 1) / unit * unit;
        }
    }
    return start;
}

/* Walk the sector `index`: fills active, newest, end, sequence. Returns how many seals it holds,
 * and the sequence number of the last one. */
static unsigned scan(struct ota_journal *journal, unsigned index, uint32_t *seal)
{
    unsigned seals = 0;
    struct header header;

    journal->active = (uint8_t)index;
    journal->sequence = 0;
    journal->end = written_end(journal);
    memset(journal->newest, 0, sizeof journal->newest);

    for (uint32_t addr = journal->map->journal[index].addr; addr < journal->end;) {
        if (!record_at(journal, addr, &header)) {
            addr += unit_len(journal);
            continue;
        }
        if (header.type == RECORD_SEAL) {
            seals++;
            *seal = header.sequence;
        } else {
            journal->newest[header.type] = addr;
        }
        journal->sequence = header.sequence;
        addr += record_len(journal, header.len);
        if (addr > journal->end)
            journal->end = addr; /* it ends in erased bytes of its own */
    }
    return seals;
}

/* Program header and payload at `addr` from first to last unit. */
static int program_record(const struct ota_journal *journal, uint32_t addr,
                          const uint8_t head[HEADER_LEN], const struct source *source)
{
    const struct ota_flash *flash = journal->flash;
    uint32_t len = record_len(journal, source->len);

    for (uint32_t done = 0; done < len;) {
        uint8_t chunk[CHUNK];
        uint32_t head_len = done == 0 ? HEADER_LEN : 0;
        uint32_t at = done == 0 ? 0 : done - HEADER_LEN;
        uint32_t left = source->len - (at < source->len ? at : source->len);
        uint32_t payload_len = left < CHUNK - head_len ? left : CHUNK - head_len;
        uint32_t chunk_len = len - done < CHUNK ? len - done : CHUNK;

        memset(chunk, 0xff, CHUNK);
        memcpy(chunk, head, head_len);
        if (fetch(journal, source, at, chunk + head_len, payload_len) != OTA_OK ||
            flash->program(flash->ctx, addr + done, chunk, chunk_len) != OTA_OK)
            return OTA_E_FLASH;
        done += chunk_len;
    }
    return OTA_OK;
}

/* Append one record to the active sector and read it back. A place that fails is left behind. */
static int append_one(struct ota_journal *journal, unsigned type, const struct source *source)
{
    uint32_t len = record_len(journal, source->len);

    for (int tries = 0; tries < APPEND_TRIES; tries++) {
        uint32_t addr = journal->end;
        uint8_t head[HEADER_LEN] = {(uint8_t)type, 0, (uint8_t)source->len,
                                    (uint8_t)(source->len >> 8)};
        struct header header;
        uint32_t crc;

        if (area_end(journal) - addr < len)
            return OTA_E_NO_SPACE;
        put_le32(head + 4, journal->sequence + 1);
        if (record_crc(journal, addr, head, source, &crc) != OTA_OK)
            return OTA_E_FLASH;
        put_le32(head + CRC_AT, crc);
        journal->end += len;
        if (program_record(journal, addr, head, source) == OTA_OK &&
            record_at(journal, addr, &header) && header.crc == crc) {
            journal->sequence++;
            if (type != RECORD_SEAL)
                journal->newest[type] = addr;
            return OTA_OK;
        }
    }
    return OTA_E_FLASH;
}

/* Append as many copies as the type has. Durable with the first. */
static int append(struct ota_journal *journal, unsigned type, const struct source *source)
{
    unsigned copies = copies_of(type);

    if (area_end(journal) - journal->end < copies * record_len(journal, source->len))
        return OTA_E_NO_SPACE;
    int error = append_one(journal, type, source);
    if (error == OTA_OK && copies > 1)
        (void)append_one(journal, type, source);
    return error;
}

static int append_seals(struct ota_journal *journal)
{
    const struct source nothing = {(const uint8_t *)"", 0, 0};
    return append(journal, RECORD_SEAL, &nothing);
}

/* What stands for `type` after a compaction that puts `changed` in for the type `changed_type`.
 * len 0 for nothing. */
static struct source live(const struct ota_journal *journal, unsigned type, unsigned changed_type,
                          const struct source *changed)
{
    struct source source = {NULL, 0, 0};
    struct header header;

    if (type == changed_type)
        return *changed;
    if (journal->newest[type] != 0 && record_at(journal, journal->newest[type], &header)) {
        source.addr = journal->newest[type] + HEADER_LEN;
        source.len = header.len;
    }
    return source;
}

/* Move the live records, `changed` among them, to the other sector. After an error nothing has
 * changed but that sector. */
static int compact(struct ota_journal *journal, unsigned changed_type, const struct source *changed)
{
    const struct ota_flash *flash = journal->flash;
    unsigned from = journal->active;
    unsigned to = from ^ 1U;
    uint32_t need = 2 * record_len(journal, 0);
    int error;

    for (unsigned type = 1; type < OTA_RECORD_TYPES; type++) {
        struct source source = live(journal, type, changed_type, changed);
        need += source.len == 0 ? 0 : copies_of(type) * record_len(journal, source.len);
    }
    if (need > journal->map->journal[to].len)
        return OTA_E_JOURNAL_FULL;
    error = flash->erase(flash->ctx, journal->map->journal[to].addr);
    uint32_t end = journal->map->journal[to].addr;
    for (unsigned type = 1; type < OTA_RECORD_TYPES && error == OTA_OK; type++) {
        journal->active = (uint8_t)from;
        struct source source = live(journal, type, changed_type, changed);
        journal->active = (uint8_t)to;
        journal->end = end;
        journal->newest[type] = 0;
        if (source.len != 0)
            error = append(journal, type, &source);
        end = journal->end;
    }
    if (error == OTA_OK)
        error = append_seals(journal);
    if (error != OTA_OK) {
        uint32_t seal;
        (void)scan(journal, from, &seal);
        return OTA_E_FLASH;
    }
    return OTA_OK;
}

static int format(struct ota_journal *journal)
{
    const struct ota_flash *flash = journal->flash;

    for (unsigned index = 0; index < 2; index++) {
        uint32_t seal;
        if (flash->erase(flash->ctx, journal->map->journal[index].addr) == OTA_OK) {
            (void)scan(journal, index, &seal);
            if (append_seals(journal) == OTA_OK)
                return OTA_OK;
        }
    }
    return OTA_E_FLASH;
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
    if (seals[0] == 0 && seals[1] == 0)
        return format(journal);
    /* Sequence numbers wrap: the newer one is less than half their range ahead. */
    if (seals[1] == 0 || (seals[0] != 0 && (int32_t)(seal[0] - seal[1]) > 0))
        (void)scan(journal, 0, &seal[0]);
    if (seals[journal->active] == 1) {
        /* A cut came between the two. Best effort: one is enough. */
        const struct source nothing = {(const uint8_t *)"", 0, 0};
        (void)append_one(journal, RECORD_SEAL, &nothing);
    }
    return OTA_OK;
}

int ota_journal_read(struct ota_journal *journal, enum ota_record type, void *buf, size_t cap)
{
    struct header header;
    uint32_t seal;

    if (type <= 0 || type >= OTA_RECORD_TYPES || journal->newest[type] == 0)
        return OTA_E_NOT_FOUND;
    if (!record_at(journal, journal->newest[type], &header)) {
        /* It has rotted since it was found: look for the next older one. */
        (void)scan(journal, journal->active, &seal);
        if (journal->newest[type] == 0 || !record_at(journal, journal->newest[type], &header))
            return OTA_E_NOT_FOUND;
    }
    if (header.len == 0)
        return OTA_E_NOT_FOUND;
    if (header.len > cap)
        return OTA_E_NO_SPACE;
    const struct source payload = {NULL, journal->newest[type] + HEADER_LEN, header.len};
    int error = fetch(journal, &payload, 0, buf, header.len);
    return error == OTA_OK ? (int)header.len : error;
}

int ota_journal_write(struct ota_journal *journal, enum ota_record type, const void *buf,
                      size_t len)
{
    if (type <= 0 || type >= OTA_RECORD_TYPES || len > OTA_RECORD_LEN_MAX)
        return OTA_E_RANGE;
    const struct source source = {len == 0 ? (const uint8_t *)"" : buf, 0, (uint32_t)len};
    if (append(journal, type, &source) == OTA_OK)
        return OTA_OK;
    return compact(journal, type, &source);
}

int ota_journal_reserve(struct ota_journal *journal, size_t len)
{
    const struct source nothing = {(const uint8_t *)"", 0, 0};

    if (area_end(journal) - journal->end >= len)
        return OTA_OK;
    int error = compact(journal, 0, &nothing);
    if (error == OTA_OK && area_end(journal) - journal->end < len)
        return OTA_E_JOURNAL_FULL;
    return error;
}
