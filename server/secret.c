#include "server/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "protocol/text.h"

#define PREFIX_LEN 4
#define RANDOM_LEN 32

static const char *const PREFIXES[] = {
    [SECRET_DEVICE] = "otd_",
    [SECRET_ENROLMENT] = "ote_",
    [SECRET_API] = "ota_",
    [SECRET_SESSION] = "ots_",
};

bool secret_make(struct secret *secret, enum secret_kind kind)
{
    uint8_t bytes[RANDOM_LEN];
    int len;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    memcpy(secret->text, PREFIXES[kind], PREFIX_LEN);
    len = ota_base64url_encode(bytes, sizeof(bytes), secret->text + PREFIX_LEN,
                               SECRET_LEN - PREFIX_LEN);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (len != SECRET_LEN - PREFIX_LEN)
        return false;
    secret->text[SECRET_LEN] = '\0';
    return secret_hash(secret->text, SECRET_LEN, secret->hash);
}

enum secret_kind secret_kind_of(const char *text, size_t len)
{
    if (len != SECRET_LEN)
        return SECRET_NONE;
    for (enum secret_kind kind = SECRET_DEVICE; kind <= SECRET_API; kind++)
        if (memcmp(text, PREFIXES[kind], PREFIX_LEN) == 0)
            return kind;
    return SECRET_NONE;
}

/* Each request hashes a token: the library's search for the algorithm is done once. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool secret_hash(const char *text, size_t len, uint8_t hash[SECRET_HASH_LEN])
{
    pthread_once(&sha256_once, fetch_sha256);
    return sha256 != NULL && EVP_Digest(text, len, hash, NULL, sha256, NULL) == 1;
}

void secret_wipe(struct secret *secret)
{
    OPENSSL_cleanse(secret, sizeof(*secret));
}
