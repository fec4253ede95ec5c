#include "server/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/text.h"

#define PATH_CAP 4096
#define IDLE_MAX 64 /* as many as there may be HTTP threads */
#define RAW_HALF ((size_t)OTA_SIGNATURE_RAW_LEN / 2)

struct signer {
    EVP_PKEY *key;
    EVP_MD *sha256;
    pthread_mutex_t lock; /* guards the contexts that no thread signs with at the moment: making one
                             costs as much as two signatures */
    EVP_PKEY_CTX *idle[IDLE_MAX];
    size_t idle_count;
    char key_id[OTA_KEY_ID_LEN + 1];
    char pem[KEY_PEM_MAX + 1];
};

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t len = 0;

    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool hash_public(EVP_PKEY *key, uint8_t hash[OTA_HASH_LEN])
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return ok;
}

static bool write_public(EVP_PKEY *key, char out[KEY_PEM_MAX + 1])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len = -1;

    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1)
        len = BIO_read(bio, out, KEY_PEM_MAX);
    BIO_free(bio);
    if (len <= 0 || len >= KEY_PEM_MAX)
        return false;
    out[len] = '\0';
    return true;
}

static EVP_PKEY *read_public(const char *pem, size_t len)
{
    BIO *bio = len <= KEY_PEM_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (key != NULL && !is_p256(key)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool key_read_public(const char *pem, size_t len, uint8_t key_hash[OTA_HASH_LEN],
                     char out[KEY_PEM_MAX + 1])
{
    EVP_PKEY *key = read_public(pem, len);
    bool ok = key != NULL && hash_public(key, key_hash) && write_public(key, out);

    EVP_PKEY_free(key);
    return ok;
}

bool key_verify_digest(const char *pem, const uint8_t digest[OTA_HASH_LEN], const uint8_t *der,
                       size_t der_len)
{
    EVP_PKEY *key = read_public(pem, strlen(pem));
    EVP_PKEY_CTX *ctx = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_verify(ctx, der, der_len, digest, OTA_HASH_LEN) == 1;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* ---- the server key ---- */

static EVP_PKEY *read_private(FILE *file)
{
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

    if (key != NULL && !is_p256(key)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool write_private(FILE *file, EVP_PKEY *key)
{
    return PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fflush(file) == 0 &&
           fsync(fileno(file)) == 0;
}

static bool sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* A new key, under a temporary name first: a crash leaves no half key behind. */
static EVP_PKEY *create_private(const char *dir, const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char temporary[PATH_CAP];
    FILE *file = NULL;
    bool ok = false;
    int fd;

    snprintf(temporary, sizeof(temporary), "%s/server-key.pem.new", dir);
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && key != NULL && (file = fdopen(fd, "w")) != NULL)
        ok = write_private(file, key);
    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    else if (fd >= 0)
        close(fd);
    if (ok && rename(temporary, path) == 0 && sync_dir(dir))
        return key;
    unlink(temporary);
    EVP_PKEY_free(key);
    return NULL;
}

static bool fill(struct signer *signer)
{
    uint8_t hash[OTA_HASH_LEN];

    if (!hash_public(signer->key, hash) || !write_public(signer->key, signer->pem))
        return false;
    ota_hex_encode(hash, OTA_KEY_ID_LEN / 2, signer->key_id);
    return true;
}

static EVP_PKEY *open_key(const char *dir, char *error, size_t cap)
{
    char path[PATH_CAP];
    EVP_PKEY *key;
    FILE *file;

    snprintf(path, sizeof(path), "%s/server-key.pem", dir);
    file = fopen(path, "re");
    if (file == NULL && errno == ENOENT) {
        key = create_private(dir, path);
        if (key == NULL)
            snprintf(error, cap, "%s could not be created: %s", path, strerror(errno));
        return key;
    }
    if (file == NULL) {
        snprintf(error, cap, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    key = read_private(file);
    fclose(file);
    if (key == NULL)
        snprintf(error, cap, "%s holds no P-256 private key in PEM", path);
    return key;
}

struct signer *signer_open(const char *dir, char *error, size_t cap)
{
    struct signer *signer = calloc(1, sizeof(*signer));

    if (signer == NULL) {
        snprintf(error, cap, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&signer->lock, NULL);
    signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    signer->key = open_key(dir, error, cap);
    if (signer->key != NULL && signer->sha256 != NULL && fill(signer))
        return signer;
    if (signer->key != NULL)
        snprintf(error, cap, "the server key cannot be used");
    signer_free(signer);
    return NULL;
}

void signer_free(struct signer *signer)
{
    if (signer == NULL)
        return;
    while (signer->idle_count > 0)
        EVP_PKEY_CTX_free(signer->idle[--signer->idle_count]);
    pthread_mutex_destroy(&signer->lock);
    EVP_MD_free(signer->sha256);
    EVP_PKEY_free(signer->key);
    free(signer);
}

const char *signer_key_id(const struct signer *signer)
{
    return signer->key_id;
}

const char *signer_public_pem(const struct signer *signer)
{
    return signer->pem;
}

/* One INTEGER of a DER signature, right-aligned into `half`; where it ends, or NULL. */
static const uint8_t *take_integer(const uint8_t *at, const uint8_t *end, uint8_t *half)
{
    size_t len;

    if (end - at < 2 || at[0] != 0x02 || at[1] > end - at - 2)
        return NULL;
    len = at[1];
    at += 2;
    for (; len > RAW_HALF; len--)
        if (*at++ != 0)
            return NULL;
    memset(half, 0, RAW_HALF - len);
    memcpy(half + RAW_HALF - len, at, len);
    return at + len;
}

/* DER of our own making, so no more forms of it than are made for P-256. */
static bool to_raw(const uint8_t *der, size_t len, uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    const uint8_t *end = der + len;
    const uint8_t *at;

    if (len < 2 || der[0] != 0x30 || der[1] != len - 2)
        return false;
    at = take_integer(der + 2, end, sig);
    return at != NULL && take_integer(at, end, sig + RAW_HALF) == end;
}

/* A context that is ready to sign, from the pool or new. */
static EVP_PKEY_CTX *take_context(struct signer *signer)
{
    EVP_PKEY_CTX *ctx = NULL;

    pthread_mutex_lock(&signer->lock);
    if (signer->idle_count > 0)
        ctx = signer->idle[--signer->idle_count];
    pthread_mutex_unlock(&signer->lock);
    if (ctx != NULL)
        return ctx;
    ctx = EVP_PKEY_CTX_new(signer->key, NULL);
    if (ctx != NULL && EVP_PKEY_sign_init(ctx) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

static void give_context(struct signer *signer, EVP_PKEY_CTX *ctx)
{
    pthread_mutex_lock(&signer->lock);
    if (signer->idle_count < IDLE_MAX) {
        signer->idle[signer->idle_count++] = ctx;
        ctx = NULL;
    }
    pthread_mutex_unlock(&signer->lock);
    EVP_PKEY_CTX_free(ctx);
}

bool signer_sign(struct signer *signer, const uint8_t *msg, size_t len,
                 uint8_t sig[OTA_SIGNATURE_RAW_LEN])
{
    EVP_PKEY_CTX *ctx = take_context(signer);
    uint8_t digest[OTA_HASH_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX + 8];
    size_t der_len = sizeof(der);
    bool ok;

    if (ctx == NULL)
        return false;
    ok = EVP_Digest(msg, len, digest, NULL, signer->sha256, NULL) == 1 &&
         EVP_PKEY_sign(ctx, der, &der_len, digest, sizeof(digest)) == 1 &&
         to_raw(der, der_len, sig);
    if (ok)
        give_context(signer, ctx);
    else
        EVP_PKEY_CTX_free(ctx);
    return ok;
}
