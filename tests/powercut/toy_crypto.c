/*
 * What a million runs spend their time on, without it: the crypto seam with a fast mix for the hash
 * and its echo for the signature, and the journal's checksum from a table.
 */
#include "device/port/crypto.h"

#include <string.h>

#include "protocol/crc32.h"
#include "tests/powercut/sign.h"

#define LANES 4   /* of 64 bits: OTA_HASH_LEN bytes */
#define RUN LANES /* index of the count of erased words */

void ota_sha256_init(struct ota_sha256 *sha)
{
    memset(sha, 0, sizeof *sha);
    for (unsigned i = 0; i < LANES; i++)
        sha->opaque[i] = 0x9e3779b97f4a7c15U * (i + 1);
}

static void absorb(struct ota_sha256 *sha, uint64_t word)
{
    uint64_t mixed = (sha->opaque[0] ^ word) * 0xff51afd7ed558ccdU;
    sha->opaque[0] = (mixed ^ mixed >> 32) + sha->opaque[1];
    sha->opaque[1] = sha->opaque[2] + word;
    sha->opaque[2] = sha->opaque[3] ^ mixed >> 17;
    sha->opaque[3] = mixed;
}

/* Erased words, which images are full of, are counted and mixed in as a number. */
static void end_run(struct ota_sha256 *sha)
{
    if (sha->opaque[RUN] > 0)
        absorb(sha, sha->opaque[RUN] ^ 0xa5a5000000000000U);
    sha->opaque[RUN] = 0;
}

void ota_sha256_update(struct ota_sha256 *sha, const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t word;

    for (; len >= sizeof word; len -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        if (word == UINT64_MAX) {
            sha->opaque[RUN]++;
        } else {
            end_run(sha);
            absorb(sha, word);
        }
    }
    for (; len > 0; len--, at++) {
        end_run(sha);
        absorb(sha, *at + 0x100U);
    }
}

void ota_sha256_final(const struct ota_sha256 *sha, uint8_t hash[OTA_HASH_LEN])
{
    struct ota_sha256 last = *sha;
    end_run(&last);
    for (unsigned i = 0; i < 2 * LANES; i++)
        absorb(&last, i);
    memcpy(hash, last.opaque, OTA_HASH_LEN);
}

static uint8_t echo(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                    size_t i)
{
    return (uint8_t)(hash[i % OTA_HASH_LEN] ^ key[1 + i] ^ 0x5a);
}

bool ota_p256_verify_raw(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    for (size_t i = 0; i < OTA_SIGNATURE_RAW_LEN; i++) {
        if (sig[i] != echo(key, hash, i))
            return false;
    }
    return true;
}

bool ota_p256_verify_der(const uint8_t key[OTA_PUBLIC_KEY_LEN], const uint8_t hash[OTA_HASH_LEN],
                         const uint8_t *sig, size_t sig_len)
{
    return sig_len == OTA_SIGNATURE_RAW_LEN + 2 && ota_p256_verify_raw(key, hash, sig + 2);
}

bool ota_p256_raw_from_der(const uint8_t *sig, size_t sig_len, uint8_t raw[OTA_SIGNATURE_RAW_LEN])
{
    if (sig_len != OTA_SIGNATURE_RAW_LEN + 2)
        return false;
    memcpy(raw, sig + 2, OTA_SIGNATURE_RAW_LEN);
    return true;
}

void ota_p256_key_hash(const uint8_t key[OTA_PUBLIC_KEY_LEN], uint8_t key_hash[OTA_HASH_LEN])
{
    memcpy(key_hash, key + 1, OTA_HASH_LEN);
}

void test_sign_key(uint8_t key[OTA_PUBLIC_KEY_LEN])
{
    key[0] = 0x04;
    for (unsigned i = 1; i < OTA_PUBLIC_KEY_LEN; i++)
        key[i] = (uint8_t)(i * 29 + 7);
}

size_t test_sign(const uint8_t hash[OTA_HASH_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX])
{
    uint8_t key[OTA_PUBLIC_KEY_LEN];

    test_sign_key(key);
    der[0] = 0x30; /* the image format looks at the outer length only */
    der[1] = OTA_SIGNATURE_RAW_LEN;
    for (size_t i = 0; i < OTA_SIGNATURE_RAW_LEN; i++)
        der[2 + i] = echo(key, hash, i);
    return OTA_SIGNATURE_RAW_LEN + 2;
}

uint32_t ota_crc32(uint32_t crc, const void *data, size_t len)
{
    static uint32_t table[256];
    const uint8_t *bytes = data;

    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (0xedb88320U & (0U - (table[i] & 1U)));
    }
    crc = ~crc;
    while (len-- > 0)
        crc = crc >> 8 ^ table[(crc ^ *bytes++) & 255];
    return ~crc;
}
