#include "server/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "protocol/text.h"

#define SALT_LEN 16
#define HASH_LEN 32
#define LOG_N 15
#define R 8
#define P 3
#define LOG_N_MAX 18
#define COST_MAX 16             /* of r and p */
#define MEMORY_MAX (320U << 20) /* bytes, over what the greatest parameters take */

struct parameters {
    unsigned log_n;
    unsigned r;
    unsigned p;
};

static bool derive(const char *password, const struct parameters *with, const uint8_t *salt,
                   uint8_t hash[HASH_LEN])
{
    return EVP_PBE_scrypt(password, strlen(password), salt, SALT_LEN, 1ULL << with->log_n, with->r,
                          with->p, MEMORY_MAX, hash, HASH_LEN) == 1;
}

bool password_hash(const char *password, char hashed[DB_PASSWORD_MAX + 1])
{
    static const struct parameters with = {LOG_N, R, P};
    uint8_t salt[SALT_LEN];
    uint8_t hash[HASH_LEN];
    char salt_text[2 * SALT_LEN];
    char hash_text[2 * HASH_LEN];
    int salt_len;
    int hash_len;

    if (RAND_bytes(salt, SALT_LEN) != 1 || !derive(password, &with, salt, hash))
        return false;
    salt_len = ota_base64url_encode(salt, SALT_LEN, salt_text, sizeof(salt_text));
    hash_len = ota_base64url_encode(hash, HASH_LEN, hash_text, sizeof(hash_text));
    OPENSSL_cleanse(hash, sizeof(hash));
    if (salt_len <= 0 || hash_len <= 0)
        return false;
    snprintf(hashed, DB_PASSWORD_MAX + 1, "scrypt$%u$%u$%u$%.*s$%.*s", with.log_n, with.r, with.p,
             salt_len, salt_text, hash_len, hash_text);
    return true;
}

/* The parts of a hashed password; false when it is none of ours. */
static bool parse(const char *hashed, struct parameters *with, uint8_t salt[SALT_LEN],
                  uint8_t hash[HASH_LEN])
{
    char salt_text[64];
    char hash_text[64];

    return sscanf(hashed, "scrypt$%2u$%2u$%2u$%63[^$]$%63[^$]", &with->log_n, &with->r, &with->p,
                  salt_text, hash_text) == 5 &&
           with->log_n >= 1 && with->log_n <= LOG_N_MAX && with->r >= 1 && with->r <= R &&
           with->p >= 1 && with->p <= COST_MAX &&
           ota_base64url_decode(salt, SALT_LEN, ota_text_of(salt_text)) == SALT_LEN &&
           ota_base64url_decode(hash, HASH_LEN, ota_text_of(hash_text)) == HASH_LEN;
}

bool password_matches(const char *password, const char *hashed)
{
    struct parameters with = {LOG_N, R, P};
    uint8_t salt[SALT_LEN] = {0};
    uint8_t wanted[HASH_LEN] = {0};
    uint8_t hash[HASH_LEN];
    bool known = hashed != NULL && parse(hashed, &with, salt, wanted);
    bool derived;

    if (!known)
        with = (struct parameters){LOG_N, R, P};
    derived = derive(password, &with, salt, hash);
    return CRYPTO_memcmp(hash, wanted, HASH_LEN) == 0 && derived && known;
}

bool password_make(char *buf, size_t cap)
{
    uint8_t bytes[18];
    int len;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    len = ota_base64url_encode(bytes, sizeof(bytes), buf, cap);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (len <= 0 || (size_t)len >= cap)
        return false;
    buf[len] = '\0';
    return true;
}
