#include "tests/support/vectors.h"

#include <string.h>

#include "protocol/error.h"
#include "protocol/image.h"
#include "tests/vectors/p256.h"

/* What a reader of images learns from a whole file. */
struct image {
    struct ota_image_header header;
    struct ota_image_tlvs tlvs;
};

static struct p256_key release_key;

static int load_keys(void **state)
{
    (void)state;
    p256_load(&release_key, "tests/keys/release.pub.pem");
    p256_keep(&release_key);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    p256_drop(&release_key);
    return 0;
}

static int check_signatures(const struct ota_image_tlvs *tlvs)
{
    int error = OTA_E_UNKNOWN_KEY;

    for (size_t i = 0; i < tlvs->signature_count; i++) {
        const struct ota_image_signature *signature = &tlvs->signatures[i];
        if (memcmp(signature->key_hash, release_key.key_hash, OTA_HASH_LEN) != 0)
            continue;
        if (p256_verify_der(&release_key, tlvs->hash, signature->der, signature->der_len))
            return OTA_OK;
        error = OTA_E_SIGNATURE;
    }
    return error;
}

/* The whole check of a file as server and device make it. */
static int check_file(const struct blob *file, struct image *image)
{
    uint8_t hash[OTA_HASH_LEN];

    int error = ota_image_parse_header(&image->header, file->at, file->len, (uint32_t)file->len);
    if (error != OTA_OK)
        return error;
    error = ota_image_parse_tlvs(&image->tlvs, &image->header, file->at + image->header.tlv_offset,
                                 file->len - image->header.tlv_offset);
    if (error != OTA_OK)
        return error;
    if (image->header.tlv_offset + image->tlvs.len != file->len)
        return OTA_E_SIZE;
    p256_sha256(file->at, image->header.hashed_len, hash);
    if (memcmp(hash, image->tlvs.hash, OTA_HASH_LEN) != 0)
        return OTA_E_HASH;
    return check_signatures(&image->tlvs);
}

static void each_vector(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};
    unsigned count = 0;

    vectors_open(&vectors, "images/index.txt");
    while (vectors_next(&vectors, &vector)) {
        struct image image;
        int result = check_file(&vector.bytes, &image);
        if (strcmp(ota_error_name(result), vector.word) != 0)
            fail_msg("%s: %s instead of %s", vector.name, ota_error_name(result), vector.word);
        count++;
    }
    assert_true(count > 50);
}

static void good_fields(void **state)
{
    (void)state;
    struct blob file = blob_read("tests/vectors/images/good.img");
    struct image image;

    assert_int_equal(check_file(&file, &image), OTA_OK);
    assert_int_equal(image.header.body_offset, 0x200);
    assert_int_equal(image.header.body_len, 96);
    assert_int_equal(image.header.tlv_offset, 0x200 + 96);
    assert_int_equal(image.header.hashed_len, 0x200 + 96 + image.header.protected_len);
    assert_int_equal(image.header.version.major, 1);
    assert_int_equal(image.header.version.minor, 2);
    assert_int_equal(image.header.version.revision, 3);
    assert_int_equal(image.header.version.build, 4);
    assert_int_equal(image.tlvs.counter, 7);
    assert_true(ota_text_is(image.tlvs.product, "demo-hub"));
    assert_true(ota_text_is(image.tlvs.hardware, "stm32f407"));
    assert_int_equal(image.tlvs.signature_count, 1);
    blob_free(&file);
}

static void check_prefix(void *ctx, struct blob *file, size_t index)
{
    struct image image;
    int result = check_file(file, &image);

    (void)ctx;
    (void)index;
    assert_true(result == OTA_E_TRUNCATED || result == OTA_E_SIZE);
}

