#include "tests/vectors/p256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "protocol/text.h"

static void check(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "p256: %s failed\n", what);
        abort();
    }
}

static EVP_PKEY *read_pem(const char *path)
{
    FILE *file = fopen(path, "r");

    check(file != NULL, path);
    EVP_PKEY *pkey = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    if (pkey == NULL) {
        rewind(file);
        pkey = PEM_read_PUBKEY(file, NULL, NULL, NULL);
    }
    fclose(file);
    check(pkey != NULL, path);
    return pkey;
}

void p256_load(struct p256_key *key, const char *path)
{
    EVP_PKEY *pkey = read_pem(path);
    BIGNUM *secret = NULL;
    unsigned char *spki = NULL;
    size_t point_len = 0;

    memset(key, 0, sizeof(*key));
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1)
        check(BN_bn2binpad(secret, key->secret, sizeof(key->secret)) > 0, "private key");
    BN_free(secret);
    check(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, key->point,
                                          sizeof(key->point), &point_len) == 1 &&
              point_len == sizeof(key->point),
          "public key");
    int spki_len = i2d_PUBKEY(pkey, &spki);
    check(spki_len > 0, "SubjectPublicKeyInfo");
    p256_sha256(spki, (size_t)spki_len, key->key_hash);
    ota_hex_encode(key->key_hash, OTA_KEY_ID_LEN / 2, key->key_id);
    OPENSSL_free(spki);
    EVP_PKEY_free(pkey);
}

void p256_sha256(const void *data, size_t len, uint8_t hash[OTA_HASH_LEN])
{
    SHA256(data, len, hash);
}

/* HMAC-SHA-256 over up to four pieces, out = HMAC(key, pieces); out may be the key. */
struct piece {
    const uint8_t *at;
    size_t len;
};

static void hmac(uint8_t key[32], const struct piece *pieces, size_t count, uint8_t out[32])
{
    uint8_t message[32 + 1 + 32 + 32];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(message + len, pieces[i].at, pieces[i].len);
        len += pieces[i].len;
    }
    check(HMAC(EVP_sha256(), key, 32, message, len, out, NULL) != NULL, "HMAC");
}

/* RFC 6979 section 3.2, for one k: P-256's order is as long as the hash. */
static void deterministic_k(const uint8_t secret[32], const uint8_t hash_mod_n[32],
                            const BIGNUM *order, BIGNUM *k)
{
    uint8_t key[32] = {0};
    uint8_t v[32];
    const uint8_t zero = 0;
    const uint8_t one = 1;

    memset(v, 1, sizeof(v));
    hmac(key, (struct piece[]){{v, 32}, {&zero, 1}, {secret, 32}, {hash_mod_n, 32}}, 4, key);
    hmac(key, (struct piece[]){{v, 32}}, 1, v);
    hmac(key, (struct piece[]){{v, 32}, {&one, 1}, {secret, 32}, {hash_mod_n, 32}}, 4, key);
    hmac(key, (struct piece[]){{v, 32}}, 1, v);
    for (;;) {
        hmac(key, (struct piece[]){{v, 32}}, 1, v);
        check(BN_bin2bn(v, 32, k) != NULL, "BN");
        if (!BN_is_zero(k) && BN_cmp(k, order) < 0)
            return;
        hmac(key, (struct piece[]){{v, 32}, {&zero, 1}}, 2, key);
        hmac(key, (struct piece[]){{v, 32}}, 1, v);
    }
}

void p256_sign(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
               uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    const BIGNUM *order = EC_GROUP_get0_order(group);
    EC_POINT *point = EC_POINT_new(group);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *d = BN_bin2bn(key->secret, sizeof(key->secret), NULL);
    BIGNUM *z = BN_bin2bn(hash, OTA_HASH_LEN, NULL);
    BIGNUM *k = BN_new();
    BIGNUM *r = BN_new();
    BIGNUM *s = BN_new();
    uint8_t z_bytes[32];

    check(BN_nnmod(z, z, order, ctx) == 1 && BN_bn2binpad(z, z_bytes, 32) == 32, "hash");
    deterministic_k(key->secret, z_bytes, order, k);
    /* r = x(kG) mod n; s = (z + r d) / k mod n */
    check(EC_POINT_mul(group, point, k, NULL, NULL, ctx) == 1, "kG");
    check(EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx) == 1, "x(kG)");
    check(BN_nnmod(r, r, order, ctx) == 1 && BN_mod_mul(s, r, d, order, ctx) == 1 &&
              BN_mod_add(s, s, z, order, ctx) == 1 && BN_mod_inverse(k, k, order, ctx) != NULL &&
              BN_mod_mul(s, s, k, order, ctx) == 1,
          "s");
    check(BN_bn2binpad(r, sig, 32) == 32 && BN_bn2binpad(s, sig + 32, 32) == 32, "r | s");
    BN_free(s);
    BN_free(r);
    BN_free(k);
    BN_free(z);
    BN_free(d);
    BN_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
}

size_t p256_der(const uint8_t sig[OTA_SIGNATURE_RAW_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    unsigned char *out = der;

    check(ECDSA_SIG_set0(pair, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL)) == 1,
          "signature");
    int len = i2d_ECDSA_SIG(pair, &out);
    ECDSA_SIG_free(pair);
    check(len > 0 && len <= OTA_SIGNATURE_DER_MAX, "DER");
    return (size_t)len;
}

static EVP_PKEY *public_key(const struct p256_key *key)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;

    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, key->point,
                                     sizeof(key->point));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    check(EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1,
          "public key");
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

void p256_keep(struct p256_key *key)
{
    key->kept = public_key(key);
}

void p256_drop(struct p256_key *key)
{
    EVP_PKEY_free(key->kept);
    key->kept = NULL;
}

bool p256_verify_der(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
                     const uint8_t *der, size_t der_len)
{
    EVP_PKEY *pkey = key->kept != NULL ? key->kept : public_key(key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

    check(ctx != NULL && EVP_PKEY_verify_init(ctx) == 1, "verify");
    bool good = EVP_PKEY_verify(ctx, der, der_len, hash, OTA_HASH_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (pkey != key->kept)
        EVP_PKEY_free(pkey);
    return good;
}

bool p256_verify_raw(const struct p256_key *key, const uint8_t hash[OTA_HASH_LEN],
                     const uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    uint8_t der[OTA_SIGNATURE_DER_MAX];

    return p256_verify_der(key, hash, der, p256_der(sig, der));
}
