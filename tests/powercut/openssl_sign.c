/* Real signatures, by a key that is made anew in each process. */
#include "tests/powercut/sign.h"

#include <assert.h>
#include <stdlib.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

static EVP_PKEY *signing_key(void)
{
    static EVP_PKEY *key;
    if (key == NULL)
        key = EVP_EC_gen("P-256");
    if (key == NULL)
        abort();
    return key;
}

void test_sign_key(uint8_t key[OTA_PUBLIC_KEY_LEN])
{
    size_t len = 0;
    if (EVP_PKEY_get_octet_string_param(signing_key(), OSSL_PKEY_PARAM_PUB_KEY, key,
                                        OTA_PUBLIC_KEY_LEN, &len) != 1 ||
        len != OTA_PUBLIC_KEY_LEN)
        abort();
}

size_t test_sign(const uint8_t hash[OTA_HASH_LEN], uint8_t der[OTA_SIGNATURE_DER_MAX])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(signing_key(), NULL);
    size_t len = OTA_SIGNATURE_DER_MAX;

    if (context == NULL || EVP_PKEY_sign_init(context) != 1 ||
        EVP_PKEY_sign(context, der, &len, hash, OTA_HASH_LEN) != 1)
        abort();
    EVP_PKEY_CTX_free(context);
    return len;
}
