/*
 * The spare slot as the download sees it: bytes go in at client->position, sectors are erased when
 * the position gets to them, and after a reset the flash itself says how far it is.
 *
 *     |<---- erased ---->|
 *     +--------+---------+--------+
 *     | 010110 | 01~1111 | old    |      ~ the unit that power left half programmed: it is
 *     +--------+---------+--------+        programmed again with the same bytes
 *                 ^ position
 *
 * Flash that takes one program per erase (write_once) can't do that: there a download goes on at
 * the start of the sector it was in.
 */
#ifndef OTA_DEVICE_CORE_CLIENT_SLOT_H
#define OTA_DEVICE_CORE_CLIENT_SLOT_H

#include <stdbool.h>

#include "device/core/client.h"
#include "device/core/client_update.h"

/* From now on nothing that is in the slot counts. OTA_OK or OTA_E_FLASH. */
int ota_client_slot_forget(struct ota_client *client);

/* Find position and erased; uses work.answer. OTA_OK or OTA_E_FLASH. */
int ota_client_slot_locate(struct ota_client *client, uint32_t image_len);

/* Program what work.answer holds up to answer_len + len, as far as it fills units; the rest moves
 * to its front and answer_len is its length. The last unit of the image is filled up with 0xff.
 * OTA_OK or OTA_E_FLASH. */
int ota_client_slot_program(struct ota_client *client, uint32_t len);

/* The same for a piece of the image at `offset`, a multiple of OTA_FLASH_WRITE_LEN_MAX; so is len,
 * but for the last piece. What is in flash already is passed over. OTA_OK, OTA_E_FLASH, or
 * OTA_E_STATE when there is a gap before it that was never erased. */
int ota_client_slot_write(struct ota_client *client, uint32_t offset, const uint8_t *bytes,
                          uint32_t len);

/* Read the image back: hash, release signature, and all that the manifest said of it. OTA_OK or a
 * negative error; *bytes_wrong when another download could help. */
int ota_client_slot_verify(struct ota_client *client, const struct ota_update *update,
                           bool *bytes_wrong);

#endif
