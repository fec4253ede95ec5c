/*
 * The signed manifest: the server's answer to one poll of one device.
 *
 * A DSSE envelope (https://github.com/secure-systems-lab/dsse, v1) around a JSON payload; the
 * signed bytes are PAE(type, payload). SPEC.md, "Manifest", has the layout and every field's rule.
 *
 * Signing and verifying belong to the caller: ota_manifest_open() hands the PAE to a callback and
 * believes only what that accepts. The decoder is fed by the network.
 */
#ifndef OTA_PROTOCOL_MANIFEST_H
#define OTA_PROTOCOL_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/limits.h"
#include "protocol/text.h"
#include "protocol/version.h"

#define OTA_MANIFEST_TYPE "application/vnd.otad.manifest+json"
#define OTA_MANIFEST_V 1
#define OTA_MANIFEST_SIGNATURES_MAX 4

enum ota_action {
    OTA_ACTION_NONE = 0, /* nothing to do; poll again */
    OTA_ACTION_INSTALL,  /* fetch and install what is named */
    OTA_ACTION_HOLD,   /* a deployment is under way but paused: keep what you have, fetch nothing */
    OTA_ACTION_CANCEL, /* give the named deployment up, if it is not yet in trial */
};

/* A delta against `base_hash`; absent when url.len == 0. */
struct ota_manifest_delta {
    uint8_t base_hash[OTA_HASH_LEN];  /* image hash of the base */
    uint8_t patch_hash[OTA_HASH_LEN]; /* SHA-256 of the patch file */
    uint32_t patch_len;               /* bytes */
    struct ota_text url;
};

struct ota_manifest {
    struct ota_text device;
    uint8_t nonce[OTA_NONCE_LEN]; /* of the poll; all zero when the poll had none */
    uint64_t now;                 /* seconds since 1970 */
    enum ota_action action;
    uint32_t poll_seconds;
    uint32_t wait_seconds;      /* how long polls may wait for news; 0: absent, they are not to */
    struct ota_text deployment; /* all but NONE */

    /* INSTALL only. */
    struct ota_text product;
    struct ota_text hardware;
    struct ota_version version;
    uint32_t counter;
    uint32_t image_len;                 /* bytes of the whole file */
    uint8_t hash[OTA_HASH_LEN];         /* image hash */
    uint8_t sig[OTA_SIGNATURE_DER_MAX]; /* the release signature over `hash`, DER */
    size_t sig_len;
    struct ota_text url;
    struct ota_manifest_delta delta;
};

/* The wire word ("install", ...), NULL for a value that is none. */
const char *ota_action_name(enum ota_action action);

/* What one signature of an envelope claims: that the server key `key_id` (OTA_KEY_ID_LEN
 * characters, a hint, not to be trusted) signed the PAE, which is `head` and behind it `payload`.
 */
struct ota_manifest_claim {
    struct ota_text key_id;
    struct ota_text head;
    struct ota_text payload;
    uint8_t sig[OTA_SIGNATURE_RAW_LEN]; /* ECDSA P-256 / SHA-256, r | s */
};

/* true only if the claim is good. */
struct ota_manifest_verifier {
    bool (*verify)(void *ctx, const struct ota_manifest_claim *claim);
    void *ctx;
};

/* Decode, verify and parse an envelope in place: `buf` (len <= OTA_MANIFEST_MAX) is overwritten and
 * holds the strings of *manifest from then on.
 * OTA_OK only when one signature was accepted and the payload is well formed; otherwise a negative
 * error and *manifest is all zero. Fields that belong to INSTALL only are to be ignored with
 * another action. Device, nonce and image rules are the caller's to check. */
int ota_manifest_open(struct ota_manifest *manifest, uint8_t *buf, size_t len,
                      const struct ota_manifest_verifier *verifier);

/* PAE(OTA_MANIFEST_TYPE, payload), the bytes to sign. Bytes written or OTA_E_NO_SPACE. */
int ota_manifest_pae(const char *payload, size_t payload_len, uint8_t *buf, size_t cap);

/* The writing half (manifest_encode.c). Payload JSON: bytes written, OTA_E_NO_SPACE, or OTA_E_RANGE
 * for a manifest that the decoder would refuse. */
int ota_manifest_encode_payload(const struct ota_manifest *manifest, char *buf, size_t cap);
/* The envelope with one signature. Bytes written, OTA_E_NO_SPACE or OTA_E_TOO_LARGE. */
int ota_manifest_encode_envelope(const char *payload, size_t payload_len, struct ota_text key_id,
                                 const uint8_t sig[OTA_SIGNATURE_RAW_LEN], char *buf, size_t cap);

#endif