/* As a reader of a slot sees it: there is room enough, but the bytes at hand end here. */
static void check_prefix_in_slot(void *ctx, struct blob *file, size_t index)
{
    struct image image;

    (void)ctx;
    (void)index;
    int result = ota_image_parse_header(&image.header, file->at, file->len, 128 * 1024);
    if (file->len < OTA_IMAGE_HEADER_LEN) {
        assert_int_equal(result, OTA_E_TRUNCATED);
        return;
    }
    assert_int_equal(result, OTA_OK);
    if (file->len < image.header.tlv_offset)
        return;
    struct blob tlvs =
        blob_copy(file->at + image.header.tlv_offset, file->len - image.header.tlv_offset);
    assert_int_equal(ota_image_parse_tlvs(&image.tlvs, &image.header, tlvs.at, tlvs.len),
                     OTA_E_TRUNCATED);
    blob_free(&tlvs);
}

static void prefixes(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "images/index.txt");
    while (vectors_next(&vectors, &vector)) {
        if (strcmp(vector.word, "ok") != 0)
            continue;
        sweep_prefixes(&vector.bytes, check_prefix, NULL);
        sweep_prefixes(&vector.bytes, check_prefix_in_slot, NULL);
    }
}

static void check_flip(void *ctx, struct blob *file, size_t bit)
{
    const struct vector *vector = ctx;
    struct image image;
    int result = check_file(file, &image);

    if (result >= 0)
        fail_msg("%s with bit %zu flipped: %s", vector->name, bit, ota_error_name(result));
}

static void flips(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "images/index.txt");
    while (vectors_next(&vectors, &vector)) {
        /* two-signatures.img stays good while one of its signatures is */
        if (strcmp(vector.word, "ok") == 0 && strstr(vector.name, "two-signatures") == NULL)
            sweep_bit_flips(&vector.bytes, check_flip, &vector);
    }
}

/* A flip may repair a bad image's flaw or bring another; it must not hurt, nor forge a signature of
 * another content than a good image has. */
static void check_flip_of_bad(void *ctx, struct blob *file, size_t bit)
{
    struct image image;

    (void)ctx;
    (void)bit;
    if (check_file(file, &image) == OTA_OK)
        assert_int_equal(check_signatures(&image.tlvs), OTA_OK);
}

static void flips_of_bad(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector vector = {0};

    vectors_open(&vectors, "images/index.txt");
    while (vectors_next(&vectors, &vector)) {
        if (strcmp(vector.word, "ok") != 0)
            sweep_bit_flips(&vector.bytes, check_flip_of_bad, NULL);
    }
}

static void sizes_at_the_edge(void **state)
{
    (void)state;
    struct blob file = blob_read("tests/vectors/images/good.img");
    struct ota_image_header header;
    struct image image;

    assert_int_equal(check_file(&file, &image), OTA_OK);
    /* the header asks for the areas' info headers only; the rest is for the TLV parser to bound */
    uint32_t least = image.header.hashed_len + OTA_IMAGE_TLV_INFO_LEN;
    assert_int_equal(ota_image_parse_header(&header, file.at, 32, least), OTA_OK);
    assert_int_equal(ota_image_parse_header(&header, file.at, 32, least - 1), OTA_E_SIZE);
    assert_int_equal(ota_image_parse_header(&header, file.at, 32, 0), OTA_E_SIZE);
    assert_int_equal(ota_image_parse_header(&header, file.at, 32, UINT32_MAX), OTA_OK);
    for (uint32_t body_len = UINT32_MAX; body_len > UINT32_MAX - 2000; body_len--) {
        memcpy(file.at + 12, &body_len, sizeof(body_len));
        int result = ota_image_parse_header(&header, file.at, 32, UINT32_MAX);
        if (result == OTA_OK)
            assert_true(header.hashed_len > body_len);
        else
            assert_int_equal(result, OTA_E_SIZE);
    }
    blob_free(&file);
}

