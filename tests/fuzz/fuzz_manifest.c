/*
 * Opening a manifest, with a verifier that believes all: an input is an envelope, or, when it does
 * not begin like one, a payload that is put into one, so that the fuzzer need not invent base64.
 * What opens can be encoded and opened again.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/manifest.h"
#include "tests/fuzz/fuzz.h"

static bool believe(void *ctx, const struct ota_manifest_claim *claim)
{
    (void)ctx;
    fuzz_require(claim->key_id.len == OTA_KEY_ID_LEN);
    fuzz_require(claim->head.len > 7 && memcmp(claim->head.at, "DSSEv1 ", 7) == 0);
    return true;
}

static const struct ota_manifest_verifier gullible = {believe, NULL};

static int open_copy(struct ota_manifest *manifest, const void *envelope, size_t len, uint8_t **buf)
{
    *buf = malloc(len);
    if (len > 0)
        memcpy(*buf, envelope, len);
    return ota_manifest_open(manifest, *buf, len, &gullible);
}

static size_t wrap(const uint8_t *payload, size_t len, char envelope[OTA_MANIFEST_MAX])
{
    static const uint8_t sig[OTA_SIGNATURE_RAW_LEN];
    int wrapped =
        ota_manifest_encode_envelope((const char *)payload, len, ota_text_of("0123456789abcdef"),
                                     sig, envelope, OTA_MANIFEST_MAX);

    return wrapped > 0 ? (size_t)wrapped : 0;
}

static void require_stable(const struct ota_manifest *manifest)
{
    char payload[OTA_MANIFEST_MAX];
    char envelope[OTA_MANIFEST_MAX];
    struct ota_manifest again;
    uint8_t *buf;
    int len = ota_manifest_encode_payload(manifest, payload, sizeof(payload));

    fuzz_require(len > 0);
    size_t wrapped = wrap((const uint8_t *)payload, (size_t)len, envelope);
    fuzz_require(wrapped > 0);
    fuzz_require(open_copy(&again, envelope, wrapped, &buf) == OTA_OK);
    fuzz_require(again.action == manifest->action && again.now == manifest->now);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char envelope[OTA_MANIFEST_MAX];
    struct ota_manifest manifest;
    uint8_t *buf;
    bool is_envelope = len > 10 && memcmp(data, "{\"payload\"", 10) == 0;
    size_t wrapped = is_envelope ? 0 : wrap(data, len, envelope);

    int result = is_envelope ? open_copy(&manifest, data, len, &buf)
                             : open_copy(&manifest, envelope, wrapped, &buf);
    if (result == OTA_OK)
        require_stable(&manifest);
    free(buf);
    return 0;
}
