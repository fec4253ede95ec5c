#include "server/patch_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "db/firmware.h"
#include "db/patches.h"
#include "server/patch_make.h"

#define LOOK_MS 500 /* how often for new rollouts and wants */
#define WAIT_MS 20  /* how often for the end of the process */
#define PATH_CAP 4096
#define SLICE 1024   /* devices looked at under one lock */
#define BASES_MAX 64 /* different images of one survey */

struct base_count {
    uint8_t hash[OTA_HASH_LEN];
    uint32_t devices;
};

struct patch_worker {
    struct app *app;
    struct db *db;
    pthread_t thread;
    atomic_bool stopping;
    uint64_t surveyed[FLEET_LIVE_MAX]; /* rollouts, 0 for a free place */
    struct base_count bases[BASES_MAX];
    size_t base_count;
};

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

/* ---- what the fleet runs ---- */

static void count_base(struct patch_worker *worker, const uint8_t hash[OTA_HASH_LEN])
{
    for (size_t i = 0; i < worker->base_count; i++) {
        if (memcmp(worker->bases[i].hash, hash, OTA_HASH_LEN) == 0) {
            worker->bases[i].devices++;
            return;
        }
    }
    if (worker->base_count == BASES_MAX)
        return;
    memcpy(worker->bases[worker->base_count].hash, hash, OTA_HASH_LEN);
    worker->bases[worker->base_count++].devices = 1;
}

static void count_slice(struct patch_worker *worker, const struct rollout_release *release,
                        uint32_t first)
{
    struct fleet *fleet = worker->app->fleet;
    uint32_t end;

    fleet_lock(fleet);
    end = fleet_slots(fleet);
    for (uint32_t i = first; i < end && i < first + SLICE; i++) {
        const struct fleet_device *device = fleet_at(fleet, i);
        if (device != NULL && device->takes_patches && device->facts.seen &&
            strcmp(fleet_product(fleet, device), release->product) == 0 &&
            strcmp(fleet_hardware(fleet, device), release->hardware) == 0 &&
            memcmp(device->facts.hash, release->hash, OTA_HASH_LEN) != 0)
            count_base(worker, device->facts.hash);
    }
    fleet_unlock(fleet);
}

static void survey(struct patch_worker *worker, const struct rollout_release *release)
{
    struct fleet *fleet = worker->app->fleet;
    struct patch_pair pair;
    uint32_t slots;

    fleet_lock(fleet);
    slots = fleet_slots(fleet);
    fleet_unlock(fleet);
    worker->base_count = 0;
    for (uint32_t first = 0; first < slots && !atomic_load(&worker->stopping); first += SLICE)
        count_slice(worker, release, first);
    memcpy(pair.image, release->hash, OTA_HASH_LEN);
    for (size_t i = 0; i < worker->base_count; i++) {
        memcpy(pair.base, worker->bases[i].hash, OTA_HASH_LEN);
        patches_want(worker->app->patches, &pair, worker->bases[i].devices);
    }
}

/* A rollout that makes offers and has not been looked at. False: none. */
static bool find_new_rollout(struct patch_worker *worker, struct rollout_release *release)
{
    struct fleet *fleet = worker->app->fleet;
    uint64_t kept[FLEET_LIVE_MAX] = {0};
    size_t kept_count = 0;
    bool found = false;
    size_t count;

    fleet_lock(fleet);
    struct fleet_rollout *const *live = fleet_live(fleet, &count);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        if (live[i]->r.state != ROLLOUT_RUNNING)
            continue;
        for (size_t j = 0; j < FLEET_LIVE_MAX; j++)
            known = known || worker->surveyed[j] == live[i]->r.id;
        if (!known && found)
            continue; /* the next time */
        if (!known)
            *release = live[i]->r.release;
        found = found || !known;
        kept[kept_count++] = live[i]->r.id;
    }
    fleet_unlock(fleet);
    memcpy(worker->surveyed, kept, sizeof(kept));
    return found;
}

/* ---- a process that makes one ---- */

