#include "server/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/text.h"

#define PATH_CAP 4096
#define HEX_LEN ((size_t)2 * OTA_HASH_LEN)

struct blobs {
    char *dir;
    pthread_mutex_t lock; /* guards the cache */
    struct blob *cache;   /* most recently used first */
    size_t cached;        /* bytes */
};

static int error_of(int system_error)
{
    if (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG)
        return BLOBS_E_FULL;
    return system_error == ENOENT ? BLOBS_E_MISSING : BLOBS_E_IO;
}

static bool make_dir(const char *dir, const char *name)
{
    char path[PATH_CAP];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

struct blobs *blobs_open(const char *dir)
{
    struct blobs *blobs;

    if (!make_dir(dir, "tmp") || !make_dir(dir, "blobs"))
        return NULL;
    blobs = calloc(1, sizeof(*blobs));
    if (blobs == NULL || (blobs->dir = strdup(dir)) == NULL) {
        free(blobs);
        return NULL;
    }
    pthread_mutex_init(&blobs->lock, NULL);
    return blobs;
}

static void free_blob(struct blob *blob)
{
    free(blob->bytes);
    free(blob);
}

void blobs_free(struct blobs *blobs)
{
    if (blobs == NULL)
        return;
    while (blobs->cache != NULL) {
        struct blob *next = blobs->cache->next;
        free_blob(blobs->cache);
        blobs->cache = next;
    }
    pthread_mutex_destroy(&blobs->lock);
    free(blobs->dir);
    free(blobs);
}

void blobs_path(const struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN], char *path,
                size_t cap)
{
    char hex[HEX_LEN + 1];

    ota_hex_encode(sha256, OTA_HASH_LEN, hex);
    snprintf(path, cap, "%s/blobs/%.2s/%s", blobs->dir, hex, hex);
}

/* ---- reading ---- */

static int read_all(int fd, uint8_t *bytes, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t part = read(fd, bytes + got, len - got);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return part == 0 ? BLOBS_E_DAMAGED : BLOBS_E_IO;
        got += (size_t)part;
    }
    return BLOBS_OK;
}

static int fill(struct blob *blob, int fd)
{
    uint8_t digest[OTA_HASH_LEN];
    struct stat stat;
    int error;

    if (fstat(fd, &stat) != 0)
        return BLOBS_E_IO;
    blob->len = (size_t)stat.st_size;
    blob->bytes = malloc(blob->len + 1);
    if (blob->bytes == NULL)
        return BLOBS_E_MEMORY;
    error = read_all(fd, blob->bytes, blob->len);
    if (error != BLOBS_OK)
        return error;
    if (EVP_Digest(blob->bytes, blob->len, digest, NULL, EVP_sha256(), NULL) != 1)
        return BLOBS_E_MEMORY;
    return memcmp(digest, blob->sha256, OTA_HASH_LEN) == 0 ? BLOBS_OK : BLOBS_E_DAMAGED;
}

static int load(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN], struct blob **out)
{
    struct blob *blob = calloc(1, sizeof(*blob));
    char path[PATH_CAP];
    int error;
    int fd;

    if (blob == NULL)
        return BLOBS_E_MEMORY;
    memcpy(blob->sha256, sha256, OTA_HASH_LEN);
    blob->blobs = blobs;
    blobs_path(blobs, sha256, path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    error = fd < 0 ? error_of(errno) : fill(blob, fd);
    if (fd >= 0)
        close(fd);
    if (error != BLOBS_OK) {
        free_blob(blob);
        return error;
    }
    *out = blob;
    return BLOBS_OK;
}

/* The cached blob, moved to the front. */
static struct blob *find(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN])
{
    for (struct blob **link = &blobs->cache; *link != NULL; link = &(*link)->next) {
        struct blob *blob = *link;
        if (memcmp(blob->sha256, sha256, OTA_HASH_LEN) == 0) {
            *link = blob->next;
            blob->next = blobs->cache;
            blobs->cache = blob;
            return blob;
        }
    }
    return NULL;
}

/* Drop the least recently used ones that nobody holds, until the cache is within its bound. */
static void shrink(struct blobs *blobs)
{
    while (blobs->cached > BLOBS_CACHE_MAX) {
        struct blob **last = NULL;
        struct blob *blob;

        for (struct blob **link = &blobs->cache; *link != NULL; link = &(*link)->next)
            if ((*link)->holders == 0)
                last = link;
        if (last == NULL)
            return;
        blob = *last;
        *last = blob->next;
        blobs->cached -= blob->len;
        free_blob(blob);
    }
}

