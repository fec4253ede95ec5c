/*
 * Errors of the protocol and of the device.
 *
 * One enum for everything that is linked into firmware: 0 is OK, errors are negative, values are
 * never reused. ota_error_name() gives the stable lower-case word that stands in a report's
 * `reason`, in the device's log and in SPEC.md's table; it is part of the wire format.
 */
#ifndef OTA_PROTOCOL_ERROR_H
#define OTA_PROTOCOL_ERROR_H

enum ota_error {
    OTA_OK = 0,

    /* Codecs: the bytes themselves. */
    OTA_E_TRUNCATED = -1,   /* the input ends inside a value */
    OTA_E_SYNTAX = -2,      /* not the format at all */
    OTA_E_TOO_LARGE = -3,   /* over a limit of SPEC.md */
    OTA_E_DUPLICATE = -4,   /* a key or TLV that may stand once stands twice */
    OTA_E_MISSING = -5,     /* a required key or TLV is absent */
    OTA_E_RANGE = -6,       /* a number or length outside its bounds */
    OTA_E_UNSUPPORTED = -7, /* unknown `v`, image flag, or TLV in the unsigned area */
    OTA_E_NO_SPACE = -8,    /* the caller's buffer is too small; nothing usable was written */

    /* Verification: what the bytes claim. */
    OTA_E_SIGNATURE = -20,    /* no signature by a known key verifies */
    OTA_E_UNKNOWN_KEY = -21,  /* signed by a key that is not in the list */
    OTA_E_HASH = -22,         /* the hash over the bytes is not the one promised */
    OTA_E_DEVICE = -23,       /* a manifest for another device */
    OTA_E_NONCE = -24,        /* an answer to another question */
    OTA_E_PRODUCT = -25,      /* an image for another product */
    OTA_E_HARDWARE = -26,     /* an image for other hardware */
    OTA_E_COUNTER_LOW = -27,  /* security counter below the stored one */
    OTA_E_COUNTER_JUMP = -28, /* security counter more than OTA_COUNTER_JUMP_MAX above it */
    OTA_E_VERSION = -29,      /* image header and manifest name different versions */
    OTA_E_SIZE = -30,         /* image and manifest differ in size, or it does not fit the slot */

    /* The device: flash, network, boot. */
    OTA_E_FLASH = -40,         /* program or erase failed, or the read-back differs */
    OTA_E_JOURNAL_FULL = -41,  /* a record does not fit even after compaction */
    OTA_E_NOT_FOUND = -42,     /* no such record */
    OTA_E_STATE = -43,         /* not allowed in this state (confirm without a trial, ...) */
    OTA_E_TRANSPORT = -50,     /* connection refused, reset, or name not resolved */
    OTA_E_TIMEOUT = -51,       /* a deadline passed */
    OTA_E_SLOW = -52,          /* the transfer stayed below the rate floor */
    OTA_E_HTTP = -53,          /* a response that breaks RFC 9110 / 9112 or our bounds */
    OTA_E_HTTP_RANGE = -54,    /* a 206 that is not the range asked for */
    OTA_E_HTTP_STATUS = -55,   /* a status that means no (4xx, 5xx) */
    OTA_E_UNAUTHORIZED = -56,  /* 401 or 403 */
    OTA_E_GONE = -57,          /* 404 or 410 for the firmware */
    OTA_E_TLS = -58,           /* certificate or handshake refused */
    OTA_E_SELF_TEST = -60,     /* the new image found itself unfit */
    OTA_E_NOT_CONFIRMED = -61, /* trial attempts used up without a confirm */
    OTA_E_CANCELLED = -62,     /* the server withdrew the deployment */
    OTA_E_POWER = -63,         /* not confirmed: the power went in the last attempt */
    OTA_E_WATCHDOG = -64,      /* not confirmed: the watchdog ended the last attempt, it hung */
    OTA_E_FAULT = -65,         /* not confirmed: the last attempt crashed */
    OTA_E_DELTA_BASE = -70,    /* the delta is against another base */
    OTA_E_DELTA_BLOCK = -71,   /* a block's CRC, or the coded stream, is wrong */
};

/* The stable word for `error`, "unknown" for a value that is none; never NULL. */
const char *ota_error_name(int error);

#endif
