#include "server/throttle.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS 1024 /* a power of two */
#define WAYS 4
#define SALT_LEN 16
#define KEY_MAX 256 /* bytes of a key that count */

struct bucket {
    uint64_t key;   /* 0: free */
    uint64_t clear; /* when nothing is owed any more */
};

struct throttle {
    pthread_mutex_t lock;
    uint8_t salt[SALT_LEN]; /* so that nobody can choose keys that share a set */
    struct bucket buckets[SETS][WAYS];
};

struct throttle *throttle_new(void)
{
    struct throttle *throttle = calloc(1, sizeof(*throttle));

    if (throttle == NULL)
        return NULL;
    if (RAND_bytes(throttle->salt, SALT_LEN) != 1) {
        free(throttle);
        return NULL;
    }
    pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void throttle_free(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

static uint64_t hash_key(const struct throttle *throttle, const char *key)
{
    uint8_t text[SALT_LEN + KEY_MAX];
    uint8_t digest[32];
    size_t len = strnlen(key, KEY_MAX);
    uint64_t hash;

    memcpy(text, throttle->salt, SALT_LEN);
    memcpy(text + SALT_LEN, key, len);
    if (EVP_Digest(text, SALT_LEN + len, digest, NULL, EVP_sha256(), NULL) != 1)
        return 1; /* all share one bucket then: too strict rather than open */
    memcpy(&hash, digest, sizeof(hash));
    return hash != 0 ? hash : 1;
}

/* The key's bucket; when it has none, the one of its set that owes least, emptied. */
static struct bucket *find(struct throttle *throttle, uint64_t key)
{
    struct bucket *set = throttle->buckets[key & (SETS - 1)];
    struct bucket *least = &set[0];

    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].clear < least->clear)
            least = &set[i];
    }
    *least = (struct bucket){.key = key};
    return least;
}

uint32_t throttle_take(struct throttle *throttle, const char *key, struct throttle_rate rate,
                       uint64_t now)
{
    uint64_t hash = hash_key(throttle, key);
    uint64_t most = (uint64_t)(rate.burst - 1) * rate.seconds;
    struct bucket *bucket;
    uint64_t owed;

    pthread_mutex_lock(&throttle->lock);
    bucket = find(throttle, hash);
    owed = bucket->clear > now ? bucket->clear - now : 0;
    if (owed <= most)
        bucket->clear = now + owed + rate.seconds;
    pthread_mutex_unlock(&throttle->lock);
    return owed <= most ? 0 : (uint32_t)(owed - most);
}

void throttle_give(struct throttle *throttle, const char *key, struct throttle_rate rate)
{
    uint64_t hash = hash_key(throttle, key);
    struct bucket *bucket;

    pthread_mutex_lock(&throttle->lock);
    bucket = find(throttle, hash);
    bucket->clear = bucket->clear > rate.seconds ? bucket->clear - rate.seconds : 0;
    pthread_mutex_unlock(&throttle->lock);
}
