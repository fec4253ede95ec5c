#include "tests/vectors/generate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

FILE *generator_create(const struct generator *generator, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", generator->out, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void make_directory(const char *parent, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", parent, name);
    (void)mkdir(path, 0777); /* it may be there; generator_create() tells otherwise */
}

int main(int argc, char **argv)
{
    struct generator generator = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: generate OUT   (from the root of the tree; writes OUT/images and "
                        "OUT/manifests)\n");
        return 2;
    }
    generator.out = argv[1];
    p256_load(&generator.release, "tests/keys/release.pem");
    p256_load(&generator.release2, "tests/keys/release2.pem");
    p256_load(&generator.server, "tests/keys/server.pem");
    make_directory(generator.out, "images");
    make_directory(generator.out, "manifests");
    generate_images(&generator);
    generate_manifests(&generator);
    return 0;
}
