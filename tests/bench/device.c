#include "tests/bench/device.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/text.h"

#define PREFIX "otd_"

void bench_device_make(struct bench_device *device, uint32_t number)
{
    uint8_t digest[32];
    char seed[32];
    int len = snprintf(seed, sizeof(seed), "bench token %u", number);

    snprintf(device->name, sizeof(device->name), "bench-%07u", number);
    if (EVP_Digest(seed, (size_t)len, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    memcpy(device->token, PREFIX, sizeof(PREFIX));
    len = ota_base64url_encode(digest, sizeof(digest), device->token + strlen(PREFIX),
                               sizeof(device->token) - strlen(PREFIX) - 1);
    if (len < 0)
        abort();
    device->token[strlen(PREFIX) + (size_t)len] = '\0';
}
