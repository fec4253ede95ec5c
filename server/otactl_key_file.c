#include "server/otactl_key_file.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "server/otactl.h"
#include "server/otactl_file.h"

#define KEY_FILE_MAX (16U * 1024U)

EVP_PKEY *otactl_key_generate(void)
{
    return EVP_EC_gen("P-256");
}

static char *take_bio(BIO *bio, bool good)
{
    char *text = NULL;
    char *bytes = NULL;
    long len = bio != NULL ? BIO_get_mem_data(bio, &bytes) : 0;
    if (good && len > 0)
        text = otactl_format("%.*s", (int)len, bytes);
    BIO_free(bio);
    return text;
}

char *otactl_key_private_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good =
        bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    return take_bio(bio, good);
}

char *otactl_key_public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1;
    return take_bio(bio, good);
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* The key hash is over the uncompressed point, whatever form the file had. */
static bool normalise(EVP_PKEY *key)
{
    return EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                          "uncompressed") == 1;
}

/* `what` names where the PEM came from. */
static int parse_key(const char *what, const char *pem, size_t len, bool want_private,
                     EVP_PKEY **key)
{
    bool has_private = strstr(pem, "PRIVATE KEY-----") != NULL;
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    *key = has_private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)
                       : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    const char *why = *key == NULL     ? "it holds no key in PEM form"
                      : !is_p256(*key) ? "its key is not of the curve P-256"
                      : want_private && !has_private
                          ? "it holds a public key; the private one signs"
                      : !normalise(*key) ? "OpenSSL refuses the key"
                                         : NULL;
    if (why == NULL)
        return OTACTL_OK;
    EVP_PKEY_free(*key);
    *key = NULL;
    return otactl_fail(OTACTL_FAILED, "%s: %s (otactl keygen makes one)", what, why);
}

static int read_key(const char *path, bool want_private, EVP_PKEY **key)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    int code = otactl_file_read(path, KEY_FILE_MAX, &bytes, &len);
    if (code != OTACTL_OK)
        return code;
    code = parse_key(path, (const char *)bytes, len, want_private, key);
    OPENSSL_cleanse(bytes, len);
    free(bytes);
    return code;
}

int otactl_key_read_private(const char *path, EVP_PKEY **key)
{
    return read_key(path, true, key);
}

int otactl_key_parse_private(const char *what, const char *pem, EVP_PKEY **key)
{
    return parse_key(what, pem, strlen(pem), true, key);
}

int otactl_key_read_public(const char *path, EVP_PKEY **key)
{
    return read_key(path, false, key);
}

bool otactl_key_hash(EVP_PKEY *key, uint8_t hash[OTA_HASH_LEN])
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool good = len > 0 && SHA256(der, (size_t)len, hash) != NULL;
    OPENSSL_free(der);
    return good;
}

bool otactl_key_sign(EVP_PKEY *key, const uint8_t digest[OTA_HASH_LEN],
                     uint8_t der[OTA_SIGNATURE_DER_MAX], size_t *der_len)
{
    *der_len = OTA_SIGNATURE_DER_MAX;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
                EVP_PKEY_sign(ctx, der, der_len, digest, OTA_HASH_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

bool otactl_key_verify(EVP_PKEY *key, const uint8_t digest[OTA_HASH_LEN], const uint8_t *der,
                       size_t der_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_verify(ctx, der, der_len, digest, OTA_HASH_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}
