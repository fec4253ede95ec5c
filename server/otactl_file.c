#include "server/otactl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include "server/otactl.h"

static int read_stream(FILE *file, const char *path, size_t max, uint8_t **bytes, size_t *len)
{
    size_t cap = 64U * 1024U;
    size_t used = 0;
    size_t got = 0;
    uint8_t *buf = otactl_alloc(cap + 1);
    while ((got = fread(buf + used, 1, cap - used, file)) > 0 && used + got <= max) {
        used += got;
        if (used == cap) {
            cap *= 2;
            buf = otactl_grow(buf, cap + 1);
        }
    }
    const char *why = ferror(file) ? strerror(errno)
                      : got > 0    ? "it is larger than is allowed here"
                      : used == 0  ? "it is empty"
                                   : NULL;
    if (why != NULL) {
        free(buf);
        return otactl_fail(OTACTL_FAILED, "%s cannot be read: %s", path, why);
    }
    buf[used] = '\0';
    *bytes = buf;
    *len = used;
    return OTACTL_OK;
}

int otactl_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return otactl_fail(OTACTL_FAILED, "%s cannot be opened: %s", path, strerror(errno));
    int code = read_stream(file, path, max, bytes, len);
    fclose(file);
    return code;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* link() fails where the name is taken, rename() replaces it: both leave the whole file or none. */
static bool put_in_place(const char *temporary, const char *path, bool fresh)
{
    if (!fresh)
        return rename(temporary, path) == 0;
    return link(temporary, path) == 0 && unlink(temporary) == 0;
}

static bool write_new(const char *path, const uint8_t *bytes, size_t len, bool secret, bool fresh)
{
    char *temporary = otactl_format("%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL, secret ? 0600 : 0666);
    bool good = fd >= 0 && write_all(fd, bytes, len) && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    good = good && put_in_place(temporary, path, fresh);
    int error = errno;
    if (!good && fd >= 0)
        unlink(temporary);
    free(temporary);
    errno = error;
    return good;
}

/* A device or pipe, as /dev/stdout is: it is written to, never replaced. */
static bool write_through(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY);
    bool good = fd >= 0 && write_all(fd, bytes, len);
    if (fd >= 0)
        good = close(fd) == 0 && good;
    return good;
}

int otactl_file_write(const char *path, const void *bytes, size_t len, bool secret, bool fresh)
{
    struct stat found;
    bool special = !fresh && stat(path, &found) == 0 && !S_ISREG(found.st_mode);
    if (special ? write_through(path, bytes, len) : write_new(path, bytes, len, secret, fresh))
        return OTACTL_OK;
    if (fresh && errno == EEXIST)
        return otactl_fail(OTACTL_FAILED, "%s is there already and is kept: name another file",
                           path);
    return otactl_fail(OTACTL_FAILED, "%s cannot be written: %s", path, strerror(errno));
}
