#include "server/patch_make.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "protocol/error.h"
#include "server/delta.h"
#include "server/patch_worker.h"

#define NICENESS 10 /* polls go first */

/* A file and its length; the caller frees it. */
struct image {
    uint8_t *at;
    size_t len;
};

static bool read_whole(const char *path, struct image *image)
{
    FILE *file = fopen(path, "rb");
    bool ok = false;

    image->at = malloc(PATCH_MAKE_IMAGE_MAX);
    if (file != NULL && image->at != NULL) {
        image->len = fread(image->at, 1, PATCH_MAKE_IMAGE_MAX, file);
        ok = image->len > 0 && ferror(file) == 0 && fgetc(file) == EOF;
    }
    if (file != NULL)
        fclose(file);
    return ok;
}

static struct delta_bytes bytes_of(const struct image *image)
{
    return (struct delta_bytes){image->at, (uint32_t)image->len};
}

static bool write_whole(const char *path, const uint8_t *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t done = 0;
    ssize_t part = 0;

    while (fd >= 0 && done < len && (part = write(fd, bytes + done, len - done)) > 0)
        done += (size_t)part;
    return fd >= 0 && close(fd) == 0 && done == len;
}

/* Should it hang, the kernel ends it, also when the server that started it is gone. */
static void bound(void)
{
    const struct rlimit seconds = {PATCH_SECONDS_MAX, PATCH_SECONDS_MAX};

    setrlimit(RLIMIT_CPU, &seconds);
    setpriority(PRIO_PROCESS, 0, NICENESS);
}

int patch_make_command(int argc, char **args)
{
    struct image base = {NULL, 0};
    struct image image = {NULL, 0};
    uint8_t *patch = NULL;
    size_t len = 0;
    bool ok;

    if (argc != 3)
        return 2;
    bound();
    ok = (strcmp(args[0], PATCH_MAKE_NO_BASE) == 0 || read_whole(args[0], &base)) &&
         read_whole(args[1], &image) &&
         delta_make(bytes_of(&base), bytes_of(&image), &patch, &len) == OTA_OK &&
         write_whole(args[2], patch, len);
    free(patch);
    free(base.at);
    free(image.at);
    return ok ? 0 : 1;
}
