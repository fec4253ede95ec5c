#include "device/port/host/tls_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bearssl_pem.h>

#include "protocol/error.h"

#define FILE_LEN_MAX 65536U

static void *grow(void *memory, size_t len)
{
    void *larger = realloc(memory, len);
    if (larger == NULL)
        abort();
    return larger;
}

struct sink { /* bytes that a decoder gives */
    uint8_t *bytes;
    size_t len;
};

static void append(void *ctx, const void *bytes, size_t len)
{
    struct sink *sink = ctx;
    sink->bytes = grow(sink->bytes, sink->len + len + 1);
    memcpy(sink->bytes + sink->len, bytes, len);
    sink->len += len;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = grow(NULL, FILE_LEN_MAX + 1);
    *len = fread(text, 1, FILE_LEN_MAX, file);
    if (*len < FILE_LEN_MAX)
        text[(*len)++] = '\n'; /* a last line without its end is one */
    fclose(file);
    return text;
}

static void begin_object(br_pem_decoder_context *decoder, struct tls_file_object *object,
                         struct sink *sink)
{
    snprintf(object->name, sizeof object->name, "%.31s", br_pem_decoder_name(decoder));
    *sink = (struct sink){NULL, 0};
    br_pem_decoder_setdest(decoder, append, sink);
}

struct tls_file_object *tls_files_read(const char *path, size_t *count)
{
    br_pem_decoder_context decoder;
    struct tls_file_object *objects = grow(NULL, sizeof *objects);
    struct sink sink = {NULL, 0};
    size_t len = 0;
    char *text = read_file(path, &len);
    *count = 0;
    br_pem_decoder_init(&decoder);
    for (size_t at = 0; text != NULL && at < len;) {
        at += br_pem_decoder_push(&decoder, text + at, len - at);
        int event = br_pem_decoder_event(&decoder);
        if (event == BR_PEM_BEGIN_OBJ) {
            objects = grow(objects, (*count + 1) * sizeof *objects);
            begin_object(&decoder, &objects[*count], &sink);
        } else if (event == BR_PEM_END_OBJ) {
            objects[*count].bytes = sink.bytes;
            objects[(*count)++].len = sink.len;
            sink.bytes = NULL;
        } else if (event == BR_PEM_ERROR) {
            break;
        }
    }
    free(sink.bytes);
    free(text);
    if (*count == 0) {
        free(objects);
        return NULL;
    }
    return objects;
}

void tls_files_free(struct tls_file_object *objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(objects[i].bytes);
    free(objects);
}

static uint8_t *copy(const uint8_t *bytes, size_t len)
{
    uint8_t *own = grow(NULL, len + 1);
    memcpy(own, bytes, len);
    return own;
}

static int read_anchor(const struct tls_file_object *object, br_x509_trust_anchor *anchor)
{
    br_x509_decoder_context decoder;
    struct sink name = {NULL, 0};
    br_x509_decoder_init(&decoder, append, &name);
    br_x509_decoder_push(&decoder, object->bytes, object->len);
    const br_x509_pkey *key = br_x509_decoder_get_pkey(&decoder);
    if (key == NULL || (key->key_type != BR_KEYTYPE_RSA && key->key_type != BR_KEYTYPE_EC)) {
        free(name.bytes);
        return key == NULL ? OTA_E_SYNTAX : OTA_E_UNSUPPORTED;
    }
    *anchor =
        (br_x509_trust_anchor){.dn = {name.bytes, name.len}, .flags = BR_X509_TA_CA, .pkey = *key};
    if (key->key_type == BR_KEYTYPE_RSA) {
        anchor->pkey.key.rsa.n = copy(key->key.rsa.n, key->key.rsa.nlen);
        anchor->pkey.key.rsa.e = copy(key->key.rsa.e, key->key.rsa.elen);
    } else {
        anchor->pkey.key.ec.q = copy(key->key.ec.q, key->key.ec.qlen);
    }
    return OTA_OK;
}

void tls_files_free_anchors(br_x509_trust_anchor *anchors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const br_x509_pkey *key = &anchors[i].pkey;
        free(anchors[i].dn.data);
        if (key->key_type == BR_KEYTYPE_RSA) {
            free(key->key.rsa.n);
            free(key->key.rsa.e);
        } else {
            free(key->key.ec.q);
        }
    }
}

int tls_files_read_anchors(const char *path, br_x509_trust_anchor *anchors, size_t cap)
{
    size_t count;
    struct tls_file_object *objects = tls_files_read(path, &count);
    size_t found = 0;
    int error = OTA_OK;
    for (size_t i = 0; i < count && error == OTA_OK; i++) {
        if (strcmp(objects[i].name, "CERTIFICATE") != 0)
            continue;
        error = found == cap ? OTA_E_RANGE : read_anchor(&objects[i], &anchors[found]);
        found += error == OTA_OK;
    }
    tls_files_free(objects, count);
    if (error == OTA_OK && found > 0)
        return (int)found;
    tls_files_free_anchors(anchors, found);
    return error != OTA_OK ? error : OTA_E_SYNTAX;
}

int tls_files_read_key(const char *path, br_ec_private_key *key)
{
    size_t count;
    struct tls_file_object *objects = tls_files_read(path, &count);
    int error = OTA_E_SYNTAX;
    for (size_t i = 0; i < count && error != OTA_OK; i++) {
        br_skey_decoder_context decoder;
        br_skey_decoder_init(&decoder);
        br_skey_decoder_push(&decoder, objects[i].bytes, objects[i].len);
        const br_ec_private_key *found = br_skey_decoder_get_ec(&decoder);
        if (found != NULL && found->curve == BR_EC_secp256r1) {
            *key = (br_ec_private_key){found->curve, copy(found->x, found->xlen), found->xlen};
            error = OTA_OK;
        }
    }
    tls_files_free(objects, count);
    return error;
}
