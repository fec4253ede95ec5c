#include "server/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/firmware.h"
#include "server/blobs.h"
#include "server/command_line.h"

#define PATH_CAP 1200

struct backup {
    const char *from;
    const char *to;
    unsigned files;
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "otad: %s: %s\n", what, why);
    return false;
}

static bool write_whole(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0;

    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    return ok;
}

static bool copy_database(struct backup *backup)
{
    char path[PATH_CAP];
    struct db *db;
    int error;

    snprintf(path, sizeof(path), "%s/otad.db", backup->from);
    error = db_open(&db, path, DB_KEEPER);
    if (error != DB_OK)
        return fail(path, db_error_name(error));
    snprintf(path, sizeof(path), "%s/otad.db", backup->to);
    error = db_backup(db, path);
    db_close(db);
    return error == DB_OK || fail(path, db_error_name(error));
}

/* A key of the data directory; `optional`: it may not have been made yet. */
static bool copy_key(struct backup *backup, const char *name, bool optional)
{
    char path[PATH_CAP];
    char text[4096];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", backup->from, name);
    file = fopen(path, "re");
    if (file == NULL)
        return (optional && errno == ENOENT) || fail(path, strerror(errno));
    len = fread(text, 1, sizeof(text), file);
    fclose(file);
    snprintf(path, sizeof(path), "%s/%s", backup->to, name);
    return write_whole(path, text, len) || fail(path, strerror(errno));
}

/* Through the store on both sides, which checks the bytes against their name. */
static bool copy_file(struct backup *backup, struct blobs *from, struct blobs *to,
                      const struct db_firmware *firmware)
{
    char path[PATH_CAP];
    struct blob *blob;
    bool ok;
    int fd;

    if (blobs_get(from, firmware->sha256, &blob) != BLOBS_OK)
        return fail(firmware->version, "its file is missing or damaged; was it deleted just "
                                       "now? Then run the backup again");
    fd = blobs_create_temporary(to, path, sizeof(path));
    ok = fd >= 0 && write(fd, blob->bytes, blob->len) == (ssize_t)blob->len &&
         blobs_keep(to, fd, path, firmware->sha256) == BLOBS_OK;
    if (fd >= 0)
        close(fd);
    blob_release(blob);
    backup->files++;
    return ok || fail(path, strerror(errno));
}

static bool copy_files(struct backup *backup, struct db *db, struct blobs *from, struct blobs *to)
{
    struct db_firmware rows[DB_PAGE_MAX];
    struct db_page page = {.after = 0, .limit = DB_PAGE_MAX};
    int count;

    do {
        count = db_firmware_list(db, "", "", &page, rows);
        for (int i = 0; i < count; i++)
            if (!copy_file(backup, from, to, &rows[i]))
                return false;
        if (count > 0)
            page.after = rows[count - 1].id;
    } while (count == DB_PAGE_MAX);
    return count >= 0 || fail("the copied database", db_error_name(count));
}

static bool copy_firmware(struct backup *backup)
{
    struct blobs *from = blobs_open(backup->from);
    struct blobs *to = blobs_open(backup->to);
    char path[PATH_CAP];
    struct db *db = NULL;
    bool ok = from != NULL && to != NULL;
    int error;

    if (!ok)
        fail("blobs", strerror(errno));
    snprintf(path, sizeof(path), "%s/otad.db", backup->to);
    error = ok ? db_open(&db, path, DB_KEEPER) : DB_OK;
    if (error != DB_OK)
        ok = fail(path, db_error_name(error));
    ok = ok && copy_files(backup, db, from, to);
    db_close(db);
    blobs_free(from);
    blobs_free(to);
    return ok;
}

static bool run(struct backup *backup)
{
    char path[PATH_CAP];

    if (mkdir(backup->to, 0700) != 0)
        return fail(backup->to, strerror(errno));
    if (!copy_database(backup) || !copy_key(backup, "server-key.pem", false) ||
        !copy_key(backup, "webhook-key", true) || !copy_firmware(backup))
        return false;
    snprintf(path, sizeof(path), "%s/complete", backup->to);
    return write_whole(path, "", 0) || fail(path, strerror(errno));
}

static bool read_options(struct backup *backup, int argc, char **args)
{
    const struct command_flag flags[] = {{"--data", &backup->from, true},
                                         {"--to", &backup->to, true}};

    backup->files = 0;
    return command_read_flags(flags, sizeof(flags) / sizeof(flags[0]), argc, args) &&
           strlen(backup->from) < 1024 && strlen(backup->to) < 1024;
}

int backup_command(int argc, char **args)
{
    struct backup backup;

    if (!read_options(&backup, argc, args)) {
        fprintf(stderr, "usage: otad backup --data DIR --to NEWDIR\n");
        return 2;
    }
    umask(077);
    if (!run(&backup))
        return 1;
    printf("%s: database, server key and %u firmware files\n", backup.to, backup.files);
    return 0;
}
