/* Signing and telling, against the parser that server and devices use. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "protocol/error.h"
#include "server/otactl_key_file.h"
#include "server/otactl_image.h"

#define BODY_LEN 1000U
#define IMAGE_CAP 4096U

static struct ota_text text_of(const char *text)
{
    return (struct ota_text){text, strlen(text)};
}

static const uint8_t *make_body(void)
{
    static uint8_t body[BODY_LEN];
    for (size_t i = 0; i < BODY_LEN; i++)
        body[i] = (uint8_t)(i * 31 + 7);
    return body;
}

static struct ota_image_fields make_fields(void)
{
    return (struct ota_image_fields){
        .header_len = OTACTL_HEADER_LEN_DEFAULT,
        .body_len = BODY_LEN,
        .version = {4, 0, 1, 77},
        .counter = 9,
        .product = text_of("primehub"),
        .hardware = text_of("f413-r2"),
    };
}

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = otactl_key_generate();
    assert_non_null(key);
    return key;
}

/* What otactl prints about the image; true when it calls it good. */
static bool tell(const uint8_t *image, size_t len, EVP_PKEY *key, char *said, size_t cap)
{
    struct otactl_verdict verdict;
    FILE *out = fmemopen(said, cap, "w");
    assert_non_null(out);
    bool good = otactl_image_judge(&verdict, image, len, key);
    otactl_image_print(out, &verdict, image, key != NULL);
    fclose(out);
    cJSON_Delete(otactl_image_json(&verdict, key != NULL));
    return good;
}

static void round_trip(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key();
    struct ota_image_fields fields = make_fields();
    struct ota_image_header header;
    struct ota_image_tlvs tlvs;
    uint8_t hash[OTA_HASH_LEN];
    uint8_t *image = NULL;
    size_t len = 0;
    char said[4096];

    assert_int_equal(otactl_image_build(&fields, make_body(), key, &image, &len), OTA_OK);
    assert_int_equal(ota_image_parse_header(&header, image, len, (uint32_t)len), OTA_OK);
    assert_int_equal(header.body_offset, 0x200);
    assert_int_equal(ota_version_compare(&header.version, &fields.version), 0);
    assert_memory_equal(image + 0x200, make_body(), BODY_LEN);
    assert_int_equal(
        ota_image_parse_tlvs(&tlvs, &header, image + header.tlv_offset, len - header.tlv_offset),
        OTA_OK);
    assert_int_equal(header.tlv_offset + tlvs.len, len);
    assert_int_equal(tlvs.counter, 9);
    assert_true(ota_text_is(tlvs.product, "primehub"));
    assert_true(ota_text_is(tlvs.hardware, "f413-r2"));
    SHA256(image, header.hashed_len, hash);
    assert_memory_equal(tlvs.hash, hash, sizeof hash);
    assert_true(otactl_key_verify(key, hash, tlvs.signatures[0].der, tlvs.signatures[0].der_len));
    assert_true(otactl_key_hash(key, hash));
    assert_memory_equal(tlvs.signatures[0].key_hash, hash, sizeof hash);

    assert_true(tell(image, len, key, said, sizeof said));
    assert_non_null(strstr(said, "4.0.1+77"));
    assert_non_null(strstr(said, ": good"));
    assert_true(tell(image, len, NULL, said, sizeof said));
    assert_non_null(strstr(said, "not verified"));
    free(image);
    EVP_PKEY_free(key);
}

