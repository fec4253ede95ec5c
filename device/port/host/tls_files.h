/*
 * Certificates and private keys from PEM files (RFC 7468) as TLS wants them, by BearSSL's decoders.
 */
#ifndef OTA_DEVICE_PORT_HOST_TLS_FILES_H
#define OTA_DEVICE_PORT_HOST_TLS_FILES_H

#include <stdint.h>

#include <bearssl_ec.h>
#include <bearssl_x509.h>

#include "protocol/limits.h"

struct tls_file_object {
    char name[32]; /* "CERTIFICATE", "PUBLIC KEY", ... */
    uint8_t *bytes;
    size_t len;
};

/* All objects of a file; *count of them, to be freed by tls_files_free(). NULL when there are none,
 * or no file. */
struct tls_file_object *tls_files_read(const char *path, size_t *count);
void tls_files_free(struct tls_file_object *objects, size_t count);

/* The first `cap` certificates of a file as trust anchors. How many, or a negative error:
 * OTA_E_SYNTAX, OTA_E_UNSUPPORTED (key type), OTA_E_RANGE (more than cap). To be freed by
 * tls_files_free_anchors(). */
int tls_files_read_anchors(const char *path, br_x509_trust_anchor *anchors, size_t cap);
void tls_files_free_anchors(br_x509_trust_anchor *anchors, size_t count);

/* The P-256 private key of a file ("EC PRIVATE KEY" or "PRIVATE KEY"); free() its x. */
int tls_files_read_key(const char *path, br_ec_private_key *key);

#endif
