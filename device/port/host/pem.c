#include "device/port/host/pem.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX 1024 /* bytes; the file of a P-256 key has 178 */
#define SPKI_LEN 91

static const char begin[] = "-----BEGIN PUBLIC KEY-----";
static const char end[] = "-----END PUBLIC KEY-----";

/* SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING { the point */
static const uint8_t spki_head[SPKI_LEN - OTA_PUBLIC_KEY_LEN] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static int digit(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Base64 with line breaks between `at` and `stop`, padded. Bytes, or -1 when it isn't or is longer
 * than cap. */
static int decode(const char *at, const char *stop, uint8_t *bytes, size_t cap)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t len = 0;

    for (; at != stop && *at != '='; at++) {
        if (*at == '\n' || *at == '\r' || *at == ' ')
            continue;
        int value = digit(*at);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            if (len == cap)
                return -1;
            bytes[len++] = (uint8_t)(bits >> count);
        }
    }
    for (; at != stop; at++)
        if (strchr("=\r\n ", *at) == NULL)
            return -1;
    return (int)len;
}

const char *host_pem_read(const char *path, uint8_t point[OTA_PUBLIC_KEY_LEN])
{
    char text[FILE_MAX + 1];
    uint8_t spki[SPKI_LEN];
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return strerror(errno);
    size_t len = fread(text, 1, FILE_MAX, file);
    fclose(file);
    text[len] = '\0';
    if (strstr(text, "PRIVATE KEY") != NULL)
        return "is a private key: a device must not have it, give the public one";
    const char *from = strstr(text, begin);
    const char *to = from != NULL ? strstr(from, end) : NULL;
    if (to == NULL)
        return "is no PEM file with a PUBLIC KEY";
    if (decode(from + sizeof begin - 1, to, spki, sizeof spki) != SPKI_LEN ||
        memcmp(spki, spki_head, sizeof spki_head) != 0 || spki[sizeof spki_head] != 0x04)
        return "is no ECDSA P-256 key (uncompressed SubjectPublicKeyInfo)";
    memcpy(point, spki + sizeof spki_head, OTA_PUBLIC_KEY_LEN);
    return NULL;
}