static void another_key(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key();
    EVP_PKEY *other = make_key();
    struct ota_image_fields fields = make_fields();
    uint8_t *image = NULL;
    size_t len = 0;
    char said[4096];

    assert_int_equal(otactl_image_build(&fields, make_body(), key, &image, &len), OTA_OK);
    assert_false(tell(image, len, other, said, sizeof said));
    assert_non_null(strstr(said, ": bad"));
    free(image);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void every_bit(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key();
    struct ota_image_fields fields = make_fields();
    uint8_t *image = NULL;
    size_t len = 0;
    char said[8192];

    fields.header_len = OTA_IMAGE_HEADER_LEN;
    fields.body_len = 16;
    assert_int_equal(otactl_image_build(&fields, make_body(), key, &image, &len), OTA_OK);
    for (size_t bit = 0; bit < len * 8; bit++) {
        image[bit / 8] = (uint8_t)(image[bit / 8] ^ 1U << bit % 8);
        bool good = tell(image, len, key, said, sizeof said);
        image[bit / 8] = (uint8_t)(image[bit / 8] ^ 1U << bit % 8);
        /* The key hash only names the key; it is not what is signed. */
        size_t key_hash_at = fields.header_len + 16 + 4 + 8 + 4 + 7 + 4 + 8 + 4 + 36 + 4;
        bool in_key_hash = bit / 8 >= key_hash_at && bit / 8 < key_hash_at + OTA_HASH_LEN;
        if (good != in_key_hash)
            fail_msg("bit %zu of byte %zu: %s", bit % 8, bit / 8, said);
    }
    for (size_t short_len = 1; short_len < len; short_len++) {
        uint8_t *copy = malloc(short_len);
        assert_non_null(copy);
        memcpy(copy, image, short_len);
        assert_false(tell(copy, short_len, key, said, sizeof said));
        free(copy);
    }
    free(image);
    EVP_PKEY_free(key);
}

static size_t put(uint8_t *buf, size_t at, const void *bytes, size_t len)
{
    memcpy(buf + at, bytes, len);
    return at + len;
}

static size_t put16(uint8_t *buf, size_t at, unsigned value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    return put(buf, at, bytes, sizeof bytes);
}

static size_t put32(uint8_t *buf, size_t at, uint32_t value)
{
    return put16(buf, put16(buf, at, value & 0xffff), value >> 16);
}

static size_t put_tlv(uint8_t *buf, size_t at, unsigned type, const void *bytes, size_t len)
{
    return put(buf, put16(buf, put16(buf, at, type), (unsigned)len), bytes, len);
}

/*
 * By the rules of imgtool's own output, written down here field by field and not with our encoder:
 *   imgtool sign --key K --header-size 0x200 --pad-header --slot-size 0x60000 --align 4
 *       --version 2.3.4+5 --security-counter 6 --boot-record app
 *       --custom-tlv 0xa0 f413-r2 --custom-tlv 0xa1 primehub
 * The header is padded with zeros, the boot record and other TLVs that nobody here knows stand in
 * the protected area, and older versions pad the signature with zeros to 72 bytes.
 */
static size_t make_imgtool(uint8_t *image, EVP_PKEY *key, bool pad_signature)
{
    static const uint8_t boot_record[] = {0xa1, 0x01, 0x63, 'a', 'p', 'p'};
    uint8_t counter[4];
    uint8_t hash[OTA_HASH_LEN];
    uint8_t key_hash[OTA_HASH_LEN];
    uint8_t der[OTA_SIGNATURE_DER_MAX] = {0};
    size_t der_len = 0;
    const size_t protected_len = 4 + (4 + 4) + (4 + 6) + (4 + 7) + (4 + 8);

    memset(image, 0, IMAGE_CAP);
    put32(image, 0, 0x96f3b83dU);
    put16(image, 8, 0x200);
    put16(image, 10, (unsigned)protected_len);
    put32(image, 12, BODY_LEN);
    image[20] = 2;
    image[21] = 3;
    put16(image, 22, 4);
    put32(image, 24, 5);
    size_t at = put(image, 0x200, make_body(), BODY_LEN);
    at = put16(image, put16(image, at, 0x6908), (unsigned)protected_len);
    put32(counter, 0, 6);
    at = put_tlv(image, at, 0x50, counter, 4);
    at = put_tlv(image, at, 0x60, boot_record, sizeof boot_record);
    at = put_tlv(image, at, 0xa0, "f413-r2", 7);
    at = put_tlv(image, at, 0xa1, "primehub", 8);

    SHA256(image, at, hash);
    assert_true(otactl_key_hash(key, key_hash));
    assert_true(otactl_key_sign(key, hash, der, &der_len));
    memset(der + der_len, 0, sizeof der - der_len);
    size_t signature_len = pad_signature ? sizeof der : der_len;
    at = put16(image, put16(image, at, 0x6907), (unsigned)(4 + 36 + 36 + 4 + signature_len));
    at = put_tlv(image, at, 0x10, hash, sizeof hash);
    at = put_tlv(image, at, 0x01, key_hash, sizeof key_hash);
    return put_tlv(image, at, 0x22, der, signature_len);
}

static void imgtool(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key();
    uint8_t image[IMAGE_CAP];
    char said[4096];

    for (int pad = 0; pad < 2; pad++) {
        size_t len = make_imgtool(image, key, pad == 1);
        if (!tell(image, len, key, said, sizeof said))
            fail_msg("%s", said);
        assert_non_null(strstr(said, "2.3.4+5"));
        assert_non_null(strstr(said, "boot record"));
        assert_non_null(strstr(said, "primehub"));
    }
    EVP_PKEY_free(key);
}

static void doubts(void **state)
{
    (void)state;
    char why[128];
    uint8_t body[8];

    put32(body, put32(body, 0, 0x20050000), 0x08043615);
    otactl_image_doubt(body, sizeof body, why, sizeof why);
    assert_string_equal(why, "");
    put32(body, put32(body, 0, 0x20050000), 0x08043614);
    otactl_image_doubt(body, sizeof body, why, sizeof why);
    assert_non_null(strstr(why, "word 1"));
    put32(body, put32(body, 0, 0x08043615), 0x08043615);
    otactl_image_doubt(body, sizeof body, why, sizeof why);
    assert_non_null(strstr(why, "word 0"));
    otactl_image_doubt(body, 7, why, sizeof why);
    assert_string_not_equal(why, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        {TEST("what is signed reads back through the protocol's parser", round_trip)},
        {TEST("an image signed by another key is told as such", another_key)},
        {TEST("no bit of an image changes and no prefix passes unseen", every_bit)},
        {TEST("an image as imgtool makes it is accepted", imgtool)},
        {TEST("a body that is no Cortex-M program is doubted", doubts)},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
