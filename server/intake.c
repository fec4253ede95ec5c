#include "server/intake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/error.h"
#include "protocol/text.h"
#include "server/signer.h"

#define PATH_CAP 4096
#define DETAIL_CAP 200

struct intake {
    struct blobs *blobs;
    int fd;
    char path[PATH_CAP];
    bool temporary; /* the file at `path` is there */
    uint64_t len_max;
    uint64_t len;
    EVP_MD_CTX *file_digest;
    EVP_MD_CTX *image_digest;
    uint8_t head[OTA_IMAGE_HEADER_LEN];
    struct ota_image_header header;      /* valid once len >= OTA_IMAGE_HEADER_LEN and no error */
    uint8_t tail[OTA_IMAGE_TLV_MAX + 1]; /* from header.tlv_offset on; one more tells "too long" */
    size_t tail_len;
    uint8_t sha256[OTA_HASH_LEN];
    int error;
    char detail[DETAIL_CAP];
};

static int fail(struct intake *intake, int error, const char *detail)
{
    if (intake->error == INTAKE_OK) {
        intake->error = error;
        snprintf(intake->detail, sizeof(intake->detail), "%s", detail);
    }
    return intake->error;
}

static int fail_system(struct intake *intake, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    char detail[DETAIL_CAP];

    snprintf(detail, sizeof(detail), "%s: %s.", what, strerror(errno));
    return fail(intake, full ? INTAKE_E_FULL : INTAKE_E_IO, detail);
}

struct intake *intake_open(struct blobs *blobs, uint64_t len_max, int *error)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    *error = INTAKE_E_MEMORY;
    if (intake == NULL)
        return NULL;
    intake->blobs = blobs;
    intake->len_max = len_max;
    intake->fd = blobs_create_temporary(blobs, intake->path, sizeof(intake->path));
    intake->temporary = intake->fd >= 0;
    if (intake->fd < 0)
        *error = errno == ENOSPC || errno == EDQUOT ? INTAKE_E_FULL : INTAKE_E_IO;
    intake->file_digest = EVP_MD_CTX_new();
    intake->image_digest = EVP_MD_CTX_new();
    if (intake->fd < 0 || intake->file_digest == NULL || intake->image_digest == NULL ||
        EVP_DigestInit_ex(intake->file_digest, EVP_sha256(), NULL) != 1 ||
        EVP_DigestInit_ex(intake->image_digest, EVP_sha256(), NULL) != 1) {
        intake_free(intake);
        return NULL;
    }
    *error = INTAKE_OK;
    return intake;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    if (intake->fd >= 0)
        close(intake->fd);
    if (intake->temporary)
        unlink(intake->path);
    EVP_MD_CTX_free(intake->file_digest);
    EVP_MD_CTX_free(intake->image_digest);
    free(intake);
}

const char *intake_detail(const struct intake *intake)
{
    return intake->detail;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t part = write(fd, bytes, len);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        bytes += part;
        len -= (size_t)part;
    }
    return 0;
}

/* ---- reading along ---- */

static void read_header(struct intake *intake)
{
    uint32_t max = intake->len_max < UINT32_MAX ? (uint32_t)intake->len_max : UINT32_MAX;
    int error = ota_image_parse_header(&intake->header, intake->head, sizeof(intake->head), max);

    if (error == OTA_OK)
        return;
    if (error == OTA_E_SIZE)
        fail(intake, INTAKE_E_TOO_LARGE,
             "The image header promises more bytes than this server accepts for one image.");
    else if (error == OTA_E_SYNTAX)
        fail(intake, INTAKE_E_MALFORMED,
             "The file does not start with an MCUboot image header. Sign the binary with "
             "`otactl release sign` or imgtool and upload the result.");
    else if (error == OTA_E_MISSING)
        fail(intake, INTAKE_E_MALFORMED,
             "The image has no protected TLV area: product, hardware and security counter must "
             "stand there.");
    else
        fail(intake, INTAKE_E_MALFORMED,
             "The image header has a flag or a length that is not supported (encrypted, "
             "compressed and RAM-load images are not).");
}

/* The image digest covers [0, hashed_len), the header included. */
static void hash_image(struct intake *intake, uint64_t at, const uint8_t *bytes, size_t len)
{
    uint64_t end = intake->header.hashed_len;

    if (at >= end)
        return;
    if (len > end - at)
        len = (size_t)(end - at);
    EVP_DigestUpdate(intake->image_digest, bytes, len);
}

static void collect_tail(struct intake *intake, uint64_t at, const uint8_t *bytes, size_t len)
{
    uint64_t start = intake->header.tlv_offset;
    size_t skip = at < start ? (size_t)(start - at) : 0;
    size_t room = sizeof(intake->tail) - intake->tail_len;

    if (skip >= len)
        return;
    bytes += skip;
    len -= skip;
    if (len > room)
        len = room;
    memcpy(intake->tail + intake->tail_len, bytes, len);
    intake->tail_len += len;
}

static void read_along(struct intake *intake, const uint8_t *bytes, size_t len)
{
    uint64_t at = intake->len;

    if (at < OTA_IMAGE_HEADER_LEN) {
        size_t want = OTA_IMAGE_HEADER_LEN - (size_t)at;
        size_t part = len < want ? len : want;

        memcpy(intake->head + at, bytes, part);
        if (part < want)
            return;
        read_header(intake);
        if (intake->error != INTAKE_OK)
            return;
        hash_image(intake, 0, intake->head, sizeof(intake->head));
        bytes += part;
        len -= part;
        at += part;
    }
    hash_image(intake, at, bytes, len);
    collect_tail(intake, at, bytes, len);
}

