#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

/* Results must not be lost in a buffer when a test program crashes. */
__attribute__((constructor)) static void unbuffer_results(void)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* glibc gives a pointer for 0 bytes too, one that may not be read. */
static struct blob blob_new(size_t len)
{
    struct blob blob = {malloc(len), len};

    if (blob.at == NULL && len > 0)
        abort();
    return blob;
}

struct blob blob_read(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        fail_msg("cannot open %s", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    struct blob blob = blob_new((size_t)len);
    assert_int_equal(fread(blob.at, 1, blob.len, file), blob.len);
    fclose(file);
    return blob;
}

struct blob blob_copy(const void *bytes, size_t len)
{
    struct blob blob = blob_new(len);

    if (len > 0)
        memcpy(blob.at, bytes, len);
    return blob;
}

void blob_free(struct blob *blob)
{
    free(blob->at);
    *blob = (struct blob){0};
}

void blob_flip(struct blob *blob, size_t bit)
{
    blob->at[bit / 8] ^= (uint8_t)(1U << bit % 8);
}
