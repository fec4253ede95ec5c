/*
 * The journal: small typed records in two flash sectors, safe against power cuts.
 *
 * Bootloader and application share it and never run at the same time. For each type the newest
 * whole record counts. A record carries a sequence number and a CRC-32 that is seeded with its
 * position; a torn, half-erased or rotten record is never believed, the next older one of its type
 * is; boot record and credential are written twice, so that the rot of one record loses neither.
 * When the active sector is full, the newest record of each type is copied to the other sector,
 * which counts only from its seal record on.
 *
 * Memory: the caller's struct; no heap. Not reentrant. journal.c draws the layout.
 */
#ifndef OTA_DEVICE_CORE_JOURNAL_H
#define OTA_DEVICE_CORE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "device/port/flash.h"

/* Record types; the number is on flash and is never reused. */
enum ota_record {
    OTA_RECORD_BOOT = 1,       /* struct of device/core/slots.h, written by bootloader and client */
    OTA_RECORD_UPDATE = 2,     /* the client: which deployment is under way, what was asked for */
    OTA_RECORD_CREDENTIAL = 3, /* the client: device token after enrolment */
    OTA_RECORD_SEQUENCE = 4,   /* the client: next report sequence number */
    OTA_RECORD_PROGRESS = 5,   /* the client: how many sectors the download has erased */
    OTA_RECORD_REPORT_0 = 8,   /* the client: reports not yet acknowledged, one type each */
    OTA_RECORD_REPORT_LAST = 11,
    OTA_RECORD_DELTA = 12, /* the client: checkpoint of the delta decoder */
    OTA_RECORD_TYPES = 16,
};

#define OTA_RECORD_LEN_MAX 1024U /* bytes of one record's payload */

struct ota_journal {
    const struct ota_flash *flash;
    const struct ota_flash_map *map;
    uint32_t sequence;                 /* of the newest record */
    uint32_t end;                      /* flash address where the next record goes */
    uint8_t active;                    /* index into map->journal */
    uint32_t newest[OTA_RECORD_TYPES]; /* flash address of the newest whole record, 0 for none */
};

/* Find the newest records; formats a sector when neither holds a seal (a new device).
 * OTA_OK or OTA_E_FLASH. */
int ota_journal_mount(struct ota_journal *journal, const struct ota_flash *flash,
                      const struct ota_flash_map *map);

/* Copy the newest record of `type` out. Bytes of the record (at most cap), OTA_E_NOT_FOUND (never
 * written, or cleared), OTA_E_NO_SPACE when it is longer than cap, or OTA_E_FLASH (unreadable, or
 * it has rotted since the mount; another mount finds the next older one). */
int ota_journal_read(struct ota_journal *journal, enum ota_record type, void *buf, size_t cap);

/* Append; durable when it returns OTA_OK. After an error the former record still counts. `len` 0
 * clears. */
int ota_journal_write(struct ota_journal *journal, enum ota_record type, const void *buf,
                      size_t len);

/* Make sure that `len` bytes (headers included) can be appended without a compaction, by one now if
 * need be. OTA_OK, OTA_E_JOURNAL_FULL or OTA_E_FLASH. */
int ota_journal_reserve(struct ota_journal *journal, size_t len);

#endif
