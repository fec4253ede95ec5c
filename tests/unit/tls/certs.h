/* Certificates made on the spot, as good or bad as a test wants them. Failures abort. */
#ifndef OTA_TESTS_UNIT_TLS_CERTS_H
#define OTA_TESTS_UNIT_TLS_CERTS_H

#include <stdbool.h>
#include <stdint.h>

#include <bearssl_x509.h>
#include <openssl/x509.h>

enum cert_key { CERT_P256, CERT_P384, CERT_RSA };

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_spec {
    const char *name;          /* common name and dNSName */
    const struct cert *issuer; /* NULL: itself */
    enum cert_key key;
    bool ca;
    int64_t from; /* seconds since 1970 */
    int64_t to;
};

struct cert cert_make(const struct cert_spec *spec);
void cert_free(struct cert *cert);

/* The same as BearSSL wants a trust anchor; cert_anchor_free() takes its memory. */
br_x509_trust_anchor cert_anchor(const struct cert *cert);
void cert_anchor_free(br_x509_trust_anchor *anchor);

#endif