static pid_t spawn(char *base, char *image, char *to)
{
    char program[] = "otad";
    char command[] = PATCH_MAKE_COMMAND;
    char *args[] = {program, command, base, image, to, NULL};
    char *environment[] = {NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid = -1;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (posix_spawn(&pid, "/proc/self/exe", NULL, &attributes, args, environment) != 0)
        pid = -1;
    posix_spawnattr_destroy(&attributes);
    return pid;
}

/* True when it ended well within its time. */
static bool wait_for(struct patch_worker *worker, pid_t pid)
{
    time_t deadline = time(NULL) + PATCH_SECONDS_MAX;
    int status = 0;
    pid_t ended;

    while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
        if (atomic_load(&worker->stopping) || time(NULL) >= deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return false;
        }
        pause_ms(WAIT_MS);
    }
    return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- keeping it ---- */

static int write_row(void *ctx, struct db *db)
{
    return db_patch_put(db, ctx);
}

/* Length and digest of the file; false when it cannot be read. */
static bool measure(int fd, struct db_patch *row)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t bytes[16384];
    ssize_t len = -1;
    bool ok = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

    row->size = 0;
    while (ok && (len = read(fd, bytes, sizeof(bytes))) > 0) {
        row->size += (uint32_t)len;
        ok = EVP_DigestUpdate(digest, bytes, (size_t)len) == 1;
    }
    ok = ok && len == 0 && EVP_DigestFinal_ex(digest, row->sha256, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return ok;
}

static bool is_worth_it(struct patch_worker *worker, const struct patch_pair *pair, uint32_t size,
                        uint32_t image_len)
{
    if (patch_is_packed(pair))
        return size < (uint64_t)image_len * PATCH_PACKED_PERCENT_MAX / 100;
    uint32_t packed = patches_packed_len(worker->app->patches, pair->image);
    return size < (uint64_t)(packed != 0 ? packed : image_len) * PATCH_DELTA_PERCENT_MAX / 100;
}

/* The row of what the process left: size 0 when it is of no use. Negative: try again later. */
static int keep(struct patch_worker *worker, const struct patch_pair *pair, uint32_t image_len,
                int fd, const char *path, struct db_patch *row)
{
    if (!measure(fd, row))
        return -1;
    if (!is_worth_it(worker, pair, row->size, image_len)) {
        row->size = 0;
        return 0;
    }
    return blobs_keep(worker->app->blobs, fd, path, row->sha256) == BLOBS_OK ? 0 : -1;
}

/* The file of an image, as a path for the process; false when the server has no such image. */
static bool locate(struct patch_worker *worker, const uint8_t hash[OTA_HASH_LEN], char *path,
                   size_t cap, uint32_t *len)
{
    struct db_firmware firmware;

    if (db_firmware_find(worker->db, hash, &firmware) != DB_OK)
        return false;
    blobs_path(worker->app->blobs, firmware.sha256, path, cap);
    *len = firmware.size;
    return true;
}

static bool run_process(struct patch_worker *worker, char *base, char *image, char *to)
{
    pid_t pid = spawn(base, image, to);

    return pid > 0 && wait_for(worker, pid);
}

/* Make it, or find that it is of no use. Negative: neither, the disk or the database is in trouble.
 * 1: the process failed; it is not tried again before the next start. */
static int make(struct patch_worker *worker, const struct patch_pair *pair, struct db_patch *row)
{
    bool packed = patch_is_packed(pair);
    char base[PATH_CAP] = PATCH_MAKE_NO_BASE;
    char image[PATH_CAP];
    char to[PATH_CAP];
    uint32_t base_len = 0;
    uint32_t image_len;
    int error = 0;
    int fd;

    row->size = 0;
    if ((!packed && !locate(worker, pair->base, base, sizeof(base), &base_len)) ||
        !locate(worker, pair->image, image, sizeof(image), &image_len) ||
        base_len > PATCH_MAKE_IMAGE_MAX || image_len > PATCH_MAKE_IMAGE_MAX)
        return 0;
    fd = blobs_create_temporary(worker->app->blobs, to, sizeof(to));
    if (fd < 0)
        return -1;
    if (run_process(worker, base, image, to))
        error = keep(worker, pair, image_len, fd, to, row);
    else
        error = atomic_load(&worker->stopping) ? -1 : 1;
    if (error != 0 || row->size == 0)
        unlink(to);
    close(fd);
    return error;
}

static void log_made(const struct patch_worker *worker, const struct db_patch *row, uint64_t ms)
{
    struct log_line line;

    if (!log_open(&line, &worker->app->log, LOG_INFO, "patch_made"))
        return;
    json_put_hex(&line.json, "base", row->base, OTA_HASH_LEN);
    json_put_hex(&line.json, "image", row->image, OTA_HASH_LEN);
    json_put_int(&line.json, "size", row->size);
    json_put_int(&line.json, "ms", (int64_t)ms);
    log_close(&line);
}

/* False: later. */
static bool settle(struct patch_worker *worker, const struct patch_pair *pair)
{
    struct db_patch row = {.made_at = (int64_t)app_now()};
    uint64_t began_ms = app_clock_ms();

    memcpy(row.base, pair->base, OTA_HASH_LEN);
    memcpy(row.image, pair->image, OTA_HASH_LEN);
    int made = make(worker, pair, &row);
    if (made < 0 || (made == 0 && writer_call(worker->app->writer, write_row, &row) != DB_OK))
        return false;
    if (made > 0)
        log_note(&worker->app->log, LOG_WARN, "patch_failed",
                 "Making a patch failed or took too long; devices get the whole image.");
    patches_settle(worker->app->patches, pair, row.size, row.size > 0 ? row.sha256 : NULL);
    log_made(worker, &row, app_clock_ms() - began_ms);
    return true;
}

static void *work(void *ctx)
{
    struct patch_worker *worker = ctx;
    struct rollout_release release;
    struct patch_pair pair;

    while (!atomic_load(&worker->stopping)) {
        if (find_new_rollout(worker, &release))
            survey(worker, &release);
        else if (!patches_next(worker->app->patches, &pair))
            pause_ms(LOOK_MS);
        else if (!settle(worker, &pair) && !atomic_load(&worker->stopping))
            pause_ms(LOOK_MS * 20); /* a full disk, say */
    }
    return NULL;
}

struct patch_worker *patch_worker_start(struct app *app, struct db *db)
{
    struct patch_worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    worker->app = app;
    worker->db = db;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
        free(worker);
        return NULL;
    }
    return worker;
}

void patch_worker_stop(struct patch_worker *worker)
{
    if (worker == NULL)
        return;
    atomic_store(&worker->stopping, true);
    pthread_join(worker->thread, NULL);
    db_close(worker->db);
    free(worker);
}