int intake_write(struct intake *intake, const void *bytes, size_t len)
{
    if (intake->error != INTAKE_OK)
        return intake->error;
    if (len > intake->len_max - intake->len)
        return fail(intake, INTAKE_E_TOO_LARGE, "The file is larger than this server accepts.");
    if (write_all(intake->fd, bytes, len) != 0)
        return fail_system(intake, "The upload could not be written to the server's disk");
    EVP_DigestUpdate(intake->file_digest, bytes, len);
    read_along(intake, bytes, len);
    intake->len += len;
    return intake->error;
}

/* ---- checking ---- */

static int check_tlvs(struct intake *intake, struct ota_image_tlvs *tlvs)
{
    int error = ota_image_parse_tlvs(tlvs, &intake->header, intake->tail, intake->tail_len);

    switch (error) {
    case OTA_OK:
        break;
    case OTA_E_SIGNATURE:
        return fail(intake, INTAKE_E_UNSIGNED,
                    "The image carries no signature. Sign it with the release key.");
    case OTA_E_TRUNCATED:
        return fail(intake, INTAKE_E_TRUNCATED, "The file ends inside the image's TLV area.");
    case OTA_E_MISSING:
        return fail(intake, INTAKE_E_MALFORMED,
                    "The image lacks its hash, or product, hardware or security counter in the "
                    "protected TLV area.");
    default:
        return fail(intake, INTAKE_E_MALFORMED,
                    "The image's TLV area is malformed, or holds an entry that is not allowed.");
    }
    if (intake->len != (uint64_t)intake->header.tlv_offset + tlvs->len)
        return fail(intake, INTAKE_E_MALFORMED, "There are bytes behind the end of the image.");
    return INTAKE_OK;
}

static int fail_unknown_key(struct intake *intake, const struct ota_image_tlvs *tlvs)
{
    char key_id[OTA_KEY_ID_LEN + 1];
    char detail[DETAIL_CAP];

    ota_hex_encode(tlvs->signatures[0].key_hash, OTA_KEY_ID_LEN / 2, key_id);
    snprintf(detail, sizeof(detail),
             "The image is signed by key %s, which is not registered. Add its public half first, "
             "as with otactl key add.",
             key_id);
    return fail(intake, INTAKE_E_UNKNOWN_KEY, detail);
}

/* One registered key's good signature is enough; the first one that verifies is kept. */
static int check_signatures(struct intake *intake, const struct ota_image_tlvs *tlvs,
                            intake_find_key *find_key, void *ctx, struct db_firmware *firmware)
{
    char pem[DB_PEM_MAX + 1];
    bool known = false;

    for (size_t i = 0; i < tlvs->signature_count; i++) {
        const struct ota_image_signature *signature = &tlvs->signatures[i];
        if (!find_key(ctx, signature->key_hash, pem))
            continue;
        known = true;
        if (!key_verify_digest(pem, firmware->hash, signature->der, signature->der_len))
            continue;
        memcpy(firmware->key_hash, signature->key_hash, OTA_HASH_LEN);
        memcpy(firmware->signature, signature->der, signature->der_len);
        firmware->signature_len = signature->der_len;
        return INTAKE_OK;
    }
    if (known)
        return fail(intake, INTAKE_E_SIGNATURE,
                    "The signature does not verify with the registered release key it names.");
    return fail_unknown_key(intake, tlvs);
}

static void fill_firmware(const struct intake *intake, const struct ota_image_tlvs *tlvs,
                          struct db_firmware *firmware)
{
    memset(firmware, 0, sizeof(*firmware));
    memcpy(firmware->product, tlvs->product.at, tlvs->product.len);
    memcpy(firmware->hardware, tlvs->hardware.at, tlvs->hardware.len);
    ota_version_format(&intake->header.version, firmware->version, sizeof(firmware->version));
    firmware->counter = tlvs->counter;
    firmware->size = (uint32_t)intake->len;
    memcpy(firmware->hash, tlvs->hash, OTA_HASH_LEN);
    memcpy(firmware->sha256, intake->sha256, OTA_HASH_LEN);
}

int intake_check(struct intake *intake, intake_find_key *find_key, void *ctx,
                 struct db_firmware *firmware)
{
    uint8_t digest[OTA_HASH_LEN];
    struct ota_image_tlvs tlvs;

    if (intake->error != INTAKE_OK)
        return intake->error;
    if (intake->len < OTA_IMAGE_HEADER_LEN || intake->len < intake->header.hashed_len)
        return fail(intake, INTAKE_E_TRUNCATED, "The file ends before the image does.");
    if (EVP_DigestFinal_ex(intake->image_digest, digest, NULL) != 1 ||
        EVP_DigestFinal_ex(intake->file_digest, intake->sha256, NULL) != 1)
        return fail(intake, INTAKE_E_MEMORY, "Hashing failed.");
    if (check_tlvs(intake, &tlvs) != INTAKE_OK)
        return intake->error;
    if (memcmp(digest, tlvs.hash, OTA_HASH_LEN) != 0)
        return fail(intake, INTAKE_E_HASH,
                    "The bytes do not give the hash that the image promises: the file is damaged.");
    fill_firmware(intake, &tlvs, firmware);
    return check_signatures(intake, &tlvs, find_key, ctx, firmware);
}

int intake_keep(struct intake *intake)
{
    switch (blobs_keep(intake->blobs, intake->fd, intake->path, intake->sha256)) {
    case BLOBS_OK:
        intake->temporary = false;
        return INTAKE_OK;
    case BLOBS_E_FULL:
        return fail(intake, INTAKE_E_FULL, "The disk is full.");
    default:
        return fail(intake, INTAKE_E_IO, "The file could not be made durable.");
    }
}

void intake_drop(struct intake *intake)
{
    blobs_delete(intake->blobs, intake->sha256);
}