/* An image for exactly `cap` bytes of each buffer. */
static int encode(const struct ota_image_fields *fields, const struct image *like, uint8_t *buf,
                  size_t cap, const uint8_t *body)
{
    size_t len = 0;
    uint8_t hash[OTA_HASH_LEN];
    const struct ota_image_signature *signature = &like->tlvs.signatures[0];

    int part = ota_image_encode_header(fields, buf, cap);
    if (part < 0)
        return part;
    len += (size_t)part;
    if (cap - len < fields->body_len)
        return OTA_E_NO_SPACE;
    memcpy(buf + len, body, fields->body_len);
    len += fields->body_len;
    part = ota_image_encode_protected(fields, buf + len, cap - len);
    if (part < 0)
        return part;
    len += (size_t)part;
    p256_sha256(buf, len, hash);
    part = ota_image_encode_unprotected(hash, signature->key_hash, signature->der,
                                        signature->der_len, buf + len, cap - len);
    return part < 0 ? part : (int)len + part;
}

static void encoder(void **state)
{
    (void)state;
    struct blob file = blob_read("tests/vectors/images/good.img");
    struct image image;

    assert_int_equal(check_file(&file, &image), OTA_OK);
    const struct ota_image_fields fields = {
        .header_len = image.header.body_offset,
        .body_len = image.header.body_len,
        .version = image.header.version,
        .counter = image.tlvs.counter,
        .product = image.tlvs.product,
        .hardware = image.tlvs.hardware,
    };
    for (size_t cap = 0; cap <= file.len; cap++) {
        struct blob buf = blob_copy(file.at, cap);
        if (cap > 0)
            memset(buf.at, 0xa5, cap);
        int len = encode(&fields, &image, buf.at, cap, file.at + fields.header_len);
        assert_int_equal(len, cap < file.len ? OTA_E_NO_SPACE : (int)file.len);
        if (cap == file.len)
            assert_memory_equal(buf.at, file.at, file.len);
        blob_free(&buf);
    }
    blob_free(&file);
}

static void encoder_refuses(void **state)
{
    (void)state;
    const struct ota_image_fields good = {
        .header_len = 0x200,
        .body_len = 1,
        .product = ota_text_of("p"),
        .hardware = ota_text_of("h"),
    };
    struct ota_image_fields bad[] = {good, good, good, good, good};
    uint8_t buf[8192];

    bad[0].header_len = OTA_IMAGE_HEADER_LEN - 1;
    bad[1].header_len = OTA_IMAGE_HEADER_MAX + 1;
    bad[2].body_len = 0;
    bad[3].product = ota_text_of("");
    bad[4].hardware = ota_text_of("no name");
    assert_true(ota_image_encode_header(&good, buf, sizeof(buf)) > 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ota_image_encode_header(&bad[i], buf, sizeof(buf)), OTA_E_RANGE);
        assert_int_equal(ota_image_encode_protected(&bad[i], buf, sizeof(buf)), OTA_E_RANGE);
    }
    assert_int_equal(ota_image_encode_unprotected(buf, buf, buf, 0, buf, sizeof(buf)), OTA_E_RANGE);
    assert_int_equal(
        ota_image_encode_unprotected(buf, buf, buf, OTA_SIGNATURE_DER_MAX + 1, buf, sizeof(buf)),
        OTA_E_RANGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("each image vector gives its answer", each_vector)},
        {TEST("a good image says what it was made with", good_fields)},
        {TEST("no prefix of a good image passes, as a file or in a slot", prefixes)},
        {TEST("a good image with any one bit flipped is refused", flips)},
        {TEST("a bad image with any one bit flipped ends in an answer", flips_of_bad)},
        {TEST("what a header promises must fit, to the byte and without wrapping",
              sizes_at_the_edge)},
        {TEST("the encoder writes the good image, into a buffer that just fits", encoder)},
        {TEST("the encoder writes nothing that the reader would refuse", encoder_refuses)},
    };

    return cmocka_run_group_tests(tests, load_keys, drop_keys);
}
