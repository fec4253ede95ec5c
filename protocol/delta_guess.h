/*
 * What the next piece of a segment should be, by the piece of the base that it is copied from and
 * by what the map says of the places that this one names.
 */
#ifndef OTA_PROTOCOL_DELTA_GUESS_H
#define OTA_PROTOCOL_DELTA_GUESS_H

#include "protocol/delta_stream.h"
#include "protocol/delta_thumb.h"

/* Classes of pieces: those of ota_thumb_kind, and these. A word is in a literal pool (an
 * instruction before has loaded it) or in a table, and lies in the image, in RAM, or is something
 * else. */
enum {
    OTA_DELTA_CLASS_POOL_FLASH = OTA_THUMB_KINDS,
    OTA_DELTA_CLASS_POOL_RAM,
    OTA_DELTA_CLASS_POOL_OTHER,
    OTA_DELTA_CLASS_WORD_FLASH,
    OTA_DELTA_CLASS_WORD_RAM,
    OTA_DELTA_CLASS_WORD_OTHER,
    OTA_DELTA_CLASS_BYTE,
    OTA_DELTA_CLASSES,
};

struct ota_delta_guess {
    unsigned class;
    unsigned len;   /* bytes: 1, 2 or 4 */
    uint32_t old;   /* in the base */
    uint32_t value; /* expected in the result */
};

/* The guess for the stream's position in `segment`, of at most `len` bytes. Instructions mark the
 * words that they load. OTA_OK or an error of read. */
int ota_delta_guess_piece(struct ota_delta_stream *stream, const struct ota_delta_segment *segment,
                          uint32_t len, struct ota_delta_guess *guess);

/* The bytes of such a piece as a number, and back. */
uint32_t ota_delta_guess_value(const struct ota_delta_guess *guess, const uint8_t *bytes);
void ota_delta_guess_bytes(const struct ota_delta_guess *guess, uint32_t value, uint8_t *bytes);

/* `len` bytes of the base, 4 at most, as a number. */
int ota_delta_read_base(struct ota_delta_stream *stream, uint32_t offset, uint32_t len,
                        uint32_t *value);

#endif