int blobs_get(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN], struct blob **out)
{
    struct blob *blob;
    int error = BLOBS_OK;

    pthread_mutex_lock(&blobs->lock);
    blob = find(blobs, sha256);
    if (blob == NULL) {
        error = load(blobs, sha256, &blob);
        if (error == BLOBS_OK) {
            blob->next = blobs->cache;
            blobs->cache = blob;
            blobs->cached += blob->len;
        }
    }
    if (error == BLOBS_OK) {
        blob->holders++;
        shrink(blobs);
        *out = blob;
    }
    pthread_mutex_unlock(&blobs->lock);
    return error;
}

void blob_release(struct blob *blob)
{
    struct blobs *blobs;

    if (blob == NULL)
        return;
    blobs = blob->blobs;
    pthread_mutex_lock(&blobs->lock);
    blob->holders--;
    shrink(blobs);
    pthread_mutex_unlock(&blobs->lock);
}

/* ---- writing ---- */

int blobs_create_temporary(struct blobs *blobs, char *path, size_t cap)
{
    snprintf(path, cap, "%s/tmp/up-XXXXXX", blobs->dir);
    return mkstemp(path);
}

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? error_of(errno) : BLOBS_OK;

    if (fd >= 0)
        close(fd);
    return error;
}

int blobs_keep(struct blobs *blobs, int fd, const char *temporary,
               const uint8_t sha256[OTA_HASH_LEN])
{
    char root[PATH_CAP];
    char path[PATH_CAP];
    char *slash;
    int error;

    snprintf(root, sizeof(root), "%s/blobs", blobs->dir);
    blobs_path(blobs, sha256, path, sizeof(path));
    slash = strrchr(path, '/');
    if (fsync(fd) != 0)
        return error_of(errno);
    *slash = '\0';
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_of(errno);
    error = sync_dir(root);
    *slash = '/';
    if (error == BLOBS_OK && rename(temporary, path) != 0)
        error = error_of(errno);
    *slash = '\0';
    return error == BLOBS_OK ? sync_dir(path) : error;
}

bool blobs_exist(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN])
{
    char path[PATH_CAP];

    blobs_path(blobs, sha256, path, sizeof(path));
    return access(path, R_OK) == 0;
}

void blobs_delete(struct blobs *blobs, const uint8_t sha256[OTA_HASH_LEN])
{
    char path[PATH_CAP];

    blobs_path(blobs, sha256, path, sizeof(path));
    unlink(path);
}

/* ---- sweeping ---- */

struct sweep {
    int (*wanted)(void *ctx, const uint8_t sha256[OTA_HASH_LEN]); /* NULL: nothing is */
    void *ctx;
    int removed;
};

static bool is_wanted(const struct sweep *sweep, const char *name)
{
    struct ota_text text = {name, strlen(name)};
    uint8_t sha256[OTA_HASH_LEN];

    if (sweep->wanted == NULL || ota_hex_decode(sha256, sizeof(sha256), text) != 0)
        return false;
    return sweep->wanted(sweep->ctx, sha256) != 0;
}

static void sweep_files(struct sweep *sweep, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char file[PATH_CAP];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || is_wanted(sweep, entry->d_name))
            continue;
        if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < (int)sizeof(file) &&
            unlink(file) == 0)
            sweep->removed++;
    }
    if (dir != NULL)
        closedir(dir);
}

int blobs_sweep(struct blobs *blobs, int (*wanted)(void *ctx, const uint8_t sha256[OTA_HASH_LEN]),
                void *ctx)
{
    struct sweep sweep = {.wanted = NULL};
    char path[PATH_CAP];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/tmp", blobs->dir);
    sweep_files(&sweep, path);
    sweep.wanted = wanted;
    sweep.ctx = ctx;
    snprintf(path, sizeof(path), "%s/blobs", blobs->dir);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) != 2)
            continue;
        snprintf(path, sizeof(path), "%s/blobs/%.2s", blobs->dir, entry->d_name);
        sweep_files(&sweep, path);
    }
    if (dir != NULL)
        closedir(dir);
    return sweep.removed;
}
