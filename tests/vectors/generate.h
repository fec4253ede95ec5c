/*
 * The generator of the signed vectors: what its parts share.
 *
 * It writes the formats by its own small means and not with the encoders of protocol/, so that
 * those are tested against it. Signatures are deterministic: a second run writes the same bytes.
 */
#ifndef OTA_TESTS_VECTORS_GENERATE_H
#define OTA_TESTS_VECTORS_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/vectors/p256.h"

/* What vectors are about, unless they say otherwise. */
#define VECTOR_PRODUCT "demo-hub"
#define VECTOR_HARDWARE "stm32f407"
#define VECTOR_DEVICE "dev-0001"
#define VECTOR_NONCE "00112233445566778899aabbccddeeff"
#define VECTOR_NOW "1750000000"
#define VECTOR_DEPLOYMENT "42"

struct generator {
    const char *out; /* directory */
    struct p256_key release;
    struct p256_key release2;
    struct p256_key server;
    /* The image that manifests offer, images/good.img. */
    size_t image_len;
    uint8_t image_hash[OTA_HASH_LEN];
    uint8_t image_der[OTA_SIGNATURE_DER_MAX];
    size_t image_der_len;
};

/* Create `name` in the output directory; ends the program when that fails. */
FILE *generator_create(const struct generator *generator, const char *name);

void generate_images(struct generator *generator);
void generate_manifests(const struct generator *generator);

#endif
