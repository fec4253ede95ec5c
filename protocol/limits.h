/*
 * Every limit of the wire format, with its unit. SPEC.md gives the same table; a test compares.
 */
#ifndef OTA_PROTOCOL_LIMITS_H
#define OTA_PROTOCOL_LIMITS_H

#define OTA_DEVICE_ID_MAX 64     /* characters: [A-Za-z0-9._:-], starts with a letter or digit */
#define OTA_NAME_MAX 32          /* characters of a product or hardware name: [A-Za-z0-9._-] */
#define OTA_DEPLOYMENT_MAX 32    /* characters: [A-Za-z0-9._-] */
#define OTA_WORD_MAX 32          /* characters of a report's reason: [a-z0-9_] */
#define OTA_URL_MAX 160          /* characters: an absolute path on the same origin */
#define OTA_VERSION_TEXT_MAX 24  /* characters: "255.255.65535+4294967295" */
#define OTA_NONCE_LEN 16         /* bytes, sent as 32 lower-case hex digits */
#define OTA_HASH_LEN 32          /* bytes of SHA-256, sent as 64 lower-case hex digits */
#define OTA_PUBLIC_KEY_LEN 65    /* bytes: 0x04 | X | Y, SEC 1 section 2.3.3 */
#define OTA_SIGNATURE_RAW_LEN 64 /* bytes: r | s, IEEE P1363 */
#define OTA_SIGNATURE_DER_MAX 72 /* bytes: SEQUENCE { INTEGER r, INTEGER s } for P-256 */
#define OTA_KEY_ID_LEN 16       /* hex digits: the first 8 bytes of SHA-256(SubjectPublicKeyInfo) */
#define OTA_MANIFEST_MAX 2048   /* bytes of a whole envelope */
#define OTA_REPORT_MAX 2048     /* bytes of one report body */
#define OTA_REPORT_LOG_MAX 1024 /* bytes of log text in one report */
#define OTA_DEVICE_TOKEN_MAX 64 /* characters of a device token */
#define OTA_JSON_DEPTH_MAX 3    /* nested objects and arrays */
#define OTA_JSON_KEYS_MAX 32    /* keys of one object */
#define OTA_JSON_INT_MAX 9007199254740991 /* 2^53 - 1, RFC 8259 section 6 */
#define OTA_COUNTER_JUMP_MAX 16           /* steps a security counter may rise in one update */
#define OTA_HEALTH_EVENTS_MAX 65535       /* bad events in one health report */
#define OTA_POSTPONE_SECONDS_MAX 31536000 /* a year: what a device may ask to wait */
#define OTA_UTC_OFFSET_MAX 1080           /* minutes east or west of UTC */
#define OTA_POLL_SECONDS_MIN 1
#define OTA_POLL_SECONDS_MAX 604800 /* a week */
#define OTA_WAIT_SECONDS_MAX 300    /* seconds that a poll waits for news */

#endif
