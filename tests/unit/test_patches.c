#include "tests/support/support.h"

#include <string.h>

#include "server/patches.h"

#define IMAGES 8U

static void hash_of(uint8_t hash[OTA_HASH_LEN], uint8_t kind, unsigned number)
{
    memset(hash, kind, OTA_HASH_LEN);
    hash[0] = (uint8_t)(number * 7);
    hash[2] = (uint8_t)number;
    hash[3] = (uint8_t)(number >> 8);
}

static struct patch_pair pair_of(unsigned number)
{
    struct patch_pair pair = {0};

    hash_of(pair.base, 1, number);
    hash_of(pair.image, 2, number % IMAGES);
    return pair;
}

/* Whether the file is known, and by the right image. */
static bool knows(struct patches *patches, unsigned number, uint8_t kind)
{
    struct patch_pair pair = pair_of(number);
    uint8_t file[OTA_HASH_LEN];
    uint8_t image[OTA_HASH_LEN];

    hash_of(file, kind, number);
    if (!patches_image(patches, file, image))
        return false;
    assert_memory_equal(image, pair.image, OTA_HASH_LEN);
    return true;
}

static void settle(struct patches *patches, unsigned number, uint8_t kind)
{
    struct patch_pair pair = pair_of(number);
    uint8_t file[OTA_HASH_LEN];

    hash_of(file, kind, number);
    patches_settle(patches, &pair, 100 + number, kind != 0 ? file : NULL);
}

static void files(void **state)
{
    (void)state;
    struct patches *patches = patches_new();
    struct patch_pair pair;
    uint8_t image[OTA_HASH_LEN], file[OTA_HASH_LEN];
    unsigned dropped = 0;

    assert_non_null(patches);
    for (unsigned i = 0; i + IMAGES < PATCHES_MAX; i++) {
        pair = pair_of(i);
        patches_want(patches, &pair, 1);
        assert_false(knows(patches, i, 3));
        settle(patches, i, 3);
    }
    for (unsigned i = 0; i + IMAGES < PATCHES_MAX; i += 3)
        settle(patches, i, i % 2 == 0 ? 4 : 0); /* made anew, or found to be of no use */
    for (unsigned i = 0; i + IMAGES < PATCHES_MAX; i++) {
        assert_int_equal(knows(patches, i, 3), i % 3 != 0);
        assert_int_equal(knows(patches, i, 4), i % 6 == 0);
    }
    hash_of(image, 2, 5);
    while (patches_forget(patches, image, file))
        dropped++;
    assert_int_equal(dropped, PATCHES_MAX / IMAGES); /* its share, and it packed by itself */
    for (unsigned i = 0; i + IMAGES < PATCHES_MAX; i++)
        assert_int_equal(knows(patches, i, 3), i % 3 != 0 && i % IMAGES != 5);
    patches_free(patches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {TEST("a patch's file is found by its digest, however often patches come and go", files)},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
