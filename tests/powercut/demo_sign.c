/*
 * Real signatures, by the demo release key; and a memory for what the device's crypto said of them,
 * so that a sweep computes each signature once. Linked with --wrap=ota_p256_verify_raw.
 */
#include "tests/powercut/sign.h"

#include <stdbool.h>
#include <string.h>

#include "tests/vectors/p256.h"

#define REMEMBERED_MAX 64

/* The wrapped function and its wrapper: names that the linker makes. */
bool __real_ota_p256_verify_raw(const uint8_t *key, const uint8_t *hash, const uint8_t *sig);
bool __wrap_ota_p256_verify_raw(const uint8_t *key, const uint8_t *hash, const uint8_t *sig);

static const struct p256_key *demo_key(void)
{
    static struct p256_key key;
    if (key.key_id[0] == '\0')
        p256_load(&key, "tests/keys/release.pem");
    return &key;
}

void test_sign_key(uint8_t key[OTA_PUBLIC_KEY_LEN])
{
    memcpy(key, demo_key()->point, OTA_PUBLIC_KEY_LEN);
}

size_t test_sign(const uint8_t hash[OTA_HASH_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX])
{
    uint8_t sig[OTA_SIGNATURE_RAW_LEN];
    p256_sign(demo_key(), hash, sig);
    return p256_der(sig, der);
}

bool __wrap_ota_p256_verify_raw(const uint8_t *key, const uint8_t *hash, const uint8_t *sig)
{
    static struct {
        uint8_t input[OTA_PUBLIC_KEY_LEN + OTA_HASH_LEN + OTA_SIGNATURE_RAW_LEN];
        bool verdict;
    } remembered[REMEMBERED_MAX];
    static unsigned count;
    uint8_t input[sizeof remembered[0].input];

    memcpy(input, key, OTA_PUBLIC_KEY_LEN);
    memcpy(input + OTA_PUBLIC_KEY_LEN, hash, OTA_HASH_LEN);
    memcpy(input + OTA_PUBLIC_KEY_LEN + OTA_HASH_LEN, sig, OTA_SIGNATURE_RAW_LEN);
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(remembered[i].input, input, sizeof input) == 0)
            return remembered[i].verdict;
    }
    bool verdict = __real_ota_p256_verify_raw(key, hash, sig);
    if (count < REMEMBERED_MAX) {
        memcpy(remembered[count].input, input, sizeof input);
        remembered[count++].verdict = verdict;
    }
    return verdict;
}
