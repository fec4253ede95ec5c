/*
 * constant-time: under valgrind's memcheck, where the server compares secrets.
 *
 *   valgrind --error-exitcode=9 constant-time [leak]
 *
 * Secrets are marked undefined, so memcheck reports each branch and each address that depends on
 * one (the way of ctgrind). Only what CRYPTO_memcmp() returns is made defined again: that two
 * secrets differ is no secret, where they differ is one. The linker puts the __wrap_ functions
 * between; those that derive a secret mark what they give. `leak` compares as one must not, so that
 * it shows.
 */
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "db/tokens.h"
#include "protocol/text.h"
#include "server/auth.h"
#include "server/fleet.h"
#include "server/password.h"
#include "server/session.h"

static unsigned comparisons;
static const char *answered; /* by the request: its only header, its only cookie */
static uint8_t stored[DB_HASH_LEN];
static bool base64_is_secret;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "constant-time: line %d: %s\n", __LINE__, #condition);                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- between the server and its libraries ---- */

int __real_CRYPTO_memcmp(const void *a, const void *b, size_t len);
int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len);
int __real_EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt,
                          size_t saltlen, uint64_t n, uint64_t r, uint64_t p, uint64_t maxmem,
                          unsigned char *key, size_t keylen);
int __wrap_EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt,
                          size_t saltlen, uint64_t n, uint64_t r, uint64_t p, uint64_t maxmem,
                          unsigned char *key, size_t keylen);
int __real_ota_base64url_encode(const uint8_t *bytes, size_t len, char *buf, size_t cap);
int __wrap_ota_base64url_encode(const uint8_t *bytes, size_t len, char *buf, size_t cap);
const char *__wrap_request_header(struct request *rq, const char *name);
struct db *__wrap_request_reader(struct request *rq);
int __wrap_db_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN],
                         struct db_api_token *token);
const char *__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection,
                                               enum MHD_ValueKind kind, const char *key);

int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
    int result = __real_CRYPTO_memcmp(a, b, len);

    comparisons++;
    (void)VALGRIND_MAKE_MEM_DEFINED(&result, sizeof(result));
    return result;
}

int __wrap_EVP_PBE_scrypt(const char *pass, size_t passlen, const unsigned char *salt,
                          size_t saltlen, uint64_t n, uint64_t r, uint64_t p, uint64_t maxmem,
                          unsigned char *key, size_t keylen)
{
    int ok = __real_EVP_PBE_scrypt(pass, passlen, salt, saltlen, n, r, p, maxmem, key, keylen);

    (void)VALGRIND_MAKE_MEM_UNDEFINED(key, keylen);
    return ok;
}

int __wrap_ota_base64url_encode(const uint8_t *bytes, size_t len, char *buf, size_t cap)
{
    int used = __real_ota_base64url_encode(bytes, len, buf, cap);

    if (base64_is_secret && used > 0)
        (void)VALGRIND_MAKE_MEM_UNDEFINED(buf, (size_t)used);
    return used;
}

const char *__wrap_request_header(struct request *rq, const char *name)
{
    (void)rq;
    return strcmp(name, "Authorization") == 0 ? answered : NULL;
}

struct db *__wrap_request_reader(struct request *rq)
{
    (void)rq;
    return NULL;
}

int __wrap_db_token_find(struct db *db, const uint8_t hash[DB_HASH_LEN], struct db_api_token *token)
{
    (void)db;
    (void)hash;
    memset(token, 0, sizeof(*token));
    token->role = ROLE_ADMIN;
    memcpy(token->hash, stored, DB_HASH_LEN);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(token->hash, DB_HASH_LEN);
    return DB_OK;
}

const char *__wrap_MHD_lookup_connection_value(struct MHD_Connection *connection,
                                               enum MHD_ValueKind kind, const char *key)
{
    (void)connection;
    (void)key;
    return kind == MHD_COOKIE_KIND ? answered : NULL;
}

/* ---- what compares ---- */

static void device_token(void)
{
    struct db_device row = {.id = 1, .name = "d", .product = "p", .hardware = "h"};
    struct fleet *fleet = fleet_new();
    struct writer_hooks hooks = fleet_hooks(fleet);
    struct fleet_device *device;
    uint8_t hash[DB_HASH_LEN] = {1, 2, 3, 4, 5, 6, 7, 8};

    memcpy(row.token_hash, hash, sizeof(hash));
    hooks.job_begin(hooks.ctx);
    CHECK(fleet_add_device(fleet, &row));
    hooks.group_commit(hooks.ctx);
    device = fleet_find_name(fleet, "d");
    CHECK(device != NULL);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(device->token_hash, DB_HASH_LEN);
    CHECK(fleet_find_token(fleet, hash) == device);
    hash[7]++; /* the first four bytes choose the bucket, and are no secret of the device alone */
    CHECK(fleet_find_token(fleet, hash) == NULL);
    CHECK(comparisons == 2);
    (void)VALGRIND_MAKE_MEM_DEFINED(device->token_hash, DB_HASH_LEN);
    fleet_free(fleet);
}

static void api_token(void)
{
    static struct app app;
    struct request rq = {.app = &app, .method = "GET"};
    struct secret secret;
    char header[sizeof(secret.text) + 8];

    CHECK(secret_make(&secret, SECRET_API));
    snprintf(header, sizeof(header), "Bearer %s", secret.text);
    answered = header;
    memcpy(stored, secret.hash, sizeof(stored));
    CHECK(auth_check(&rq, ROLE_VIEWER));
    stored[31] ^= 1;
    CHECK(!auth_check(&rq, ROLE_VIEWER));
    CHECK(rq.answer.status == 401);
    CHECK(comparisons == 2);
    request_drop(&rq);
}

static void password(void)
{
    /* N = 2: what it costs is not what is tested. */
    static const char hashed[] = "scrypt$1$1$1$AAAAAAAAAAAAAAAAAAAAAA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    CHECK(!password_matches("guess", hashed));
    CHECK(comparisons == 1);
}

static void known_browser(void)
{
    static struct app app;
    struct request rq = {.app = &app};
    struct db_user user = {.name = "ann", .password = "scrypt$"};

    base64_is_secret = true;
    answered = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    CHECK(!session_is_known_browser(&rq, &user));
    base64_is_secret = false;
    CHECK(comparisons == 1);
}

static void leak(void)
{
    uint8_t secret[32] = {1};
    uint8_t guess[32] = {2};

    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret, sizeof(secret));
    puts(memcmp(secret, guess, sizeof(secret)) == 0 ? "same" : "different");
}

int main(int argc, char **argv)
{
    static void (*const all[])(void) = {device_token, api_token, password, known_browser};

    if (!RUNNING_ON_VALGRIND)
        return fputs("constant-time: run me under valgrind\n", stderr), 2;
    if (argc == 2 && strcmp(argv[1], "leak") == 0)
        return leak(), 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        comparisons = 0;
        all[i]();
    }
    return 0;
}
