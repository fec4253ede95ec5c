/* The crypto seam over OpenSSL: ten times as fast under the sanitizers as what a device uses, which
 * has tests of its own. */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_CTX is the one form that lives in the caller's       \
                                       memory */

#include "device/port/crypto.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/sha.h>

#include "tests/vectors/p256.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct ota_sha256), "the context fits");

void ota_sha256_init(struct ota_sha256 *sha)
{
    SHA256_Init((SHA256_CTX *)sha);
}

void ota_sha256_update(struct ota_sha256 *sha, const void *data, size_t len)
{
    SHA256_Update((SHA256_CTX *)sha, data, len);
}

void ota_sha256_final(const struct ota_sha256 *sha, uint8_t hash[OTA_HASH_LEN])
{
    SHA256_CTX copy;
    memcpy(&copy, sha, sizeof copy);
    SHA256_Final(hash, &copy);
}

static struct p256_key public_key(const uint8_t point[OTA_PUBLIC_KEY_LEN])
{
    struct p256_key key;
    memset(&key, 0, sizeof key);
    memcpy(key.point, point, OTA_PUBLIC_KEY_LEN);
    return key;
}

bool ota_p256_verify_raw(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    struct p256_key known = public_key(key);
    return p256_verify_raw(&known, hash, sig);
}

bool ota_p256_raw_from_der(const uint8_t *sig, size_t sig_len, uint8_t raw[OTA_SIGNATURE_RAW_LEN])
{
    const unsigned char *at = sig;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)sig_len);
    bool good = parsed != NULL && at == sig + sig_len &&
                BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32) == 32 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32) == 32;
    ECDSA_SIG_free(parsed);
    return good;
}

bool ota_p256_verify_der(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t *sig, size_t sig_len)
{
    uint8_t raw[OTA_SIGNATURE_RAW_LEN];
    return ota_p256_raw_from_der(sig, sig_len, raw) && ota_p256_verify_raw(key, hash, raw);
}

void ota_p256_key_hash(const uint8_t key[OTA_PUBLIC_KEY_LEN], uint8_t key_hash[OTA_HASH_LEN])
{
    static const uint8_t prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
    uint8_t spki[sizeof prefix + OTA_PUBLIC_KEY_LEN];
    memcpy(spki, prefix, sizeof prefix);
    memcpy(spki + sizeof prefix, key, OTA_PUBLIC_KEY_LEN);
    p256_sha256(spki, sizeof spki, key_hash);
}
